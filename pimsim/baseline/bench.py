"""Calibrates a baseline on a GPU at hand: what is measured, the fit, and the YAML that comes out.

Measuring is behind :class:`Bench`, so that everything else runs without a GPU. The cases are kernels of decoders from GPT-2 small to GPT-3
30B; every second one of each kind is fitted, the others tell how well the fit holds. Whole decoders are measured too and never fitted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pimsim import units
from pimsim.baseline.fit import KERNELS, Sample, fit_kernels, join, value
from pimsim.baseline.roofline import kernel_s, rates
from pimsim.baseline.work import KINDS, Kernel, Table, table
from pimsim.config.baseline import CLASSES, DeviceConfig, EfficiencyConfig

WIDTHS = ((768, 12), (1600, 25), (2048, 16), (4096, 32), (7168, 56))
"""(width, heads) of GPT-2 small, GPT-2 XL, GPT-3 XL, 7B, 30B."""
BATCHES, CONTEXTS = (1, 16, 64, 256), (128, 512, 1024)
DECODERS = ((768, 12, 12, 1, 512), (1280, 20, 36, 1, 512), (1600, 25, 48, 1, 512), (2048, 16, 24, 1, 512), (4096, 32, 4, 64, 512))
"""Width, heads, layers, batch and context of the whole decoders."""
ELEMENT_BYTES = 2
CALLS_OF_A_LAYER = 56
"""Calls of the framework in the eager layer that is measured: see :meth:`Bench.eager_layer`."""


@dataclass(frozen=True)
class Gpu:
    """The GPU that is measured. ``power_limit_w``: 0 if it does not tell."""

    name: str
    memory_bytes: int
    units: int
    power_limit_w: float
    software: str


class Bench(Protocol):
    """Measures kernels in bf16: seconds of one execution in a long row of them, launched as a CUDA graph.

    Weights, K and V are not in the cache, vectors are, as in a decoder. NaN: does not fit into the memory.
    """

    def gpu(self) -> Gpu:
        """What it is."""
        ...

    def copy_bytes_per_s(self) -> float:
        """Rate of a large copy on the device, bytes read and written."""
        ...

    def product(self, rows: int, cols: int, tokens: int) -> float:
        """``tokens`` vectors of ``cols`` by a matrix [rows, cols], with bias."""
        ...

    def attention(self, batch: int, heads: int, head_dim: int, context: int) -> float:
        """One query token of each sequence over its K and V, one fused kernel."""
        ...

    def norm(self, tokens: int, width: int) -> float:
        """Layer norms of ``tokens`` vectors."""
        ...

    def add(self, tokens: int, width: int) -> float:
        """Sum of two vectors for each token."""
        ...

    def append(self, batch: int, width: int) -> float:
        """K and V of one token of each sequence into the cache, two kernels."""
        ...

    def decoder(self, width: int, heads: int, layers: int, batch: int, context: int) -> tuple[float, float]:
        """A step of a decoder's blocks: seconds, and watts of the board (0 if it does not tell)."""
        ...

    def eager_layer(self) -> float:
        """Seconds that the host needs for a small GPT-2 layer in eager mode, :data:`CALLS_OF_A_LAYER` calls."""
        ...


@dataclass(frozen=True)
class Measured:
    """One measurement: what it is, whether it is fitted, its kernels, seconds, and watts where they were read."""

    name: str
    fit: bool
    kernels: tuple[Kernel, ...]
    seconds: float
    repeat: int = 1
    watts: float = 0.0

    @property
    def table(self) -> Table:
        """Its kernels as a table."""
        numbers = range(len(self.kernels))
        return table(self.kernels, numbers, [0] * len(self.kernels), [self.repeat] * len(self.kernels))


def _matmul(rows: int, cols: int, tokens: int) -> Kernel:
    return Kernel("product", KINDS.index("matmul"), (rows * cols + rows) * ELEMENT_BYTES, (rows + cols) * tokens * ELEMENT_BYTES,
                  rows * cols * tokens, 0, 0, 1, 0)  # fmt: skip


def _attention(batch: int, heads: int, head_dim: int, context: int) -> Kernel:
    width = heads * head_dim
    return Kernel("attention", KINDS.index("attention"), 2 * batch * width * context * ELEMENT_BYTES, 2 * batch * width * ELEMENT_BYTES,
                  2 * batch * width * context, batch * heads, context, 3, 0)  # fmt: skip


def _vector(name: str, kind: str, tokens: int, width: int, vectors: int) -> Kernel:
    return Kernel(name, KINDS.index(kind), 0, vectors * tokens * width * ELEMENT_BYTES, 0, 0, width if kind == "norm" else 0, 1, 0)


def layer(width: int, heads: int, batch: int, context: int) -> tuple[Kernel, ...]:
    """The kernels of a GPT-2 layer in a decode step."""
    add = _vector("add", "elementwise", batch, width, 3)
    norm = _vector("norm", "norm", batch, width, 2)
    return (
        norm, _matmul(3 * width, width, batch), _vector("append", "append", batch, width, 4),
        _attention(batch, heads, width // heads, context), _matmul(width, width, batch), add,
        norm, _matmul(4 * width, width, batch), _vector("gelu", "activation", batch, 4 * width, 2), _matmul(width, 4 * width, batch), add,
    )  # fmt: skip


def measure(bench: Bench, say: Callable[[str], None]) -> list[Measured]:
    """Everything that is measured, in order; ``say`` is told what comes next."""
    found: list[Measured] = []
    for kind, cases in (("products", _products), ("attention", _attentions), ("vectors", _vectors)):
        say(f"measuring {kind}")
        done = [case for case in cases(bench) if math.isfinite(case[2])]
        found += [Measured(name, number % 2 == 0, (kernel,), seconds) for number, (name, kernel, seconds) in enumerate(done)]
    say("measuring whole decoders")
    for width, heads, layers, batch, context in DECODERS:
        seconds, watts = bench.decoder(width, heads, layers, batch, context)
        name = f"{layers} layers of {width}, batch {batch}, context {context}"
        if math.isfinite(seconds):
            found.append(Measured(name, False, layer(width, heads, batch, context), seconds, layers, watts))
    return found


def _products(bench: Bench) -> Iterator[tuple[str, Kernel, float]]:
    for width, _ in WIDTHS:
        for rows, cols in ((3 * width, width), (width, width), (4 * width, width), (width, 4 * width)):
            for tokens in (*BATCHES, 512):
                yield f"product {rows} x {cols}, {tokens} tokens", _matmul(rows, cols, tokens), bench.product(rows, cols, tokens)


def _attentions(bench: Bench) -> Iterator[tuple[str, Kernel, float]]:
    for width, heads in WIDTHS:
        for batch in BATCHES:
            for context in CONTEXTS:
                shape = (batch, heads, width // heads, context)
                yield f"attention, batch {batch}, {heads} heads, context {context}", _attention(*shape), bench.attention(*shape)


def _vectors(bench: Bench) -> Iterator[tuple[str, Kernel, float]]:
    for width, _ in WIDTHS:
        for tokens in BATCHES:
            yield f"norm of {width}, {tokens} tokens", _vector("norm", "norm", tokens, width, 2), bench.norm(tokens, width)
            yield f"sum of {width}, {tokens} tokens", _vector("add", "elementwise", tokens, width, 3), bench.add(tokens, width)
            yield f"append of {width}, batch {tokens}", _vector("append", "append", tokens, width, 4), bench.append(tokens, width)


def predicted(measured: Sequence[Measured], device: DeviceConfig, efficiency: EfficiencyConfig) -> np.ndarray:
    """Seconds that the roofline gives each measurement."""
    joined, owner = join([one.table for one in measured])
    each, _ = kernel_s(rates(device, efficiency), joined, _counts(efficiency))
    return np.bincount(owner, each * joined.repeat, len(measured))


def _counts(efficiency: EfficiencyConfig) -> np.ndarray:
    return np.array([efficiency.host.graph_kernels.get(name, 1) for name in KINDS])


def fit(measured: Sequence[Measured], device: DeviceConfig, start: EfficiencyConfig, eager_layer_s: float) -> EfficiencyConfig:
    """The efficiencies of the measured GPU: kernels by least squares, a call of the host from the eager layer, power as a line over
    the bandwidth of the decoders (left as in ``start`` if no power was read)."""
    samples = [Sample(one.name, one.table, one.seconds) for one in measured if one.fit]
    found = fit_kernels(samples, device, start, _counts(start), KERNELS)
    host = found.host.model_copy(update={"call": round(eager_layer_s / CALLS_OF_A_LAYER * units.FS_PER_S)})
    power = found.power
    read = [one for one in measured if one.watts > 0]
    if len(read) > 2:
        busy = [float((one.table.bytes * one.table.repeat).sum()) / one.seconds / device.bandwidth for one in read]
        memory, active = np.polyfit(busy, [one.watts / device.power for one in read], 1)
        if 0 < active < 1 and 0 <= memory <= 1:
            power = power.model_copy(update={"active": float(active), "memory": float(memory)})
    return found.model_copy(update={"host": host, "power": power})


def errors(measured: Sequence[Measured], device: DeviceConfig, efficiency: EfficiencyConfig) -> dict[str, tuple[int, float, float]]:
    """(number, median, largest) relative error of the fitted kernels, of those held out, and of whole decoders."""
    wrong = np.abs(predicted(measured, device, efficiency) / np.array([one.seconds for one in measured]) - 1)
    sets = {
        "fitted kernels": [one.fit for one in measured],
        "held-out kernels": [not one.fit and len(one.kernels) == 1 for one in measured],
        "whole decoders, none fitted": [len(one.kernels) > 1 for one in measured],
    }
    return {name: (int(np.sum(chosen)), float(np.median(wrong[chosen])), float(wrong[chosen].max())) for name, chosen in sets.items()}


def to_yaml(name: str, gpu: Gpu, device: DeviceConfig, sources: dict[str, str], efficiency: EfficiencyConfig,
            report: dict[str, tuple[int, float, float]], date: str) -> str:  # fmt: skip
    """The baseline as YAML that ``pimsim run`` takes; ``sources``: key of ``device`` -> where its number comes from."""
    on = f"calibrated on {gpu.name}, {gpu.software}, {date}"
    lines = [f"# {gpu.name}, measured by pimsim calibrate gpu on {date} with {gpu.software}.",
             "# Errors of the fit (number, median, largest):"]  # fmt: skip
    lines += [f"#   {what}: {number}, {100 * median:.1f} %, {100 * worst:.1f} %" for what, (number, median, worst) in report.items()]
    lines += [f"name: {name}", f"description: {gpu.name}, calibrated", "", "kind: gpu", "device:"]
    shown = {"memory": f"{device.memory} B", "bandwidth": f"{device.bandwidth} B/s", "matrix": f"{device.matrix / 1e12:.6g} TFLOP/s",
             "units": str(device.units), "power": f"{device.power:g} W"}  # fmt: skip
    lines += [f"  {key}: {text}  # {sources[key]}" for key, text in shown.items()]
    lines += ["execution:", "  mode: graph", "  attention: fused", "efficiency:", "  calibrated_on:"]
    lines += [f"    {section}: {name}" for section in (*CLASSES, "host", "power")]
    for section in CLASSES:
        lines.append(f"  {section}:")
        kernels = getattr(efficiency, section)
        for key in ("overhead", "bandwidth", "compute", "task", "chain"):
            if getattr(kernels, key) is None or (key == "compute" and section not in ("matmul", "attention")):
                continue
            number = value(efficiency, f"{section}.{key}")
            text = f"{number * 1e9:.4g} ns" if key in ("overhead", "task", "chain") else f"{number:.4g}"
            lines.append(f"    {key}: {text}  # {on}")
    host, power = efficiency.host, efficiency.power
    lines += ["  host:", f"    call: {host.call / units.FS_PER_S * 1e6:.4g} us  # {on}",
              f"    request: {host.request / units.FS_PER_S * 1e3:.4g} ms  # assumed: as calibrated on an A100"]  # fmt: skip
    for key in ("calls", "kernels", "graph_kernels"):
        lines.append(f"    {key}:  # counted, as in efficiency/gpu.yaml")
        lines += [f"      {kind}: {number}" for kind, number in getattr(host, key).items()]
    lines += ["  power:", f"    active: {power.active:.4g}  # {on}", f"    memory: {power.memory:.4g}  # {on}",
              f"    compute: {power.compute:.4g}  # assumed: the matrix units at their peak take a board to its limit"]  # fmt: skip
    return "\n".join(lines) + "\n"

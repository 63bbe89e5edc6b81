"""Calibrates a baseline on a GPU at hand: what is measured, the fit, and the YAML that comes out.

Measuring is behind :class:`Bench`, so that everything else runs without a GPU. The cases are kernels of decoders from GPT-2 small to GPT-3
30B, each by itself, and whole decoders; every second one of each kind is fitted, the others tell how well the fit holds.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np

from pimsim import units
from pimsim.baseline.fit import KERNELS, Parameter, Sample, fit_kernels, join, replaced, value
from pimsim.baseline.roofline import kernel_s, rates
from pimsim.baseline.work import KINDS, Kernel, Table, table
from pimsim.config.baseline import CLASSES, DeviceConfig, EfficiencyConfig

WIDTHS = ((768, 12), (1600, 25), (2048, 16), (4096, 32), (7168, 56))
"""(width, heads) of GPT-2 small, GPT-2 XL, GPT-3 XL, 7B, 30B."""
BATCHES, CONTEXTS = (1, 16, 64, 256), (128, 512, 1024)
DECODERS = ((768, 12, 12, 1, 512), (1280, 20, 36, 1, 512), (1600, 25, 48, 1, 512), (2048, 16, 24, 1, 512), (4096, 32, 4, 64, 512))
"""Width, heads, layers, batch and context of the whole decoders."""
ELEMENT_BYTES = 2
ALONE = (
    *(parameter for parameter in KERNELS if not parameter.name.startswith("elementwise")),
    Parameter(("elementwise.overhead",)),
    Parameter(("append.overhead",)),
    Parameter(("elementwise.bandwidth", "norm.bandwidth"), 1.0),
    Parameter(("append.bandwidth",), 1.0),
)
"""What is fitted to kernels by themselves: here appending and elementwise kernels are told apart."""
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
class Case:
    """Something to measure: a kind of :data:`KERNELS_OF`, and its sizes in the order of the bench's method."""

    kind: str
    sizes: tuple[int, ...]

    @property
    def name(self) -> str:
        """For people: "product 2304 x 768 x 16"."""
        return f"{self.kind} {' x '.join(map(str, self.sizes))}"

    @property
    def whole(self) -> bool:
        """Whether it is a decoder, not a kernel by itself."""
        return self.kind == "decoder"

    @property
    def table(self) -> Table:
        """Its kernels."""
        kernels = KERNELS_OF[self.kind](*self.sizes)
        layers = self.sizes[2] if self.whole else 1
        return table(kernels, range(len(kernels)), [0] * len(kernels), [layers] * len(kernels))


@dataclass(frozen=True)
class Measured:
    """A case, whether it is fitted, its seconds, and watts of the board where they were read."""

    case: Case
    fit: bool
    seconds: float
    watts: float = 0.0


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


KERNELS_OF: dict[str, Callable[..., tuple[Kernel, ...]]] = {
    "product": lambda rows, cols, tokens: (_matmul(rows, cols, tokens),),
    "attention": lambda batch, heads, head_dim, context: (_attention(batch, heads, head_dim, context),),
    "norm": lambda tokens, width: (_vector("norm", "norm", tokens, width, 2),),
    "add": lambda tokens, width: (_vector("add", "elementwise", tokens, width, 3),),
    "append": lambda batch, width: (_vector("append", "append", batch, width, 4),),
    "decoder": lambda width, heads, layers, batch, context: layer(width, heads, batch, context),
}
"""Kind of case -> its kernels, of one layer if it is a decoder."""


def cases() -> dict[str, list[Case]]:
    """All cases by what they are called when they are measured; those with an even place in a list are fitted."""
    return {
        "products": [Case("product", (rows, cols, tokens)) for width, _ in WIDTHS
                     for rows, cols in ((3 * width, width), (width, width), (4 * width, width), (width, 4 * width))
                     for tokens in (*BATCHES, 512)],
        "attention": [Case("attention", (batch, heads, width // heads, context)) for width, heads in WIDTHS for batch in BATCHES
                      for context in CONTEXTS],
        "vectors": [Case(kind, (tokens, width)) for width, _ in WIDTHS for tokens in BATCHES for kind in ("norm", "add", "append")],
        "whole decoders": [Case("decoder", sizes) for sizes in DECODERS],
    }  # fmt: skip


def measure(bench: Bench, say: Callable[[str], None]) -> list[Measured]:
    """Every case that fits into the memory; ``say`` is told what comes next."""
    found: list[Measured] = []
    for what, chosen in cases().items():
        say(f"measuring {what}")
        for number, case in enumerate(chosen):
            result = getattr(bench, case.kind)(*case.sizes)
            seconds, watts = result if case.whole else (result, 0.0)
            if math.isfinite(seconds):
                found.append(Measured(case, number % 2 == 0, seconds, watts))
    return found


def predicted(measured: Sequence[Measured], device: DeviceConfig, efficiency: EfficiencyConfig) -> np.ndarray:
    """Seconds that the roofline gives each measurement."""
    joined, owner = join([one.case.table for one in measured])
    each, _ = kernel_s(rates(device, efficiency), joined, _counts(efficiency))
    return np.bincount(owner, each * joined.repeat, len(measured))


def _counts(efficiency: EfficiencyConfig) -> np.ndarray:
    return np.array([efficiency.host.graph_kernels.get(name, 1) for name in KINDS])


@dataclass(frozen=True)
class Fitted:
    """Efficiencies of kernels by themselves, and of kernels among others, as decoders have them: what the baseline gets."""

    alone: EfficiencyConfig
    efficiency: EfficiencyConfig


def fit(measured: Sequence[Measured], device: DeviceConfig, start: EfficiencyConfig, eager_layer_s: float) -> Fitted:
    """The efficiencies of the measured GPU.

    Kernels by least squares over those that are measured by themselves; then all overheads are raised by the same time, what a kernel
    takes longer among others of other kinds, from the decoders; a call of the host from the eager layer; power as a line over the
    bandwidth of the decoders (as in ``start`` if none was read).
    """
    alone = [Sample(one.case.name, one.case.table, one.seconds) for one in measured if one.fit and not one.case.whole]
    by_themselves = fit_kernels(alone, device, start, _counts(start), ALONE)
    found = _among_others([one for one in measured if one.fit and one.case.whole], device, by_themselves)
    host = found.host.model_copy(update={"call": round(eager_layer_s / CALLS_OF_A_LAYER * units.FS_PER_S)})
    power = found.power
    read = [one for one in measured if one.watts > 0]
    if len(read) > 2:
        busy = [float((one.case.table.bytes * one.case.table.repeat).sum()) / one.seconds / device.bandwidth for one in read]
        memory, active = np.polyfit(busy, [one.watts / device.power for one in read], 1)
        if 0 < active < 1 and 0 <= memory <= 1:
            power = power.model_copy(update={"active": float(active), "memory": float(memory)})
    return Fitted(by_themselves, found.model_copy(update={"host": host, "power": power}))


def _among_others(decoders: Sequence[Measured], device: DeviceConfig, found: EfficiencyConfig) -> EfficiencyConfig:
    if not decoders:
        return found
    seconds = np.array([one.seconds for one in decoders])
    missing = seconds - predicted(decoders, device, found)
    counts = _counts(found)
    kernels = np.array([float((counts[one.case.table.kind] * one.case.table.repeat).sum()) for one in decoders])
    each = max(0.0, float((missing / seconds) @ (kernels / seconds) / ((kernels / seconds) @ (kernels / seconds))))
    overheads = [Parameter((f"{name}.overhead",)) for name in CLASSES]
    return replaced(found, overheads, {p.name: value(found, p.name) + each for p in overheads})


def fit_seconds(measured: Sequence[Measured], device: DeviceConfig, fitted: Fitted) -> np.ndarray:
    """Seconds that the fit gives each measurement."""
    whole = np.array([one.case.whole for one in measured])
    return np.where(whole, predicted(measured, device, fitted.efficiency), predicted(measured, device, fitted.alone))


def errors(measured: Sequence[Measured], seconds: np.ndarray) -> dict[str, tuple[int, float, float]]:
    """(number, median, largest) relative error of predicted ``seconds``, of decoders and of kernels by themselves, held out and fitted."""
    wrong = np.abs(seconds / np.array([one.seconds for one in measured]) - 1)
    found = {}
    for what, whole in (("whole decoders", True), ("kernels by themselves", False)):
        for how, fit in (("held out", False), ("fitted", True)):
            chosen = wrong[[one.case.whole is whole and one.fit is fit for one in measured]]
            if len(chosen):
                found[f"{what}, {how}"] = (len(chosen), float(np.median(chosen)), float(chosen.max()))
    return found


@dataclass(frozen=True)
class Session:
    """Everything that one calibration measured. ``peaks``: bytes a second of a copy, seconds of a large product (0: not measured)."""

    gpu: Gpu
    date: str
    measured: tuple[Measured, ...]
    eager_layer_s: float
    peaks: tuple[float, float] = (0.0, 0.0)


def to_csv(session: Session, seconds: Sequence[float]) -> str:
    """The measurements beside the ``seconds`` of the fit; :func:`from_csv` reads them."""
    text = io.StringIO()
    about = {**asdict(session.gpu), "date": session.date, "eager_layer_s": session.eager_layer_s, "peaks": session.peaks}
    text.write(f"# {json.dumps(about)}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["kind", "sizes", "fitted", "seconds", "fit_seconds", "watts"])
    for one, fit_s in zip(session.measured, seconds, strict=True):
        writer.writerow([one.case.kind, "x".join(map(str, one.case.sizes)), "yes" if one.fit else "no", f"{one.seconds:.5e}",
                         f"{fit_s:.5e}", f"{one.watts:.1f}" if one.watts else ""])  # fmt: skip
    return text.getvalue()


def from_csv(text: str) -> Session:
    """Measurements as :func:`to_csv` writes them; further lines that begin with # are comments.

    Raises:
        ValueError, KeyError, TypeError: it is something else.
    """
    about = json.loads(text.partition("\n")[0].removeprefix("#"))
    date, eager_layer_s, peaks = about.pop("date"), float(about.pop("eager_layer_s")), about.pop("peaks")
    measured = [_measured(row) for row in csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))]
    for kind in KERNELS_OF:
        if not any(one.fit and one.case.kind == kind for one in measured):
            raise ValueError(f"no fitted row of kind '{kind}'")
    return Session(Gpu(**about), date, tuple(measured), _amount(eager_layer_s), (float(peaks[0]), float(peaks[1])))


def _measured(row: dict[str, str]) -> Measured:
    """A row of the CSV. Raises ValueError, KeyError or TypeError if it is something else."""
    case = Case(row["kind"], tuple(int(size) for size in row["sizes"].split("x")))
    if case.kind not in KERNELS_OF:
        raise ValueError(f"unknown kind '{case.kind}'")
    if min(case.sizes) < 1 or len(case.sizes) != KERNELS_OF[case.kind].__code__.co_argcount:
        raise ValueError(f"no sizes of kind '{case.kind}': {row['sizes']}")
    return Measured(case, row["fitted"] == "yes", _amount(float(row["seconds"])), _amount(float(row["watts"])) if row["watts"] else 0.0)


def _amount(number: float) -> float:
    if not 0 < number < math.inf:
        raise ValueError(f"{number} is no time or power")
    return number


def to_yaml(name: str, gpu: Gpu, device: DeviceConfig, sources: dict[str, str], efficiency: EfficiencyConfig,
            report: dict[str, tuple[int, float, float]], date: str) -> str:  # fmt: skip
    """The baseline as YAML that ``pimsim run`` takes; ``sources``: key of ``device`` -> where its number comes from."""
    on = f"calibrated on {gpu.name}, {gpu.software}, {date}"
    lines = [f"# {gpu.name}, measured by pimsim calibrate gpu on {date} with {gpu.software}.",
             "# Errors of the fit (number, median, largest):"]  # fmt: skip
    lines += [f"#   {what}: {number}, {100 * median:.1f} %, {100 * worst:.1f} %" for what, (number, median, worst) in report.items()]
    lines += [f"name: {name}", f"description: {gpu.name}, calibrated", "", "kind: gpu", "device:"]
    shown = {"memory": units.exact_whole(device.memory, "B"), "bandwidth": units.exact_whole(device.bandwidth, "B/s"),
             "matrix": f"{device.matrix / 1e12:.6g} TFLOP/s", "units": str(device.units), "power": f"{device.power:g} W"}  # fmt: skip
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

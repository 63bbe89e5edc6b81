"""The measured rows that GPU baselines are calibrated on and held against, and what is predicted for each.

Which rows are for fitting was decided before the first fit, by position in the tables:

* H200, whole decode: of the six shapes in the order of their width, the first, third and fifth (GPT-2 small, large, XL) are fitted;
  held out are the second, fourth and sixth (768 < d: GPT-2 medium, GPT-3 large, XL), and the models of equal shape go with theirs;
* H200, one layer: 7B and 30B at batch 1, 64 and 512 are fitted; all of 13B, and batch 16, 128 and 256 of the others, are held out;
* A100, eager: GPT-2 medium and 2.5B (the smallest and the largest) with inputs of 128 and 512 are fitted; all of large and XL, and
  inputs of 256, are held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from pimsim.baseline.fit import KERNELS, Parameter, Sample, fit_kernels, least_squares, replaced
from pimsim.baseline.machine import timed
from pimsim.baseline.roofline import kernel_counts
from pimsim.baseline.work import Table, Work, work
from pimsim.config import load_any
from pimsim.config.baseline import BaselineConfig, EfficiencyConfig
from pimsim.model.importer import load_architecture
from pimsim.model.lowering import lower
from pimsim.validate.reference import table

FIT_WIDTHS = (768, 1280, 1600)
FIT_LAYERS, FIT_BATCHES = ("gpt3-7B", "gpt3-30B"), (1, 64, 512)
FIT_CELLS, FIT_INPUTS = ("gpt2-medium", "ianus-gpt2-2.5b"), (128, 512)
GROUPS = {"qkv": "qkv_us", "attention": "attention_us", "proj": "proj_us", "ffn1": "ffn1_us", "ffn2": "ffn2_us", "layernorm": "norms_us"}
"""Category of kernels -> column of the layer table."""


@dataclass(frozen=True)
class Row:
    """A measured time. ``parts``: seconds of groups of its kernels, by category. ``power_w``: 0 where it was not measured."""

    name: str
    fit: bool
    work: Work
    seconds: float
    parts: tuple[tuple[str, float], ...] = ()
    power_w: float = 0.0


@cache
def decode_rows() -> tuple[Row, ...]:
    """Whole decode runs on the H200, batch 1: 1,024 tokens, decoder blocks only."""
    return tuple(
        Row(f"{row['model']}: 1,024 tokens", int(row["d_model"]) in FIT_WIDTHS,
            work(lower(load_architecture(row["model"]), output_tokens=int(row["tokens"])), fuse=True),
            float(row["seconds"]), power_w=float(row["board_watts"]))
        for row in table("h200_decode_b1")
    )  # fmt: skip


@cache
def layer_rows() -> tuple[Row, ...]:
    """One decoder layer on the H200 at a batch and a context."""
    rows = []
    for row in table("h200_decode_layer"):
        batch, context = int(row["batch"]), int(row["context"])
        trace = lower(load_architecture(row["model"].lower()), batch, context, 1, "elsewhere", part="block")
        rows.append(Row(f"{row['model']} layer, batch {batch}, context {context:,}", row["model"] in FIT_LAYERS and batch in FIT_BATCHES,
                        work(trace, fuse=True), float(row["layer_us"]) / 1e6,
                        tuple((name, float(row[column]) / 1e6) for name, column in GROUPS.items())))  # fmt: skip
    return tuple(rows)


@cache
def latency_rows() -> tuple[Row, ...]:
    """Requests on the A100 in eager mode, prompt to last token, with embedding and LM head."""
    rows = []
    for row in table("a100_latency"):
        model, inputs, outputs = row["model"], int(row["input_tokens"]), int(row["output_tokens"])
        trace = lower(load_architecture(model), 1, inputs, outputs, lm_head=True, embedding=True)
        rows.append(Row(f"{model}: {inputs} tokens in, {outputs} out", model in FIT_CELLS and inputs in FIT_INPUTS,
                        work(trace, fuse=False), float(row["milliseconds"]) / 1e3))  # fmt: skip
    return tuple(rows)


def h200() -> BaselineConfig:
    """The H200 as it was measured."""
    return named("gpu-h200", "execution.mode=graph", "execution.attention=fused")


def a100() -> BaselineConfig:
    """The A100 as it was measured."""
    return named("gpu-a100-80", "execution.mode=eager", "execution.attention=separate")


def named(name: str, *overrides: str) -> BaselineConfig:
    """A shipped GPU."""
    config = load_any(name, overrides)
    assert isinstance(config, BaselineConfig)
    return config


def predicted(config: BaselineConfig, row: Row) -> float:
    """Seconds of a row."""
    return timed(config, None, row.work).time_s


def samples(rows: Sequence[Row]) -> list[Sample]:
    """What the fit sees: each row as a whole, and the groups of kernels that were measured by themselves."""
    found = []
    for row in rows:
        whole = row.work.table
        found.append(Sample(row.name, whole, row.seconds))
        for name, seconds in row.parts:
            found.append(Sample(f"{row.name}: {name}", _rows_of(whole, whole.category == whole.categories.index(name)), seconds))
    return found


def _rows_of(whole: Table, chosen: np.ndarray) -> Table:
    columns = {name: getattr(whole, name) for name in Table.__dataclass_fields__}
    return Table(**{name: column if name == "categories" else column[chosen] for name, column in columns.items()})


HOST = (Parameter(("host.call",)), Parameter(("host.request",)))


def fit_graph() -> EfficiencyConfig:
    """The efficiencies with the constants of kernels fitted to the H200's rows for fitting."""
    config = h200()
    rows = [row for row in (*decode_rows(), *layer_rows()) if row.fit]
    return fit_kernels(samples(rows), config.device, config.efficiency, kernel_counts(config), KERNELS)


def fit_host(efficiency: EfficiencyConfig) -> EfficiencyConfig:
    """``efficiency`` with the constants of the host fitted to the A100's cells for fitting."""
    config, rows = a100(), [row for row in latency_rows() if row.fit]
    measured = np.log([row.seconds for row in rows])

    def residuals(values: dict[str, float]) -> np.ndarray:
        tried = config.model_copy(update={"efficiency": replaced(efficiency, HOST, values)})
        return np.log([predicted(tried, row) for row in rows]) - measured

    return replaced(efficiency, HOST, least_squares(residuals, HOST, efficiency))


def fit_power(efficiency: EfficiencyConfig) -> EfficiencyConfig:
    """``efficiency`` with power fitted to the board power of the H200's rows for fitting: a line over the measured bandwidth."""
    config, rows = h200(), [row for row in decode_rows() if row.fit]
    busy = [float((row.work.table.bytes * row.work.table.repeat).sum()) / row.seconds / config.device.bandwidth for row in rows]
    memory, active = np.polyfit(busy, [row.power_w / config.device.power for row in rows], 1)
    power = efficiency.power.model_copy(update={"active": float(active), "memory": float(memory)})
    return efficiency.model_copy(update={"power": power})

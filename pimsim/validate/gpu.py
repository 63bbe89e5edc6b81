"""GPUs against measured times and power: rows that the constants were fitted on, and rows that they were not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pimsim.baseline.bench import from_csv
from pimsim.baseline.bench import predicted as predicted_cases
from pimsim.baseline.machine import energy_j, timed
from pimsim.config.baseline import BaselineConfig
from pimsim.validate.figure import Figure, between, within
from pimsim.validate.gpu_rows import Row, a100, decode_rows, h200, latency_rows, layer_rows, named, predicted
from pimsim.validate.group import Notify
from pimsim.validate.reference import text

H200 = "NVIDIA H200, PyTorch 2.11, CUDA graphs (reference/h200_decode_*.csv)"
A100 = "NVIDIA A100-SXM 80 GB, PyTorch 2.0, eager: IANUS, arXiv 2410.15008, Fig. 8"
H100 = "NVIDIA H100 80 GB HBM3, PyTorch 2.11, CUDA graphs (reference/h100_kernels.csv)"
FITTED = "one of the rows that the constants were fitted on"
MEDIAN_PERCENT, WORST_SHARE = 10.0, 0.25


def figures(notify: Notify) -> Iterator[Figure]:
    """Medians of each table, held out and fitted; then every held-out row by itself."""
    tables = (
        ("H200 decode, batch 1", H200, h200(), decode_rows, "pimsim run gpu-h200 MODEL --json | jq .time_s"),
        ("H200 layer", H200, h200(), layer_rows,
         "pimsim run gpu-h200 MODEL --set workload.part=block --set workload.prefill=elsewhere --set workload.output_tokens=1 "
         "--set workload.batch=B --set workload.prompt_tokens=CONTEXT --json | jq .time_s"),
        ("A100 eager", A100, a100(), latency_rows,
         "pimsim run gpu-a100-80 MODEL --set execution.mode=eager --set execution.attention=separate --set workload.lm_head=true "
         "--set workload.embedding=true --set workload.prompt_tokens=IN --set workload.output_tokens=OUT --json | jq .time_s"),
    )  # fmt: skip
    for name, source, config, read, command in tables:
        notify(name)
        rows = read()
        for fit in (False, True):
            yield median(name, source, config, [row for row in rows if row.fit is fit], fit=fit, command=command)
        for row in rows:
            if not row.fit:
                yield Figure(f"{name}: {row.name}", source, predicted(config, row) * 1e3, row.seconds * 1e3, "ms",
                             within(row.seconds * 1e3, WORST_SHARE), command=command)  # fmt: skip
    yield from power()
    yield from transfer()


def transfer() -> Iterator[Figure]:
    """Decoders on an H100, predicted with the constants of the H200 and the A100: what sharing them costs."""
    config, measured = named("gpu-h100"), [one for one in from_csv(text("h100_kernels")).measured if one.case.whole]
    for one, seconds in zip(measured, predicted_cases(measured, config.device, config.efficiency).tolist(), strict=True):
        width, heads, layers, batch, context = one.case.sizes
        yield Figure(f"H100, nothing fitted: {layers} layers of {width}, batch {batch}, context {context}", H100, seconds * 1e3,
                     one.seconds * 1e3, "ms", within(one.seconds * 1e3, WORST_SHARE),
                     command="pimsim.baseline.bench.predicted on the constants of hwconfigs/gpu-h100.yaml")  # fmt: skip


def errors(config: BaselineConfig, rows: Sequence[Row]) -> np.ndarray:
    """Relative errors of the rows' times."""
    return np.array([predicted(config, row) / row.seconds - 1 for row in rows])


def median(name: str, source: str, config: BaselineConfig, rows: Sequence[Row], *, fit: bool, command: str) -> Figure:
    """The median error of rows; of held-out ones it is required, of fitted ones reported."""
    ours = 100 * float(np.median(np.abs(errors(config, rows))))
    if fit:
        return Figure(f"{name}: median error of {len(rows)} fitted rows", source, ours, 0, "%", reason=FITTED, command=command)
    return Figure(f"{name}: median error of {len(rows)} held-out rows", source, ours, 0, "%", between(0, MEDIAN_PERCENT), command=command)


def power() -> Iterator[Figure]:
    """Board power of the H200's whole decode runs."""
    config = h200()
    for row in decode_rows():
        run = timed(config, None, row.work)
        ours, command = sum(energy_j(run).values()) / run.time_s, "pimsim run gpu-h200 MODEL --json | jq .power_w"
        name = f"H200 power: {row.name}"
        if row.fit:
            yield Figure(name, H200, ours, row.power_w, "W", reason=FITTED, command=command)
        else:
            yield Figure(name, H200, ours, row.power_w, "W", within(row.power_w, WORST_SHARE), command=command)

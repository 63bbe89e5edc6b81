"""``pimsim calibrate gpu``: measure, fit, and say what came out. The measuring is a :class:`pimsim.baseline.bench.Bench`."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass

from pimsim.baseline.bench import Bench, Measured, errors, fit, measure, predicted, to_yaml
from pimsim.config import load_any, load_efficiency
from pimsim.config.baseline import BaselineConfig, DeviceConfig

KNOWN = {
    "T4": "gpu-t4", "A100-SXM4-40GB": "gpu-a100-40", "A100-SXM4-80GB": "gpu-a100-80", "H100 80GB HBM3": "gpu-h100", "H200": "gpu-h200",
    "RTX 4090": "gpu-rtx4090", "Orin": "gpu-jetson-orin",
}  # fmt: skip
"""End of a GPU's name, as its driver says it -> the shipped system with its data sheet's peaks."""
LARGE = 8192


@dataclass(frozen=True)
class Calibration:
    """What came of it: the YAML, the measurements as CSV, and the errors of the fit by set of rows: (number, median, largest)."""

    yaml: str
    rows: str
    errors: dict[str, tuple[int, float, float]]


def calibrate(bench: Bench, name: str, date: str, say: Callable[[str], None]) -> Calibration:
    """Measure the GPU behind ``bench`` and fit it. ``name``: of the system. ``date``: for its comments. ``say``: told what is done."""
    gpu = bench.gpu()
    say(f"{gpu.name}, {gpu.software}")
    device, sources = _device(bench)
    rows = measure(bench, say)
    say("measuring the host in eager mode")
    eager_layer_s = bench.eager_layer()
    say("fitting")
    efficiency = fit(rows, device, load_efficiency("gpu").efficiency, eager_layer_s)
    report = errors(rows, device, efficiency)
    say("\n".join(f"{what}: {number}, median error {100 * median:.1f} %, largest {100 * worst:.1f} %"
                  for what, (number, median, worst) in report.items()))  # fmt: skip
    seconds = predicted(rows, device, efficiency)
    return Calibration(to_yaml(name, gpu, device, sources, efficiency, report, date), _csv(rows, seconds.tolist()), report)


def _device(bench: Bench) -> tuple[DeviceConfig, dict[str, str]]:
    """The device's peaks and their sources: the data sheet of a GPU that ships, else what it reaches here."""
    gpu = bench.gpu()
    shipped = next((system for end, system in KNOWN.items() if gpu.name.endswith(end)), "")
    if shipped:
        known = load_any(shipped)
        assert isinstance(known, BaselineConfig)
        return known.device, dict.fromkeys(("memory", "bandwidth", "matrix", "units", "power"), f"data sheet, as in {shipped}")
    product_s = bench.product(LARGE, LARGE, LARGE)
    device = DeviceConfig.model_construct(memory=gpu.memory_bytes, bandwidth=round(bench.copy_bytes_per_s()), units=gpu.units,
                                          matrix=2 * LARGE**3 / product_s, power=gpu.power_limit_w)  # fmt: skip
    return device, {
        "memory": "as its driver says", "bandwidth": "measured: a copy of 1 GB, read and written; its data sheet's peak is higher",
        "matrix": f"measured: a product of {LARGE} x {LARGE} matrices in bf16; its data sheet's peak is higher",
        "units": "as its driver says", "power": "as its driver says (0: it does not)",
    }  # fmt: skip


def _csv(rows: list[Measured], seconds: list[float]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["measurement", "fitted", "seconds", "fit_seconds", "watts"])
    for row, fit_s in zip(rows, seconds, strict=True):
        watts = f"{row.watts:.1f}" if row.watts else ""
        writer.writerow([row.name, "yes" if row.fit else "no", f"{row.seconds:.4e}", f"{fit_s:.4e}", watts])
    return text.getvalue()

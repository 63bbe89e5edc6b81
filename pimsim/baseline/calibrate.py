"""``pimsim calibrate gpu``: measure, fit, and say what came out. The measuring is a :class:`pimsim.baseline.bench.Bench`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pimsim.baseline.bench import Bench, Session, errors, fit, fit_seconds, measure, to_csv, to_yaml
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


def record(bench: Bench, date: str, say: Callable[[str], None]) -> Session:
    """Measure the GPU behind ``bench``. ``say``: told what is done."""
    gpu = bench.gpu()
    say(f"{gpu.name}, {gpu.software}")
    peaks = (0.0, 0.0)
    if not shipped(gpu.name):
        say("measuring peaks")
        peaks = (bench.copy_bytes_per_s(), bench.product(LARGE, LARGE, LARGE))
    measured = measure(bench, say)
    say("measuring the host in eager mode")
    return Session(gpu, date, tuple(measured), bench.eager_layer(), peaks)


def calibrate(session: Session, name: str) -> Calibration:
    """Fit what was measured. ``name``: of the system."""
    device, sources = _device(session)
    rows = session.measured
    fitted = fit(rows, device, load_efficiency("gpu").efficiency, session.eager_layer_s)
    seconds = fit_seconds(rows, device, fitted)
    report = errors(rows, seconds)
    made = to_yaml(name, session.gpu, device, sources, fitted.efficiency, report, session.date)
    return Calibration(made, to_csv(session, seconds.tolist()), report)


def shipped(gpu: str) -> str:
    """The shipped system of a GPU by its name; empty if there is none."""
    return next((system for end, system in KNOWN.items() if gpu.endswith(end)), "")


def _device(session: Session) -> tuple[DeviceConfig, dict[str, str]]:
    """The device's peaks and their sources: the data sheet of a GPU that ships, else what it reached."""
    gpu, known = session.gpu, shipped(session.gpu.name)
    if known:
        config = load_any(known)
        assert isinstance(config, BaselineConfig)
        return config.device, dict.fromkeys(("memory", "bandwidth", "matrix", "units", "power"), f"data sheet, as in {known}")
    copied, product_s = session.peaks
    device = DeviceConfig.model_construct(memory=gpu.memory_bytes, bandwidth=round(copied), matrix=2 * LARGE**3 / product_s,
                                          units=gpu.units, power=gpu.power_limit_w)  # fmt: skip
    return device, {
        "memory": "as its driver says", "bandwidth": "measured: a copy of 1 GB, read and written; its data sheet's peak is higher",
        "matrix": f"measured: a product of {LARGE} x {LARGE} matrices in bf16; its data sheet's peak is higher",
        "units": "as its driver says", "power": "as its driver says (0: it does not)",
    }  # fmt: skip

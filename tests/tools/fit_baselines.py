"""Fits the constants of hwconfigs/efficiency/gpu.yaml again and prints them beside those that ship: python -m tests.tools.fit_baselines.

The rows, and which of them are fitted, are in pimsim/validate/gpu_rows.py; what comes out goes into the YAML by hand, to three digits.
"""

from __future__ import annotations

from pimsim.baseline.fit import KERNELS, value
from pimsim.config import load_efficiency
from pimsim.config.baseline import EfficiencyConfig
from pimsim.validate.gpu_rows import HOST, fit_graph, fit_host, fit_power

NAMES = [key for parameter in (*KERNELS, *HOST) for key in parameter.keys] + ["power.active", "power.memory"]


def fitted() -> EfficiencyConfig:
    """Kernels, host and power, fitted one after the other."""
    return fit_power(fit_host(fit_graph()))


def main() -> None:
    """Print name, shipped and fitted value of every constant; times in seconds."""
    shipped, found = load_efficiency("gpu").efficiency, fitted()
    for name in NAMES:
        print(f"{name:<24}{value(shipped, name):>12.4g}{value(found, name):>12.4g}")


if __name__ == "__main__":
    main()

"""Calibrates the constants of the roofline on measured times.

Least squares over the logarithms of predicted / measured, so that every sample counts by its relative error; the constants are fitted in
logarithms too (Levenberg, Quarterly of Applied Mathematics 2, 1944). What is fitted is named (:class:`Parameter`), everything else is as it
was. Samples are whole or part decoders: each is a number of kernels and the seconds that they took together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pimsim import units
from pimsim.baseline.roofline import kernel_s, rates
from pimsim.baseline.work import Table
from pimsim.config.baseline import DeviceConfig, EfficiencyConfig

Values = dict[str, float]
"""Name of a parameter -> its value: seconds, or a share."""


@dataclass(frozen=True)
class Parameter:
    """A constant to fit. ``keys``: of the efficiencies that it is written to; ``most``: its largest value (a share's is 1)."""

    keys: tuple[str, ...]
    most: float = np.inf

    @property
    def name(self) -> str:
        """The first of its keys."""
        return self.keys[0]


@dataclass(frozen=True)
class Sample:
    """Measured: the kernels of ``table`` took ``seconds`` together."""

    name: str
    table: Table
    seconds: float


KERNELS = (
    Parameter(("matmul.overhead",)),
    Parameter(("matmul.bandwidth",), 1.0),
    Parameter(("matmul.compute", "attention.compute"), 1.0),
    Parameter(("attention.overhead",)),
    Parameter(("attention.bandwidth",), 1.0),
    Parameter(("attention.task",)),
    Parameter(("attention.chain",)),
    Parameter(("norm.overhead",)),
    Parameter(("norm.chain",)),
    Parameter(("elementwise.overhead", "append.overhead")),
    Parameter(("elementwise.bandwidth", "append.bandwidth", "norm.bandwidth"), 1.0),
)
"""The constants of a device's kernels. Small kernels of one kind cannot be told apart in the measured tables and share theirs."""


def value(efficiency: EfficiencyConfig, key: str) -> float:
    """The number behind a key, ``section.name``; times in seconds."""
    section, name = key.split(".")
    found = getattr(getattr(efficiency, section), name)
    return found / units.FS_PER_S if isinstance(found, int) else float(found)


def replaced(efficiency: EfficiencyConfig, parameters: Sequence[Parameter], values: Mapping[str, float]) -> EfficiencyConfig:
    """The efficiencies with the parameters' ``values``."""
    sections: dict[str, dict[str, float | int]] = {}
    for parameter in parameters:
        for key in parameter.keys:
            section, name = key.split(".")
            number = values[parameter.name]
            is_time = isinstance(getattr(getattr(efficiency, section), name), int)
            sections.setdefault(section, {})[name] = round(number * units.FS_PER_S) if is_time else number
    return efficiency.model_copy(update={name: getattr(efficiency, name).model_copy(update=new) for name, new in sections.items()})


def fit_kernels(samples: Sequence[Sample], device: DeviceConfig, efficiency: EfficiencyConfig, counts: np.ndarray,
                parameters: Sequence[Parameter] = KERNELS) -> EfficiencyConfig:  # fmt: skip
    """``efficiency`` with the kernels' constants that suit ``samples`` best; it is where the search begins.

    ``counts``: kernels an operator, see :func:`pimsim.baseline.roofline.kernel_counts`.
    """
    table, owner = join([sample.table for sample in samples])
    measured = np.log([sample.seconds for sample in samples])

    def residuals(values: Values) -> np.ndarray:
        each, _ = kernel_s(rates(device, replaced(efficiency, parameters, values)), table, counts)
        return np.log(np.bincount(owner, each * table.repeat, len(samples))) - measured

    return replaced(efficiency, parameters, least_squares(residuals, parameters, efficiency))


def join(tables: Sequence[Table]) -> tuple[Table, np.ndarray]:
    """Tables as one, without categories and passes, and the table that each row is of."""
    columns = [np.concatenate([getattr(table, name) for table in tables]) for name in Table.__dataclass_fields__ if name != "categories"]
    return Table((), *columns), np.repeat(np.arange(len(tables)), [len(table.kind) for table in tables])


def least_squares(residuals: Callable[[Values], np.ndarray], parameters: Sequence[Parameter], start: EfficiencyConfig,
                  rounds: int = 60) -> Values:  # fmt: skip
    """The parameters' values with the least sum of squared residuals, from those of ``start``."""
    most = np.log([parameter.most for parameter in parameters])
    point = np.minimum(np.log([value(start, parameter.name) for parameter in parameters]), most)

    def at(logs: np.ndarray) -> np.ndarray:
        return residuals({p.name: float(np.exp(log)) for p, log in zip(parameters, logs, strict=True)})

    now, damping, step = at(point), 1e-2, 1e-4
    for _ in range(rounds):
        slopes = np.stack([(at(point - step * unit) - now) / -step for unit in np.eye(len(point))], axis=1)
        normal, downhill = slopes.T @ slopes, slopes.T @ now
        while damping < 1e9:
            damped = normal + damping * (np.diag(normal.diagonal()) + 1e-9 * np.eye(len(point)))
            tried = np.minimum(point - np.linalg.solve(damped, downhill), most)
            new = at(tried)
            if new @ new < now @ now:
                break
            damping *= 4
        else:
            break
        gained = 1 - (new @ new) / (now @ now)
        point, now, damping = tried, new, damping / 10
        if gained < 1e-9:
            break
    return {p.name: float(np.exp(log)) for p, log in zip(parameters, point, strict=True)}

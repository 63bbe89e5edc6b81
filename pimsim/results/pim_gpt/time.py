"""Where a run's time went, by operator and by cause."""

from __future__ import annotations

import numpy as np

from pimsim import units
from pimsim.dram.spec import Cause
from pimsim.kernels.table import CAUSES
from pimsim.sim.run import Run

_OPERATOR_OF = {"k_append": "kv_append", "v_append": "kv_append"}
V_APPEND = "v_append"
CAUSE_NAMES = (*(cause.name.lower() for cause in Cause), V_APPEND)
"""Appending V, whose activations serve one element each, is a cause of its own beside those of a channel."""


def seconds(run: Run, ticks: int) -> float:
    """Seconds of so many ticks of the memory's clock, rounded once."""
    return ticks * run.system.compiled.tick_fs / units.FS_PER_S


def operator_of(task: str) -> str:
    """The operator category that a category of tasks belongs to."""
    name = task.removesuffix("_sum")
    return _OPERATOR_OF.get(name, name)


def by_operator(run: Run) -> dict[str, int]:
    """Ticks by operator category: its share of the memory's and of the ASIC's work together."""
    ticks: dict[str, int] = {}
    for task, spent in run.recorder.ticks.items():
        name = operator_of(task)
        ticks[name] = ticks.get(name, 0) + spent
    return ticks


def by_cause(run: Run) -> dict[str, int]:
    """Ticks of all channels together by cause; they sum to the run's length times the channels.

    Waiting for the ASIC is split from the rest.
    """
    ticks = sum(by_operator_and_cause(run).values(), np.zeros(len(CAUSE_NAMES), np.int64))
    return {name: int(spent) for name, spent in zip(CAUSE_NAMES, ticks, strict=True) if spent}


def by_operator_and_cause(run: Run) -> dict[str, np.ndarray]:
    """Ticks of all channels together, int64 [CAUSE_NAMES], by operator category; a wait counts for the operator waited with."""
    ticks: dict[str, np.ndarray] = {}
    for task, number in run.categories.items():
        row = np.append(run.system.package.by_category[number, :CAUSES], 0)
        if task == V_APPEND:
            for cause in (Cause.ACTIVATE, Cause.WRITE):
                row[-1] += row[cause]
                row[cause] = 0
        name = operator_of(task)
        ticks[name] = ticks.get(name, 0) + row
    return ticks

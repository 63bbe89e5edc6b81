"""Where a run's time went, by operator and by cause."""

from __future__ import annotations

from pimsim.dram.spec import Cause
from pimsim.sim.record import Recorder
from pimsim.sim.run import Run

_OPERATOR_OF = {"k_append": "kv_append", "v_append": "kv_append"}


def by_operator(recorder: Recorder) -> dict[str, int]:
    """Ticks by operator category: its share of the memory's and of the ASIC's work together."""
    ticks: dict[str, int] = {}
    for task, spent in recorder.ticks.items():
        name = task.removesuffix("_sum")
        name = _OPERATOR_OF.get(name, name)
        ticks[name] = ticks.get(name, 0) + spent
    return ticks


def by_cause(run: Run) -> dict[str, int]:
    """Ticks of all channels together by cause; they sum to the run's length times the channels.

    Waiting for the ASIC is split from the rest; appending V, whose activations serve one element each, is a cause of its own.
    """
    package, categories = run.system.package, run.recorder.categories
    ticks = {cause.name.lower(): int(package.by_channel[:, cause].sum()) for cause in Cause}
    appended = 0
    if "v_append" in categories:
        row = package.by_category[categories["v_append"]]
        for cause in (Cause.ACTIVATE, Cause.WRITE):
            appended += int(row[cause])
            ticks[cause.name.lower()] -= int(row[cause])
    ticks["v_append"] = appended
    return {name: spent for name, spent in ticks.items() if spent}

"""What is reported of a PIM-GPT style run: summary, tables, energy, and the laws that it must keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pimsim.config import resolved
from pimsim.results.pim_gpt.check import check
from pimsim.results.pim_gpt.energy import energy
from pimsim.results.pim_gpt.summary import summary
from pimsim.results.pim_gpt.table import cause_rows, operator_rows, token_rows
from pimsim.results.result import Result, Row
from pimsim.results.source import sources
from pimsim.sim.run import Run


def result(run: Run, blame: Mapping[str, Any] | None = None, activity: Sequence[Row] = ()) -> Result:
    """Derive energy and tables, and check every law.

    Args:
        blame: what held commands back, if that was looked at.
        activity: what the units did over time (see :class:`pimsim.results.pim_gpt.activity.ActivityRecorder`).

    Raises:
        SimulationError: a law is broken.
        InputError: the energies of the part contradict one another.
    """
    parts = energy(run)
    facts = summary(run, parts, dict(check(run, parts)))
    if blame is not None:
        facts["blame"] = blame
    tables = {"operators": operator_rows(run), "tokens": token_rows(run), "cycles_by_cause": cause_rows(facts),
              "activity": activity}  # fmt: skip
    return Result(facts, {name: tuple(rows) for name, rows in tables.items()}, resolved(run.config),
                  resolved(run.workload) if run.workload else None, sources(run.config), run)

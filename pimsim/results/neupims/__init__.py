"""What is reported of a serving run on a device with an NPU and PIM: summary, tables, energy, and the laws that it must keep."""

from __future__ import annotations

from pimsim.config import resolved
from pimsim.results.neupims.check import check
from pimsim.results.neupims.energy import energy
from pimsim.results.neupims.summary import summary
from pimsim.results.neupims.table import activity_rows, cause_rows, operator_rows, queue_rows, request_rows, stage_rows, token_rows
from pimsim.results.neupims.total import Totals
from pimsim.results.result import Result
from pimsim.results.source import sources
from pimsim.sim.serving.run import Serving


def result(run: Serving) -> Result:
    """Derive energy and tables, and check every law.

    Raises:
        SimulationError: a law is broken.
        InputError: a constant of the energy is missing, or the currents contradict one another.
    """
    totals = Totals(run)
    parts = energy(totals)
    facts = summary(totals, parts, check(totals, parts, sum(parts.values())))
    tables = {"operators": operator_rows(totals), "tokens": token_rows(totals), "cycles_by_cause": cause_rows(facts),
              "requests": request_rows(totals), "stages": stage_rows(totals), "activity": activity_rows(totals),
              "queue": queue_rows(totals)}
    return Result(facts, {name: tuple(rows) for name, rows in tables.items()}, resolved(run.config), resolved(run.workload),
                  sources(run.config), run)

"""The ideal memory without PIM: full bandwidth of the pins, free arithmetic (docs/baselines.md)."""

from __future__ import annotations

from pimsim.baseline.ideal import run as run_ideal
from pimsim.kinds.baseline import lowered, refuse_views
from pimsim.kinds.job import Job
from pimsim.results.baseline.common import Clock
from pimsim.results.baseline.ideal import result
from pimsim.results.result import Result


def run(job: Job) -> Result:
    """Run a workload, or an operator trace (see :class:`pimsim.kinds.Kind`)."""
    clock = Clock()
    refuse_views(job)
    done = run_ideal(job.config, lowered(job))
    if job.progress is not None:
        job.progress(len(done.work.passes), len(done.work.passes))
    return result(done, job.workload, clock)

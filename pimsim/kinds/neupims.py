"""NeuPIMs style systems: an NPU and HBM with PIM that serve batches of requests, and the baselines of the paper (arXiv 2403.00579)."""

from __future__ import annotations

from pimsim.config import SystemConfig
from pimsim.devices.neupims import NeuPimsDevice
from pimsim.devices.stage import StageRecord, StageWork
from pimsim.devices.tally import Tally
from pimsim.errors import InputError, Problem
from pimsim.kinds.job import Job
from pimsim.model.architecture import Architecture
from pimsim.results.neupims import result
from pimsim.results.neupims.energy import compiled_part, per_command
from pimsim.results.result import Result
from pimsim.sim.serving.run import ServingDevice, simulate


class _Device(NeuPimsDevice):
    """A device that tells what it did while it had nothing to do."""

    def idle(self, until_ticks: int) -> StageRecord:
        """Let time pass; a record without a name (of no ticks if the time has passed already)."""
        tally, end = Tally(self, self.now_ticks), max(until_ticks, self.now_ticks)
        self.wait(end)
        return tally.record(StageWork(""), [], [], end)


def run(job: Job) -> Result:
    """Serve a workload (see :class:`pimsim.kinds.Kind`)."""
    if job.trace is not None or job.workload is None:
        raise InputError(Problem("this system serves requests", "a workload instead of a trace"))
    per_command(job.config, compiled_part(job.config))

    def make_device(config: SystemConfig, part: Architecture) -> ServingDevice:
        return _Device(config, part, fold=job.fold)

    served = simulate(job.config, job.workload, make_device, progress=job.progress)
    return result(served)

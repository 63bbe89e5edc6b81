"""From the configuration to the scheduler: settings and an empty KV space for one device of a system."""

from __future__ import annotations

from dataclasses import dataclass

from pimsim.config.scheduler import SchedulerConfig
from pimsim.errors import InputError, Problem
from pimsim.model.architecture import Architecture
from pimsim.schedule.estimate import MhaEstimate
from pimsim.schedule.iteration import Prefill, Settings, State, initial
from pimsim.schedule.kv import KvSpace, PimLayout
from pimsim.schedule.parallel import Parallel, device_part


@dataclass(frozen=True, slots=True)
class Space:
    """The memory that is left for keys and values: rows ``first_row`` .. ``first_row + rows`` of every bank of every channel.

    ``page``: elements of a row of one bank; ``banks``: of a channel, all ranks together.
    """

    channels: int
    rows: int
    first_row: int = 0
    page: int = 512
    banks: int = 32


def prepare(config: SchedulerConfig, architecture: Architecture, parallel: Parallel, space: Space,
            prefill: Prefill = "elsewhere") -> State:
    """The scheduler before the first request, for one device of ``parallel``.

    Raises:
        InputError: a model that cannot be divided so, or whose keys and values have no fixed number of rows (latent attention);
            fewer seats than pipeline stages.
    """
    if architecture.latent:
        raise InputError(Problem(f"{architecture.name} has multi-head latent attention", "per-head keys and values",
                                 key="workload.model"))
    part = device_part(architecture, parallel)
    layout = PimLayout(part.layers, part.kv_heads, part.head_dim, space.page, space.banks)
    estimate = MhaEstimate(part.heads, part.head_dim, config.estimate.gwrite_cycles, config.estimate.tile_cycles, space.page,
                           space.banks, architecture.heads if config.estimate.undivided_heads else 0)
    settings = Settings(estimate, config.max_batch, parallel.pipeline, config.assignment, config.admission, prefill,
                        config.prefill_chunk, config.sub_batches, config.sub_batch_from)
    return initial(settings, KvSpace.empty(layout, space.channels, space.rows, space.first_row))

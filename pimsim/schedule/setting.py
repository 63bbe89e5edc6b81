"""From the configuration to the scheduler: settings and an empty KV space for one device of a system."""

from __future__ import annotations

from dataclasses import dataclass

from pimsim.config.scheduler import SchedulerConfig
from pimsim.model.architecture import Architecture
from pimsim.schedule.estimate import MhaEstimate
from pimsim.schedule.iteration import Prefill, Settings, State, initial
from pimsim.schedule.kv import KvSpace, PimLayout
from pimsim.schedule.parallel import Parallel, device_part


@dataclass(frozen=True, slots=True)
class Space:
    """The memory that is left for keys and values: rows ``first_row`` .. ``first_row + rows`` of every bank of every channel.

    ``page``: elements of a row of one bank; ``banks``: of a channel, all ranks together. ``transposed``: values are kept by themselves, for
    the memory multiplies them; otherwise a latent that is key and value is kept once.
    """

    channels: int
    rows: int
    first_row: int = 0
    page: int = 512
    banks: int = 32
    transposed: bool = True


def kv_layout(part: Architecture, space: Space) -> PimLayout:
    """The rows that keys and values of a device's part of the decoder take."""
    if not part.latent:
        return PimLayout(part.layers, part.kv_heads, part.head_dim, space.page, space.banks)
    return PimLayout(part.layers, part.kv_heads, part.key_dim, space.page, space.banks, part.value_dim if space.transposed else 0)


def prepare(config: SchedulerConfig, architecture: Architecture, parallel: Parallel, space: Space,
            prefill: Prefill = "elsewhere") -> State:
    """The scheduler before the first request, for one device of ``parallel``.

    Raises:
        InputError: a model that cannot be divided so, fewer seats than pipeline stages.
    """
    part = device_part(architecture, parallel)
    layout = kv_layout(part, space)
    estimate = MhaEstimate(part.heads, part.key_dim, config.estimate.gwrite_cycles, config.estimate.tile_cycles, space.page,
                           space.banks, architecture.heads if config.estimate.undivided_heads else 0, part.value_dim)
    settings = Settings(estimate, config.max_batch, parallel.pipeline, config.assignment, config.admission, prefill,
                        config.prefill_chunk, config.sub_batches, config.sub_batch_from)
    return initial(settings, KvSpace.empty(layout, space.channels, space.rows, space.first_row))

"""What one device of many holds: tensor parallelism splits heads and matrices (Megatron-LM), pipeline parallelism splits layers.

Bookkeeping only; the time that the devices spend talking is in :mod:`pimsim.schedule.collective`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pimsim.errors import InputError, Problem
from pimsim.model.architecture import Architecture


@dataclass(frozen=True, slots=True)
class Parallel:
    """Devices of a tensor-parallel group, and pipeline stages, each of them such a group."""

    tensor: int = 1
    pipeline: int = 1

    @property
    def devices(self) -> int:
        """All of them."""
        return self.tensor * self.pipeline


PUBLISHED = {
    "gpt3-7b": Parallel(4, 1),
    "gpt3-13b": Parallel(4, 1),
    "gpt3-30b": Parallel(4, 2),
    "gpt3-175b": Parallel(8, 4),
}
"""How NeuPIMs runs its models (casys-kaist/NeuPIMs f299af3, configs/model_configs)."""


def parallel_for(model: str, tensor: int | None = None, pipeline: int | None = None) -> Parallel:
    """What is given; where it is not, what NeuPIMs uses for ``model`` (one of :data:`PUBLISHED`), else one device."""
    known = PUBLISHED.get(model, Parallel())
    return Parallel(tensor or known.tensor, pipeline or known.pipeline)


def device_part(architecture: Architecture, parallel: Parallel) -> Architecture:
    """The decoder as a device of the first stage sees it: its share of heads, FFN and layers; hidden size and vocabulary stay.

    Layers that cannot be divided evenly are spread so that the first stages have one more. Key-value heads fewer than devices
    are kept by several of them.

    Raises:
        InputError: heads, key-value heads or FFN width that cannot be divided, more stages than layers.
    """
    arch, tensor, pipeline = architecture, parallel.tensor, parallel.pipeline
    shared = arch.kv_heads < tensor and tensor % arch.kv_heads == 0
    problems = [
        Problem(f"{arch.name} has {what}, which {tensor} devices cannot share evenly", f"a divisor of {number}", key="parallel.tensor")
        for number, what, shareable in (
            (arch.heads, f"{arch.heads} heads", True),
            (arch.kv_heads, f"{arch.kv_heads} key-value heads", not shared),
            (arch.ffn, f"an FFN {arch.ffn} wide", True),
            (arch.moe_ffn, f"experts {arch.moe_ffn} wide", True),
        ) if shareable and number % tensor
    ]
    if pipeline > arch.layers:
        problems.append(Problem(f"{pipeline} stages, but {arch.name} has {arch.layers} layers", f"1 to {arch.layers}",
                                key="parallel.pipeline"))
    if problems:
        raise InputError(problems)
    layers = stage_layers(arch.layers, pipeline)[0]
    return replace(
        arch, layers=layers, heads=arch.heads // tensor, kv_heads=1 if shared else arch.kv_heads // tensor,
        ffn=arch.ffn // tensor, moe_ffn=arch.moe_ffn // tensor, windows=arch.windows[:layers],
        dense_layers=tuple(layer for layer in arch.dense_layers if layer < layers),
    )


def stage_layers(layers: int, pipeline: int) -> tuple[int, ...]:
    """Layers of each pipeline stage."""
    return tuple(layers // pipeline + (stage < layers % pipeline) for stage in range(pipeline))


def flow_fs(times_fs: Sequence[Sequence[int]], stage_free_fs: Sequence[int], ready_fs: Sequence[int]) -> tuple[list[int], list[int]]:
    """One iteration of micro-batches through a pipeline, in order, each stage one at a time.

    Args:
        times_fs: [micro-batch][stage] how long it takes there, with what it takes to hand it on.
        stage_free_fs: when each stage is free. ready_fs: when each micro-batch has its last token (it needs it to go on).

    Returns:
        when each micro-batch has its next token, and when each stage is free: the arguments of the next iteration.
    """
    free, done = list(stage_free_fs), []
    for times, at in zip(times_fs, ready_fs, strict=True):
        for stage, time in enumerate(times):
            at = free[stage] = max(at, free[stage]) + time
        done.append(at)
    return done, free

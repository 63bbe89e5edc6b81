"""Sub-batch interleaving (NeuPIMs, arXiv 2403.00579, section 6): while the NPU works on one half of the batch, the PIM works on the other.

A layer of a sub-batch has three parts: the NPU generates q, k and v; the PIM computes attention; the NPU projects and runs the FFN.
:func:`stages` lays the parts of all layers out in stages of one NPU slot and one PIM slot each. With two sub-batches, stages C and D
repeat, so a layer costs C + D in the steady state:

    stage  A      B      C           D           C           D           ...  E        F
    NPU    qkv 1  qkv 2  ffn+qkv 1   ffn+qkv 2   ffn+qkv 1   ffn+qkv 2        ffn 1    ffn 2
    PIM           mha 1  mha 2       mha 1       mha 2       mha 1            mha 2

With one batch the stages are A (qkv), B (attention) and E (projection and FFN) of every layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pimsim.schedule.event import Work

Mode = Literal["on", "off", "auto"]

QKV, MHA, FFN = "qkv", "mha", "ffn"
PARTS = (QKV, MHA, FFN)
"""Of a layer, in order: q, k and v; attention; projection, FFN and what is around them."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of one layer for one sub-batch."""

    name: str
    sub_batch: int
    layer: int


@dataclass(frozen=True, slots=True)
class Stage:
    """What the NPU does, in order, and what the PIM does at the same time."""

    name: str
    npu: tuple[Part, ...]
    pim: tuple[Part, ...]


def interleaved(mode: Mode, batch: int, auto_from: int) -> bool:
    """Whether a batch is split: never a single request; under ``auto``, batches of ``auto_from`` or more."""
    return batch > 1 and (mode == "on" or (mode == "auto" and batch >= auto_from))


def split(work: Sequence[Work]) -> tuple[tuple[Work, ...], tuple[Work, ...]]:
    """Two sub-batches: each channel's requests are halved, the odd one going to the first and the second by turns."""
    by_channel: dict[int, list[Work]] = {}
    for item in work:
        by_channel.setdefault(item.kv.channel, []).append(item)
    first: list[Work] = []
    second: list[Work] = []
    extra = 1
    for channel in sorted(by_channel):
        items = by_channel[channel]
        half = (len(items) + extra) // 2
        if len(items) % 2:
            extra = 1 - extra
        first += items[:half]
        second += items[half:]
    return tuple(first), tuple(second)


def stages(layers: int, sub_batches: int) -> tuple[Stage, ...]:
    """The stages of ``layers`` layers for one batch or for two sub-batches."""
    def part(name: str, sub_batch: int, layer: int) -> tuple[Part, ...]:
        return (Part(name, sub_batch, layer),) if 0 <= layer < layers else ()

    if sub_batches == 1:
        return tuple(stage for layer in range(layers) for stage in (
            Stage("A", part(QKV, 0, layer), ()), Stage("B", (), part(MHA, 0, layer)), Stage("E", part(FFN, 0, layer), ())))
    made = [Stage("A", part(QKV, 0, 0), ()), Stage("B", part(QKV, 1, 0), part(MHA, 0, 0))]
    for layer in range(layers):
        last = layer == layers - 1
        made.append(Stage("E" if last else "C", part(FFN, 0, layer) + part(QKV, 0, layer + 1), part(MHA, 1, layer)))
        made.append(Stage("F" if last else "D", part(FFN, 1, layer) + part(QKV, 1, layer + 1), part(MHA, 0, layer + 1)))
    return tuple(made)


def barrier_fs(graph: Iterable[Stage], part_fs: Callable[[Part], int]) -> int:
    """Time of ``graph`` if every stage waits for its slower unit, from the time of each part alone."""
    return sum(max(sum(map(part_fs, stage.npu)), sum(map(part_fs, stage.pim))) for stage in graph)

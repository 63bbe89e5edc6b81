"""Which stages an iteration has on one device, with the operators and requests of each.

The stages are those of :func:`pimsim.schedule.sub_batch.stages`: A, B, E of every layer, or with two sub-batches A, B, then C and D of
every layer, the last of them E and F (NeuPIMs, arXiv 2403.00579, section 6). Attention runs where the placement says; prompts are taken in
by the NPU in any case, since a prompt's attention reuses keys and values for all its tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from pimsim.devices.stage import LayerRows, Member, NpuOp, StageWork, decoder_stage_ops
from pimsim.model.architecture import Architecture
from pimsim.model.routing import Routing
from pimsim.schedule.event import Work
from pimsim.schedule.kv import Allocation, PimLayout, Ranges
from pimsim.schedule.sub_batch import FFN, MHA, QKV, Part, Stage, stages

PARTS = {"qkv": ("A",), "attention": ("B",), "ffn": ("E",)}
"""``workload.part`` -> the stages of a layer that are run."""


@dataclass(frozen=True)
class Item:
    """A stage of an iteration.

    Attributes:
        repeat: how often it counts (more than once where one layer stands for others; 0: it is reported and counts nowhere).
        reductions: sizes in tokens of the all-reduces behind its NPU operators (two for every layer's FFN part).
    """

    work: StageWork
    repeat: int
    reductions: tuple[int, ...]


@dataclass
class Planner:
    """Makes the stages of iterations for one device.

    Attributes:
        part: the decoder as the device holds it; layout: of its KV space.
        extent: ``workload.part``. stand_in: one layer stands for all others of its kind.
        routing: how tokens choose experts, where the model has them. first_layer: of the model, number of this part's layer 0.
        in_memory: whether attention of a batch's decoding requests is computed in the memory.
    """

    part: Architecture
    layout: PimLayout
    extent: str = "all"
    stand_in: bool = False
    in_memory: Callable[[Sequence[Work]], bool] = bool
    routing: Routing | None = None
    first_layer: int = 0
    _step: int = 0
    _rows: dict[Allocation, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def items(self, sub_batches: Sequence[Sequence[Work]], iteration: int = 0) -> list[Item]:
        """The stages of an iteration, in order."""
        self._rows.clear()
        self._step = iteration
        batches = [batch for batch in sub_batches if batch]
        if self.extent in PARTS:
            graph = [stage for stage in stages(1, 1) if stage.name in PARTS[self.extent]]
            merged = [work for batch in batches for work in batch]
            return [self._item(stage, (0,), [merged], 1) for stage in graph]
        if self.extent == "block":
            if len(batches) == 1:
                return [self._item(stage, (0,), batches, 1) for stage in stages(1, 1)]
            return [self._item(stage, (0, min(1, self.part.layers - 1)), batches, int(stage.name in ("C", "D"))) for stage in stages(2, 2)]
        layers, weights = self._layers(len(batches))
        made = []
        passed = {"C": 0, "D": 0}
        for number, stage in enumerate(stages(len(layers), len(batches))):
            if len(batches) == 1:
                weight = weights[number // 3]
            elif stage.name in passed:
                weight = weights[passed[stage.name]]
                passed[stage.name] += 1
            else:
                weight = 1
            made.append(self._item(stage, layers, batches, weight))
        return made

    def layer_items(self, sub_batches: Sequence[Sequence[Work]], layer: int) -> list[Item]:
        """The stages of one layer in the steady state: A, B, E, or C and D from it to the next."""
        self._rows.clear()
        batches = [batch for batch in sub_batches if batch]
        if len(batches) == 1:
            return [self._item(stage, (layer,), batches, 1) for stage in stages(1, 1)]
        graph = [stage for stage in stages(2, 2) if stage.name in ("C", "D")]
        return [self._item(stage, (layer, min(layer + 1, self.part.layers - 1)), batches, 1) for stage in graph]

    @property
    def uniform(self) -> bool:
        """Whether all layers are of one kind."""
        return len({(self.part.window(layer), self.part.sparse(layer)) for layer in range(self.part.layers)}) == 1

    def _layers(self, halves: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Layers to run, and how often the stages behind the first, second ... layer count.

        With two sub-batches the C and D that stand for the others are the second ones of their kind: the first follow A and B, and
        find channels and row buffers otherwise than the rest do.
        """
        every = range(self.part.layers)
        if not self.stand_in or self.part.layers < 3:
            return tuple(every), (1,) * self.part.layers
        kinds: dict[tuple[int, bool], list[int]] = {}
        for layer in every:
            kinds.setdefault((self.part.window(layer), self.part.sparse(layer)), []).append(layer)
        chosen, weights = [same[0] for same in kinds.values()], [len(same) for same in kinds.values()]
        if halves == 2:
            last = list(kinds.values())[-1]
            if len(last) > 2:
                chosen, weights = [*chosen, *last[1:3]], [*weights[:-1], 1, weights[-1] - 2, 1]
            elif len(last) > 1:
                chosen, weights = [*chosen, last[1]], [*weights[:-1], 1, 1]
        return tuple(chosen), tuple(weights)

    def _item(self, stage: Stage, layers: Sequence[int], batches: Sequence[Sequence[Work]], repeat: int) -> Item:
        npu: list[NpuOp] = []
        pim: list[Member] = []
        reductions: list[int] = []
        for piece in stage.npu:
            batch, layer = batches[piece.sub_batch], layers[piece.layer]
            members = self._members(batch, layer)
            npu += decoder_stage_ops(self.part, members, "qkv" if piece.name == QKV else "ffn", layer, f"batch{piece.sub_batch}",
                                     self._experts(members, layer) if piece.name == FFN else ())
            if piece.name == FFN:
                reductions += [sum(member.tokens for member in members)] * 2
        for piece in stage.pim:
            batch = batches[piece.sub_batch]
            members, inside = self._members(batch, layers[piece.layer]), self.in_memory(batch)
            here = tuple(m for m in members if inside and m.tokens == 1)
            there = tuple(m for m in members if not (inside and m.tokens == 1))
            npu += decoder_stage_ops(self.part, there, "attention", layers[piece.layer], f"batch{piece.sub_batch}")
            pim += here
        return Item(StageWork(stage.name, tuple(npu), tuple(pim)), repeat, tuple(reductions))

    def _experts(self, members: Sequence[Member], layer: int) -> tuple[int, ...]:
        """Tokens of each expert of a layer."""
        if self.routing is None or not self.part.sparse(layer):
            return ()
        tokens = [0] * self.part.experts
        for expert, number in self.routing.loads(self._step, self.first_layer + layer, sum(member.tokens for member in members)):
            tokens[expert] = number
        return tuple(tokens)

    def _members(self, batch: Sequence[Work], layer: int) -> tuple[Member, ...]:
        window = self.part.window(layer)
        return tuple(self._member(work, layer, window) for work in batch)

    def _member(self, work: Work, layer: int, window: int) -> Member:
        """A request as one layer sees it. A layer with a window keeps so many tokens, in a ring."""
        context = min(work.context, window) if window else work.context
        if work.kv not in self._rows:
            self._rows[work.kv] = (_expanded(work.kv.k), _expanded(work.kv.v))
        keys, values = self._rows[work.kv]
        lay = self.layout
        k = _blocks(-(-context // lay.banks), lay.layers, layer, lay.k_chunks)
        v = _blocks(-(-context // lay.page), lay.layers, layer, lay.kv_heads * lay.v_tiles)
        return Member(work.request, work.kv.channel, context, LayerRows(keys[k], values[v]), work.tokens)


def _expanded(ranges: Ranges) -> np.ndarray:
    """The rows of ``ranges``, one by one."""
    return np.concatenate([np.arange(first, first + number) for first, number in ranges]) if ranges else np.zeros(0, np.int64)


def _blocks(blocks: int, layers: int, layer: int, size: int) -> np.ndarray:
    """Places of a layer's rows in an allocation that has ``size`` rows a block and layer (:class:`PimLayout`)."""
    return ((np.arange(blocks)[:, None] * layers + layer) * size + np.arange(size)).ravel()


__all__ = ["MHA", "Item", "Part", "Planner"]

"""PIM-GPT's part of ``pimsim verify``: which layers, contexts and overlaps are computed, and the numpy side of the KV cache.

One layer of every kind is computed, in both overlaps. At the first and the last context all of it runs, operator after
operator; in between, around the sizes at which a cache grows by a column, a group of tokens or a row, the operators that depend on
the context. Every new token is appended by the programs where there are few enough; otherwise the cache is filled by the geometry up to
the token before each context.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from pimsim.config import SystemConfig
from pimsim.devices.package import Options
from pimsim.errors import InputError, Problem
from pimsim.mapping.cache import attended, is_latent, value_dim
from pimsim.mapping.functional.check import Check, Findings, Place, Stored, checks, layer_check
from pimsim.mapping.functional.execution import PimGptFunctional
from pimsim.mapping.functional.flow import Flow, Numbers
from pimsim.mapping.functional.memory import Array
from pimsim.mapping.functional.narrow import narrowed
from pimsim.mapping.geometry import cache_slot
from pimsim.model.operator import KINDS, Operator
from pimsim.model.trace import Block, Step, Trace
from pimsim.sim.pim_gpt import PimGptSystem, build

OVERLAPS = ("none", "pipelined")
APPENDED_ELEMENTS = 1 << 17
"""Elements of K and V up to which every single token is appended by the programs."""


@dataclass(frozen=True)
class Part:
    """Blocks that one layer stands for: ``first`` names the first operator, which tells embedding, layers and head apart."""

    layer: int
    first: str
    layers: tuple[int, ...]

    def block(self, step: Step) -> Block | None:
        """This part's block in a step."""
        for block in step.blocks:
            if block.first_layer <= self.layer < block.first_layer + block.repeat and block.operators[0].name == self.first:
                return block
        return None

    def __str__(self) -> str:
        if self.layer < 0:
            return self.first
        rest = [layer for layer in self.layers if layer != self.layer]
        layers = f"layer{'s' if len(rest) > 1 else ''} {_ranges(rest)}"
        same = f", the same programs as of {layers} on rows of its own" if rest else ""
        return f"layer {self.layer}{same}"


def _ranges(numbers: list[int]) -> str:
    """Numbers as text: 0-3, 5."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and runs[-1][-1] == n - 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def parts(trace: Trace) -> list[Part]:
    """One part for every kind of block of the last step; the last of the layers that it repeats over is computed."""
    layers: dict[tuple[Operator, ...], list[int]] = {}
    for block in trace.steps[-1].blocks:
        layers.setdefault(block.operators, []).extend(range(block.first_layer, block.first_layer + block.repeat))
    return [Part(same[-1], operators[0].name, tuple(same)) for operators, same in layers.items()]


def contexts(first: int, last: int, sizes: list[int]) -> list[int]:
    """The contexts to look at: the first three, the last, and those around each size and its largest multiple."""
    around = {size * times + d for size in sizes for times in (1, last // size) for d in (-1, 0, 1, 2)}
    return sorted({c for c in around | {first, first + 1, first + 2, last} if first <= c <= last})


class Cache:
    """K and V of one layer as numpy has them, [slots, kv_heads, elements of a head]."""

    def __init__(self, op: Operator, value_dim: int, slots: int):
        self.keys: Array = np.full((slots, op.kv_heads, op.head_dim), np.nan, np.float32)
        self.values: Array = np.full((slots, op.kv_heads, value_dim), np.nan, np.float32)

    def put(self, slots: range, keys: Array, values: Array) -> None:
        """Keep K and V of the tokens in consecutive slots."""
        self.keys[slots.start : slots.stop] = keys
        self.values[slots.start : slots.stop] = values


class Session:
    """One part in one overlap: a memory of its own, and the checks of all its contexts."""

    def __init__(self, system: PimGptSystem, trace: Trace, part: Part, overlap: str, numbers: Numbers):
        self.trace, self.part, self.overlap, self.numbers = trace, part, overlap, numbers
        self.mapping = replace(system.mapping, overlap=overlap)
        self.functional = PimGptFunctional(self.mapping, system.compiled, numbers)
        self.first, self.last = trace.steps[0].context, trace.steps[-1].context
        block = part.block(trace.steps[-1])
        assert block is not None  # a part is made of a block of the last step
        self.contextual = [i for i, op in enumerate(block.operators) if KINDS[op.kind].contextual]
        append = next((i for i in self.contextual if block.operators[i].kind == "kv_append"), None)
        self.held = 0  # tokens in the cache
        self.cache: Cache | None = None
        if append is not None:
            self.append = block.operators[append]
            self.value_dim = value_dim(block, append)
            self.slots = attended(block, append)
            self.cache = Cache(self.append, self.value_dim, self.slots)

    @property
    def every_token(self) -> bool:
        """Whether every token is appended by the programs."""
        return self.cache is not None and appended(self.trace, self.append)

    def checks(self) -> Iterator[Check]:
        """Run all contexts."""
        memory = self.mapping.memory
        everything = {self.first, self.last}
        sizes = [memory.lanes, memory.units, memory.row_elements]
        if self.cache is not None:
            held = self.mapping.held(self.append)
            sizes += [held.width, held.row_elements, self.slots]
        for context in contexts(self.first, self.last, sizes) if self.contextual else sorted(everything):
            step = self.trace.steps[context - self.first]
            block = self.part.block(step)
            if block is not None:
                yield from self._fill(context - 1)
                yield from self._context(block, step, None if context in everything else self.contextual)

    def _context(self, block: Block, step: Step, live: list[int] | None) -> Iterator[Check]:
        """Run a block, or some of its operators."""
        place = Place(self.part.layer, step.context, f"overlap {self.overlap}")
        flow = Flow(block, step.context, self.part.layer, self.numbers)
        outcomes = self.functional.run(block, step, flow, live)
        for index, outcome in outcomes.items():
            op = block.operators[index]
            if op.kind == "kv_append" and outcome.operands:
                self._keep(op.context - 1, *(x[None] for x in outcome.operands))
            yield from checks(op, outcome, self._stored(op), self.mapping.held(op), self.mapping.asic, place)
        if live is None and self.part.layer >= 0:
            yield layer_check(flow, outcomes, self._stored, place)

    def _stored(self, op: Operator) -> Stored:
        layer = self.part.layer
        if op.kind in ("matvec", "head_matvec"):
            return Stored(self.numbers.matrix(layer, op), self.numbers.bias(layer, op))
        if op.kind == "embed":
            return Stored(self.functional.tables(layer, op))
        if self.cache is not None and op.kind in ("score", "attend"):
            return Stored(keys=self.cache.keys[: op.context], values=self.cache.values[: op.context])
        return Stored()

    # ------------------------------------------------------------------ the cache

    def _fill(self, tokens: int) -> Iterator[Check]:
        """Bring the cache to so many tokens; yields the appends that went wrong."""
        if self.cache is None:
            return
        while self.held < tokens:
            step = self.trace.steps[self.held + 1 - self.first] if self.held + 1 >= self.first else None
            block = self.part.block(step) if step is not None and self.every_token else None
            if step is not None and block is not None:
                append = [i for i in self.contextual if block.operators[i].kind == "kv_append"]
                yield from (check for check in self._context(block, step, append) if not check.ok)
            else:
                self._preload(tokens if self.every_token is False else min(tokens, self.first - 1))

    def _preload(self, tokens: int) -> None:
        """Put random tokens into the cache by the geometry."""
        begin = cache_slot(self.held + 1, self.slots)
        slots = range(begin, min(begin + tokens - self.held, self.slots))
        keys, values = (self.numbers.normal((len(slots), self.append.kv_heads, dim), name, self.part.layer, self.held)
                        for name, dim in (("keys", self.append.head_dim), ("values", self.value_dim)))
        keys, values = (np.stack([narrowed(token, self.append.stored_dtype) for token in x]) for x in (keys, values))
        if is_latent(self.append):
            values = keys[..., : self.value_dim]
        self.functional.store(self.part.layer, self.append, slots, keys, values, fresh=self.held < self.slots)
        self._keep(self.held, keys, values)

    def _keep(self, token: int, keys: Array, values: Array) -> None:
        assert self.cache is not None
        slot = cache_slot(token + 1, self.slots)
        self.cache.put(range(slot, slot + len(keys)), keys, values)
        self.held = token + len(keys)


def appended(trace: Trace, append: Operator) -> bool:
    """Whether there are few enough tokens to append every one of them by the programs."""
    return append.rows * len(trace.steps) <= APPENDED_ELEMENTS


def _beyond(trace: Trace) -> Iterator[Problem]:
    """What the functional mode does not compute; its numbers are bf16 and its tokens come one after the other."""
    steps = (trace.steps[i] for i in {0, len(trace.steps) - 1})
    if any(step.phase == "draft" for step in trace.steps):
        yield Problem("the functional mode drafts no tokens", "none", key="workload.decoding.draft_model")
    for step in steps:
        for op in (op for block in step.blocks for op in block.operators):
            if op.kind == "merge":
                yield Problem("the functional mode splits no context", "1", key="workload.decoding.attention_splits")
            if op.kind == "kv_append" and op.context != step.context:
                yield Problem("the functional mode has no blocks of tokens", "none", key="workload.decoding.block_tokens")


def run(config: SystemConfig, trace: Trace, seed: int) -> Findings:
    """Plan the checks of a PIM-GPT system; see :mod:`pimsim.sim.verify`.

    Raises:
        InputError: what the system lacks, what the mapping cannot run, or by how much the model does not fit.
    """
    problems = dict.fromkeys(_beyond(trace))
    if problems:
        raise InputError(problems)
    system = build(config, trace, Options())
    every = parts(trace)

    def found() -> Iterator[Check]:
        for part in every:
            numbers = Numbers(seed)
            for overlap in OVERLAPS:
                yield from Session(system, trace, part, overlap, numbers).checks()

    return Findings(tuple(str(part) for part in every), found())

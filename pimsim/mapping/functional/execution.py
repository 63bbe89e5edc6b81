"""PIM-GPT's functional mode: the programs that are timed, run on real numbers.

This is the companion of ``pimsim.mapping.pim_gpt``. It puts tensors into the banks and makes and reads the streams of bursts that
the ASIC sends and gets, from the geometry (``pimsim.mapping.geometry``) and the placement alone; it never looks at what a program does. So
a program that drops, doubles or misplaces an element gives wrong sums, numbers that were never written (NaN), or a stream of the
wrong length.

The streams, in program order:

* matvec: every channel gets the input vector, chunk by chunk, zeros behind it up to a whole column; it gives back, chunk by chunk and
  slot by slot, a burst of one sum a bank.
* head_matvec: a channel gets, for each of its heads (or pieces of heads), the head's input chunk by chunk, as often as rows are
  shared; it gives back, chunk by chunk and sub by sub, a burst of one sum a bank.
* kv_append: K's channel gets the new key chunk by chunk and head by head, zeros behind each head up to a whole column; V's
  channels get one burst a dimension, head by head, with one lane in it. The other lanes are masked (JESD250 masks writes by two
  bytes), but the first token of a column clears the lanes behind it: probabilities there are 0, and 0 x anything must be 0.
* score: the channels get, for every chunk of heads and every query head of a group, the queries of the chunk; each gives back,
  group by group and head by head, a burst of one score a bank.
* attend: a channel gets, for each of its heads and each query head that shares it, the probabilities chunk by chunk, zeros behind
  them, and gives back, chunk by chunk and sub by sub, a burst of one sum a bank.
* embed: the first channel gives back the rows of the tables.

The pins carry bf16: the ASIC gets every sum rounded, and adds partial sums, bias and all the rest with its own datapath
(``pimsim.asic.arithmetic``).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from pimsim.asic.arithmetic import evaluate, to_bf16
from pimsim.dram.compile import Compiled
from pimsim.mapping.cache import attended
from pimsim.mapping.functional.flow import Flow, Numbers
from pimsim.mapping.functional.layout import PimGptLayout, Shadow
from pimsim.mapping.functional.memory import Array, FunctionalChannel, FunctionalError
from pimsim.mapping.functional.narrow import narrowed
from pimsim.mapping.functional.reference import softmax_scale
from pimsim.mapping.geometry import cache_slot
from pimsim.mapping.pim_gpt import PimGptMapping, asic_work
from pimsim.mapping.task import Task, TaskList
from pimsim.model.operator import Operator
from pimsim.model.trace import Block, Step

Prefer = Literal["memory", "asic"]


@dataclass
class Outcome:
    """What became of one operator.

    Attributes:
        operands: what it took (:meth:`Flow.operands`).
        sums: what came back from the banks, in binary32: matvec [outputs, chunks], score [heads, context], attend [heads x
            head_dim, chunks], embed [parts, elements]. None for an operator of the ASIC.
        value: its output in bf16, as :class:`Flow` keeps it.
        wrong_cells: kv_append: cells that are not what they should be, anywhere in the memory.
        fault: why it could not be computed; ``value`` is invented then.
    """

    operands: tuple[Array, ...] = ()
    sums: Array | None = None
    value: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    wrong_cells: int = 0
    fault: str = ""


def execution_order(tasks: TaskList, prefer: Prefer = "memory") -> Iterator[int]:
    """The tasks in one of the orders that their dependencies allow; memory and ASIC each take theirs in list order.

    ``prefer`` goes ahead as far as it may, so that a dependency that is missing shows as an operand that is not there.

    Raises:
        FunctionalError: tasks wait for one another.
    """
    queues = {unit: deque(n for n, t in enumerate(tasks.tasks) if bool(t.programs) == (unit == "memory"))
              for unit in (prefer, "asic" if prefer == "memory" else "memory")}
    done: set[int] = {-1}
    for _ in tasks.tasks:
        for queue in queues.values():
            if queue and _waits_for(tasks, queue[0]) <= done:
                break
        else:
            raise FunctionalError("tasks wait for one another: " + ", ".join(str(q[0]) for q in queues.values() if q))
        number = queue.popleft()
        done.add(number)
        yield number


def _waits_for(tasks: TaskList, number: int) -> set[int]:
    task = tasks.tasks[number]
    return {number - 1} if tasks.serial else {*task.after, *task.streams}


class PimGptFunctional:
    """The memory and the ASIC of a PIM-GPT system, on numbers."""

    def __init__(self, mapping: PimGptMapping, compiled: Compiled, numbers: Numbers, *, implicit_rows: bool = True):
        """``implicit_rows``: see :class:`FunctionalChannel`."""
        self.mapping, self.numbers = mapping, numbers
        self.channels = [FunctionalChannel(compiled, implicit_rows=implicit_rows) for _ in range(mapping.memory.channels)]
        self.layout = PimGptLayout(mapping.memory, mapping.placement, mapping.capacity, mapping.scale)
        self._loaded: set[tuple[int, str]] = set()

    def store(self, layer: int, op: Operator, slots: range, keys: Array, values: Array, *, fresh: bool = True) -> None:
        """Put K and V [tokens, kv_heads, head_dim] of tokens in consecutive ``slots`` into a cache by the geometry.

        ``fresh``: the slots are used for the first time.
        """
        self.layout.store_keys(self.channels, layer, op, slots, keys)
        self.layout.store_values(self.channels, layer, op, slots, values, fresh=fresh)

    def run(self, block: Block, step: Step, flow: Flow, live: Collection[int] | None = None, *,
            prefer: Prefer = "memory") -> dict[int, Outcome]:
        """Run a block at a step for ``flow.layer``.

        Args:
            flow: takes up the outputs of all operators.
            live: operators to run; the outputs of the others are invented. None for all.
            prefer: see :func:`execution_order`.

        Returns:
            An outcome for every live operator.

        Raises:
            InputError: the block's operators do not fit together.
        """
        return _BlockRun(self, block, step, flow, live).run(prefer)

    def load(self, layer: int, op: Operator) -> None:
        """Put an operator's weights into the banks, unless they are there."""
        if op.kind in ("matvec", "head_matvec", "embed") and (layer, op.name) not in self._loaded:
            self._loaded.add((layer, op.name))
            if op.kind == "matvec":
                self.layout.load_matrix(self.channels, layer, op.name, self.numbers.matrix(layer, op), self.mapping.held(op))
            elif op.kind == "head_matvec":
                self.layout.load_head_matrices(self.channels, layer, op, self.numbers.matrix(layer, op))
            else:
                self.layout.load_tables(self.channels, layer, op.name, self.tables(layer, op))

    def tables(self, layer: int, op: Operator) -> Array:
        """The rows of the embedding tables that stand for any: [parts, elements]."""
        return self.numbers.normal((op.cols, op.rows), "table", layer, op.name)

    def collect(self, layer: int, op: Operator, sums: Array) -> Array:
        """What the ASIC makes of sums from the banks: partial sums added, bias added, embeddings added; bf16."""
        asic = self.mapping.asic
        rounded = to_bf16(sums)
        if op.kind == "score":
            return rounded
        if op.kind == "embed":
            total = rounded[0]
            for part in rounded[1:]:
                total = _single(evaluate(asic, "add", total, part))
            return total
        total = _single(evaluate(asic, "partial_sum", rounded))[..., 0] if rounded.shape[-1] > 1 else rounded[..., 0]
        return _single(evaluate(asic, "bias", total, self.numbers.bias(layer, op))) if op.bias else total


def _single(result: Array | tuple[Array, ...]) -> Array:
    assert not isinstance(result, tuple)
    return result


class _BlockRun:
    """One run of a block, task by task."""

    def __init__(self, system: PimGptFunctional, block: Block, step: Step, flow: Flow, live: Collection[int] | None):
        self.system, self.block, self.flow = system, block, flow
        self.mapping = system.mapping
        self.tasks = self.mapping.tasks(block, step)
        self.repeat = flow.layer - block.first_layer
        everything = range(len(block.operators))
        self.live = frozenset(everything if live is None else live)
        self.outcomes = {index: Outcome() for index in sorted(self.live)}
        for index in everything:
            if index not in self.live:
                flow.invent(index)
        self.left = Counter(task.operator for task in self.tasks.tasks)
        self.parts = Counter((task.operator, task.category) for task in self.tasks.tasks)
        self.seen: Counter[tuple[int, str]] = Counter()

    def run(self, prefer: Prefer) -> dict[int, Outcome]:
        for index in self.outcomes:
            self.system.load(self.flow.layer, self.block.operators[index])
        for number in execution_order(self.tasks, prefer):
            task = self.tasks.tasks[number]
            if task.operator in self.live:
                self._guarded(task.operator, task)
            self.left[task.operator] -= 1
            self._finish()
        for index, outcome in self.outcomes.items():
            if index not in self.flow.values and not outcome.fault:
                self._fail(index, "it was never computed")
        return self.outcomes

    def _guarded(self, index: int, task: Task | None) -> None:
        """Run a task, or finish an operator; what goes wrong is the operator's fault."""
        if self.outcomes[index].fault:
            return
        try:
            if task is None:
                self._complete(index)
            else:
                self._task(index, task)
        except FunctionalError as error:
            self._fail(index, str(error))

    def _fail(self, index: int, fault: str) -> None:
        self.outcomes[index].fault = fault
        self.outcomes[index].value = self.flow.invent(index)

    def _finish(self) -> None:
        """Complete the operators that have no task left and whose operands are there, in order.

        An append hands nothing on but what it writes, K and V apart: a product that came too early reads what was there before.
        """
        for index in self.outcomes:
            op = self.block.operators[index]
            ready = all(dep < 0 or dep in self.flow.values or self.block.operators[dep].kind == "kv_append" for dep in op.deps)
            if self.left[index] == 0 and index not in self.flow.values and ready:
                self._guarded(index, None)

    # ------------------------------------------------------------------ tasks

    def _task(self, index: int, task: Task) -> None:
        part, parts = self.seen[index, task.category], self.parts[index, task.category]
        self.seen[index, task.category] += 1
        op = self.block.operators[index]
        if op.kind == "softmax":
            self._softmax(index, op, part, parts)
        elif task.programs and op.kind == "kv_append":
            self._append(index, op, task)
        elif task.programs:
            self._product(index, op, task, part, parts)

    def _product(self, index: int, op: Operator, task: Task, part: int, parts: int) -> None:
        outcome, layout = self.outcomes[index], self.system.layout
        outcome.operands = self.flow.operands(index)
        if self.mapping.scale:  # units that split multiply narrow operands
            outcome.operands = tuple(narrowed(x, op.stored_dtype) for x in outcome.operands)
        slots = range(layout.head_slots(op)) if parts == 1 else range(part, part + 1)
        streams = layout.streams(op, outcome.operands, slots)
        if outcome.sums is None:
            outcome.sums = np.full(layout.sums_shape(op), np.nan, np.float32)
        for channel, program in enumerate(task.programs):
            bursts = self._run(channel, program, streams[channel], task)
            layout.collect(op, channel, bursts, slots, outcome.sums)

    def _run(self, channel: int, program: int, stream: Array, task: Task) -> Array:
        if program < 0:
            if len(stream):
                raise FunctionalError(f"channel {channel} has no program but {len(stream)} bursts to take")
            return np.zeros((0, 0), np.float32)
        row = task.row + self.repeat * task.row_step
        try:
            bursts = self.system.channels[channel].run(self.mapping.library[program], stream, row, task.column)
        except FunctionalError as error:
            raise FunctionalError(f"channel {channel}: {error}") from error
        return np.stack(bursts) if bursts else np.zeros((0, 0), np.float32)

    def _append(self, index: int, op: Operator, task: Task) -> None:
        """Run an append and count the cells that differ from what the geometry says."""
        outcome, layout, layer = self.outcomes[index], self.system.layout, self.flow.layer
        outcome.operands = keys, values = self.flow.operands(index)
        tokens = attended(self.block, index)
        slot, fresh = cache_slot(op.context, tokens), tokens == op.context
        slots = range(slot, slot + 1)
        key = task.category == "k_append"
        streams = layout.key_streams(op, slot, keys) if key else layout.value_streams(op, slot, values, fresh=fresh)
        shadows = []
        for channel in self.system.channels:
            channel.journal = {}
            shadows.append(Shadow(channel, channel.journal))
        try:
            for number, program in enumerate(task.programs):
                if len(self._run(number, program, streams[number], task)):
                    raise FunctionalError(f"channel {number}: an append gives results back")
        finally:
            for channel in self.system.channels:
                channel.journal = None
        if key:
            layout.store_keys(shadows, layer, op, slots, keys[None])
        else:
            layout.store_values(shadows, layer, op, slots, values[None], fresh=fresh)
        outcome.wrong_cells += sum(shadow.wrong_cells() for shadow in shadows)

    # ------------------------------------------------------------------ results

    def _softmax(self, index: int, op: Operator, part: int, parts: int) -> None:
        """The heads of one task: all, or one head slot of every channel."""
        outcome, channels = self.outcomes[index], self.mapping.memory.channels
        outcome.operands = self.flow.operands(index)
        heads = slice(None) if parts == 1 else slice(part * channels, (part + 1) * channels)
        if part == 0:
            self.flow.put_out(index, np.full((op.heads, op.context), np.nan, np.float32))
        self.flow.values[index][heads] = _single(evaluate(self.mapping.asic, "softmax", outcome.operands[0][heads],
                                                          scale=softmax_scale(op)))
        outcome.value = self.flow.values[index]

    def _complete(self, index: int) -> None:
        outcome, op = self.outcomes[index], self.block.operators[index]
        if op.kind == "kv_append":
            missing = [name for name in ("k_append", "v_append") if not self.seen[index, name]]
            if missing:
                raise FunctionalError(f"no {' and no '.join(missing)}")
            self.flow.values[index] = outcome.value
            return
        work = asic_work(op)
        if work:
            outcome.operands = self.flow.operands(index)
            outcome.value = self.flow.put_out(index, evaluate(self.mapping.asic, work[0][0], *outcome.operands))
            return
        if outcome.sums is None:
            raise FunctionalError("no channel has computed it")
        unknown = int(np.isnan(outcome.sums).sum())
        if unknown:
            raise FunctionalError(f"{unknown} of {outcome.sums.size} sums depend on cells or operands that were never written")
        outcome.value = self.flow.put_out(index, self.system.collect(self.flow.layer, op, outcome.sums))

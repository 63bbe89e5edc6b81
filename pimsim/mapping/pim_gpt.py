"""PIM-GPT's mapping: every matrix-vector product inside the memory, everything else on the ASIC.

How tensors are cut is in ``pimsim.mapping.geometry``, the programs are in ``pimsim.mapping.pim_gpt_program``. This file turns each
operator into tasks: a program for every channel, and what the ASIC does with what comes back. ``pimsim.mapping.functional`` runs the
same programs on real numbers.

With ``overlap: none`` every task waits for all before it. With ``pipelined`` a task starts once its operands are there: the ASIC takes
in results while they come (partial sums, bias, activation, residual), V is appended while the softmax runs, and
softmax and weighted sum go head by head (one head a channel at a time).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pimsim.asic.latency import cost
from pimsim.asic.operations import OPERATIONS
from pimsim.asic.spec import AsicSpec
from pimsim.mapping.cache import attended, splits, value_dim
from pimsim.mapping.geometry import HeadWeights, Keys, Memory, Values, Weights, cache_slot
from pimsim.mapping.pim_gpt_program import Commands, Pace, Programs
from pimsim.mapping.placement import Placement
from pimsim.mapping.program import ProgramLibrary
from pimsim.mapping.task import Task, TaskList
from pimsim.model.dtype import BITS
from pimsim.model.operator import Operator
from pimsim.model.operators.norm import NORMS
from pimsim.model.trace import Block, Step
from pimsim.units import BF16_BITS, ceil_div

BY_ROW = frozenset({*NORMS, "softmax"})
"""Kinds that the ASIC computes row by row, of as many elements as they put out; they need all of their input first."""
STORED = frozenset({"matvec", "head_matvec", "kv_append", "score", "attend"})
"""Kinds whose operand in the memory may be narrower than 16 bits."""


@dataclass(frozen=True, slots=True)
class Product:
    """A matrix-vector product of some shape: a program for each channel, chunks, least ticks of the ASIC's pins, ticks to the
    first complete output."""

    programs: tuple[int, ...]
    chunks: int
    io_ticks: int
    first: int


def asic_work(op: Operator) -> tuple[tuple[str, int, int], ...]:
    """(kind, rows, columns) of what the ASIC does for an operator by itself, one after the other; nothing for what needs the memory.

    Kinds and sizes are those of :func:`pimsim.asic.latency.cost`.
    """
    if op.kind == "topk":
        return ((f"topk:{op.rows}", op.batch, op.cols),)
    if op.kind == "merge":  # weights of a head's splits follow from their maxima and sums as a softmax does
        return ("softmax", op.heads // op.cols, op.cols), ("merge", op.rows, op.cols)
    if op.kind == "evict":
        return (("evict", op.heads, op.context),)
    if op.kind not in OPERATIONS:
        return ()
    rows = op.rows // op.cols if op.kind in BY_ROW else op.rows
    return ((op.kind, rows, op.cols if OPERATIONS[op.kind].by_row else 1),)


def held(memory: Memory, op: Operator, scale: bool) -> Memory:
    """The memory as it holds an operator's weights, K or V; ``scale``: see :meth:`Memory.holding`."""
    bits = BITS[op.stored_dtype] if op.kind in STORED else BF16_BITS
    return memory if bits == BF16_BITS else memory.holding(bits, scale=scale)


@dataclass(frozen=True, slots=True)
class Spent:
    """What the ASIC spends on a task: ticks, and bytes that it moves over the pins because they do not fit into its SRAM."""

    ticks: int = 0
    spill_bytes: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.ticks + other.ticks, self.spill_bytes + other.spill_bytes)


def category(op: Operator) -> str:
    """What an operator is reported as: a matrix by its name in the layer, everything else by its kind."""
    return op.name.rsplit(".", 1)[-1] if op.kind in ("matvec", "head_matvec") else op.kind


@dataclass
class PimGptMapping:
    """Maps blocks of operators to tasks. One instance a run; it owns the run's programs."""

    programs: Programs
    asic: AsicSpec
    overlap: str
    placement: Placement
    capacity: int
    scale: bool = False
    _spendings: dict[tuple[tuple[tuple[str, int, int], ...], int], Spent] = field(default_factory=dict)
    _places: dict[tuple[int, int, str], tuple[int, int]] = field(default_factory=dict)
    _products: dict[Weights, Product] = field(default_factory=dict)
    _keys: dict[tuple[Memory, int, int, int], Keys] = field(default_factory=dict)
    _values: dict[tuple[Memory, int, int, int], Values] = field(default_factory=dict)

    @property
    def memory(self) -> Memory:
        """The memory as the mapping sees it."""
        return self.programs.memory

    def held(self, op: Operator) -> Memory:
        """The memory as it holds an operator's weights, K or V."""
        return held(self.memory, op, self.scale)

    @property
    def commands(self) -> Commands:
        """The commands of its programs."""
        return self.programs.commands

    @property
    def pace(self) -> Pace:
        """What it knows of the timing."""
        return self.programs.pace

    @property
    def library(self) -> ProgramLibrary:
        """All programs of the run so far."""
        return self.programs.library

    def tasks(self, block: Block, step: Step) -> TaskList:
        """The tasks of one repetition of a block."""
        out = TaskList(self.memory.channels, serial=self.overlap == "none")
        done: dict[int, tuple[int, ...]] = {}  # operator -> tasks whose end is its end
        late: list[Task] = []  # V appends, held back behind the scores
        appended: list[int] = []  # V appends that an attention output waits for
        fused: set[int] = set()
        for index, op in enumerate(block.operators):
            if index in fused:
                continue
            after = self._after(op, done)
            if op.kind == "matvec":
                followers = self._followers(block, index) if not out.serial else []
                fused.update(followers)
                last = self._matvec(out, index, op, block, after, [block.operators[f] for f in followers])
                for f in (index, *followers):
                    done[f] = (last,)
            elif op.kind == "head_matvec":
                done[index] = (self._head_matvec(out, index, op, block, after),)
            elif op.kind == "kv_append":
                done[index], behind = self._append(out, index, op, block, after)
                late += behind
            elif op.kind == "score":
                done[index] = (self._score(out, index, op, block, after),)
                appended += [out.add(task) for task in late]
                late = []
            elif op.kind == "attend":
                done[index] = self._attend(out, index, op, block, tuple(dict.fromkeys((*after, *appended))))
            elif op.kind == "softmax" and not out.serial:
                done[index] = self._softmax_waves(out, index, op, after)
            elif op.kind == "embed":
                done[index] = (self._embed(out, index, op, block, after),)
            else:
                work = self._of_operator(op)
                done[index] = (out.add(Task(index, category(op), duration=work.ticks, spill_bytes=work.spill_bytes, after=after)),)
        for task in late:
            out.add(task)
        return out

    def _after(self, op: Operator, done: dict[int, tuple[int, ...]]) -> tuple[int, ...]:
        tasks: list[int] = []
        for dep in op.deps:
            tasks.extend(done[dep] if dep >= 0 else (-1,))
        return tuple(dict.fromkeys(tasks)) or (-1,)

    def _followers(self, block: Block, index: int) -> list[int]:
        """Element-by-element operators that take a product's results as they come: activation, residual."""
        chain: list[int] = []
        at = index
        while at + 1 < len(block.operators):
            op = block.operators[at + 1]
            elementwise = op.kind in OPERATIONS and not OPERATIONS[op.kind].by_row and op.kind != "rotary"
            if not elementwise or at not in op.deps or any(d > index and d not in chain and d != at for d in op.deps):
                break
            chain.append(at + 1)
            at += 1
        return chain

    def _spent(self, *work: tuple[str, int, int], beside: int = 0) -> Spent:
        """What operations (kind, rows, columns) take one after the other, with more rows waiting ``beside`` theirs."""
        key = work, beside
        if key not in self._spendings:
            costs = [cost(self.asic, kind, rows, columns, beside) for kind, rows, columns in work]
            self._spendings[key] = Spent(self.pace.ticks(sum(c.cycles for c in costs)), sum(c.spill_bytes for c in costs))
        return self._spendings[key]

    def _of_operator(self, op: Operator, elements: int = 0) -> Spent:
        """What an operator of the ASIC takes, or that of so many of its elements."""
        work = asic_work(op)
        if not work:
            raise ValueError(f"the ASIC has no operation for operator '{op.name}' ({op.kind})")
        return self._spent(*((kind, elements or rows, columns) for kind, rows, columns in work))

    def _io_ticks(self, bursts: int) -> int:
        """Least ticks in which the ASIC gives out or takes in so many bursts (a broadcast counts once)."""
        burst_bytes = self.memory.lanes * 2
        return self.pace.ticks(ceil_div(bursts * burst_bytes, self.asic.io_bytes_per_cycle))

    # ------------------------------------------------------------------ weights

    def _matvec(self, out: TaskList, index: int, op: Operator, block: Block, after: tuple[int, ...],
                followers: Iterable[Operator]) -> int:
        product = self._product(Weights(self.held(op), op.rows, op.cols))
        row, step = self._place(block, op.name)
        pim = out.add(Task(index, category(op), product.programs, row, step, duration=product.io_ticks,
                           first=product.first, after=after))
        work = sum((self._of_operator(f) for f in followers), self._product_work(op, product.chunks, op.rows))
        if not work.ticks:
            return pim
        batch = min(self.memory.units, op.rows)
        tail = sum((self._of_operator(f, batch) for f in followers), self._product_work(op, product.chunks, batch)).ticks
        return out.add(Task(index, f"{category(op)}_sum", duration=work.ticks, spill_bytes=work.spill_bytes, tail=tail, first=tail,
                            streams=(pim,)))

    def _product(self, weights: Weights) -> Product:
        if weights not in self._products:
            programs = self._each(weights.channel_slots, lambda slots: self.programs.weight(weights, slots))
            chunks = len(weights.chunk_columns)
            bursts = sum(weights.chunk_columns) + chunks * weights.slots * self.memory.channels
            self._products[weights] = Product(programs, chunks, self._io_ticks(bursts), self._first(weights))
        return self._products[weights]

    def _first(self, weights: Weights) -> int:
        """Ticks to the first complete output at the earliest: behind all chunks but the last (without any refresh)."""
        full_row = self.pace.activate_to_mac + self.pace.close
        before = sum(weights.chunk_rows * full_row + weights.slots * columns * self.pace.mac for columns in weights.chunk_columns[:-1])
        return before + self.pace.first_result

    def _product_work(self, op: Operator, chunks: int, outputs: int) -> Spent:
        """What the ASIC spends on the partial sums and the bias of so many outputs of a product."""
        sums = (("partial_sum", outputs, chunks),) if chunks > 1 else ()
        return self._spent(*sums, *((("bias", outputs, 1),) if op.bias else ()))

    def _head_matvec(self, out: TaskList, index: int, op: Operator, block: Block, after: tuple[int, ...]) -> int:
        """A product for each head; a channel works through its heads one after the other."""
        weights = HeadWeights.of(self.held(op), op.heads, op.rows // op.heads, op.cols)
        programs = self._each(weights.channel_heads, lambda heads: self.programs.head_weight(weights, heads))
        chunks = len(weights.chunk_columns)
        bursts = weights.heads * (weights.packed * sum(weights.chunk_columns) + chunks * weights.subs)
        row, step = self._place(block, op.name)
        pim = out.add(Task(index, category(op), programs, row, step, duration=self._io_ticks(bursts),
                           first=self.pace.first_result, after=after))
        return self._sum(out, index, category(op), self._product_work(op, chunks, op.rows), pim)

    def _sum(self, out: TaskList, index: int, name: str, work: Spent, pim: int) -> int:
        """What the ASIC does with all results of a product once they are there; returns the last task."""
        if not work.ticks:
            return pim
        return out.add(Task(index, f"{name}_sum", duration=work.ticks, spill_bytes=work.spill_bytes, tail=work.ticks, first=work.ticks,
                            streams=(pim,)))

    # ------------------------------------------------------------------ attention

    def _append(self, out: TaskList, index: int, op: Operator, block: Block,
                after: tuple[int, ...]) -> tuple[tuple[int, ...], list[Task]]:
        parts = splits(block, index)
        keys = self._key_cache(op, op.kv_heads, parts)
        values = self._value_cache(op, op.kv_heads * parts, value_dim(block, index), parts)
        slot, part = divmod(cache_slot(op.context, attended(block, index) * parts), parts)
        channel, bank, group = keys.bank(slot * parts + part)
        key_program = self.programs.key_append(keys, bank)
        row, step = self._place(block, "kv_append.k")
        key_programs = tuple(key_program if c == channel else -1 for c in range(self.memory.channels))
        below, column = keys.memory.shared(group)
        done = (out.add(Task(index, "k_append", key_programs, row + below, step, column, after=after)),)
        own = values.heads // parts
        value_programs = tuple(self.programs.value_append(values, values.channel_slots(c, part * own, (part + 1) * own))
                               for c in range(self.memory.channels))
        row, step = self._place(block, "kv_append.v")
        below, column = values.slot_place(slot)
        value = Task(index, "v_append", value_programs, row + below, step, column, after=after)
        if out.serial:
            return (*done, out.add(value)), []
        return done, [value]

    def _score(self, out: TaskList, index: int, op: Operator, block: Block, after: tuple[int, ...]) -> int:
        parts = splits(block, index)  # makes no difference to K, whose tokens are in as many banks as there are
        keys = self._key_cache(op, op.kv_heads // parts, parts)
        passes = op.heads // op.kv_heads
        groups = [keys.channel_groups(c, op.context * parts) for c in range(self.memory.channels)]
        programs = self._each(groups.__getitem__, lambda n: self.programs.score(keys, n, passes))
        bursts = passes * keys.heads * (keys.head_columns + sum(groups))
        row, step = self._place(block, "kv_append.k")
        return out.add(Task(index, "score", programs, row, step, duration=self._io_ticks(bursts),
                            first=self.pace.first_result, after=after))

    def _softmax_waves(self, out: TaskList, index: int, op: Operator, after: tuple[int, ...]) -> tuple[int, ...]:
        waves = ceil_div(op.heads, self.memory.channels)
        tasks = []
        for wave in range(waves):
            heads = min(self.memory.channels, op.heads - wave * self.memory.channels)
            work = self._spent(("softmax", heads, op.cols), beside=op.heads - heads)  # all scores are in SRAM already
            tasks.append(out.add(Task(index, "softmax", duration=work.ticks, spill_bytes=work.spill_bytes, after=after)))
        return tuple(tasks)

    def _attend(self, out: TaskList, index: int, op: Operator, block: Block, after: tuple[int, ...]) -> tuple[int, ...]:
        values = self._value_cache(op, op.kv_heads, op.head_dim, splits(block, index))
        share = op.heads // op.kv_heads  # query heads that share a value head
        chunks = values.chunk_columns(op.context)
        row, step = self._place(block, "kv_append.v")
        slots = values.channel_heads(0)
        # all at once, or head slot by head slot as softmax delivers them (which needs its tasks one a head slot)
        softmax = [t for t in after if t >= 0 and out.tasks[t].category == "softmax"]
        waves = 1 if out.serial or len(softmax) != slots else slots
        ends: list[int] = []
        for wave in range(waves):
            heads = [min(max(values.channel_heads(c) - wave, 0), 1) if waves > 1 else values.channel_heads(c)
                     for c in range(self.memory.channels)]
            programs = self._each(heads.__getitem__, lambda n: self.programs.attend(values, n, share, chunks))
            sent = sum(heads) * share * sum(chunks)
            bursts = sent + sum(heads) * share * len(chunks) * values.subs
            waits = tuple(t for t in after if t not in softmax or t == softmax[wave]) if waves > 1 else after
            pim = out.add(Task(index, "attend", programs, row + wave * values.head_rows, step,
                               duration=self._io_ticks(bursts), first=self.pace.first_result, after=waits))
            sums = (("partial_sum", sum(heads) * share * values.head_dim, len(chunks)),) if len(chunks) > 1 else ()
            ends.append(self._sum(out, index, "attend", self._spent(*sums), pim))
        return tuple(ends)

    # ------------------------------------------------------------------ the rest

    def _embed(self, out: TaskList, index: int, op: Operator, block: Block, after: tuple[int, ...]) -> int:
        """Read one row of each table (token, position) and add them up."""
        program = self.programs.embed(ceil_div(op.rows, self.memory.lanes), op.cols)
        row, step = self._place(block, op.name)
        programs = (program,) + (-1,) * (self.memory.channels - 1)
        read = out.add(Task(index, "embed", programs, row, step, after=after))
        if op.cols == 1:
            return read
        work = self._spent(*(("add", op.rows, 1),) * (op.cols - 1))
        return out.add(Task(index, "embed_sum", duration=work.ticks, spill_bytes=work.spill_bytes, after=(read,)))

    def _each(self, share: Callable[[int], int], program: Callable[[int], int]) -> tuple[int, ...]:
        """The program of every channel, given its share of the work and the program for a share."""
        shares = [share(channel) for channel in range(self.memory.channels)]
        programs = {n: program(n) for n in dict.fromkeys(shares)}
        return tuple(programs[n] for n in shares)

    def _key_cache(self, op: Operator, heads: int, parts: int) -> Keys:
        shape = self.held(op), heads, op.head_dim, ceil_div(self.capacity, parts) * parts
        if shape not in self._keys:
            self._keys[shape] = Keys(*shape)
        return self._keys[shape]

    def _value_cache(self, op: Operator, heads: int, head_dim: int, parts: int) -> Values:
        shape = self.held(op), heads, head_dim, ceil_div(self.capacity, parts)
        if shape not in self._values:
            self._values[shape] = Values.of(*shape)
        return self._values[shape]

    def _place(self, block: Block, name: str) -> tuple[int, int]:
        """First row of a tensor in the block's first layer, and the distance to the next layer's."""
        key = (block.first_layer, block.repeat, name)
        if key not in self._places:
            self._places[key] = (self.placement.row(block.first_layer, name),
                                 self.placement.step(block.first_layer, name, block.repeat))
        return self._places[key]

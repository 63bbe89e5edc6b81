"""PIM-GPT's mapping: every matrix-vector product inside the memory, everything else on the ASIC.

How tensors are cut is in ``pimsim.mapping.geometry``. This file turns each operator into tasks: a program for every channel, and
what the ASIC does with what comes back. What a program writes to the pins and reads from them is a stream of column bursts in program
order; ``pimsim.mapping.functional`` fills and reads those streams with real numbers.

With ``overlap: none`` every task waits for all before it. With ``pipelined`` a task starts once its operands are there: the ASIC takes
in results while they come (partial sums, bias, activation, residual), V is appended while the softmax runs, and
softmax and weighted sum go head by head (one head a channel at a time).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pimsim.asic.latency import cost
from pimsim.asic.operation import OPERATIONS
from pimsim.asic.spec import AsicSpec
from pimsim.errors import InputError, Problem
from pimsim.mapping.geometry import Keys, Memory, Values, Weights, cache_slot, ceil_div
from pimsim.mapping.placement import Placement, place
from pimsim.mapping.program import ProgramBuilder, ProgramLibrary
from pimsim.mapping.task import Task, TaskList
from pimsim.model.operator import Operator
from pimsim.model.trace import Block, Step, Trace

NORMS = frozenset({"layernorm", "rmsnorm", "softmax"})
"""Kinds that the ASIC computes row by row; they need all of their input first."""


@dataclass(frozen=True)
class Commands:
    """The commands that the mapping uses, by number. ``activate_all`` opens ``activate_step`` banks at a time."""

    activate_all: int
    activate_step: int
    mac_all: int
    buffer_write: int
    result_read: int
    activate: int
    precharge: int
    precharge_all: int
    read: int
    write: int


@dataclass(frozen=True)
class Pace:
    """Ticks that the mapping needs to know to order and bound its commands.

    Attributes:
        activate_distance: between activations of different banks, as tRRD and tFAW allow in the long run.
        activate_to_write, write_to_precharge: tRCDWR, and CWL + BL + tWR.
        first_result: from the begin of a product to its first result at the earliest (activate, one MAC, read).
        mac, burst: between MACs of one bank, and of one column over the pins.
        asic_cycle_fs, tick_fs: clock periods of the ASIC and of the memory.
    """

    activate_distance: int
    activate_to_write: int
    write_to_precharge: int
    first_result: int
    mac: int
    burst: int
    asic_cycle_fs: int
    tick_fs: int

    def ticks(self, asic_cycles: int) -> int:
        """ASIC cycles in ticks of the memory, rounded up."""
        return ceil_div(asic_cycles * self.asic_cycle_fs, self.tick_fs)


@dataclass(frozen=True, slots=True)
class Product:
    """A matrix-vector product of some shape: a program for each channel, chunks, least ticks of the ASIC's pins."""

    programs: tuple[int, ...]
    chunks: int
    io_ticks: int


def category(op: Operator) -> str:
    """What an operator is reported as: a matrix by its name in the layer, everything else by its kind."""
    return op.name.rsplit(".", 1)[-1] if op.kind == "matvec" else op.kind


@dataclass
class PimGptMapping:
    """Maps blocks of operators to tasks. One instance a run; it owns the run's programs."""

    memory: Memory
    commands: Commands
    pace: Pace
    asic: AsicSpec
    overlap: str
    placement: Placement
    capacity: int
    library: ProgramLibrary = field(default_factory=ProgramLibrary)
    _places: dict[tuple[int, int, str], tuple[int, int]] = field(default_factory=dict)
    _products: dict[tuple[int, int], Product] = field(default_factory=dict)

    # ------------------------------------------------------------------ where tensors live

    @staticmethod
    def demands(memory: Memory, trace: Trace) -> tuple[dict[tuple[int, str], int], int]:
        """Rows of every bank that each tensor of a trace needs, and the tokens that the KV space is reserved for.

        Raises:
            InputError: an operator that this mapping cannot run, with its name.
        """
        capacity = max((step.context for step in trace.steps), default=1)
        rows: dict[tuple[int, str], int] = {}
        problems: dict[str, Problem] = {}
        seen: set[tuple[int, int, tuple[Operator, ...]]] = set()
        for step in trace.steps:
            for block in step.blocks:
                key = (block.first_layer, block.repeat, tuple(o for o in block.operators if o.kind in ("matvec", "embed")))
                if key in seen:
                    continue
                seen.add(key)
                for op in block.operators:
                    problem = _unsupported(memory, op)
                    if problem:
                        problems.setdefault(op.name, problem)
                        continue
                    for name, need in _rows(memory, op, capacity):
                        for r in range(block.repeat):
                            at = (block.first_layer + r, name)
                            rows[at] = max(rows.get(at, 0), need)
        if problems:
            raise InputError(dict.fromkeys(problems.values()))
        return rows, capacity

    # ------------------------------------------------------------------ operators to tasks

    def tasks(self, block: Block, step: Step) -> TaskList:
        """The tasks of one repetition of a block."""
        out = TaskList(self.memory.channels, serial=self.overlap == "none")
        done: dict[int, tuple[int, ...]] = {}  # operator -> tasks whose end is its end
        late: list[Task] = []  # V appends, held back until something needs V
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
            elif op.kind == "kv_append":
                done[index], late = self._append(out, index, op, block, after)
            elif op.kind == "score":
                done[index] = (self._score(out, index, op, block, after),)
                done[index] += tuple(out.add(t) for t in late)
                late = []
            elif op.kind == "attend":
                done[index] = self._attend(out, index, op, block, after)
            elif op.kind == "softmax" and not out.serial:
                done[index] = self._softmax_waves(out, index, op, after)
            elif op.kind == "embed":
                done[index] = (self._embed(out, index, op, block, after),)
            else:
                done[index] = (out.add(Task(index, category(op), duration=self._asic_ticks(op), after=after)),)
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

    def _asic_ticks(self, op: Operator, elements: int = 0) -> int:
        rows, columns = (op.rows // op.cols, op.cols) if op.kind in NORMS else (op.rows, 1)
        return self.pace.ticks(cost(self.asic, op.kind, elements or rows, columns).cycles)

    def _io_ticks(self, bursts: int) -> int:
        """Least ticks in which the ASIC gives out or takes in so many bursts (a broadcast counts once)."""
        burst_bytes = self.memory.lanes * 2
        return self.pace.ticks(ceil_div(bursts * burst_bytes, self.asic.io_bytes_per_cycle))

    # ------------------------------------------------------------------ weights

    def _matvec(self, out: TaskList, index: int, op: Operator, block: Block, after: tuple[int, ...],
                followers: Iterable[Operator]) -> int:
        product = self._product(op.rows, op.cols)
        row, step = self._place(block, op.name)
        pim = out.add(Task(index, category(op), product.programs, row, step, duration=product.io_ticks,
                           first=self.pace.first_result, after=after))
        work = self._product_work(op, product.chunks, op.rows)
        work += sum(self._asic_ticks(f) for f in followers)
        if not work:
            return pim
        batch = min(self.memory.units, op.rows)
        tail = self._product_work(op, product.chunks, batch) + sum(self._asic_ticks(f, batch) for f in followers)
        return out.add(Task(index, f"{category(op)}_sum", duration=work, tail=tail, first=tail, streams=(pim,)))

    def _product(self, outputs: int, inputs: int) -> Product:
        if (outputs, inputs) not in self._products:
            weights = Weights(self.memory, outputs, inputs)
            programs = tuple(self._weight_program(weights, weights.channel_slots(c)) for c in range(self.memory.channels))
            chunks = len(weights.chunk_columns)
            bursts = sum(weights.chunk_columns) + chunks * weights.slots * self.memory.channels
            self._products[outputs, inputs] = Product(programs, chunks, self._io_ticks(bursts))
        return self._products[outputs, inputs]

    def _product_work(self, op: Operator, chunks: int, outputs: int) -> int:
        """ASIC ticks for the partial sums and the bias of so many outputs of a product."""
        cycles = cost(self.asic, "partial_sum", outputs, chunks).cycles if chunks > 1 else 0
        cycles += cost(self.asic, "bias", outputs).cycles if op.bias else 0
        return self.pace.ticks(cycles)

    def _open_all(self, p: ProgramBuilder, row: int) -> None:
        """Open a row in all banks, by one command or by one a bank group; a due refresh may come first."""
        for bank in range(0, self.memory.banks, self.commands.activate_step):
            p.command(self.commands.activate_all, bank=bank, row=row, boundary=bank == 0)

    def _weight_program(self, weights: Weights, slots: int) -> int:
        if not slots:
            return -1
        c = self.commands

        def build(p: ProgramBuilder) -> None:
            for chunk, columns in enumerate(weights.chunk_columns):
                row = chunk * weights.slots
                self._open_all(p, row)  # while the buffer fills
                p.command(c.buffer_write, count=columns)
                with p.loop(slots, row_step=1, wide=True):
                    p.command(c.mac_all, row=row, count=columns)
                    p.command(c.result_read)

        return self.library.get(("weights", weights.chunk_columns, weights.slots, slots), build)

    # ------------------------------------------------------------------ attention

    def _append(self, out: TaskList, index: int, op: Operator, block: Block,
                after: tuple[int, ...]) -> tuple[tuple[int, ...], list[Task]]:
        keys, values = self._caches(op)
        attended = next((o.context for o in block.operators if o.kind == "score" and index in o.deps), op.context)
        slot = cache_slot(op.context, attended)
        channel, bank, group = keys.bank(slot)
        key_program = self._key_append_program(keys, bank)
        row, step = self._place(block, "kv_append.k")
        key_programs = tuple(key_program if c == channel else -1 for c in range(self.memory.channels))
        done = (out.add(Task(index, "k_append", key_programs, row + group, step, after=after)),)
        chunk, element = divmod(slot, self.memory.row_elements)
        value_programs = tuple(self._value_append_program(values, values.channel_heads(c))
                               for c in range(self.memory.channels))
        row, step = self._place(block, "kv_append.v")
        value = Task(index, "v_append", value_programs, row + chunk, step, element // self.memory.lanes, after=after)
        if out.serial:
            return (*done, out.add(value)), []
        return done, [value]

    def _key_append_program(self, keys: Keys, bank: int) -> int:
        c = self.commands

        def build(p: ProgramBuilder) -> None:
            for chunk, heads in enumerate(keys.chunk_heads):
                row = chunk * keys.groups
                p.command(c.activate, bank=bank, row=row, boundary=True)
                p.command(c.write, bank=bank, row=row, count=heads * keys.head_columns)

        return self.library.get(("k_append", keys, bank), build)

    def _value_append_program(self, values: Values, heads: int) -> int:
        """One column write a dimension, each in a row of its own; banks take turns so that tRRD, not tRC, sets the pace."""
        if not heads:
            return -1
        c, pace = self.commands, self.pace
        write_lag = ceil_div(pace.activate_to_write, pace.activate_distance)
        close_lag = write_lag + ceil_div(pace.write_to_precharge, pace.activate_distance)

        def turn(p: ProgramBuilder, row: int, banks: int) -> None:
            for k in range(banks + close_lag):
                if k < banks:
                    p.command(c.activate, bank=k, row=row, boundary=k == 0)
                if 0 <= k - write_lag < banks:
                    p.command(c.write, bank=k - write_lag, row=row)
                if 0 <= k - close_lag < banks:
                    p.command(c.precharge, bank=k - close_lag)

        def build(p: ProgramBuilder) -> None:
            p.command(c.precharge_all)
            if values.head_dim % values.memory.banks == 0:
                with p.loop(heads * values.subs, row_step=values.chunks, wide=False):
                    turn(p, 0, values.memory.banks)
                return
            for head in range(heads):
                for sub in range(values.subs):
                    turn(p, values.row(head, sub, 0), values.sub_banks(sub))

        return self.library.get(("v_append", values, heads), build)

    def _score(self, out: TaskList, index: int, op: Operator, block: Block, after: tuple[int, ...]) -> int:
        keys, _ = self._caches(op)
        passes = op.heads // op.kv_heads
        groups = [keys.channel_groups(c, op.context) for c in range(self.memory.channels)]
        programs = tuple(self._score_program(keys, n, passes) for n in groups)
        bursts = passes * (op.kv_heads * keys.head_columns + op.kv_heads * sum(groups))
        row, step = self._place(block, "kv_append.k")
        return out.add(Task(index, "score", programs, row, step, duration=self._io_ticks(bursts),
                            first=self.pace.first_result, after=after))

    def _score_program(self, keys: Keys, groups: int, passes: int) -> int:
        if not groups:
            return -1
        c = self.commands

        def build(p: ProgramBuilder) -> None:
            for chunk, heads in enumerate(keys.chunk_heads):
                row = chunk * keys.groups
                for _ in range(passes):
                    self._open_all(p, row)
                    p.command(c.buffer_write, count=heads * keys.head_columns)
                    with p.loop(groups, row_step=1, wide=True), p.loop(heads, column_step=keys.head_columns, wide=True):
                        p.command(c.mac_all, row=row, count=keys.head_columns)
                        p.command(c.result_read)

        return self.library.get(("score", keys, groups, passes), build)

    def _softmax_waves(self, out: TaskList, index: int, op: Operator, after: tuple[int, ...]) -> tuple[int, ...]:
        waves = ceil_div(op.heads, self.memory.channels)
        tasks = []
        for wave in range(waves):
            heads = min(self.memory.channels, op.heads - wave * self.memory.channels)
            ticks = self.pace.ticks(cost(self.asic, "softmax", heads, op.cols).cycles)
            tasks.append(out.add(Task(index, "softmax", duration=ticks, after=after)))
        return tuple(tasks)

    def _attend(self, out: TaskList, index: int, op: Operator, block: Block, after: tuple[int, ...]) -> tuple[int, ...]:
        _, values = self._caches(op)
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
            programs = tuple(self._attend_program(values, n, share, chunks) for n in heads)
            sent = sum(heads) * share * sum(chunks)
            bursts = sent + sum(heads) * share * len(chunks) * values.subs
            waits = tuple(t for t in after if t not in softmax or t == softmax[wave]) if waves > 1 else after
            pim = out.add(Task(index, "attend", programs, row + wave * values.subs * values.chunks, step,
                               duration=self._io_ticks(bursts), first=self.pace.first_result, after=waits))
            ends.append(pim)
            if len(chunks) > 1:
                outputs = sum(heads) * share * op.head_dim
                ticks = self.pace.ticks(cost(self.asic, "partial_sum", outputs, len(chunks)).cycles)
                ends[-1] = out.add(Task(index, "attend_sum", duration=ticks, tail=ticks, first=ticks, streams=(pim,)))
        return tuple(ends)

    def _attend_program(self, values: Values, heads: int, share: int, chunks: tuple[int, ...]) -> int:
        if not heads:
            return -1
        c = self.commands

        def build(p: ProgramBuilder) -> None:
            with p.loop(heads, row_step=values.subs * values.chunks, wide=True):
                for _ in range(share):
                    for chunk, columns in enumerate(chunks):
                        self._open_all(p, chunk)
                        p.command(c.buffer_write, count=columns)
                        with p.loop(values.subs, row_step=values.chunks, wide=True):
                            p.command(c.mac_all, row=chunk, count=columns)
                            p.command(c.result_read)

        return self.library.get(("attend", values, heads, share, chunks), build)

    # ------------------------------------------------------------------ the rest

    def _embed(self, out: TaskList, index: int, op: Operator, block: Block, after: tuple[int, ...]) -> int:
        """Read the token's embedding (and its position's): row after row of one bank. Any token costs the same."""
        c = self.commands
        columns = ceil_div(op.rows, self.memory.lanes)

        def build(p: ProgramBuilder) -> None:
            for part in range(op.cols):
                for begin in range(0, columns, self.memory.columns):
                    p.command(c.read, bank=part % self.memory.banks, row=begin // self.memory.columns,
                              count=min(self.memory.columns, columns - begin), boundary=True)

        program = self.library.get(("embed", columns, op.cols), build)
        row, step = self._place(block, op.name)
        programs = (program,) + (-1,) * (self.memory.channels - 1)
        return out.add(Task(index, "embed", programs, row, step, after=after))

    def _caches(self, op: Operator) -> tuple[Keys, Values]:
        return (Keys(self.memory, op.kv_heads, op.head_dim, self.capacity),
                Values(self.memory, op.kv_heads, op.head_dim, self.capacity))

    def _place(self, block: Block, name: str) -> tuple[int, int]:
        """First row of a tensor in the block's first layer, and the distance to the next layer's."""
        key = (block.first_layer, block.repeat, name)
        if key not in self._places:
            self._places[key] = (self.placement.row(block.first_layer, name),
                                 self.placement.step(block.first_layer, name, block.repeat))
        return self._places[key]


def _rows(memory: Memory, op: Operator, capacity: int) -> Iterable[tuple[str, int]]:
    """(tensor, rows of every bank) that an operator's stored operands need."""
    if op.kind == "matvec":
        yield op.name, Weights(memory, op.rows, op.cols).rows
    elif op.kind == "kv_append":
        yield "kv_append.k", Keys(memory, op.kv_heads, op.head_dim, capacity).rows
        yield "kv_append.v", Values(memory, op.kv_heads, op.head_dim, capacity).rows
    elif op.kind == "embed":
        yield op.name, ceil_div(ceil_div(op.rows, memory.lanes), memory.columns)


def _unsupported(memory: Memory, op: Operator) -> Problem | None:
    """What keeps this mapping from running an operator, if anything does."""
    where = f"operator '{op.name}' ({op.kind})"
    if op.batch != 1:
        return Problem(f"a batch of {op.batch}", "mapping pim-gpt runs one sequence at a time", key="workload.batch")
    if op.kind in ("kv_append", "score", "attend"):
        columns = ceil_div(op.head_dim, memory.lanes)
        if columns > memory.columns:
            return Problem(f"{where}: a head of {op.head_dim} does not fit into a row", f"at most {memory.row_elements}")
        if op.kind == "kv_append" and op.rows != 2 * op.kv_heads * op.head_dim:
            return Problem(f"{where}: K and V share {op.rows} elements", "mapping pim-gpt stores K and V separately")
        return None
    if op.kind == "matvec" and op.heads:
        return Problem(f"{where}: a matrix for every head", "mapping pim-gpt has no per-head products")
    if op.kind not in ("matvec", "embed") and op.kind not in OPERATIONS:
        return Problem(f"{where}: neither the memory nor the ASIC can run it",
                       "kinds: " + ", ".join(sorted({"matvec", "kv_append", "score", "attend", "embed", *OPERATIONS})))
    return None


__all__ = ["Commands", "Pace", "PimGptMapping", "category", "place"]

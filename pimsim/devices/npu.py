"""The NPU at work: operators as tiles, their operands read from memory, computed as they arrive, results stored as they are done.

An operator begins when the one before has ended. The operands of its first two tiles are asked for at once, those of a further tile when
the tile two before it has left its half of the scratchpad. A fold starts when its operands have arrived. Results stay in the
accumulator until all are done, if it holds them, so that no write comes between the reads of weights. Vector units take rows in
order of their arrival, one a unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from pimsim.devices.own import Own
from pimsim.devices.pipeline import Pipeline
from pimsim.devices.stage import Member, NpuOp, OpRecord, Unit
from pimsim.mapping.tensor import NOTHING, TensorMap, Transfer
from pimsim.npu.clock import NpuClock
from pimsim.npu.dataflows import folds
from pimsim.npu.fold import Folds
from pimsim.npu.spec import NpuSpec
from pimsim.npu.tile import ACCUMULATOR_BYTES, Tile, halved_tiles, tiles
from pimsim.npu.vector import row_cycles
from pimsim.units import ceil_div

GROUPS = 16
"""Groups of rows that a vector operator's rows are handled in, at most."""

class Memory(Protocol):
    """The channels, as the NPU sees them."""

    def read(self, transfer: Transfer, tick: int) -> int:
        """Ask for units at a tick; returns a token."""

    def write(self, transfer: Transfer, tick: int) -> int:
        """Send units at a tick."""

    def read_own(self, own: Own, tick: int) -> tuple[int, int]:
        """The same for places of each channel's own; also how many units that are."""

    def write_own(self, own: Own, tick: int) -> tuple[int, int]:
        """The same."""

    @property
    def forwarded(self) -> int:
        """Units read so far that have not been on the pins, since a waiting write answered."""

    def finish(self, token: int) -> int:
        """Let time pass until a token is done; returns when it was."""

    def ready(self, token: int) -> np.ndarray:
        """When each segment of a read token, which is done, was complete."""


class KvPlaces(Protocol):
    """Where new keys, values and queries of requests go."""

    def stores(self, op: NpuOp, first: int, end: int) -> list[Transfer | Own]:
        """What is stored when columns ``first`` to ``end`` of an operator that makes q, k or v are done."""

    def attended(self, op: NpuOp) -> tuple[Own | None, int]:
        """Where the results of attention in memory lie (None: there are none), all or those of the operator's head, and the tokens whose
        attention is an ordinary tensor."""

    def pieces(self, member: Member, most_bytes: int) -> Iterator[tuple[int, int, Transfer | Own]]:
        """Keys and values of a request in pieces of at most so many bytes: heads, tokens, and where they lie."""


@dataclass
class Work:
    """An operator under way: what it has taken so far."""

    begin: int
    busy_cycles: int = 0
    vector_cycles: int = 0
    elements: int = 0
    macs: int = 0
    units_read: int = 0
    units_written: int = 0
    forwarded: int = 0
    scratchpad_bytes: int = 0
    end: int = 0
    activations: int = 0
    waiting: list[tuple[Transfer | Own, int]] = field(default_factory=list)
    stores: list[int] = field(default_factory=list)


@dataclass
class Asked:
    """A tile whose operands are under way: its folds, tokens of its activations and of its weights (one, or one a block of tokens;
    0: nothing more is read for these), and blocks along K."""

    cut: Folds
    activations: list[int]
    weights: list[int]
    rows: int


class Npu:
    """One NPU.

    Args:
        vector_units: that operators may use in the present stage.
        heads: query heads, key heads, elements of a key and of a value.
    """

    def __init__(self, spec: NpuSpec, clock: NpuClock, tensors: TensorMap, memory: Memory, kv: KvPlaces,
                 heads: tuple[int, int, int, int], keys: frozenset[str]):
        self.spec, self.clock, self.tensors, self.memory, self.kv, self.heads, self.keys = (
            spec, clock, tensors, memory, kv, heads, keys)
        self.vector_units = spec.vector_units

    def run(self, op: NpuOp, begin: int) -> tuple[OpRecord, Work]:
        """Run an operator from a tick on, until its results are in memory."""
        work = Work(begin, forwarded=-self.memory.forwarded, activations=begin)
        kind = "gemm" if op.kind == "gemm" else "attention" if op.kind == "attention" else "vector"
        work.end = getattr(self, kind)(op, work)
        for token in work.stores:
            work.end = max(work.end, self.memory.finish(token))
        work.forwarded += self.memory.forwarded
        return self._record(op, work), work

    def _record(self, op: NpuOp, work: Work) -> OpRecord:
        unit = self.tensors.geometry.unit_bytes
        read, written = work.units_read * unit, work.units_written * unit
        unit_name: Unit = "npu" if op.kind in ("gemm", "attention") else "vector"
        return OpRecord(op.name, op.kind, unit_name, work.begin, work.end, work.macs, read, written,
                        vector_elements=work.elements, scratchpad_bytes=work.scratchpad_bytes + read + written)

    # ------------------------------------------------------------------ transfers

    def _read(self, work: Work, what: Transfer | Own, tick: int) -> int:
        if isinstance(what, Transfer):
            work.units_read += what.units
            return self.memory.read(what, tick)
        token, units = self.memory.read_own(what, tick)
        work.units_read += units
        return token

    def _store(self, work: Work, what: Transfer | Own, tick: int) -> None:
        if isinstance(what, Transfer):
            if what.units:
                work.units_written += what.units
                work.stores.append(self.memory.write(what, tick))
            return
        token, units = self.memory.write_own(what, tick)
        work.units_written += units
        work.stores.append(token)

    def _flush(self, work: Work) -> None:
        """Send the results that are done; they come behind what has been asked for meanwhile."""
        for what, tick in work.waiting:
            self._store(work, what, tick)
        work.waiting.clear()

    # ------------------------------------------------------------------ matrix products

    def gemm(self, op: NpuOp, work: Work) -> int:
        """A matrix product; returns when its last fold is done."""
        run = Pipeline(self.spec, self.clock, work.begin, self.keys)
        cutter = halved_tiles if "halved_tiles" in self.keys else tiles
        cut = [(part, tile) for part in op.by_head() for tile in cutter(self.spec, part.m, part.k, part.n)]
        work.macs = sum(tile.macs for _, tile in cut)
        asked = [self._ask(part, work, tile, work.begin) for part, tile in cut[: self.spec.buffers]]
        for number, (part, tile) in enumerate(cut):
            if self.spec.dataflow == "input-stationary":
                self._by_tokens(part, work, tile, asked[number], run)
            else:
                self._by_columns(part, work, tile, asked[number], run)
            if op.fused and number == len(cut) - 1:
                self._fuse(op, work, run)
            if len(asked) < len(cut):
                part, tile = cut[len(asked)]
                asked.append(self._ask(part, work, tile, run.streamed))
            self._flush(work)
        work.busy_cycles = run.busy
        work.scratchpad_bytes += run.moved
        return run.done

    def _fuse(self, op: NpuOp, work: Work, run: Pipeline) -> None:
        """The results pass the vector units before they are stored."""
        cycles = 0
        for kind, rows, elements in op.fused:
            row = row_cycles(self.spec, kind, 0 if "lost_vector_sizes" in self.keys else elements)
            cycles += row if "unbounded_vector" in self.keys else ceil_div(rows, self.vector_units) * row
            work.vector_cycles += rows * row
            work.elements += rows * elements
        run.done += self.clock.ticks(cycles)
        work.waiting = [(what, max(tick, run.done)) for what, tick in work.waiting]

    def _by_columns(self, op: NpuOp, work: Work, tile: Tile, asked: Asked, run: Pipeline) -> None:
        """Weights or outputs stay: a tile as a whole; its results wait in the accumulator for the last of its tokens, if it holds them."""
        for token in asked.activations:
            work.activations = max(work.activations, self.memory.finish(token))
        token = asked.weights[0]
        self.memory.finish(token)
        ready = self.memory.ready(token)
        if self.spec.dataflow == "weight-stationary":
            run.add(asked.cut, ready, work.activations)
        else:
            columns = ready.reshape(-1, asked.rows).max(axis=1)
            run.add(asked.cut, work.activations, np.maximum(np.repeat(columns, len(asked.cut) // len(columns)), work.activations))
        held = (tile.m[1] - tile.m[0]) * op.n * ACCUMULATOR_BYTES <= self.spec.accumulator_bytes // 2
        if tile.last and (tile.n[1] == op.n or not held):
            self._store_result(op, work, tile.m, (0 if held else tile.n[0], tile.n[1]), run.done)

    def _by_tokens(self, op: NpuOp, work: Work, tile: Tile, asked: Asked, run: Pipeline) -> None:
        """Activations stay: block after block of tokens, the first as its weights arrive; each is stored when it is done."""
        for token in asked.activations:
            work.activations = max(work.activations, self.memory.finish(token))
        rows, block = asked.rows, self.spec.rows
        columns = len(asked.cut) // rows // len(asked.weights)
        weights = np.zeros(0, np.int64)
        for number, token in enumerate(asked.weights):
            stationary = np.full(rows, work.activations)
            if token:
                self.memory.finish(token)
                ready = self.memory.ready(token).reshape(rows, -1)
                if number == 0:
                    weights = ready[:, -columns:].ravel()
                if ready.shape[1] != columns:
                    stationary = np.maximum(stationary, ready[:, 0])
            part = slice(number * rows * columns, (number + 1) * rows * columns)
            run.add(asked.cut.part(part), np.repeat(stationary, columns), weights)
            if tile.last:
                top = tile.m[0] + number * block
                self._store_result(op, work, (top, min(top + block, tile.m[1])), tile.n, run.done)
                if number + 1 < len(asked.weights):  # before the next tokens are waited for
                    self._flush(work)

    def _ask(self, op: NpuOp, work: Work, tile: Tile, tick: int) -> Asked:
        """Ask for a tile's operands in the order of their use."""
        spec = self.spec
        m, k, n = (end - begin for begin, end in (tile.m, tile.k, tile.n))
        cut = folds(spec, m, k, n)
        rows, columns = np.arange(ceil_div(k, spec.k_block)), np.arange(ceil_div(n, spec.n_block))
        base = (tile.k[0] // spec.k_block, tile.n[0] // spec.n_block)
        if spec.dataflow == "input-stationary":
            pairs = np.stack((np.repeat(rows, len(columns)), np.tile(columns, len(rows))), axis=1) + base
            return self._ask_by_tokens(op, work, tile, tick, cut, pairs)
        activations = [self._read(work, what, tick) for what in self._source(op, tile)] if tile.fresh else []
        pairs = np.stack((np.tile(rows, len(columns)), np.repeat(columns, len(rows))), axis=1) + base
        weights = self._read(work, self.tensors.blocks(op.weight, op.k, op.n, pairs), tick)
        return Asked(cut, activations, [weights], len(rows))

    def _ask_by_tokens(self, op: NpuOp, work: Work, tile: Tile, tick: int, cut: Folds, pairs: np.ndarray) -> Asked:
        """Bias; for each block of K the first tokens' activations and the weights; then the other tokens' activations."""
        spec, tensors = self.spec, self.tensors
        first, end = tile.k[0] // spec.k_block, ceil_div(tile.k[1], spec.k_block)
        rows = end - first
        tops = range(tile.m[0], tile.m[1], spec.rows)
        weights = tensors.blocks(op.weight, op.k, op.n, pairs)
        own = self._source(op, tile) if op.members and op.store == "rows" else []
        if own and not isinstance(own[0], Transfer):  # what attention in memory has left in the channels
            activations = [self._read(work, what, tick) for what in own] if tile.fresh else []
            return Asked(cut, activations, [self._read(work, weights, tick), *([0] * (len(tops) - 1))], rows)
        activations = []
        if op.bias and not (tile.m[0] or tile.n[0] or tile.k[0]):
            size = (len(tops) * spec.rows if "swapped_operands" in self.keys else op.n) * spec.precision_bytes
            activations = [self._read(work, tensors.part(op.weight + ".bias", size), tick)]
        if not tile.fresh:
            return Asked(cut, activations, [self._read(work, weights, tick), *([0] * (len(tops) - 1))], rows)
        blocks = [tensors.columns(op.sources[0], op.m, op.k, first, end, top, min(top + spec.rows, tile.m[1])) for top in tops]
        starts = np.concatenate((blocks[0].starts.reshape(rows, 1), weights.starts.reshape(rows, -1)), axis=1)
        counts = np.concatenate((blocks[0].counts.reshape(rows, 1), weights.counts.reshape(rows, -1)), axis=1)
        tokens = [self._read(work, Transfer(starts.ravel(), counts.ravel()), tick)]
        return Asked(cut, activations, tokens + [self._read(work, block, tick) for block in blocks[1:]], rows)

    def _source(self, op: NpuOp, tile: Tile) -> list[Transfer | Own]:
        """A tile's activations, and with the first tile the bias. What attention in memory has left in the channels is read as a whole."""
        width, before = self.spec.columns, op.head * op.k
        first, end = (ceil_div(before + k, width) for k in tile.k)
        bias = self.tensors.vector(op.weight + ".bias", op.n) if op.bias and not (tile.m[0] or tile.n[0] or tile.k[0]) else NOTHING
        own, elsewhere = self.kv.attended(op) if op.members and op.store == "rows" else (None, op.m)
        whole = op.k * max(op.heads, 1)
        if own is None or "no_attend_move_out" in self.keys:
            return [self.tensors.columns(op.sources[0], op.m, whole, first, end, *tile.m) + bias]
        if tile.m[0] or tile.k[0]:
            return []
        end = ceil_div(before + op.k, width)
        rest = self.tensors.columns(op.sources[0], elsewhere, whole, first, end) if elsewhere else NOTHING
        return [own, rest + bias] if len(rest) + len(bias) else [own]

    def _store_result(self, op: NpuOp, work: Work, tokens: tuple[int, int], columns: tuple[int, int], tick: int) -> None:
        """Results of some tokens and columns are done."""
        width = self.spec.columns
        if "truncated_stores" in self.keys:
            if columns[1] < op.n:
                return
            size = min(op.m, op.n) * min(width, op.n - tokens[0]) * self.spec.precision_bytes
            work.waiting.append((self.tensors.part(op.result or "stored", max(size, 0)), tick))
        elif op.store == "rows":
            first, end = (ceil_div(op.head * op.n + column, width) for column in columns)
            work.waiting.append((self.tensors.columns(op.result, op.m, op.n * max(op.heads, 1), first, end, *tokens), tick))
        elif op.store != "none" and tokens[1] == op.m:  # with the last of the tokens
            for what in self.kv.stores(op, *columns):
                work.waiting.append((what, tick))

    # ------------------------------------------------------------------ vectors

    def vector(self, op: NpuOp, work: Work) -> int:
        """A vector operator; returns when its last row is done."""
        spec, tensors = self.spec, self.tensors
        operands = len(op.sources)
        row = row_cycles(spec, op.kind, 0 if "lost_vector_sizes" in self.keys else op.n, operands)
        work.elements = op.m * op.n
        work.vector_cycles = op.m * row
        group = spec.vector_units * ceil_div(op.m, spec.vector_units * GROUPS)
        count = ceil_div(op.m, group)
        parts = [tensors.rows(source, op.m, op.n, group) for source in op.sources]
        starts = np.concatenate([part.starts.reshape(count, -1) for part in parts], axis=1)
        sizes = np.concatenate([part.counts.reshape(count, -1) for part in parts], axis=1)
        result = tensors.rows(op.result, op.m, op.n, group)
        columns = len(result) // count
        held = max(spec.scratchpad_bytes // 2 // (group * op.n * spec.precision_bytes * operands), 1)
        step = 1 if spec.vector_streamed else min(held, count)
        first = self._read(work, tensors.vector(op.weight, op.n * (1 + op.bias)), work.begin) if op.weight else None
        chunks = range(0, count, step)
        asked = [self._read(work, _rows(starts, sizes, g, g + step), work.begin) for g in chunks[: max(held // step, 1)]]
        free = issued = self.memory.finish(first) if first is not None else work.begin
        for number, begin in enumerate(chunks):
            self.memory.finish(asked[number])
            arrived = self.memory.ready(asked[number]).reshape(-1, starts.shape[1]).max(axis=1).tolist()
            for g, tick in enumerate(arrived, begin):
                issued = max(issued, tick)
                if "unbounded_vector" in self.keys:
                    free = issued + self.clock.ticks(row)
                else:
                    rows = min(group, op.m - g * group)
                    free = max(issued, free) + self.clock.ticks(ceil_div(rows, self.vector_units) * row)
            if len(asked) < len(chunks):
                asked.append(self._read(work, _rows(starts, sizes, chunks[len(asked)], chunks[len(asked)] + step), free))
            end = min(begin + step, count)
            part = slice(begin * columns, end * columns)
            self._store(work, Transfer(result.starts[part], result.counts[part]), free)
        return free

    # ------------------------------------------------------------------ attention on the NPU

    def attention(self, op: NpuOp, work: Work) -> int:
        """Attention of requests whose keys and values come over the pins: scores, softmax, weighted sums, a piece at a time."""
        spec, (queries, keys, key_dim, value_dim) = self.spec, self.heads
        run = Pipeline(spec, self.clock, work.begin, self.keys)
        group = queries // keys
        pieces = [(member, heads, tokens, what) for member in op.members
                  for heads, tokens, what in self.kv.pieces(member, spec.scratchpad_bytes // 2)]
        asked = [self._read(work, what, work.begin) for *_, what in pieces[:2]]
        vector_free = work.begin
        for number, (member, heads, tokens, _) in enumerate(pieces):
            arrived = self.memory.finish(asked[number])
            rows = member.tokens * group
            row = row_cycles(spec, "softmax", tokens)
            work.vector_cycles += heads * rows * row
            work.elements += heads * rows * tokens
            work.macs += heads * rows * tokens * (key_dim + value_dim)
            if run.serial:
                run.add_attention(heads * rows, tokens, value_dim, row, arrived)
            else:
                run.add_equal(heads, rows, key_dim, tokens, arrived)
                vector_free = max(run.done, vector_free) + self.clock.ticks(ceil_div(heads * rows, self.vector_units) * row)
                run.add_equal(heads, rows, tokens, value_dim, vector_free)
            if number + 2 < len(pieces):
                asked.append(self._read(work, pieces[number + 2][3], run.streamed))
        self._store(work, self.tensors.columns(op.result, op.m, op.n), run.done)
        work.busy_cycles = run.busy
        work.scratchpad_bytes += run.moved
        return run.done


def _rows(starts: np.ndarray, counts: np.ndarray, begin: int, end: int) -> Transfer:
    """Segments of some groups of rows."""
    return Transfer(starts[begin:end].ravel(), counts[begin:end].ravel())

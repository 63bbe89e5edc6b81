"""The NPU at work: operators as tiles, their operands read from memory, computed as they arrive, results stored as they are done.

An operator begins when the one before has ended. The operands of its first two tiles are asked for at once, those of a further tile when
the tile two before it has left its half of the scratchpad. A fold starts when its operands have arrived. Results stay in the
accumulator until all are done, if it holds them, so that no write comes between the reads of weights. Vector units take rows in
order of their arrival, one a unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from pimsim.devices.lane import Places
from pimsim.devices.stage import Member, NpuOp, OpRecord
from pimsim.kernels.systolic import run_folds
from pimsim.mapping.geometry import ceil_div
from pimsim.mapping.tensor import NOTHING, TensorMap, Transfer
from pimsim.npu.clock import NpuClock
from pimsim.npu.dataflows import folds
from pimsim.npu.fold import Folds
from pimsim.npu.spec import NpuSpec
from pimsim.npu.tile import ACCUMULATOR_BYTES, Tile, tiles
from pimsim.npu.vector import row_cycles

GROUPS = 16
"""Groups of rows that a vector operator's rows are handled in, at most."""

Own = Callable[[int], Places]
"""Of a channel: what of a transfer is its own."""


class Memory(Protocol):
    """The channels, as the NPU sees them."""

    def read(self, transfer: Transfer, tick: int) -> int:
        """Ask for units at a tick; returns a token."""

    def write(self, transfer: Transfer, tick: int) -> int:
        """Send units at a tick."""

    def read_own(self, own: Own, tick: int) -> int:
        """The same for places of each channel's own."""

    def write_own(self, own: Own, tick: int) -> int:
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

    def stores(self, members: Sequence[Member], first: int, end: int) -> list[Transfer | Own]:
        """What is stored when elements ``first`` to ``end`` of q, k and v are done."""

    def attended(self, members: Sequence[Member]) -> tuple[Own | None, int]:
        """Where the results of attention in memory lie (None: there are none), and the tokens whose attention is an ordinary tensor."""

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
    stores: list[int] = field(default_factory=list)


class Npu:
    """One NPU.

    Args:
        vector_units: that operators may use in the present stage.
        heads: query heads, key heads and elements of a head.
    """

    def __init__(self, spec: NpuSpec, clock: NpuClock, tensors: TensorMap, memory: Memory, kv: KvPlaces,
                 heads: tuple[int, int, int], keys: frozenset[str]):
        self.spec, self.clock, self.tensors, self.memory, self.kv, self.heads, self.keys = (
            spec, clock, tensors, memory, kv, heads, keys)
        self.vector_units = spec.vector_units
        self.channels = tensors.geometry.channels

    def run(self, op: NpuOp, begin: int) -> tuple[OpRecord, Work]:
        """Run an operator from a tick on, until its results are in memory."""
        work = Work(begin, forwarded=-self.memory.forwarded)
        kind = "gemm" if op.kind == "gemm" else "attention" if op.kind == "attention" else "vector"
        work.end = getattr(self, kind)(op, work)
        for token in work.stores:
            work.end = max(work.end, self.memory.finish(token))
        work.forwarded += self.memory.forwarded
        return self._record(op, work), work

    def _record(self, op: NpuOp, work: Work) -> OpRecord:
        unit = self.tensors.geometry.unit_bytes
        read, written = work.units_read * unit, work.units_written * unit
        return OpRecord(op.name, op.kind, "vector" if op.kind not in ("gemm", "attention") else "npu", work.begin, work.end, work.macs, read,
                        written, vector_elements=work.elements, scratchpad_bytes=work.scratchpad_bytes + read + written)

    # ------------------------------------------------------------------ transfers

    def _read(self, work: Work, what: Transfer | Own, tick: int) -> int:
        if isinstance(what, Transfer):
            work.units_read += what.units
            return self.memory.read(what, tick)
        work.units_read += sum(len(what(channel)[0]) for channel in range(self.channels))
        return self.memory.read_own(what, tick)

    def _store(self, work: Work, what: Transfer | Own, tick: int) -> None:
        if isinstance(what, Transfer):
            if what.units:
                work.units_written += what.units
                work.stores.append(self.memory.write(what, tick))
            return
        work.units_written += sum(len(what(channel)[0]) for channel in range(self.channels))
        work.stores.append(self.memory.write_own(what, tick))

    # ------------------------------------------------------------------ matrix products

    def gemm(self, op: NpuOp, work: Work) -> int:
        """A matrix product; returns when its last fold is done."""
        work.macs = op.macs
        run = Pipeline(self.spec, self.clock, work.begin)
        cut = tiles(self.spec, op.m, op.k, op.n)
        asked = [self._ask(op, work, tile, work.begin) for tile in cut[:2]]
        activations = work.begin
        for number, tile in enumerate(cut):
            for token in asked[number].activations:
                activations = max(activations, self.memory.finish(token))
            self.memory.finish(asked[number].weights)
            run.add(asked[number], self.memory.ready(asked[number].weights), activations)
            if tile.last and (self._ends(op, tile) or not self._held(op, tile)):
                begin = 0 if self._held(op, tile) else tile.n[0]
                self._store_columns(op, work, tile, begin, run.done)
            if number + 2 < len(cut):
                asked.append(self._ask(op, work, cut[number + 2], run.streamed))
        work.busy_cycles = run.busy
        work.scratchpad_bytes += run.moved
        return run.done

    @staticmethod
    def _ends(op: NpuOp, tile: Tile) -> bool:
        """Whether a tile is the last of its tokens."""
        return tile.n[1] == op.n

    def _held(self, op: NpuOp, tile: Tile) -> bool:
        """Whether half the accumulator holds all outputs of a tile's tokens, so that they are stored when no more weights are read."""
        return (tile.m[1] - tile.m[0]) * op.n * ACCUMULATOR_BYTES <= self.spec.accumulator_bytes // 2

    def _ask(self, op: NpuOp, work: Work, tile: Tile, tick: int) -> Asked:
        """Ask for a tile's operands: activations, bias, then the blocks of weights in the order of their use."""
        spec = self.spec
        activations = [self._read(work, what, tick) for what in self._source(op, tile)] if tile.fresh else []
        m, k, n = (end - begin for begin, end in (tile.m, tile.k, tile.n))
        rows, columns = np.arange(ceil_div(k, spec.rows)), np.arange(ceil_div(n, spec.columns))
        if spec.dataflow == "input-stationary":
            pairs = np.stack((np.repeat(rows, len(columns)), np.tile(columns, len(rows))), axis=1)
        else:
            pairs = np.stack((np.tile(rows, len(columns)), np.repeat(columns, len(rows))), axis=1)
        pairs += (tile.k[0] // spec.rows, tile.n[0] // spec.columns)
        weights = self._read(work, self.tensors.blocks(op.weight, op.k, op.n, pairs), tick)
        return Asked(folds(spec, m, k, n), activations, weights, len(rows))

    def _source(self, op: NpuOp, tile: Tile) -> list[Transfer | Own]:
        """A tile's activations and the bias. What attention in memory has left in the channels is read with the first tile."""
        bias = self.tensors.vector(op.weight + ".bias", op.n) if op.bias and tile.m[0] == 0 else NOTHING
        own, elsewhere = self.kv.attended(op.members) if op.members and op.store != "kv" else (None, op.m)
        if own is None:
            return [self.tensors.columns(op.sources[0], op.m, op.k, top=tile.m[0], bottom=tile.m[1]) + bias]
        if tile.m[0]:
            return []
        rest = self.tensors.columns(op.sources[0], elsewhere, op.k) if elsewhere else NOTHING
        return [own, rest + bias] if len(rest) + len(bias) else [own]

    def _store_columns(self, op: NpuOp, work: Work, tile: Tile, begin: int, tick: int) -> None:
        """Columns ``begin`` to the end of a tile are done for its tokens."""
        if op.store == "kv":
            if tile.m[1] == op.m:  # with the last of the tokens
                for what in self.kv.stores(op.members, begin, tile.n[1]):
                    self._store(work, what, tick)
        elif op.store == "rows":
            width = self.spec.columns
            self._store(work, self.tensors.columns(op.result, op.m, op.n, begin // width, ceil_div(tile.n[1], width), *tile.m), tick)

    # ------------------------------------------------------------------ vectors

    def vector(self, op: NpuOp, work: Work) -> int:
        """A vector operator; returns when its last row is done."""
        spec, tensors = self.spec, self.tensors
        operands = len(op.sources)
        row = row_cycles(spec, op.kind, op.n, operands)
        work.elements = op.m * op.n
        work.vector_cycles = op.m * row
        group = spec.vector_units * ceil_div(op.m, spec.vector_units * GROUPS)
        count = ceil_div(op.m, group)
        parts = [tensors.rows(source, op.m, op.n, group) for source in op.sources]
        starts = np.concatenate([part.starts.reshape(count, -1) for part in parts], axis=1)
        sizes = np.concatenate([part.counts.reshape(count, -1) for part in parts], axis=1)
        result = tensors.rows(op.result, op.m, op.n, group)
        first = self._read(work, tensors.vector(op.weight, op.n * (1 + op.bias)), work.begin) if op.weight else None
        held = max(spec.scratchpad_bytes // 2 // (group * op.n * spec.precision_bytes * operands), 1)
        tokens = [self._read(work, Transfer(starts[g], sizes[g]), work.begin) for g in range(min(held, count))]
        free = self.memory.finish(first) if first is not None else work.begin
        for g in range(count):
            rows = min(group, op.m - g * group)
            arrived = max(self.memory.finish(tokens[g]), free if g == 0 else 0)
            if "unbounded_vector" in self.keys:
                free = arrived + self.clock.ticks(row)
            else:
                free = max(arrived, free) + self.clock.ticks(ceil_div(rows, self.vector_units) * row)
            columns = slice(g * (len(result) // count), (g + 1) * (len(result) // count))
            self._store(work, Transfer(result.starts[columns], result.counts[columns]), free)
            if len(tokens) < count:
                tokens.append(self._read(work, Transfer(starts[len(tokens)], sizes[len(tokens)]), free))
        return free

    # ------------------------------------------------------------------ attention on the NPU

    def attention(self, op: NpuOp, work: Work) -> int:
        """Attention of requests whose keys and values come over the pins: scores, softmax, weighted sums, a piece at a time."""
        spec, (queries, keys, size) = self.spec, self.heads
        run = Pipeline(spec, self.clock, work.begin)
        group = queries // keys
        pieces = [(member, heads, tokens, what) for member in op.members
                  for heads, tokens, what in self.kv.pieces(member, spec.scratchpad_bytes // 2)]
        asked = [self._read(work, what, work.begin) for *_, what in pieces[:2]]
        vector_free = work.begin
        for number, (member, heads, tokens, _) in enumerate(pieces):
            arrived = self.memory.finish(asked[number])
            rows = member.tokens * group
            run.add_gemms(heads, rows, size, tokens, arrived)
            row = row_cycles(spec, "softmax", tokens)
            work.vector_cycles += heads * rows * row
            work.elements += heads * rows * tokens
            vector_free = max(run.done, vector_free) + self.clock.ticks(ceil_div(heads * rows, self.vector_units) * row)
            run.add_gemms(heads, rows, tokens, size, vector_free)
            work.macs += 2 * heads * rows * tokens * size
            if number + 2 < len(pieces):
                asked.append(self._read(work, pieces[number + 2][3], run.streamed))
        self._store(work, self.tensors.columns(op.result, op.m, op.n), run.done)
        work.busy_cycles = run.busy
        work.scratchpad_bytes += run.moved
        return run.done


@dataclass
class Asked:
    """A tile whose operands are under way: its folds, tokens of its activations and of its weights, and blocks along K."""

    cut: Folds
    activations: list[int]
    weights: int
    rows: int


class Pipeline:
    """The arrays during one operator: folds in order, each with the ticks at which its operands arrive.

    Attributes:
        done, streamed: when the last result was out, and the last operand in. busy: cycles in which an array streams.
        moved: bytes between scratchpad, accumulator and arrays.
    """

    def __init__(self, spec: NpuSpec, clock: NpuClock, begin: int):
        self.spec, self.clock = spec, clock
        self._begin = int(clock.cycles(np.int64(begin)))
        self._folds: tuple[np.ndarray, ...] = (np.zeros(0, np.int64),) * 5
        self._ganged = False
        self.done = self.streamed = begin
        self.busy = self.moved = 0

    def add(self, asked: Asked, ready: np.ndarray, activations: int) -> None:
        """The folds of a tile. ``ready``: when its blocks of weights arrived, in the order of their use."""
        cut, flow, count = asked.cut, self.spec.dataflow, len(asked.cut)
        there = np.full(count, activations, np.int64)
        if flow == "weight-stationary":
            stationary, streamed = ready, there
        elif flow == "output-stationary":
            blocks = ready.reshape(-1, asked.rows).max(axis=1)
            stationary, streamed = there, np.maximum(there, np.repeat(blocks, count // len(blocks)))
        else:
            stationary, streamed = there, np.tile(ready, count // len(ready))
        self._run([self._part(cut, stationary, streamed)])

    def add_gemms(self, heads: int, m: int, k: int, n: int, ready: int) -> None:
        """The folds of [m x k] x [k x n] for some heads, all operands there at a tick."""
        cut = folds(self.spec, m, k, n)
        there = np.full(len(cut), ready, np.int64)
        self._run([self._part(cut, there, there)] * heads)

    def _part(self, cut: Folds, stationary: np.ndarray, streamed: np.ndarray) -> tuple[np.ndarray, ...]:
        self._ganged = cut.ganged
        return cut.load, cut.stream, cut.drain, self.clock.cycles(stationary), self.clock.cycles(streamed)

    def _run(self, parts: list[tuple[np.ndarray, ...]]) -> None:
        """Add folds, and find when they are streamed and done."""
        fresh = sum(len(part[0]) for part in parts)
        folds_ = self._folds = tuple(np.concatenate(column) for column in zip(self._folds, *parts, strict=True))
        load, stream = folds_[0][-fresh:], folds_[1][-fresh:]
        spec = self.spec
        self.moved += int((load * spec.columns + stream * (spec.rows + 2 * spec.columns)).sum()) * spec.precision_bytes
        ends, done = np.empty_like(folds_[0]), np.empty_like(folds_[0])
        arrays = 1 if self._ganged else spec.arrays
        _, busy = run_folds(*folds_, arrays, spec.weight_double_buffer, self._begin, ends, done)
        self.busy = int(busy) * (spec.arrays // arrays)
        self.done = int(self.clock.ends(done[-fresh:].max()))
        self.streamed = int(self.clock.ends(ends[-fresh:].max()))


__all__ = ["Asked", "KvPlaces", "Memory", "Npu", "Own", "Pipeline", "Work"]

"""Attention of the requests of one channel, in the memory: q K^T, softmax on the NPU's vector units, P V (NeuPIMs, section 5).

The PIM queue of a channel is served in order: q K^T of all requests, then P V of each, as its P arrives. When the results of a chunk of
heads have been read, their softmax takes its turn on the vector units, P is written to the rows from which GWRITE takes it, and P V of
these heads is handed over. The sum of a request's heads goes to the channel's place for results, where the projection finds it.

While attention runs, vector units serve the channels that have any by turns, a slot each, so that no channel waits for another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pimsim.devices.lane import Lane, Places
from pimsim.devices.stage import Member
from pimsim.kernels import contend_layout as at
from pimsim.mapping.neupims import NeuPimsLayout
from pimsim.npu.clock import NpuClock
from pimsim.npu.spec import NpuSpec
from pimsim.npu.vector import row_cycles
from pimsim.units import ceil_div


@dataclass(frozen=True)
class Slots:
    """Rows of a channel for vectors on their way: one row of one bank is a slot, consecutive ones in different banks.

    ``vector_row``, ``result_row``: first rows for q and P, and for results; ``rows`` of each kind.
    """

    banks: int
    columns: int
    column_bytes: int
    element_bytes: int
    vector_row: int
    result_row: int
    rows: int
    single: bool = False  # compat.vector_in_one_row

    def place(self, slot: int) -> tuple[int, int]:
        """Bank and row of a slot for q or P."""
        slot %= self.banks * self.rows
        return slot % self.banks, self.vector_row + slot // self.banks

    def columns_of(self, elements: int) -> int:
        """Columns that so many elements take."""
        return ceil_div(elements * self.element_bytes, self.column_bytes)

    def vectors(self, slots: Sequence[int], elements: Sequence[int]) -> Places:
        """The columns of some slots, each filled with so many elements."""
        banks, rows, columns = [], [], []
        for slot, count in zip(slots, elements, strict=True):
            bank, row = self.place(slot)
            number = self.columns_of(count)
            banks.append(np.full(number, bank))
            rows.append(np.full(number, row))
            columns.append(np.arange(number))
        return np.concatenate(banks), np.concatenate(rows), np.concatenate(columns)

    def results(self, index: int, elements: int) -> Places:
        """The columns for the result of a channel's ``index``-th request."""
        number = self.columns_of(elements)
        unit = index * number + np.arange(number)
        row, column = np.divmod(unit, self.columns)
        return row % self.banks, self.result_row + row // self.banks % self.rows, column


@dataclass(frozen=True)
class AttentionPlan:
    """What attention is like in all channels of a stage. ``units``: vector units that serve it; ``channels``: that have any."""

    layout: NeuPimsLayout
    slots: Slots
    npu: NpuSpec
    clock: NpuClock
    keys: frozenset[str]
    all_channels: int
    units: int = 1
    channels: int = 1

    def for_stage(self, units: int, channels: int) -> AttentionPlan:
        """The same for a stage with so many vector units, and channels that have attention."""
        return replace(self, units=units, channels=channels)

    @property
    def fills(self) -> int:
        """Slots of q that a request has."""
        return self.layout.key_chunks * self.layout.queries

    def share(self, units: int) -> int:
        """compat.synthetic_addresses: what a channel gets of the results of those that have attention, spread over all of them."""
        return ceil_div(units * self.channels, self.all_channels)

    def member_slots(self, context: int) -> int:
        """Slots that a request has: q, and P of every query head."""
        return self.fills + self.layout.heads * self.layout.queries * self.layout.blocks(context)

    def in_order(self, scored: Sequence[tuple[int, int, int]], issued: int) -> int:
        """compat.softmax_in_order: when the last softmax of a request is begun, the one before it having been at ``issued``."""
        for _, heads, tick in sorted(scored):
            for _ in range(heads):
                issued = max(issued + 1, tick)
        return issued

    def vector_cycles(self, kind: str, elements: int) -> int:
        """Cycles of a row of so many elements."""
        return row_cycles(self.npu, kind, elements * (self.npu.precision_bytes if "byte_sized_vector" in self.keys else 1))


class Attention:
    """Attention of one lane in one stage.

    Attributes:
        scored_at: of each request, by its place in the channel, its chunks, how many heads each has, and when their scores were at the NPU.
        logits_left: chunks whose P is not on its way yet. logits_end: when the last P was written. end: when the last result was.
        vector_cycles, elements: that the vector units have worked, and taken.
    """

    def __init__(self, plan: AttentionPlan, members: Sequence[Member], tick: int):
        self.plan, self.members = plan, tuple(members)
        layout = plan.layout
        sizes = [plan.member_slots(m.context) for m in self.members]
        self._first_slot = np.concatenate(([0], np.cumsum(sizes))).astype(int).tolist()
        self._left = [layout.heads * layout.queries] * len(self.members)
        self._held: list[tuple[int, list[int]]] = []
        self._vector_free = tick
        self.logits_left = len(self.members) * plan.fills
        self.begin = self.logits_end = self.end = tick
        self.vector_cycles = self.elements = 0
        self.scored_at: dict[int, list[tuple[int, int, int]]] = {}

    def fork(self) -> Attention:
        """The same, to go on by itself."""
        other = Attention.__new__(Attention)
        other.__dict__.update(self.__dict__)
        other._left, other._held, other.scored_at = list(self._left), list(self._held), dict(self.scored_at)
        return other

    # ------------------------------------------------------------------ q K^T

    def start(self, lane: Lane, tick: int) -> None:
        """Hand q K^T of all requests over."""
        for index, member in enumerate(self.members):
            program = self.plan.layout.logit(member.context, member.rows.k)
            fills = np.flatnonzero(program[:, at.T_KIND] == at.FILL)
            self._place_fills(program, fills, self._first_slot[index])
            for segment, (first, end) in enumerate(zip(fills, (*fills[1:], len(program)), strict=True)):
                def answered(lane: Lane, now: int, index: int = index, segment: int = segment) -> None:
                    lane.attention.scored(lane, now, index, segment)

                lane.compute(lane.token(), program[first:end], tick, answered)

    def _place_fills(self, program: np.ndarray, fills: np.ndarray, first_slot: int) -> None:
        """Say where GWRITE finds its vectors: slots from ``first_slot`` on."""
        if self.plan.slots.single:
            return
        for number, fill in enumerate(fills):
            program[fill, at.T_BANK], program[fill, at.T_ROW] = self.plan.slots.place(first_slot + number)
            program[fill, at.T_COLUMN] = 0

    def scored(self, lane: Lane, tick: int, index: int, segment: int) -> None:
        """The scores of a chunk of heads are at the NPU: softmax, then P goes to its rows and P V may begin."""
        plan, layout, context = self.plan, self.plan.layout, self.members[index].context
        self.logits_left -= 1
        chunk, query = divmod(segment, layout.queries)
        first, part = divmod(chunk, layout.head_chunks)
        if part < layout.head_chunks - 1:
            return
        heads = range(first * layout.chunk_heads, min((first + 1) * layout.chunk_heads, layout.heads))
        pieces = [head * layout.queries + query for head in heads]
        done = self._vector(tick, "softmax", len(pieces), context)
        blocks = layout.blocks(context)
        if "synthetic_addresses" in plan.keys:
            places = lane.synthetic(plan.share(len(pieces) * plan.slots.columns_of(context)))
        else:
            base = self._first_slot[index] + plan.fills
            sizes = [min(layout.page, context - block * layout.page) for block in range(blocks)]
            places = plan.slots.vectors([base + piece * blocks + block for piece in pieces for block in range(blocks)],
                                        sizes * len(pieces))
        lane.write_ahead(lane.token(), places, done)
        self.logits_end = max(self.logits_end, done + lane.port.latency)
        self.scored_at[index] = [*self.scored_at.get(index, []), (segment, len(pieces), tick)]
        if "logit_attend_barrier" in plan.keys:
            self._held.append((index, pieces))
        else:
            self._weigh_later(lane, done + lane.port.latency, index, pieces)

    def release(self, lane: Lane, tick: int) -> None:
        """The barrier between q K^T and P V has been passed."""
        for index, pieces in sorted(self._held):
            self._weigh_later(lane, tick, index, pieces)
        self._held = []

    # ------------------------------------------------------------------ P V

    def _weigh_later(self, lane: Lane, tick: int, index: int, pieces: list[int]) -> None:
        lane.later(tick, lambda lane, now: lane.attention.weigh(lane, now, index, pieces))

    def weigh(self, lane: Lane, tick: int, index: int, pieces: list[int]) -> None:
        """Hand P V of some heads of a request over."""
        layout, member = self.plan.layout, self.members[index]
        program = layout.attend(member.context, member.rows.v)
        size = len(program) // (layout.heads * layout.queries)
        fills = np.flatnonzero(program[:, at.T_KIND] == at.FILL)
        self._place_fills(program, fills, self._first_slot[index] + self.plan.fills)
        part = np.concatenate([program[piece * size : (piece + 1) * size] for piece in pieces])
        lane.compute(lane.token(), part, tick, lambda lane, now: lane.attention.weighed(lane, now, index, len(pieces)))

    def weighed(self, lane: Lane, tick: int, index: int, pieces: int) -> None:
        """The sums of some heads are at the NPU; the last of a request sends its result on."""
        plan, layout = self.plan, self.plan.layout
        self._left[index] -= pieces
        self.end = max(self.end, tick)
        if self._left[index]:
            return
        blocks = layout.blocks(self.members[index].context)
        heads = layout.heads * layout.queries
        done = tick
        if blocks > 1:
            tiles = heads * layout.value_tiles * (blocks - 1)
            done = self._vector(tick, "add", tiles, layout.banks)
        elif "no_attend_move_out" in plan.keys:
            return
        elements = heads * layout.value_dim
        if "synthetic_addresses" in plan.keys:
            places = lane.synthetic(plan.share(plan.slots.columns_of(elements)))
        else:
            places = plan.slots.results(index, elements)
        lane.write_ahead(lane.token(), places, done)
        self.end = max(self.end, done + lane.port.latency)

    def _vector(self, tick: int, kind: str, rows: int, elements: int) -> int:
        """Rows of so many elements pass the vector units from ``tick`` on; returns when they have."""
        plan = self.plan
        row = plan.vector_cycles(kind, elements)
        self.vector_cycles += rows * row
        self.elements += rows * elements
        if "unbounded_vector" in plan.keys:
            return tick + plan.clock.ticks(row)
        taken = max(row, ceil_div(rows * row * plan.channels, plan.units))
        self._vector_free = max(self._vector_free, tick) + plan.clock.ticks(taken)
        return self._vector_free

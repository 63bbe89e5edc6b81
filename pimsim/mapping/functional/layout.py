"""Where PIM-GPT's tensors lie, element by element, and which bursts its ASIC sends and gets.

All of it follows from the geometry (``pimsim.mapping.geometry``) and the placement. ``pimsim.mapping.functional`` says what the streams
look like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

import numpy as np

from pimsim.mapping.functional.memory import Array, FunctionalChannel, FunctionalError
from pimsim.mapping.geometry import HeadWeights, Keys, Memory, Values, Weights
from pimsim.mapping.pim_gpt import held
from pimsim.mapping.placement import Placement
from pimsim.model.operator import Operator
from pimsim.units import ceil_div

NO_BURSTS: Array = np.zeros((0, 0), np.float32)


class Cells(Protocol):
    """Rows of a channel that can be written to."""

    def change(self, row: int, width: int = 0) -> Array:
        """Cells of a row of all banks [banks, columns, ``width``, or lanes where it is new]."""


class Shadow:
    """A channel as it was before an append, to write what the append should have written."""

    def __init__(self, channel: FunctionalChannel, before: dict[int, Array]):
        """``before``: the rows that have changed since, as they were."""
        self._channel, self._before = channel, before
        self._rows: dict[int, Array] = {}

    def change(self, row: int, width: int = 0) -> Array:
        """Cells of a row, a copy of what was in them."""
        if row not in self._rows:
            self._rows[row] = self._before.get(row, self._channel.row(row, width)).copy()
        return self._rows[row]

    def wrong_cells(self) -> int:
        """Cells in which the channel differs from this."""
        rows = self._before | self._rows
        return sum(int(np.sum(~_same(self._channel.row(row), cells))) for row, cells in rows.items())


def _same(a: Array, b: Array) -> np.ndarray:
    return (a == b) | (np.isnan(a) & np.isnan(b))


def padded(vectors: Array, columns: int, lanes: int) -> Array:
    """Bursts of vectors [n, elements], zeros behind each up to ``columns`` columns: float32 [n, columns, lanes]."""
    bursts = np.zeros((len(vectors), columns * lanes), np.float32)
    bursts[:, : vectors.shape[1]] = vectors
    return bursts.reshape(len(vectors), columns, lanes)


def placed(bursts: Array, memory: Memory) -> Array:
    """Columns of an operand [n, columns, lanes] as they lie in places: [n, places, elements of a column], zeros behind them."""
    n, columns, lanes = bursts.shape
    rest = memory.places(columns) * memory.pack - columns
    return np.pad(bursts, ((0, 0), (0, rest), (0, 0))).reshape(n, -1, memory.pack * lanes)


@dataclass(frozen=True)
class PimGptLayout:
    """Places and streams of the tensors of one system."""

    memory: Memory
    placement: Placement
    capacity: int
    scale: bool = False

    def held(self, op: Operator) -> Memory:
        """The memory as it holds an operator's weights, K or V."""
        return held(self.memory, op, self.scale)

    # ------------------------------------------------------------------ tensors into banks

    def load_matrix(self, channels: Sequence[Cells], layer: int, name: str, matrix: Array,
                    memory: Memory | None = None) -> None:
        """Put a matrix [outputs, inputs] into the banks, zeros behind its inputs up to a whole column.

        ``memory``: as it holds the matrix, where its elements are narrow.
        """
        m, (outputs, inputs) = memory or self.memory, matrix.shape
        weights = Weights(m, outputs, inputs)
        base = self.placement.row(layer, name)
        for chunk, columns in enumerate(weights.chunk_columns):
            part = matrix[:, chunk * m.row_elements : (chunk + 1) * m.row_elements]
            bursts = placed(padded(part, columns, m.lanes), m)
            for unit in range(0, outputs, m.banks):  # banks of a channel in one slot
                slot, channel = divmod(unit // m.banks, m.channels)
                row, column = m.shared(slot)
                here = bursts[unit : unit + m.banks]
                cells = channels[channel].change(base + chunk * weights.chunk_rows + row, m.width)
                cells[: len(here), column : column + here.shape[1]] = here

    def load_head_matrices(self, channels: Sequence[Cells], layer: int, op: Operator, matrix: Array) -> None:
        """Put the matrices of all heads [heads x outputs, inputs], one below the other, into the banks."""
        m, weights, base = self.held(op), self.head_weights(op), self.placement.row(layer, op.name)
        for head, outputs in enumerate(matrix.reshape(weights.heads, weights.outputs, -1)):
            head_slot, channel = divmod(head, m.channels)
            for chunk, columns in enumerate(weights.chunk_columns):
                part = outputs[:, chunk * m.row_elements : (chunk + 1) * m.row_elements]
                bursts = placed(padded(part, columns, m.lanes), m)
                for sub in range(weights.subs):
                    row, column = weights.place(head_slot, chunk, sub)
                    here = bursts[sub * m.banks : (sub + 1) * m.banks]
                    channels[channel].change(base + row, m.width)[: len(here), column : column + here.shape[1]] = here

    def load_tables(self, channels: Sequence[Cells], layer: int, name: str, rows: Array) -> None:
        """Put the rows of embedding tables [parts, elements] into banks of the first channel, one part a bank."""
        m, base = self.memory, self.placement.row(layer, name)
        for part, elements in enumerate(rows):
            for number in range(ceil_div(len(elements), m.row_elements)):
                piece = elements[number * m.row_elements : (number + 1) * m.row_elements]
                columns = ceil_div(len(piece), m.lanes)
                channels[0].change(base + number)[part % m.banks, :columns] = padded(piece[None], columns, m.lanes)[0]

    def store_keys(self, channels: Sequence[Cells], layer: int, op: Operator, slots: range, keys: Array) -> None:
        """Put the keys [tokens, kv_heads, head_dim] of consecutive slots into a K cache."""
        cache, base, m = self.keys(op), self.placement.row(layer, "kv_append.k"), self.held(op)
        for slot, vectors in zip(slots, keys, strict=True):
            channel, bank, group = cache.bank(slot)
            bursts = placed(padded(vectors, cache.head_columns, m.lanes), m)
            row, column = m.shared(group)
            first = 0
            for chunk, heads in enumerate(cache.chunk_heads):
                here = bursts[first : first + heads].reshape(-1, m.width)
                cells = channels[channel].change(base + chunk * cache.group_rows + row, m.width)
                cells[bank, column : column + len(here)] = here
                first += heads

    def store_values(self, channels: Sequence[Cells], layer: int, op: Operator, slots: range, values: Array, *,
                     fresh: bool) -> None:
        """Put the values [tokens, kv_heads, head_dim] of consecutive slots into a V cache.

        ``fresh``: the slots are used for the first time; the first of a column clears those behind it.
        """
        cache = self.values(op, values.shape[-1])
        m, base = self.held(op), self.placement.row(layer, "kv_append.v")
        values = values.reshape(len(values), cache.heads, cache.head_dim)
        for chunk in range(slots.start // m.row_elements, ceil_div(slots.stop, m.row_elements)):
            offset = chunk * m.row_elements
            begin, end = max(slots.start - offset, 0), min(slots.stop - offset, m.row_elements)
            first = offset + begin - slots.start
            clear = slice(ceil_div(begin, m.width) * m.width, ceil_div(end, m.width) * m.width if fresh else 0)
            for head in range(cache.heads):
                head_slot, channel = divmod(head, m.channels)
                for sub in range(cache.subs):
                    dims = values[first : first + end - begin, head, sub * m.banks : (sub + 1) * m.banks].T
                    cells = channels[channel].change(base + cache.row(head_slot, sub, chunk), m.width)
                    first_column = m.shared(sub)[1]
                    for bank, tokens in enumerate(dims):
                        elements = cells[bank, first_column : first_column + m.share].reshape(-1)
                        elements[clear] = 0
                        elements[begin:end] = tokens

    # ------------------------------------------------------------------ appends

    def key_streams(self, op: Operator, slot: int, keys: Array) -> list[Array]:
        """Bursts for each channel that append keys [kv_heads, head_dim] at a slot."""
        cache, m = self.keys(op), self.held(op)
        streams = [NO_BURSTS] * m.channels
        streams[cache.bank(slot)[0]] = placed(padded(keys, cache.head_columns, m.lanes), m).reshape(-1, m.width)
        return streams

    def value_streams(self, op: Operator, slot: int, values: Array, *, fresh: bool) -> list[Array]:
        """Bursts for each channel that append values [kv_heads, head_dim] at a slot; NaN masks a lane."""
        lanes = self.held(op).width
        lane = slot % lanes
        cache = self.values(op, values.shape[-1])
        values = values.reshape(cache.heads, cache.head_dim)
        streams: list[Array] = []
        for channel in range(self.memory.channels):
            own = values[channel :: self.memory.channels].reshape(-1)
            bursts = np.full((len(own), lanes), 0 if fresh and lane == 0 else np.nan, np.float32)
            bursts[:, lane] = own
            streams.append(bursts)
        return streams

    # ------------------------------------------------------------------ products

    def keys(self, op: Operator) -> Keys:
        """The K cache that an operator works on."""
        return Keys(self.held(op), op.kv_heads, op.head_dim, self.capacity)

    def values(self, op: Operator, head_dim: int) -> Values:
        """The V cache that an operator works on, its heads being of ``head_dim`` elements: of its own heads or pieces of them."""
        return Values.of(self.held(op), op.kv_heads, head_dim, self.capacity)

    def head_weights(self, op: Operator) -> HeadWeights:
        """The matrices of a head_matvec."""
        return HeadWeights.of(self.held(op), op.heads, op.rows // op.heads, op.cols)

    def head_slots(self, op: Operator) -> int:
        """Value heads, or pieces of them, of the fullest channel."""
        return self.values(op, op.head_dim).channel_heads(0) if op.kind == "attend" else 1

    def sums_shape(self, op: Operator) -> tuple[int, int]:
        """Shape of what an operator gets back from the banks."""
        if op.kind == "matvec":
            return op.rows, len(Weights(self.held(op), op.rows, op.cols).chunk_columns)
        if op.kind == "head_matvec":
            return op.rows, len(self.head_weights(op).chunk_columns)
        if op.kind == "score":
            return op.heads, op.context
        if op.kind == "attend":
            return op.rows, len(self.values(op, op.head_dim).chunk_columns(op.context))
        return op.cols, op.rows  # embed

    def streams(self, op: Operator, operands: tuple[Array, ...], slots: range) -> list[Array]:
        """Bursts for each channel; ``slots``: the head slots that an attend is for."""
        m = self.held(op)
        if op.kind == "embed":
            return [NO_BURSTS] * m.channels
        if op.kind == "matvec":
            weights = Weights(m, op.rows, op.cols)
            stream = padded(operands[0][None], sum(weights.chunk_columns), m.lanes)[0][self._order(m, weights.chunk_columns)]
            return [stream if weights.channel_slots(c) else NO_BURSTS for c in range(m.channels)]
        if op.kind == "score":
            stream = self._query_stream(op, operands[0])
            return [stream if self.keys(op).channel_groups(c, op.context) else NO_BURSTS for c in range(m.channels)]
        if op.kind == "head_matvec":
            return [self._head_stream(op, operands[0], channel) for channel in range(m.channels)]
        cache, share = self.values(op, op.head_dim), op.heads // op.kv_heads
        columns = sum(cache.chunk_columns(op.context))
        bursts = padded(operands[0], columns, m.lanes)[:, self._order(m, cache.chunk_columns(op.context))]
        bursts = bursts.reshape(op.kv_heads, share * columns, m.lanes)
        cut = cache.heads // op.kv_heads
        return [np.concatenate([NO_BURSTS.reshape(0, m.lanes), *(bursts[h // cut] for h in self._heads(cache, c, slots))])
                for c in range(m.channels)]

    @staticmethod
    def _order(memory: Memory, chunks: Sequence[int]) -> list[int]:
        """The columns of operands that come chunk by chunk, in the order in which MACs take them."""
        return [first + c for first, columns in zip(accumulate((0, *chunks)), chunks, strict=False) for c in memory.order(columns)]

    def _head_stream(self, op: Operator, vectors: Array, channel: int) -> Array:
        """Of each head of a channel: the chunks of its input, each as often as subs share a row."""
        m, weights = self.held(op), self.head_weights(op)
        cut = weights.heads // op.heads
        parts = [NO_BURSTS.reshape(0, m.lanes)]
        for head in range(channel, weights.heads, m.channels):
            for chunk, columns in enumerate(weights.chunk_columns):
                piece = vectors[head // cut, chunk * m.row_elements : (chunk + 1) * m.row_elements]
                parts += [padded(piece[None], columns, m.lanes)[0][m.order(columns)]] * weights.packed
        return np.concatenate(parts)

    def _query_stream(self, op: Operator, queries: Array) -> Array:
        cache, share, m = self.keys(op), op.heads // op.kv_heads, self.held(op)
        bursts = padded(queries, cache.head_columns, m.lanes)[:, m.order(cache.head_columns)]
        order: list[int] = []
        first = 0
        for heads in cache.chunk_heads:
            for number in range(share):
                order += [head * share + number for head in range(first, first + heads)]
            first += heads
        return bursts[order].reshape(-1, m.lanes)

    def _heads(self, cache: Values, channel: int, slots: range) -> list[int]:
        """Value heads, or pieces of them, of a channel in some head slots."""
        heads = (slot * self.memory.channels + channel for slot in slots)
        return [head for head in heads if head < cache.heads]

    def collect(self, op: Operator, channel: int, bursts: Array, slots: range, sums: Array) -> None:
        """Write what a channel gave back to where it belongs in ``sums`` (:meth:`sums_shape`).

        Raises:
            FunctionalError: there are more or fewer bursts than there should be.
        """
        {"matvec": self._collect_products, "head_matvec": self._collect_head_products,
         "score": self._collect_scores, "attend": self._collect_weighted,
         "embed": self._collect_rows}[op.kind](op, channel, bursts, slots, sums)

    def _shaped(self, bursts: Array, *shape: int) -> Array:
        """Bursts as an array [*shape, banks]."""
        expected = int(np.prod(shape))
        if len(bursts) != expected:
            raise FunctionalError(f"{len(bursts)} bursts come back instead of {expected}")
        return bursts.reshape(*shape, self.memory.banks)

    def _collect_products(self, op: Operator, channel: int, bursts: Array, slots: range, sums: Array) -> None:
        m, weights = self.memory, Weights(self.held(op), op.rows, op.cols)
        own = weights.channel_slots(channel)
        results = self._shaped(bursts, sums.shape[1], own)
        for slot in range(own):
            first = slot * m.units + channel * m.banks
            banks = min(m.banks, op.rows - first)
            sums[first : first + banks] = results[:, slot, :banks].T

    def _collect_head_products(self, op: Operator, channel: int, bursts: Array, slots: range, sums: Array) -> None:
        m, weights = self.memory, self.head_weights(op)
        heads = range(channel, weights.heads, m.channels)
        results = self._shaped(bursts, len(heads), sums.shape[1], weights.subs)
        by_head = sums.reshape(weights.heads, weights.outputs, -1)
        for head, result in zip(heads, results, strict=True):
            by_head[head] = result.reshape(sums.shape[1], -1)[:, : weights.outputs].T

    def _collect_scores(self, op: Operator, channel: int, bursts: Array, slots: range, sums: Array) -> None:
        m, cache, share = self.memory, self.keys(op), op.heads // op.kv_heads
        groups = cache.channel_groups(channel, op.context)
        tokens = np.arange(groups * m.banks) * m.channels + channel
        tokens = tokens[tokens < op.context]
        results = self._shaped(bursts, share * groups * op.kv_heads)
        first = at = 0
        for heads in cache.chunk_heads:
            part = results[at : at + share * groups * heads].reshape(share, groups, heads, m.banks)
            by_head = part.transpose(2, 0, 1, 3).reshape(heads * share, groups * m.banks)
            sums[first * share : (first + heads) * share, tokens] = by_head[:, : len(tokens)]
            first, at = first + heads, at + share * groups * heads

    def _collect_weighted(self, op: Operator, channel: int, bursts: Array, slots: range, sums: Array) -> None:
        cache, share = self.values(op, op.head_dim), op.heads // op.kv_heads
        heads = self._heads(cache, channel, slots)
        results = self._shaped(bursts, len(heads), share, sums.shape[1], cache.subs)
        by_piece = sums.reshape(op.kv_heads, share, cache.heads // op.kv_heads, cache.head_dim, -1)
        for head, result in zip(heads, results, strict=True):
            own, piece = divmod(head, cache.heads // op.kv_heads)
            by_piece[own, :, piece] = result.reshape(share, sums.shape[1], -1)[..., : cache.head_dim].swapaxes(1, 2)

    def _collect_rows(self, op: Operator, channel: int, bursts: Array, slots: range, sums: Array) -> None:
        columns = ceil_div(op.rows, self.memory.lanes)
        expected = op.cols * columns if channel == 0 else 0
        if len(bursts) != expected:
            raise FunctionalError(f"{len(bursts)} bursts come back instead of {expected}")
        if expected:
            sums[:] = bursts.reshape(op.cols, -1)[:, : op.rows]

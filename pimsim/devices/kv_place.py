"""Where the keys, values and queries of requests go when an NPU has made them, and where it finds them when attention is its own.

With attention in memory they lie in their request's channel, as ``NeuPimsLayout`` says, and the NPU writes k, v and q there: V is
transposed, so that a token's values are an element of one column access each. Without, a row of a channel stands for as many units
behind each other, which go round the channels: of the rows r of all channels, that of channel c is the (c + r)-th, so that the rows
of a request are in all banks.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pimsim.devices.attention import AttentionPlan
from pimsim.devices.lane import Places
from pimsim.devices.own import EMPTY, Own, by_channel, join
from pimsim.devices.stage import Member, NpuOp
from pimsim.mapping.tensor import Geometry, Transfer
from pimsim.units import ceil_div


class KvInChannel:
    """Keys and values in the channel of their request. ``latent``: the value is part of the key, and lies there a second time."""

    def __init__(self, plan: AttentionPlan, geometry: Geometry, append: bool = True, latent: bool = False):
        self.plan, self.geometry, self.append, self.latent = plan, geometry, append, latent
        self._column_elements = geometry.unit_bytes // plan.npu.precision_bytes

    def stores(self, op: NpuOp, first: int, end: int) -> list[Transfer | Own]:
        """q, k and v of the heads whose last element lies in ``first`` to ``end``; of latent attention, all when the last is done. A
        prompt's q stays on the chip."""
        layout = self.plan.layout
        if op.store != "kv":
            return [self._latent(op)] if self.append and end == op.n else []
        size = layout.head_dim
        done = range(-(-(first + 1) // size) - 1 if first % size else first // size, end // size)
        if not self.append or not len(done):
            return []
        queries = layout.heads * layout.queries
        mine = by_channel(op.members)

        def places(channel: int) -> Places:
            out = []
            slot = 0
            for member in mine.get(channel, ()):
                for head in done:
                    if head < queries:
                        if not member.prompt:
                            out.append(self._query(head, slot, 0, size))
                    elif head < queries + layout.heads:
                        out.append(self._keys(member, head - queries))
                    else:
                        out.append(self._values(member, head - queries - layout.heads))
                slot += 0 if member.prompt else self.plan.member_slots(member.context)
            return join(out)

        return [Own(places, op.members)]

    def _latent(self, op: NpuOp) -> Own:
        """The key and the value in it, a head's query up to the rotary part, or all heads' queries from there."""
        layout = self.plan.layout
        mine = by_channel(op.members)

        def places(channel: int) -> Places:
            out = []
            slot = 0
            for member in mine.get(channel, ()):
                if op.store == "latent":
                    out += [self._keys(member, 0), self._values(member, 0)]
                elif member.prompt:
                    continue
                elif op.store == "query":
                    out.append(self._query(op.head, slot, 0, layout.value_dim))
                else:
                    out += [self._query(query, slot, layout.value_dim, layout.head_dim) for query in range(layout.queries)]
                slot += 0 if member.prompt else self.plan.member_slots(member.context)
            return join(out)

        return Own(places, op.members)

    def _query(self, query: int, first_slot: int, begin: int, end: int) -> Places:
        """The columns of elements ``begin`` to ``end`` of a query head in the rows that GWRITE copies from."""
        layout = self.plan.layout
        head, which = divmod(query, layout.queries)
        chunk, within = divmod(head, layout.chunk_heads)
        start = within * layout.head_dim
        first = (start + begin) // self._column_elements
        columns = np.arange(first, max(ceil_div(start + end, self._column_elements), first + 1))
        part, column = np.divmod(columns, self.geometry.columns)
        slots = first_slot + (chunk * layout.head_chunks + part) * layout.queries + which
        bank, row = np.array([self.plan.slots.place(slot) for slot in slots.tolist()]).T
        return bank, row, column

    def _keys(self, member: Member, head: int) -> Places:
        """The columns of a head of the new tokens' keys."""
        layout = self.plan.layout
        first = head % layout.chunk_heads * layout.head_dim // self._column_elements
        width = ceil_div(layout.head_dim, self._column_elements)
        token = np.repeat(np.arange(member.first_new, member.context), width)
        column = np.tile(first + np.arange(width), member.context - member.first_new)
        part, column = np.divmod(column, self.geometry.columns)
        chunk = head // layout.chunk_heads * layout.head_chunks + part
        return token % layout.banks, member.rows.k[token // layout.banks * layout.key_chunks + chunk], column

    def _values(self, member: Member, head: int) -> Places:
        """The columns that hold the new tokens in the rows of a head's dimensions."""
        layout = self.plan.layout
        blocks = layout.blocks(member.context)
        steps = np.unique(np.arange(member.first_new, member.context) // self._column_elements)
        dimension = np.arange(layout.value_dim)
        out = []
        for step in steps:
            block, column = divmod(int(step) * self._column_elements, layout.page)
            tile = dimension // layout.banks
            rows = np.array([layout.value_row(head, block, t, blocks) for t in range(layout.value_tiles)])
            out.append((dimension % layout.banks, member.rows.v[rows[tile]],
                        np.full(layout.value_dim, column // self._column_elements)))
        return join(out)

    def attended(self, op: NpuOp) -> tuple[Own | None, int]:
        """The results of decoding requests, in their channels; prompts have theirs in an ordinary tensor."""
        decoding = [m for m in op.members if not m.prompt]
        mine = by_channel(decoding)
        layout, slots = self.plan.layout, self.plan.slots
        elements = layout.heads * layout.queries * layout.value_dim
        part = slice(*(slots.columns_of((op.head + end) * layout.value_dim) for end in (0, 1))) if op.heads else slice(None)

        def places(channel: int) -> Places:
            results = (slots.results(index, elements) for index, _ in enumerate(mine.get(channel, ())))
            return join([(bank[part], row[part], column[part]) for bank, row, column in results])

        return Own(places, decoding) if mine else None, sum(m.tokens for m in op.members if m.prompt)

    def pieces(self, member: Member, most_bytes: int) -> Iterator[tuple[int, int, Transfer | Own]]:
        """Keys and values of a request in its channel, all heads, so many tokens: of its rows what holds tokens."""
        layout, geometry = self.plan.layout, self.geometry
        row_bytes = geometry.banks * geometry.columns * geometry.unit_bytes
        k = member.rows.k[: layout.key_rows(member.context)]
        v = member.rows.v[: 0 if self.latent else layout.value_rows(member.context)]
        rows = np.concatenate((k, v))
        # a tile of K has a token in each bank, a block of V so many in each row of a bank
        in_banks = np.minimum(member.context - np.arange(len(k)) // layout.key_rows(1) * layout.banks, layout.banks)
        in_rows = np.minimum(member.context - np.arange(len(v)) // layout.value_rows(1) * layout.page, layout.page)
        banks = np.concatenate((in_banks, np.full(len(v), geometry.banks)))
        columns = np.concatenate((np.full(len(k), geometry.columns), -(-in_rows * geometry.columns // layout.page)))
        count = ceil_div(len(rows) * row_bytes, most_bytes)
        for tokens, here_k, here_v in zip(split(member.context, count), np.array_split(np.arange(len(k)), count),
                                          np.array_split(np.arange(len(k), len(rows)), count), strict=True):  # fmt: skip
            here = np.concatenate((here_k, here_v))

            def places(channel: int, here: np.ndarray = here) -> Places:
                if channel != member.channel:
                    return EMPTY
                unit = np.arange(geometry.banks * geometry.columns)
                bank, column = np.tile(unit // geometry.columns, len(here)), np.tile(unit % geometry.columns, len(here))
                row = np.repeat(here, len(unit))
                held = (bank < banks[row]) & (column < columns[row])
                return bank[held], rows[row[held]], column[held]

            if tokens:
                yield layout.heads, tokens, Own(places, [member])


class KvOverChannels:
    """Keys and values spread over all channels, a token behind the other; of latent attention, the keys."""

    def __init__(self, plan: AttentionPlan, geometry: Geometry, append: bool = True, latent: bool = False):
        self.plan, self.geometry, self.append, self.latent = plan, geometry, append, latent
        layout = plan.layout
        self._token_bytes = layout.heads * layout.head_dim * plan.npu.precision_bytes

    def _range(self, rows: np.ndarray, channel: int, begin: int, end: int) -> Transfer:
        """Units of the bytes ``begin`` to ``end`` of rows one behind the other."""
        geometry = self.geometry
        size = geometry.banks * geometry.columns
        first, last = begin // geometry.unit_bytes, ceil_div(end, geometry.unit_bytes)
        index = np.arange(first // size, ceil_div(last, size))
        low, high = np.maximum(first - index * size, 0), np.minimum(last - index * size, size)
        place = rows[index] * geometry.channels + (channel + rows[index]) % geometry.channels
        return Transfer(place * size + low, high - low)

    def _rows(self, member: Member) -> tuple[np.ndarray, ...]:
        return (member.rows.k,) if self.latent else (member.rows.k, member.rows.v)

    def stores(self, op: NpuOp, first: int, end: int) -> list[Transfer | Own]:
        """k and v of the new tokens, once the last column is done; q stays on the chip."""
        if not self.append or end < op.n or op.store not in ("kv", "latent"):
            return []
        out: list[Transfer | Own] = []
        for member in op.members:
            begin, end = member.first_new * self._token_bytes, member.context * self._token_bytes
            out += [self._range(rows, member.channel, begin, end) for rows in self._rows(member)]
        return out

    def attended(self, op: NpuOp) -> tuple[Own | None, int]:
        """An ordinary tensor."""
        return None, sum(m.tokens for m in op.members)

    def pieces(self, member: Member, most_bytes: int) -> Iterator[tuple[int, int, Transfer | Own]]:
        """Keys and values in pieces of whole heads, or of so many tokens of one head where a head is too long."""
        layout, p = self.plan.layout, self.plan.npu.precision_bytes
        head_bytes = member.context * layout.head_dim * p
        each = len(self._rows(member))
        parts = min(layout.heads, ceil_div(each * head_bytes * layout.heads, most_bytes))
        begin = 0
        for heads in split(layout.heads, parts):
            pieces = ceil_div(each * heads * head_bytes, most_bytes)
            for tokens in split(member.context, pieces):
                if not heads or not tokens:
                    continue
                size = heads * tokens * layout.head_dim * p
                ranges = [self._range(rows, member.channel, begin, begin + size) for rows in self._rows(member)]
                yield heads, tokens, sum(ranges[1:], ranges[0])
                begin += size


def split(size: int, parts: int) -> list[int]:
    """``size`` in so many parts, as equal as may be."""
    return [size * (i + 1) // parts - size * i // parts for i in range(parts)]

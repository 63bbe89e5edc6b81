"""KV space: which rows of a channel hold the keys and values of a request, and whether there are any left.

A request lives in one channel, and a row is one row of every bank of it (NeuPIMs, arXiv 2403.00579, section 5). Rows are given
out in blocks as a request grows: a block of K holds as many tokens as the channel has banks, one token a bank; a block of V holds
as many tokens as a row has elements. Any free row will do, as in paged attention (vLLM, Kwon et al., SOSP 2023), so nothing is
lost to fragmentation between requests; which rows a request has is a few ranges.

Where there is no space, the answer is None and the scheduler decides; giving back rows twice is an error of the program.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pimsim.errors import SimulationError

Ranges = tuple[tuple[int, int], ...]
"""Rows as (first, number) pairs."""


class Layout(Protocol):
    """How many rows tokens take."""

    def rows(self, tokens: int) -> tuple[int, int]:
        """Rows for K and rows for V of ``tokens`` tokens, all layers together."""
        ...


@dataclass(frozen=True, slots=True)
class PimLayout:
    """NeuPIMs' layout: token t of K lies in bank t mod ``banks``, V is transposed: dimension d lies in bank d mod ``banks``.

    Attributes:
        layers, kv_heads, head_dim: of the model, as much of it as one device holds.
        page: elements of a row of one bank.
        banks: of a channel, all ranks together.
        value_dim: elements of a value head; None: ``head_dim``; 0: values are kept with the keys (latent attention that is not in memory).
    """

    layers: int
    kv_heads: int
    head_dim: int
    page: int = 512
    banks: int = 32
    value_dim: int | None = None

    @property
    def k_chunks(self) -> int:
        """Rows behind each other that a token's keys of one layer fill: as many whole heads a row as fit, or a head over several rows."""
        heads = max(self.page // self.head_dim, 1)
        return -(-self.kv_heads // heads) * -(-self.head_dim // self.page)

    @property
    def v_tiles(self) -> int:
        """Rows behind each other that a head's dimensions fill."""
        return -(-(self.head_dim if self.value_dim is None else self.value_dim) // self.banks)

    def rows(self, tokens: int) -> tuple[int, int]:
        """Rows for K and rows for V of ``tokens`` tokens, all layers together."""
        k = -(-tokens // self.banks) * self.layers * self.k_chunks
        v = -(-tokens // self.page) * self.layers * self.kv_heads * self.v_tiles
        return k, v

    def k_index(self, layer: int, tile: int, chunk: int) -> int:
        """Which of a request's K rows holds tokens ``tile * banks`` onwards, elements ``chunk * page`` onwards."""
        return (tile * self.layers + layer) * self.k_chunks + chunk

    def v_index(self, layer: int, head: int, block: int, tile: int) -> int:
        """Which of a request's V rows holds tokens ``block * page`` onwards, dimensions ``tile * banks`` onwards."""
        return ((block * self.layers + layer) * self.kv_heads + head) * self.v_tiles + tile


@dataclass(frozen=True, slots=True)
class PagedLayout:
    """Keys and values as plain data in pages (vLLM's block of 16 tokens), for systems whose attention is not in the memory.

    ``token_bytes``: K (or V) of one token, all layers together; ``row_bytes``: of one row, all banks together.
    """

    token_bytes: int
    row_bytes: int
    page_tokens: int = 16

    def rows(self, tokens: int) -> tuple[int, int]:
        """Rows for K and rows for V of ``tokens`` tokens."""
        pages = -(-tokens // self.page_tokens)
        rows = -(-pages * self.page_tokens * self.token_bytes // self.row_bytes)
        return rows, rows


class Allocation(NamedTuple):
    """The rows of a request, in the order in which its tokens fill them."""

    channel: int
    k: Ranges
    v: Ranges

    @property
    def rows(self) -> int:
        """Rows of K and V together."""
        return count(self.k) + count(self.v)


def count(ranges: Ranges) -> int:
    """Rows in ``ranges``."""
    return sum(number for _, number in ranges)


def row(ranges: Ranges, index: int) -> int:
    """The ``index``-th row of ``ranges``. Raises IndexError behind the last."""
    for first, number in ranges:
        if index < number:
            return first + index
        index -= number
    raise IndexError("row of a request that it does not have")


@dataclass(frozen=True, slots=True)
class KvSpace:
    """The rows for KV of all channels: ``first_row`` .. ``first_row + rows`` of each. Never changes: operations return the next.

    ``free`` are the free rows of each channel, as sorted ranges with gaps between; ``room`` their numbers.
    """

    layout: Layout
    first_row: int
    rows: int
    free: tuple[Ranges, ...]
    room: tuple[int, ...]

    @classmethod
    def empty(cls, layout: Layout, channels: int, rows: int, first_row: int = 0) -> KvSpace:
        """A space with nothing in it."""
        whole: Ranges = ((first_row, rows),) if rows else ()
        return cls(layout, first_row, rows, (whole,) * channels, (rows,) * channels)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.free)

    @property
    def used(self) -> int:
        """Rows in use, all channels together."""
        return self.rows * self.channels - sum(self.room)

    def need(self, tokens: int) -> int:
        """Rows for K and V of ``tokens`` tokens."""
        return sum(self.layout.rows(tokens))

    def fits(self, tokens: int) -> bool:
        """Whether a channel with nothing in it holds ``tokens`` tokens of one request."""
        return self.need(tokens) <= self.rows

    def allocate(self, channel: int, tokens: int) -> tuple[KvSpace, Allocation] | None:
        """Rows for a request of ``tokens`` tokens in ``channel``, or None if there are not enough."""
        return self.grow(Allocation(channel, (), ()), tokens)

    def grow(self, held: Allocation, tokens: int) -> tuple[KvSpace, Allocation] | None:
        """More rows for a request that has now ``tokens`` tokens (or as it is, if it has enough), or None."""
        k, v = self.layout.rows(tokens)
        k, v = max(0, k - count(held.k)), max(0, v - count(held.v))
        if k + v == 0:
            return self, held
        if k + v > self.room[held.channel]:
            return None
        taken_k, free = _take(self.free[held.channel], k)
        taken_v, free = _take(free, v)
        grown = Allocation(held.channel, _join(held.k + taken_k), _join(held.v + taken_v))
        return self._with(held.channel, free, -k - v), grown

    def release(self, held: Allocation) -> KvSpace:
        """Give all rows of a request back.

        Raises:
            SimulationError: a row that is free already, or outside the space.
        """
        merged = _join(sorted(self.free[held.channel] + held.k + held.v))
        end = self.first_row + self.rows
        overlap = any(a + n > b for (a, n), (b, _) in zip(merged, merged[1:], strict=False))
        if overlap or (merged and (merged[0][0] < self.first_row or sum(merged[-1]) > end)):
            raise SimulationError(f"channel {held.channel}: KV rows given back that were not given out")
        return self._with(held.channel, merged, held.rows)

    def _with(self, channel: int, free: Ranges, rows: int) -> KvSpace:
        room = self.room[channel] + rows
        return KvSpace(self.layout, self.first_row, self.rows,
                       (*self.free[:channel], free, *self.free[channel + 1 :]),
                       (*self.room[:channel], room, *self.room[channel + 1 :]))


def _take(free: Ranges, wanted: int) -> tuple[Ranges, Ranges]:
    """The lowest ``wanted`` free rows, and what is left."""
    taken = []
    for i, (first, number) in enumerate(free):
        if wanted <= number:
            rest = ((first + wanted, number - wanted),) if wanted < number else ()
            if wanted:
                taken.append((first, wanted))
            return tuple(taken), rest + free[i + 1 :]
        taken.append((first, number))
        wanted -= number
    return tuple(taken), ()


def _join(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The same rows in the same order, ranges that follow each other joined."""
    joined: list[tuple[int, int]] = []
    for first, number in ranges:
        if joined and sum(joined[-1]) == first:
            first, number = joined[-1][0], joined[-1][1] + number
            joined.pop()
        joined.append((first, number))
    return tuple(joined)

"""Where the tensors of an NPU lie: real addresses, spread over the channels.

A *unit* is one column access. Consecutive units go to consecutive channels, so that 32 of them (a *stripe*) are one unit of every channel;
within a channel, units fill a row of a bank, then that row of the next bank (row, rank, bank group, bank, column: the order
of NeuPIMs' simulator). Memory is given out from the bottom: rows that attention uses, weights, activations; the rest holds keys
and values.

* A weight matrix [k x n] is cut into blocks of the arrays' size, one behind the other in the order in which they are used: those of
  the same output columns together, or those of the same part of K.
* An activation tensor [m x n] is cut into columns of the arrays' width, each m rows; a column begins at a stripe.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pimsim.errors import InputError, Problem
from pimsim.units import ceil_div


@dataclass(frozen=True)
class Transfer:
    """Units that are read or written, in order: ``counts[i]`` from ``starts[i]`` on, a *segment*. int64."""

    starts: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, *segments: tuple[int, int]) -> Transfer:
        """From (start, count) pairs."""
        both = np.array(segments, np.int64).reshape(-1, 2)
        return cls(both[:, 0], both[:, 1])

    def __add__(self, other: Transfer) -> Transfer:
        return Transfer(np.concatenate((self.starts, other.starts)), np.concatenate((self.counts, other.counts)))

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def units(self) -> int:
        """All of them."""
        return int(self.counts.sum())

    def uniform(self, channels: int) -> bool:
        """Whether every channel has the same units."""
        return not ((self.starts % channels).any() or (self.counts % channels).any())

    def share(self, channel: int, channels: int) -> bytes:
        """Equal for channels that have the same units within them."""
        first, counts = self._range(channel, channels)
        return first.tobytes() + counts.tobytes()

    def _range(self, channel: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
        first = -((channel - self.starts) // channels)
        return first, -((channel - self.starts - self.counts) // channels) - first

    def local(self, channel: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
        """The part of one channel: units within it, in order, and how many of them each segment has."""
        first, counts = self._range(channel, channels)
        ends = np.cumsum(counts)
        return np.arange(int(counts.sum())) + np.repeat(first - ends + counts, counts), counts


NOTHING = Transfer.of()

NOWHERE = 1 << 62
"""A unit behind any memory."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Of the channels together: ``columns`` units a row of a bank, ``banks`` of a channel, ``rows`` of a bank."""

    channels: int
    banks: int
    rows: int
    columns: int
    unit_bytes: int

    def places(self, local: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Flat bank, row and column of units of a channel."""
        row, column = np.divmod(local, self.columns)
        return row % self.banks, row // self.banks, column

    @property
    def row_units(self) -> int:
        """Units of one row of one bank in all channels."""
        return self.columns * self.channels


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor's first unit and its bytes."""

    start: int
    size_bytes: int


class TensorMap:
    """Gives tensors their places, by name. A name keeps its place; an activation that grows gets a new one.

    Args:
        block: K and N of a block of weights. width: of a column of activations. element_bytes: of an element.
        along_k: blocks of the same part of K lie together, as an input-stationary dataflow uses them.
        first_row: first row of every channel that it may use; the last is said by :meth:`limit`.
    """

    def __init__(self, geometry: Geometry, block: tuple[int, int], width: int, element_bytes: int, first_row: int, *,
                 along_k: bool = False):
        self.geometry, self.block, self.width, self.element_bytes, self.along_k = geometry, block, width, element_bytes, along_k
        self._next = first_row * geometry.banks * geometry.row_units
        self._end = NOWHERE
        self._tensors: dict[str, Tensor] = {}

    def place(self, name: str, size_bytes: int) -> Tensor:
        """The tensor of this name, with at least so many bytes.

        Raises:
            InputError: there is no room for it.
        """
        known = self._tensors.get(name)
        if known is not None and known.size_bytes >= size_bytes:
            return known
        units = ceil_div(ceil_div(size_bytes, self.geometry.unit_bytes), self.geometry.row_units) * self.geometry.row_units
        if self._next + units > self._end:
            raise InputError(Problem(f"{name} ({size_bytes:,} bytes) does not fit any more into the memory of one device that is kept for"
                                     " activations", "fewer prompt tokens (scheduler.prefill_chunk) or requests (scheduler.max_batch) at a"
                                     " time, or more devices (parallel.tensor)", key="memory.rows"))
        self._tensors[name] = Tensor(self._next, units * self.geometry.unit_bytes)
        self._next += units
        return self._tensors[name]

    def limit(self, end_row: int) -> None:
        """From now on, only rows below ``end_row`` may be used."""
        self._end = end_row * self.geometry.banks * self.geometry.row_units

    @property
    def next_row(self) -> int:
        """The first row of every channel that no tensor lies in."""
        return ceil_div(self._next, self.geometry.banks * self.geometry.row_units)

    def _units(self, begin_bytes: np.ndarray, end_bytes: np.ndarray, start: int) -> Transfer:
        """Segments of bytes of a tensor, each unit once: with the segment that it begins in."""
        size = self.geometry.unit_bytes
        first = -(-begin_bytes // size)
        return Transfer(start + first, -(-end_bytes // size) - first)

    # ------------------------------------------------------------------ weights

    def vector(self, name: str, elements: int) -> Transfer:
        """A bias, or whatever else is read from end to end."""
        size = elements * self.element_bytes
        return Transfer.of((self.place(name, size).start, ceil_div(size, self.geometry.unit_bytes)))

    def blocks(self, name: str, k: int, n: int, pairs: np.ndarray) -> Transfer:
        """Blocks of a weight matrix, a segment each; ``pairs``: their numbers along k and n, int64 [blocks, 2]."""
        rows, columns = self.block
        tensor = self.place(name, k * n * self.element_bytes)
        width = np.minimum(n - pairs[:, 1] * columns, columns)
        height = np.minimum(k - pairs[:, 0] * rows, rows)
        if self.along_k:
            begin = pairs[:, 0] * rows * n + pairs[:, 1] * columns * height
        else:
            begin = pairs[:, 1] * columns * k + pairs[:, 0] * rows * width
        size = height * width
        return self._units(begin * self.element_bytes, (begin + size) * self.element_bytes, tensor.start)

    # ------------------------------------------------------------------ activations

    def part(self, name: str, size_bytes: int) -> Transfer:
        """The first bytes of a tensor."""
        return Transfer.of((self.place(name, size_bytes).start, ceil_div(size_bytes, self.geometry.unit_bytes)))

    def columns(self, name: str, m: int, n: int, first: int = 0, end: int | None = None, top: int = 0,
                bottom: int | None = None) -> Transfer:
        """Columns ``first`` to ``end`` (in blocks) of rows ``top`` to ``bottom`` of an activation tensor, a segment a column."""
        width = self.width
        end = ceil_div(n, width) if end is None else end
        bottom = m if bottom is None else bottom
        start, pitch = self._activation(name, m, n)
        column = np.arange(first, end, dtype=np.int64)
        size = np.minimum(n - column * width, width) * self.element_bytes
        begin = column * pitch * self.geometry.unit_bytes
        return self._units(begin + top * size, begin + bottom * size, start)

    def rows(self, name: str, m: int, n: int, group: int) -> Transfer:
        """All of an activation tensor, ``group`` rows at a time: a segment a group and column."""
        width = self.width
        start, pitch = self._activation(name, m, n)
        tops, columns = np.arange(0, m, group), np.arange(ceil_div(n, width))
        top, column = np.repeat(tops, len(columns)), np.tile(columns, len(tops))
        size = np.minimum(n - column * width, width) * self.element_bytes
        begin = column * pitch * self.geometry.unit_bytes
        return self._units(begin + top * size, begin + np.minimum(top + group, m) * size, start)

    def _activation(self, name: str, m: int, n: int) -> tuple[int, int]:
        """First unit, and units from one column to the next."""
        stripe = self.geometry.channels * self.geometry.unit_bytes
        rounded = 1 << (m - 1).bit_length()
        pitch_bytes = ceil_div(rounded * self.width * self.element_bytes, stripe) * stripe
        tensor = self.place(name, ceil_div(n, self.width) * pitch_bytes)
        return tensor.start, pitch_bytes // self.geometry.unit_bytes

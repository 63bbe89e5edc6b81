"""How matrices are cut over channels, banks and rows in the PIM-GPT mapping (arXiv 2310.09385; papers quoting it).

* A weight matrix [outputs x inputs]: output i belongs to bank ``i % banks`` of channel ``i // banks % channels``, in *slot*
  ``i // (banks x channels)``. Its inputs are cut into *chunks* of one DRAM row (1,024 bf16); a row of a bank holds one
  (slot, chunk). Partial sums of the chunks are added in the ASIC.
* K is row-major: token t belongs to channel ``t % channels``, bank ``t // channels % banks``, *group* ``t // (banks x channels)``.
  Its heads stand behind one another and fill rows: as many whole heads a row as fit are a chunk.
  Tokens stand for slots of the cache: the newest token takes the oldest's where there is an attention window.
* V is column-major: head h belongs to channel ``h % channels``; dimension j of it to bank ``j % banks``, *sub* ``j // banks``.
  A row holds 1,024 tokens of one dimension, so every new token touches one row a dimension. Where there are fewer heads than
  channels, heads are cut into *pieces* of equal, whole subs, as many as keep more channels busy; a piece stands for a head.
* A matrix for each head (multi-head latent attention) lies like V: head h, or a piece of its outputs, in channel ``h % channels``,
  output j of it in bank ``j % banks``, sub ``j // banks``. Short rows are shared: as many subs as fit stand behind one another, and
  the operand buffer holds the head's input as often.

Elements narrower than 16 bits (quantised weights, K or V) lie closer: a column holds ``lanes x pack`` of them. Either the units have as
many more lanes, and then ``lanes`` grows; or a column takes ``pack`` MACs, one after the other, of ``lanes`` elements each. The operand
buffer then holds no more than before, so ``pack`` slots (of K groups, of V subs) that take the same operand share a row. What
is counted in *columns* of an operand is always MACs, and bursts into the buffer; *places* are the columns that they lie in.

Everything here is counting; the programs that follow from it are in ``pimsim.mapping.pim_gpt``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from pimsim.units import BF16_BITS, ceil_div


def cache_slot(tokens: int, attended: int) -> int:
    """Slot of the newest of ``tokens`` tokens in a KV cache, ``attended`` of which are attended to.

    A cache with an attention window is a ring of as many slots: its first ``attended`` slots hold the window's tokens, in an order that
    softmax and weighted sum do not mind.
    """
    return (tokens - 1) % attended


@dataclass(frozen=True)
class Memory:
    """The memory as the mapping sees it: ``lanes`` elements a MAC, ``pack`` MACs a column, ``columns`` columns a row."""

    channels: int
    banks: int
    lanes: int
    columns: int
    pack: int = 1

    def holding(self, bits: int, *, scale: bool) -> Memory:
        """The memory with elements of ``bits`` bits instead of 16; ``scale``: its units have as many more lanes."""
        narrow = BF16_BITS // bits
        return replace(self, lanes=self.lanes * narrow) if scale else replace(self, pack=narrow)

    @property
    def row_elements(self) -> int:
        """Elements of a chunk: what the operand buffer takes of one row's width, and a row of one bank of 16-bit elements."""
        return self.lanes * self.columns

    def places(self, columns: int) -> int:
        """Columns of a row that so many columns of an operand lie in."""
        return ceil_div(columns, self.pack)

    @property
    def width(self) -> int:
        """Elements of a column."""
        return self.lanes * self.pack

    def sweeps(self, columns: int) -> list[int]:
        """MACs of each sweep over the places of so many columns of an operand: column c lies in place c // pack and is taken by sweep
        c % pack."""
        return [ceil_div(columns - sweep, self.pack) for sweep in range(min(self.pack, columns))]

    def order(self, columns: int) -> list[int]:
        """The columns of an operand in the order in which sweeps take them."""
        return [c for sweep in range(self.pack) for c in range(sweep, columns, self.pack)]

    @property
    def share(self) -> int:
        """Columns of a row for each of those that share it."""
        return self.columns // self.pack

    def shared(self, number: int) -> tuple[int, int]:
        """(which row, first column) of the ``number``-th of those that share rows."""
        row, part = divmod(number, self.pack)
        return row, part * self.share

    @property
    def units(self) -> int:
        """Banks of all channels."""
        return self.channels * self.banks


def pieces(memory: Memory, heads: int, outputs: int) -> int:
    """Into how many pieces a head of ``outputs`` outputs is cut so that ``heads`` heads keep more channels busy.

    Pieces are equal and fill the banks of a channel; 1 where the channels are fewer than twice the heads.
    """
    most = min(memory.channels // heads, outputs // memory.banks)
    return next((n for n in range(most, 1, -1) if outputs % (n * memory.banks) == 0), 1)


@dataclass(frozen=True)
class Weights:
    """A matrix of ``outputs`` x ``inputs`` held in the banks."""

    memory: Memory
    outputs: int
    inputs: int

    @cached_property
    def chunk_columns(self) -> tuple[int, ...]:
        """Columns of each chunk."""
        full, rest = divmod(self.inputs, self.memory.row_elements)
        return (self.memory.columns,) * full + ((ceil_div(rest, self.memory.lanes),) if rest else ())

    @property
    def slots(self) -> int:
        """Outputs of the fullest bank."""
        return ceil_div(self.outputs, self.memory.units)

    @property
    def chunk_rows(self) -> int:
        """Rows of one chunk."""
        return ceil_div(self.slots, self.memory.pack)

    def channel_slots(self, channel: int) -> int:
        """Slots in which this channel has outputs."""
        return ceil_div(max(self.outputs - channel * self.memory.banks, 0), self.memory.units)

    @property
    def rows(self) -> int:
        """Rows of every bank."""
        return len(self.chunk_columns) * self.chunk_rows


@dataclass(frozen=True)
class Keys:
    """The K cache of a layer: ``heads`` key heads of ``head_dim`` for up to ``capacity`` tokens."""

    memory: Memory
    heads: int
    head_dim: int
    capacity: int

    @property
    def head_columns(self) -> int:
        """Columns of one head's key."""
        return ceil_div(self.head_dim, self.memory.lanes)

    @property
    def head_places(self) -> int:
        """Columns of a row that one head's key lies in."""
        return self.memory.places(self.head_columns)

    @cached_property
    def chunk_heads(self) -> tuple[int, ...]:
        """Heads of each chunk. A head larger than a row is refused by the mapping."""
        most = min(self.memory.columns // self.head_columns, self.memory.share // self.head_places)
        full, rest = divmod(self.heads, most)
        return (most,) * full + ((rest,) if rest else ())

    @property
    def groups(self) -> int:
        """Tokens of the fullest bank when the cache is full."""
        return ceil_div(self.capacity, self.memory.units)

    @property
    def group_rows(self) -> int:
        """Rows of one chunk when the cache is full."""
        return ceil_div(self.groups, self.memory.pack)

    def channel_groups(self, channel: int, tokens: int) -> int:
        """Groups in which this channel holds keys of the first ``tokens`` tokens."""
        own = ceil_div(max(tokens - channel, 0), self.memory.channels)
        return ceil_div(own, self.memory.banks)

    def bank(self, slot: int) -> tuple[int, int, int]:
        """(channel, bank, group) of a token's slot."""
        rest, channel = divmod(slot, self.memory.channels)
        group, bank = divmod(rest, self.memory.banks)
        return channel, bank, group

    @property
    def rows(self) -> int:
        """Rows of every bank."""
        return len(self.chunk_heads) * self.group_rows


@dataclass(frozen=True)
class Values:
    """The V cache of a layer: ``heads`` value heads, or pieces of them, of ``head_dim`` for up to ``capacity`` tokens."""

    memory: Memory
    heads: int
    head_dim: int
    capacity: int

    @classmethod
    def of(cls, memory: Memory, heads: int, head_dim: int, capacity: int) -> Values:
        """The cache of so many heads, cut into pieces where that keeps more channels busy."""
        cut = pieces(memory, heads, head_dim)
        return cls(memory, heads * cut, head_dim // cut, capacity)

    def channel_heads(self, channel: int) -> int:
        """Heads of a channel: they spread unevenly when channels do not divide them."""
        return ceil_div(max(self.heads - channel, 0), self.memory.channels)

    def channel_slots(self, channel: int, first: int, end: int) -> range:
        """Head slots of a channel that hold the heads from ``first`` to ``end``."""
        channels = self.memory.channels
        return range(ceil_div(max(first - channel, 0), channels), ceil_div(max(end - channel, 0), channels))

    @property
    def subs(self) -> int:
        """Dimensions of a head in the fullest bank."""
        return ceil_div(self.head_dim, self.memory.banks)

    @property
    def chunks(self) -> int:
        """Rows that one dimension takes when the cache is full."""
        return ceil_div(self.capacity, self.memory.row_elements)

    def chunk_columns(self, tokens: int) -> tuple[int, ...]:
        """Columns of each chunk that ``tokens`` tokens fill."""
        full, rest = divmod(tokens, self.memory.row_elements)
        return (self.memory.columns,) * full + ((ceil_div(rest, self.memory.lanes),) if rest else ())

    @property
    def head_rows(self) -> int:
        """Rows of one head when the cache is full."""
        return ceil_div(self.subs, self.memory.pack) * self.chunks

    def sub_banks(self, sub: int) -> int:
        """Banks that hold a dimension of this sub."""
        return min(self.memory.banks, self.head_dim - sub * self.memory.banks)

    def row(self, head_slot: int, sub: int, chunk: int) -> int:
        """Row, within the region, of one (head of the channel, sub, chunk)."""
        return head_slot * self.head_rows + self.memory.shared(sub)[0] * self.chunks + chunk

    def slot_place(self, slot: int) -> tuple[int, int]:
        """(chunk, column within what a dimension has of a row) of a token's slot."""
        chunk, element = divmod(slot, self.memory.row_elements)
        return chunk, element // (self.memory.lanes * self.memory.pack)

    @property
    def rows(self) -> int:
        """Rows of every bank (of the channel with the most heads)."""
        return self.channel_heads(0) * self.head_rows


@dataclass(frozen=True)
class HeadWeights:
    """A matrix of ``outputs`` x ``inputs`` for each of ``heads`` heads, or pieces of them."""

    memory: Memory
    heads: int
    outputs: int
    inputs: int

    @classmethod
    def of(cls, memory: Memory, heads: int, outputs: int, inputs: int) -> HeadWeights:
        """The matrices of so many heads, cut into pieces where that keeps more channels busy."""
        cut = pieces(memory, heads, outputs)
        return cls(memory, heads * cut, outputs // cut, inputs)

    @cached_property
    def chunk_columns(self) -> tuple[int, ...]:
        """Columns of each chunk of the inputs."""
        return Weights(self.memory, self.outputs, self.inputs).chunk_columns

    @property
    def subs(self) -> int:
        """Outputs of a head in the fullest bank."""
        return ceil_div(self.outputs, self.memory.banks)

    @cached_property
    def packed(self) -> int:
        """How often the buffer holds the input."""
        return min(self.memory.columns // self.chunk_columns[0], self.subs)

    @cached_property
    def row_subs(self) -> int:
        """Subs that share a row."""
        return min(self.packed * self.memory.pack, self.memory.columns // self.memory.places(self.chunk_columns[0]), self.subs)

    @property
    def chunk_rows(self) -> int:
        """Rows of one chunk of a head."""
        return ceil_div(self.subs, self.row_subs)

    @property
    def head_rows(self) -> int:
        """Rows of one head."""
        return len(self.chunk_columns) * self.chunk_rows

    def channel_heads(self, channel: int) -> int:
        """Heads of a channel."""
        return ceil_div(max(self.heads - channel, 0), self.memory.channels)

    def place(self, head_slot: int, chunk: int, sub: int) -> tuple[int, int]:
        """(row within the region, first column) of one (head of the channel, chunk, sub)."""
        row, part = divmod(sub, self.row_subs)
        return (head_slot * self.head_rows + chunk * self.chunk_rows + row,
                part * self.memory.places(self.chunk_columns[chunk]))

    @property
    def rows(self) -> int:
        """Rows of every bank (of the channel with the most heads)."""
        return self.channel_heads(0) * self.head_rows

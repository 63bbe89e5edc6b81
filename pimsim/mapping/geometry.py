"""How matrices are cut over channels, banks and rows in the PIM-GPT mapping (arXiv 2310.09385; papers quoting it).

* A weight matrix [outputs x inputs]: output i belongs to bank ``i % banks`` of channel ``i // banks % channels``, in *slot*
  ``i // (banks x channels)``. Its inputs are cut into *chunks* of one DRAM row (1,024 bf16); a row of a bank holds one
  (slot, chunk). Partial sums of the chunks are added in the ASIC.
* K is row-major: token t belongs to channel ``t % channels``, bank ``t // channels % banks``, *group* ``t // (banks x channels)``.
  Its heads stand behind one another and fill rows: as many whole heads a row as fit are a chunk.
  Tokens stand for slots of the cache: the newest token takes the oldest's where there is an attention window.
* V is column-major: head h belongs to channel ``h % channels``; dimension j of it to bank ``j % banks``, *sub* ``j // banks``.
  A row holds 1,024 tokens of one dimension, so every new token touches one row a dimension.

Everything here is counting; the programs that follow from it are in ``pimsim.mapping.pim_gpt``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


def ceil_div(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)


def cache_slot(tokens: int, attended: int) -> int:
    """Slot of the newest of ``tokens`` tokens in a KV cache, ``attended`` of which are attended to.

    A cache with an attention window is a ring of as many slots: its first ``attended`` slots hold the window's tokens, in an order that
    softmax and weighted sum do not mind.
    """
    return (tokens - 1) % attended


@dataclass(frozen=True)
class Memory:
    """The memory as the mapping sees it: ``lanes`` elements a column, ``columns`` columns a row."""

    channels: int
    banks: int
    lanes: int
    columns: int

    @property
    def row_elements(self) -> int:
        """Elements of one row of one bank."""
        return self.lanes * self.columns

    @property
    def units(self) -> int:
        """Banks of all channels."""
        return self.channels * self.banks


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

    def channel_slots(self, channel: int) -> int:
        """Slots in which this channel has outputs."""
        return ceil_div(max(self.outputs - channel * self.memory.banks, 0), self.memory.units)

    @property
    def rows(self) -> int:
        """Rows of every bank."""
        return len(self.chunk_columns) * self.slots


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

    @cached_property
    def chunk_heads(self) -> tuple[int, ...]:
        """Heads of each chunk. A head larger than a row is refused by the mapping."""
        full, rest = divmod(self.heads, self.memory.columns // self.head_columns)
        return (self.memory.columns // self.head_columns,) * full + ((rest,) if rest else ())

    @property
    def groups(self) -> int:
        """Tokens of the fullest bank when the cache is full."""
        return ceil_div(self.capacity, self.memory.units)

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
        return len(self.chunk_heads) * self.groups


@dataclass(frozen=True)
class Values:
    """The V cache of a layer: ``heads`` value heads of ``head_dim`` for up to ``capacity`` tokens."""

    memory: Memory
    heads: int
    head_dim: int
    capacity: int

    def channel_heads(self, channel: int) -> int:
        """Heads of a channel: they spread unevenly when channels do not divide them."""
        return ceil_div(max(self.heads - channel, 0), self.memory.channels)

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

    def sub_banks(self, sub: int) -> int:
        """Banks that hold a dimension of this sub."""
        return min(self.memory.banks, self.head_dim - sub * self.memory.banks)

    def row(self, head_slot: int, sub: int, chunk: int) -> int:
        """Row, within the region, of one (head of the channel, sub, chunk)."""
        return (head_slot * self.subs + sub) * self.chunks + chunk

    @property
    def rows(self) -> int:
        """Rows of every bank (of the channel with the most heads)."""
        return self.channel_heads(0) * self.subs * self.chunks

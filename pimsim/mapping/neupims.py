"""NeuPIMs' mapping: where the KV cache of a request lies in its channel, and attention as PIM transactions (arXiv 2403.00579, section 5).

One channel holds all of a request. A *row* here is one row of every bank of the channel, both ranks together.

* K: token t lies in bank ``t % banks``, *tile* ``t // banks``. A row holds as many whole heads of a token as fit: a *chunk* (4 heads of 128
  elements). q K^T: the vector buffer is filled with a chunk of q, then each tile's row of that chunk is opened once and multiplied,
  one composite a head.
* V is transposed: dimension d of a head lies in bank ``d % banks``, *tile* ``d // banks``; a row holds consecutive tokens, a *block*.
  P V: the vector buffer is filled with a block of a head's P, then each tile's row of that block is opened and multiplied.

A head that is longer than a row takes several chunks, whose partial results the NPU adds. Multi-head latent attention (DeepSeek-V2,
arXiv 2405.04434) is one key head that all query heads share, whose first elements are the value: they lie here twice. Rows are
counted from 0 within a request; the caller says which rows of the channel those are (a KV allocator, or consecutive ones).
:data:`Counts` are closed forms, written without the programs, so that a run can be checked against them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pimsim.errors import InputError, Problem
from pimsim.kernels import contend_layout as at
from pimsim.units import ceil_div

OPS = ("logit", "attend", "both")


@dataclass(frozen=True, slots=True)
class Counts:
    """What an operation of one request takes: transactions, and the commands that follow from them.

    Attributes:
        fills: GWRITE. headers: P_HEADER, a row opened in all banks. composites: READRES (and COMPS_READRES). computes: COMP.
        group_activations: G_ACT, if no row is open already. macs: multiplications that the operation needs.
    """

    fills: int = 0
    headers: int = 0
    composites: int = 0
    computes: int = 0
    group_activations: int = 0
    macs: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f) + getattr(other, f) for f in self.__slots__))


@dataclass(frozen=True, slots=True)
class NeuPimsLayout:
    """The KV cache of one layer of a request in its channel.

    Attributes:
        banks: of a channel, all ranks together. groups: bank groups of a channel. page: elements of a row of one bank.
        lanes: elements that one COMP multiplies in each bank.
        heads, head_dim: of the model, as much of it as one device holds (``heads`` are key heads; see ``queries``).
        queries: query heads that a key head serves (grouped-query attention). The vector buffer holds one query a key head, so
            that the rows are opened once for each.
        value_dim: elements of a value head; 0: ``head_dim``, which is the key's.
        shared_rows: the V of all heads lies in the same rows (``compat.heads_share_rows``).
        vector_bank, vector_row: where GWRITE finds q and P. score_column: column of P in that row; q is at column 0.

    Raises:
        InputError: a size that is not positive.
    """

    banks: int
    groups: int
    page: int
    lanes: int
    heads: int
    head_dim: int
    queries: int = 1
    shared_rows: bool = False
    vector_bank: int = 0
    vector_row: int = 0
    score_column: int = 8
    value_dim: int = 0

    def __post_init__(self) -> None:
        names = ("banks", "groups", "page", "lanes", "heads", "head_dim", "queries")
        wrong = [n for n in names if getattr(self, n) < 1]
        if wrong:
            raise InputError(Problem(f"{getattr(self, n)} is too few", "at least 1", key=n) for n in wrong)
        if not self.value_dim:
            object.__setattr__(self, "value_dim", self.head_dim)

    # ------------------------------------------------------------------ geometry

    @property
    def chunk_heads(self) -> int:
        """Key heads that share a row; 1 if a head takes a row or more."""
        return max(self.page // self.head_dim, 1)

    @property
    def head_chunks(self) -> int:
        """Rows that a head's elements of one token take."""
        return ceil_div(self.head_dim, self.page)

    @property
    def key_chunks(self) -> int:
        """Rows behind one another that the keys of a tile of tokens take."""
        return ceil_div(self.heads, self.chunk_heads) * self.head_chunks

    @property
    def value_tiles(self) -> int:
        """Rows behind one another that the dimensions of a head take."""
        return ceil_div(self.value_dim, self.banks)

    def key_tiles(self, tokens: int) -> int:
        """Tiles of ``tokens`` tokens."""
        return ceil_div(tokens, self.banks)

    def blocks(self, tokens: int) -> int:
        """Blocks of V of ``tokens`` tokens."""
        return ceil_div(tokens, self.page)

    def key_rows(self, tokens: int) -> int:
        """Rows that the keys of ``tokens`` tokens take."""
        return self.key_tiles(tokens) * self.key_chunks

    def value_rows(self, tokens: int) -> int:
        """Rows that the values of ``tokens`` tokens take."""
        return (1 if self.shared_rows else self.heads) * self.value_tiles * self.blocks(tokens)

    def key_row(self, tile: int, chunk: int) -> int:
        """Which of the request's K rows holds a tile's chunk."""
        return tile * self.key_chunks + chunk

    def value_row(self, head: int, block: int, tile: int, blocks: int) -> int:
        """Which of the request's V rows holds a block of a head's tile; ``blocks``: those that the request has.

        The rows of a block lie together, so that V grows by blocks; those of shared rows lie as in the authors' simulator.
        """
        if self.shared_rows:
            return tile * blocks + block
        return (block * self.heads + head) * self.value_tiles + tile

    # ------------------------------------------------------------------ programs

    def logit(self, tokens: int, rows: np.ndarray | int = 0) -> np.ndarray:
        """q K^T of ``tokens`` tokens as PIM transactions, int64 [n, TRANSACTION_FIELDS].

        ``rows``: the rows of the channel that are the request's K rows 0, 1, ..., or the first of consecutive ones.
        """
        return _placed(_logit(self, self.key_tiles(tokens)), rows)

    def attend(self, tokens: int, rows: np.ndarray | int = 0) -> np.ndarray:
        """P V of ``tokens`` tokens as PIM transactions; ``rows``: the same for the request's V rows."""
        return _placed(_attend(self, tokens), rows)

    def logit_counts(self, tokens: int) -> Counts:
        """What q K^T takes."""
        headers = self.key_chunks * self.queries * self.key_tiles(tokens)
        steps = sum(ceil_div(part, self.lanes) for part in self._head_parts())
        queries = self.heads * self.queries
        return Counts(
            fills=self.key_chunks * self.queries,
            headers=headers,
            composites=queries * self.head_chunks * self.key_tiles(tokens),
            computes=queries * steps * self.key_tiles(tokens),
            group_activations=headers * self.groups,
            macs=queries * self.head_dim * tokens,
        )

    def attend_counts(self, tokens: int) -> Counts:
        """What P V takes."""
        full, rest = divmod(tokens, self.page)
        steps = full * ceil_div(self.page, self.lanes) + ceil_div(rest, self.lanes)
        fills = self.heads * self.queries * self.blocks(tokens)
        headers = fills * self.value_tiles
        return Counts(
            fills=fills,
            headers=headers,
            composites=headers,
            computes=self.heads * self.queries * self.value_tiles * steps,
            group_activations=headers * self.groups,
            macs=self.heads * self.queries * self.value_dim * tokens,
        )

    def _head_parts(self) -> list[int]:
        """Elements of a head in each of its chunks."""
        full, rest = divmod(self.head_dim, self.page)
        return [self.page] * full + ([rest] if rest else [])

    # ------------------------------------------------------------------ growth

    def append(self, token: int, key_rows: Sequence[int] | np.ndarray, value_rows: Sequence[int] | np.ndarray,
               column_elements: int) -> np.ndarray:
        """The memory writes that add a token to the cache, int64 [n, 4]: 1 (a write), flat bank, row, column.

        K: the columns of one row a chunk of one bank. V: a column of one row of a bank for every dimension of every head, for a single
        element of it. ``column_elements``: elements of a column access.
        """
        writes: list[tuple[int, int, int, int]] = []
        tile, bank = divmod(token, self.banks)
        for head in range(self.heads):
            for part, elements in enumerate(self._head_parts()):
                chunk = head // self.chunk_heads * self.head_chunks + part
                first = head % self.chunk_heads * self.head_dim
                columns = range(first // column_elements, ceil_div(first + elements, column_elements))
                writes += [(1, bank, int(key_rows[self.key_row(tile, chunk)]), column) for column in columns]
        block, place = divmod(token, self.page)
        for head in range(self.heads):
            for dimension in range(self.value_dim):
                tile, bank = divmod(dimension, self.banks)
                row = self.value_row(head, block, tile, block + 1)
                writes.append((1, bank, int(value_rows[row]), place // column_elements))
        return np.array(list(dict.fromkeys(writes)), np.int64).reshape(-1, 4)


def _placed(program: np.ndarray, rows: np.ndarray | int) -> np.ndarray:
    """``program`` with its rows (announcements and composites) put where ``rows`` says."""
    placed = program.copy()
    work = placed[:, at.T_KIND] != at.FILL
    index = placed[work, at.T_ROW]
    placed[work, at.T_ROW] = index + rows if isinstance(rows, int) else rows[index]
    return placed


def _encoded(value: int, *, up: bool) -> int:
    """A count as a header carries it: its logarithm, so that only powers of two come across (used for the estimate alone)."""
    power = 1 << (value.bit_length() - 1)
    return power * 2 if up and power < value else power


def _row(row: int, computes: Sequence[int], *, up: bool) -> list[list[int]]:
    """An announcement and its composites."""
    total = _encoded(sum(computes), up=up)
    out = [[at.ANNOUNCE, 0, 0, row, 0, total, _encoded(len(computes), up=False), 0, 0]]
    out += [[at.COMPUTE, 0, 0, row, 0, n, 0, int(i == len(computes) - 1), 0] for i, n in enumerate(computes)]
    return out


def _fill(layout: NeuPimsLayout, column: int) -> list[int]:
    return [at.FILL, 0, layout.vector_bank, layout.vector_row, column, 0, 0, 0, 0]


@lru_cache(maxsize=1024)
def _logit(layout: NeuPimsLayout, tiles: int) -> np.ndarray:
    rows: list[list[int]] = []
    parts = layout._head_parts()
    for chunk in range(layout.key_chunks):
        first, part = divmod(chunk, layout.head_chunks)
        heads = min(layout.chunk_heads, layout.heads - first * layout.chunk_heads)
        computes = [ceil_div(parts[part], layout.lanes)] * heads
        for _ in range(layout.queries):
            rows.append(_fill(layout, 0))
            for tile in range(tiles):
                rows += _row(layout.key_row(tile, chunk), computes, up=False)
    return _frozen(rows)


@lru_cache(maxsize=1024)
def _attend(layout: NeuPimsLayout, tokens: int) -> np.ndarray:
    rows: list[list[int]] = []
    blocks = layout.blocks(tokens)
    for query in range(layout.heads * layout.queries):
        head = query // layout.queries
        for block in range(blocks):
            computes = [ceil_div(min(layout.page, tokens - block * layout.page), layout.lanes)]
            rows.append(_fill(layout, layout.score_column))
            for tile in range(layout.value_tiles):
                rows += _row(layout.value_row(head, block, tile, blocks), computes, up=True)
    return _frozen(rows)


def _frozen(rows: list[list[int]]) -> np.ndarray:
    program = np.array(rows, np.int64).reshape(-1, at.TRANSACTION_FIELDS)
    program.setflags(write=False)
    return program

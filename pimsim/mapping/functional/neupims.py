"""NeuPIMs' programs on real numbers: a channel whose banks hold fp16 elements and whose units multiply them.

Executes what the timing simulation executes: the appended cache's column writes, GWRITE, and composites of COMPs, each COMP ``lanes``
products of every bank, summed in an adder tree and accumulated in binary32. Only where a composite finds its row's first column is
implied: behind the composite before it.

Nothing is written but by :meth:`Channel.append` and :meth:`Channel.preload`; what was never written is :data:`GARBAGE`, so that a
wrong row, bank, column or count shows in the results.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pimsim.kernels import contend_layout as at
from pimsim.mapping.neupims import NeuPimsLayout

GARBAGE = np.float16(30_000)
"""What an element is before it is written: finite, as P V multiplies the rest of a column with zeros."""


class Channel:
    """The banks of a channel.

    Attributes:
        cells: float16 [rows, banks, page], all ranks' banks together.
    """

    def __init__(self, layout: NeuPimsLayout, rows: int, column_elements: int):
        self.layout, self.column_elements = layout, column_elements
        self.cells = np.full((rows, layout.banks, layout.page), GARBAGE)

    # ------------------------------------------------------------------ the cache

    def append(self, token: int, keys: np.ndarray, values: np.ndarray, key_rows: np.ndarray, value_rows: np.ndarray) -> int:
        """Add a token by the writes that the mapping says; keys [heads, head_dim], values [heads, value_dim].

        Returns:
            elements of the token that no write covers.
        """
        wanted = self._elements(token, keys, values, key_rows, value_rows)
        by_column: dict[tuple[int, int, int], list[tuple[int, np.float16]]] = {}
        for bank, row, place, number in wanted:
            by_column.setdefault((bank, row, place // self.column_elements), []).append((place, number))
        for _, bank, row, column in self.layout.append(token, key_rows, value_rows, self.column_elements).tolist():
            for place, number in by_column.pop((bank, row, column), ()):
                self.cells[row, bank, place] = number
        return sum(map(len, by_column.values()))

    def preload(self, keys: np.ndarray, values: np.ndarray, key_rows: np.ndarray, value_rows: np.ndarray) -> None:
        """Put tokens 0, 1, ... there at once, by the geometry; keys and values [tokens, heads, their elements]."""
        for token in range(len(keys)):
            for bank, row, place, number in self._elements(token, keys[token], values[token], key_rows, value_rows):
                self.cells[row, bank, place] = number

    def _elements(self, token: int, keys: np.ndarray, values: np.ndarray, key_rows: np.ndarray,
                  value_rows: np.ndarray) -> Iterator[tuple[int, int, int, np.float16]]:
        """Bank, row, place in it and value of every element of a token, from the mapping's description, not its programs."""
        layout = self.layout
        tile, bank = divmod(token, layout.banks)
        block, at_place = divmod(token, layout.page)
        for head in range(layout.heads):
            group, inside = divmod(head, layout.chunk_heads)
            for d in range(layout.head_dim):
                part, element = divmod(d, layout.page)
                row = int(key_rows[tile * layout.key_chunks + group * layout.head_chunks + part])
                yield bank, row, inside * layout.head_dim + element, keys[head, d]
            for d in range(layout.value_dim):
                row = int(value_rows[(block * layout.heads + head) * layout.value_tiles + d // layout.banks])
                yield d % layout.banks, row, at_place, values[head, d]

    # ------------------------------------------------------------------ programs

    def scores(self, query: np.ndarray, tokens: int, key_rows: np.ndarray) -> np.ndarray:
        """q K^T: float32 [query heads, tokens] of ``query`` [query heads, head_dim]."""
        layout = self.layout
        results = self._run(layout.logit(tokens, key_rows), self._query_vectors(query))
        out = np.zeros((layout.heads * layout.queries, layout.key_tiles(tokens) * layout.banks), np.float32)
        for chunk in range(layout.key_chunks):
            first = chunk // layout.head_chunks * layout.chunk_heads
            for turn in range(layout.queries):
                for tile in range(layout.key_tiles(tokens)):
                    for head in range(first, min(first + layout.chunk_heads, layout.heads)):
                        here = slice(tile * layout.banks, (tile + 1) * layout.banks)
                        out[head * layout.queries + turn, here] += next(results)
        return out[:, :tokens]

    def attended(self, weights: np.ndarray, tokens: int, value_rows: np.ndarray) -> np.ndarray:
        """P V: float32 [query heads, value_dim] of ``weights`` [query heads, tokens]."""
        layout = self.layout
        blocks = layout.blocks(tokens)
        vectors = [weights[query, block * layout.page : (block + 1) * layout.page]
                   for query in range(layout.heads * layout.queries) for block in range(blocks)]  # fmt: skip
        results = self._run(layout.attend(tokens, value_rows), vectors)
        out = np.zeros((layout.heads * layout.queries, layout.value_tiles * layout.banks), np.float32)
        for query in range(layout.heads * layout.queries):
            for _ in range(blocks):
                for tile in range(layout.value_tiles):
                    out[query, tile * layout.banks : (tile + 1) * layout.banks] += next(results)
        return out[:, : layout.value_dim]

    def _query_vectors(self, query: np.ndarray) -> list[np.ndarray]:
        """What GWRITE copies, in order: for every chunk, one query of each key head of it."""
        layout = self.layout
        heads = query.reshape(layout.heads, layout.queries, layout.head_dim)
        return [heads[first : first + layout.chunk_heads, turn].ravel()[part * layout.page : (part + 1) * layout.page]
                for first in range(0, layout.heads, layout.chunk_heads) for part in range(layout.head_chunks)
                for turn in range(layout.queries)]  # fmt: skip

    def _run(self, program: np.ndarray, vectors: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """Execute a program; yields the results of all banks at each READRES."""
        waiting = iter(vectors)
        buffer = np.zeros(self.layout.page, np.float16)
        column = 0
        for transaction in program:
            kind = int(transaction[at.T_KIND])
            if kind == at.FILL:
                vector = next(waiting)
                buffer = np.zeros(self.layout.page, np.float16)
                buffer[: len(vector)] = vector
            elif kind == at.ANNOUNCE:
                column = 0
            else:
                computes = int(transaction[at.T_COMPUTES])
                yield multiply(self.cells[int(transaction[at.T_ROW])], buffer, column, computes, self.layout.lanes)
                column += computes


def multiply(row: np.ndarray, buffer: np.ndarray, first: int, computes: int, lanes: int) -> np.ndarray:
    """``computes`` COMPs of a row in all banks, from column ``first``: float32 [banks]."""
    total = np.zeros(len(row), np.float32)
    for column in range(first, first + computes):
        here = slice(column * lanes, (column + 1) * lanes)
        total += tree(row[:, here].astype(np.float32) * buffer[here].astype(np.float32))
    return total


def tree(products: np.ndarray) -> np.ndarray:
    """The sum over the last axis as an adder tree makes it: neighbours first."""
    while products.shape[-1] > 1:
        if products.shape[-1] % 2:
            products = np.concatenate((products, np.zeros_like(products[..., :1])), axis=-1)
        products = products[..., ::2] + products[..., 1::2]
    return products[..., 0]

"""Where tensors live: rows of every bank, layer by layer, and whether they fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pimsim.errors import InputError, Problem


@dataclass(frozen=True, slots=True)
class Region:
    """Rows ``row`` .. ``row + rows`` of every bank of every channel."""

    row: int
    rows: int


@dataclass(frozen=True)
class Placement:
    """The region of every tensor, by (layer, name).

    All tensors use the same rows of all banks of all channels: that is what all-bank commands need.
    """

    regions: Mapping[tuple[int, str], Region]
    rows_used: int

    def row(self, layer: int, name: str) -> int:
        """First row of a tensor."""
        return self.regions[layer, name].row

    def step(self, layer: int, name: str, repeat: int) -> int:
        """Distance between the tensor's rows in consecutive layers, the same over ``repeat`` layers.

        Raises:
            ValueError: the layers are not evenly spaced (the caller must not fold them into one block).
        """
        if repeat == 1:
            return 0
        rows = [self.row(layer + i, name) for i in range(repeat)]
        step = rows[1] - rows[0]
        if any(b - a != step for a, b in zip(rows, rows[1:], strict=False)):
            raise ValueError(f"{name}: layers {layer} to {layer + repeat - 1} are not evenly spaced")
        return step


def place(demands: Mapping[tuple[int, str], int], rows: int, row_bytes: int, banks: int, channels: int,
          needs: Callable[[int], int] | None = None) -> Placement:
    """Give every tensor its rows, in the order of the layers.

    Args:
        demands: rows of every bank that each (layer, name) needs.
        rows: rows of a bank. row_bytes, banks, channels: the memory, for the message.
        needs: rows that all tensors need with so many channels, for the message.

    Raises:
        InputError: they do not fit; says by how much.
    """
    regions: dict[tuple[int, str], Region] = {}
    cursor = 0
    for key in sorted(demands, key=lambda k: k[0]):
        regions[key] = Region(cursor, demands[key])
        cursor += demands[key]
    if cursor > rows:
        enough = _enough(-(-cursor * channels // rows), rows, needs)
        row_everywhere = row_bytes * banks * channels
        raise InputError(Problem(
            f"the model and its KV cache need {cursor} rows of every bank, {cursor - rows} more than there are "
            f"({cursor * row_everywhere / 2**30:.2f} GiB of {rows * row_everywhere / 2**30:.2f} GiB)",
            f"{f'at least {enough} channels of this size, ' if enough else ''}{cursor} rows, or fewer tokens",
            key="memory.rows"))
    return Placement(regions, cursor)


def _enough(least: int, rows: int, needs: Callable[[int], int] | None) -> int:
    """The fewest channels, at least ``least``, with which ``rows`` rows do; 0 if 64 times as many do not.

    With more channels each holds less of a tensor, but no less than a row.
    """
    if needs is None or needs(least) <= rows:
        return least
    enough = next((least << n for n in range(1, 7) if needs(least << n) <= rows), 0)
    below = max(enough // 2, least)
    while enough - below > 1:
        middle = (below + enough) // 2
        below, enough = (below, middle) if needs(middle) <= rows else (middle, enough)
    return enough

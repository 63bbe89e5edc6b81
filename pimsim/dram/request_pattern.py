"""Synthetic memory requests: the kinds of access pattern that the reference simulators were run on.

The patterns without chance reproduce the reference inputs request for request (2,048 reads for ``seq_read``, and so on); those with
chance have the same distributions and a seed. No address comes twice in the latter, so that no request is answered from a queue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from pimsim.dram.request_trace import ARRIVAL, BANK, BANKGROUP, COLUMN, INDEX, LINE, RANK, ROW, SID, WRITE, Requests
from pimsim.dram.spec import Organization
from pimsim.errors import InputError, Problem, nearest

Coordinates = dict[int, np.ndarray]

ROWS_IN_USE = 64
"""Rows that the paced and pseudo-channel patterns draw from, so that hits, misses and conflicts all occur."""
RUN = 8
"""Longest run of consecutive columns in ``mixed_rw``."""
WRITE_ROWS_FROM, MIXED_ROWS = 64, 8
PACE = 6.3
"""Refresh intervals over which the requests of ``refresh_paced`` are spread: so that they do not end near a refresh."""


def _seq(i: np.ndarray, org: Organization) -> Coordinates:
    """Row by row, through the bank groups, then the banks."""
    segment = i // org.columns
    return {COLUMN: i % org.columns, BANKGROUP: segment % org.bankgroups, BANK: segment // org.bankgroups % org.banks,
            ROW: 100 + segment // (org.bankgroups * org.banks)}


def _interleaved(i: np.ndarray, org: Organization, first_row: int) -> Coordinates:
    """Bank group by bank group."""
    at = i // org.bankgroups
    return {BANKGROUP: i % org.bankgroups, COLUMN: at % org.columns, BANK: at // org.columns % org.banks,
            ROW: first_row + at // org.columns // org.banks}


def _all_banks(i: np.ndarray, org: Organization) -> Coordinates:
    """One column from every bank in turn."""
    at = i // (org.bankgroups * org.banks)
    return {BANKGROUP: i % org.bankgroups, BANK: i // org.bankgroups % org.banks, COLUMN: at % org.columns,
            ROW: 200 + at // org.columns}


def _conflict(i: np.ndarray, org: Organization) -> Coordinates:
    """Another row of one bank each time."""
    one = np.ones_like(i)
    return {BANKGROUP: one % org.bankgroups, BANK: 2 * one % org.banks, ROW: i * 37 % org.rows, COLUMN: i * 3 % org.columns}


_EXACT: dict[str, tuple[int, int, Callable[[np.ndarray, Organization], Coordinates]]] = {
    "seq_read": (2048, 0, _seq),
    "bgint_read": (4096, 0, lambda i, org: _interleaved(i, org, 100)),
    "allbank_read": (4096, 0, _all_banks),
    "bank_conflict": (768, 0, _conflict),
    "bank_conflict_w": (512, 1, _conflict),
    "write_stream": (1024, 1, lambda i, org: _interleaved(i, org, 300)),
}
"""Name -> (requests of the reference runs, whether they are writes, coordinates)."""


def _random_place(draw: np.random.Generator, org: Organization, rows: int) -> tuple[int, ...]:
    return (int(draw.integers(org.bankgroups)), int(draw.integers(org.banks)), int(draw.integers(min(rows, org.rows))),
            int(draw.integers(org.columns)))


def _rand(draw: np.random.Generator, org: Organization) -> Iterator[tuple[int, ...]]:
    """Reads anywhere in rank 0."""
    while True:
        yield 0, 0, 0, *_random_place(draw, org, org.rows)


def _pc_rand(draw: np.random.Generator, org: Organization) -> Iterator[tuple[int, ...]]:
    """Reads anywhere in a few rows, over all ranks (pseudo channels) and sids."""
    while True:
        yield 0, int(draw.integers(org.ranks)), int(draw.integers(org.sids)), *_random_place(draw, org, ROWS_IN_USE)


def _paced(draw: np.random.Generator, org: Organization) -> Iterator[tuple[int, ...]]:
    """A fifth of writes, anywhere in a few rows."""
    while True:
        yield int(draw.random() < 0.2), 0, 0, *_random_place(draw, org, ROWS_IN_USE)


def _mixed(draw: np.random.Generator, org: Organization) -> Iterator[tuple[int, ...]]:
    """Runs of up to eight columns, a third of them writes, reads and writes in rows of their own."""
    while True:
        write = int(draw.random() < 1 / 3)
        group, bank, row, column = _random_place(draw, org, MIXED_ROWS)
        for step in range(int(draw.integers(1, RUN + 1))):
            yield write, 0, 0, group, bank, row + write * WRITE_ROWS_FROM, (column + step) % org.columns


_DRAWN: dict[str, tuple[int, Callable[[np.random.Generator, Organization], Iterator[tuple[int, ...]]]]] = {
    "rand_read": (1536, _rand),
    "pc_rand_read": (1536, _pc_rand),
    "mixed_rw": (2048, _mixed),
    "refresh_paced": (1200, _paced),
}
"""Name -> (requests of the reference runs, draws of (write, rank, sid, bank group, bank, row, column))."""

KINDS = (*_EXACT, *_DRAWN)


def generate(kind: str, organization: Organization, *, count: int | None = None, seed: int = 0,
             refresh_interval: int = 0) -> Requests:
    """Requests of a kind (see :data:`KINDS`).

    Args:
        count: how many; by default as many as in the reference runs.
        refresh_interval: ticks; ``refresh_paced`` spreads its requests evenly over 6.3 of them.

    Raises:
        InputError: an unknown kind, a part too small for the pattern.
    """
    if kind not in KINDS:
        raise InputError(Problem(f"'{kind}' is not a kind of request pattern", nearest(kind, list(KINDS))))
    number = count if count is not None else (_EXACT[kind][0] if kind in _EXACT else _DRAWN[kind][0])
    rows = np.zeros((number, LINE + 1), np.int64)
    rows[:, INDEX] = np.arange(number)
    if kind in _EXACT:
        _, write, coordinates = _EXACT[kind]
        rows[:, WRITE] = write
        for column, values in coordinates(rows[:, INDEX], organization).items():
            rows[:, column] = values
    else:
        places = _distinct(_DRAWN[kind][1](np.random.default_rng(seed), organization), number, kind, organization)
        rows[:, [WRITE, RANK, SID, BANKGROUP, BANK, ROW, COLUMN]] = places
    if kind == "refresh_paced":
        gap = PACE * refresh_interval / number  # a float on purpose: rounded as in the reference inputs
        rows[:, ARRIVAL] = (rows[:, INDEX] * gap).astype(np.int64)
    if number and int(rows[:, ROW].max()) >= organization.rows:
        raise InputError(Problem(f"{kind} needs {int(rows[:, ROW].max()) + 1} rows", f"the part has {organization.rows}"))
    return Requests(rows)


def _distinct(draws: Iterator[tuple[int, ...]], number: int, kind: str, org: Organization) -> np.ndarray:
    """The first ``number`` draws whose address has not come before."""
    seen: set[tuple[int, ...]] = set()
    out = np.zeros((number, 7), np.int64)
    rejected = 0
    while len(seen) < number:
        draw = next(draws)
        if draw[1:] in seen:
            rejected += 1
            if rejected > 100 * number + 1000:
                raise InputError(Problem(f"{kind} has no {number} different addresses in a part of {org.columns} columns"))
            continue
        out[len(seen)] = draw
        seen.add(draw[1:])
    return out

"""Command logs: every command a channel issued, as CSV that people can read and other tools can write.

The columns are ``cycle,channel,rank,sid,bankgroup,bank,command,row,col`` (-1: all, or not applicable) and optionally ``count``: a
run of equal column commands at their cadence, columns ``col`` .. ``col + count - 1``. A cycle is a tick: a clock, or half a
clock where the standard counts in half clocks (HBM3). Files may be compressed (``.gz``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pimsim.dram.spec import BANK, BANKGROUP, RANK, SID, Organization
from pimsim.dram.table_file import Column, Rows, RowWriter, write_rows
from pimsim.errors import InputError, Problem

FIELDS = ("cycle", "channel", "rank", "sid", "bankgroup", "bank", "command", "row", "col", "count")
CYCLE, CHANNEL, AT_RANK, AT_SID, AT_BANKGROUP, AT_BANK, COMMAND, ROW, COL, COUNT, LINE = range(11)
"""Columns of the array of a log; the last is the line that a row came from (0: none)."""


@dataclass(frozen=True)
class CommandLog:
    """A command log in memory.

    Attributes:
        names: command names; the ``command`` column holds indices into it.
        rows: int64 [commands, 11]: the columns of :data:`FIELDS` and the line.
        file: where it was read from.
    """

    names: tuple[str, ...]
    rows: np.ndarray
    file: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    def text(self, index: int) -> str:
        """A row as it stands in a file."""
        fields = [self.names[v] if i == COMMAND else str(v) for i, v in enumerate(self.rows[index, :COUNT].tolist())]
        count = int(self.rows[index, COUNT])
        return ",".join(fields) + (f",{count}" if count != 1 else "")


def from_kernel(rows: np.ndarray, names: Sequence[str], organization: Organization, scopes: np.ndarray) -> CommandLog:
    """A log from what a kernel writes.

    Args:
        rows: int64 [n, 7 or more]: tick, channel, command, flat bank, row, column, count.
        scopes: int64 [commands]: level of each command; coordinates below it become -1.
    """
    out = np.zeros((len(rows), LINE + 1), np.int64)
    command, bank = rows[:, 2], rows[:, 3]
    out[:, CYCLE], out[:, CHANNEL], out[:, COMMAND] = rows[:, 0], rows[:, 1], command
    out[:, ROW], out[:, COL], out[:, COUNT] = rows[:, 4], rows[:, 5], rows[:, 6]
    level = scopes[command]
    for field, depth, parents in (
        (AT_RANK, RANK, 1),
        (AT_SID, SID, organization.sids),
        (AT_BANKGROUP, BANKGROUP, organization.bankgroups),
        (AT_BANK, BANK, organization.banks),
    ):
        node = bank * organization.nodes(depth) // organization.banks_per_channel
        named = (level >= depth) | (depth == SID and organization.sids == 1)  # the only sid is 0, as in the references' logs
        out[:, field] = np.where(named, node % parents if depth > RANK else node, -1)
    return CommandLog(tuple(names), out)


def chunks(path: str | Path, names: Sequence[str]) -> Iterator[np.ndarray]:
    """The rows of a log file, int64 [rows, 11] at a time, for logs that do not fit into memory.

    Raises:
        InputError: wrong rows, an unknown command, an empty or damaged file.
    """
    return _chunks(Rows(path), names)


def _chunks(file: Rows, names: Sequence[str]) -> Iterator[np.ndarray]:
    columns = [Column(f, tuple(names) if f == "command" else (), 1 if f == "count" else None) for f in FIELDS]
    for rows in file.chunks(columns):
        problems = [
            Problem(f"{rows[i, field]} is too small", f"at least {least}", file.file, int(rows[i, LINE]), key=FIELDS[field])
            for field, least in ((CYCLE, 0), (COUNT, 1))
            for i in np.flatnonzero(rows[:, field] < least)[:20]
        ]
        if problems:
            raise InputError(problems)
        yield rows


def read(path: str | Path, names: Sequence[str] | None = None) -> CommandLog:
    """Read a log file whose commands are among ``names``; None: whatever they are, in the order in which they first appear.

    Raises:
        InputError: wrong rows, an unknown command, an empty or damaged file, no column ``command``.
    """
    file = Rows(path)
    if names is None:
        names = _names_in(file)
    parts = list(_chunks(file, names))
    return CommandLog(tuple(names), np.concatenate(parts) if parts else np.empty((0, LINE + 1), np.int64), str(path))


def _names_in(file: Rows) -> tuple[str, ...]:
    """The command names of a log file, which is kept for reading."""
    found: dict[str, None] = {}
    header = [name.strip() for name in file.first.split(",")]
    if "command" not in header:
        raise InputError(Problem("no column 'command'", f"the first line names the columns: {','.join(FIELDS)}", file.file,
                                 file.line))
    at = header.index("command")
    for block in file.keep():
        for line in block.decode("utf-8", "replace").splitlines():
            fields = line.split(",", at + 1)
            if len(fields) > at and not line.lstrip().startswith("#"):
                found[fields[at].strip()] = None
    found.pop("command", None)
    return tuple(found)


def write(path: str | Path, log: CommandLog) -> None:
    """Write a log file, compressed if its name ends in ``.gz``; with a column ``count`` only if some row needs it."""
    fields = FIELDS if (log.rows[:, COUNT] != 1).any() else FIELDS[:COUNT]
    write_rows(path, fields, [log.rows], COMMAND, log.names)


def writer(path: str | Path, names: Sequence[str]) -> RowWriter:
    """A writer of a log file for the ``rows`` of logs with these command names, part by part; always with a column ``count``."""
    return RowWriter(path, FIELDS, COMMAND, names)


def alike(a: CommandLog, b: CommandLog) -> tuple[CommandLog, CommandLog]:
    """Two logs with the same ``names``: those of both."""
    names = tuple(dict.fromkeys((*a.names, *b.names)))
    return _renamed(a, names), _renamed(b, names)


def _renamed(log: CommandLog, names: tuple[str, ...]) -> CommandLog:
    rows = log.rows.copy()
    rows[:, COMMAND] = np.array([names.index(n) for n in log.names], np.int64)[rows[:, COMMAND]]
    return CommandLog(names, rows, log.file)


def differing_columns(a: CommandLog, b: CommandLog, index: int) -> list[str]:
    """The columns in which a row of two logs with the same ``names`` differs; empty where one of them has ended."""
    if index >= min(len(a), len(b)):
        return []
    return [FIELDS[i] for i in np.flatnonzero(a.rows[index, :LINE] != b.rows[index, :LINE])]


def first_difference(a: CommandLog, b: CommandLog) -> int | None:
    """Index of the first row in which two logs with the same ``names`` differ (the shorter one's end counts); None if none."""
    length = min(len(a), len(b))
    differ = (a.rows[:length, :LINE] != b.rows[:length, :LINE]).any(axis=1)
    if differ.any():
        return int(differ.argmax())
    return None if len(a) == len(b) else length

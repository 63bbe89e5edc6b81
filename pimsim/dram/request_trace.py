"""Request traces: memory requests from files, a chunk at a time, so that a trace of any length takes constant memory.

Three forms, plain or gzip, told apart by their first line (empty lines and comments, #, are skipped everywhere):

* CSV with the columns ``idx,arrival,op,rank,sid,bankgroup,bank,row,col`` (``col`` counts bursts; also ``channel``);
* Ramulator's traces, ``LD ADDRESS`` or ``ST ADDRESS``, or ``ADDRESS R`` or ``ADDRESS W``: all requests are there from the beginning;
* DRAMsim3's traces, ``ADDRESS READ CYCLE`` or ``ADDRESS WRITE CYCLE``.

Byte addresses are taken apart by a mapping, a string of two-letter fields from the most to the least significant: ``ro`` row, ``ra``
rank (pseudo channel), ``si`` sid, ``bg`` bank group, ``ba`` bank, ``ch`` channel, ``co`` column. Below them all are the bytes of a column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from pimsim.dram.spec import Organization
from pimsim.dram.table_file import Column, Rows
from pimsim.errors import InputError, Problem

Form = Literal["csv", "ramulator", "ramulator-rw", "dramsim3"]

FIELDS = ("idx", "arrival", "op", "channel", "rank", "sid", "bankgroup", "bank", "row", "col")
INDEX, ARRIVAL, WRITE, CHANNEL, RANK, SID, BANKGROUP, BANK, ROW, COLUMN, LINE = range(11)
"""Columns of the array of a chunk; the last is the line that a request came from (0: none)."""

DEFAULT_MAPPING = "rorasibgbachco"
"""Consecutive addresses fill a row, then the same row of the next channel, bank, bank group, sid, rank."""

MAX_PROBLEMS = 20

_WRITES = ("W", "WR", "WRITE", "ST")
_OPS = ("R", "RD", "READ", "LD", *_WRITES)
_WORDS = (*_OPS, *(op.lower() for op in _OPS))
_IS_WRITE = np.array([word.upper() in _WRITES for word in _WORDS], np.int64)

_FORMS: dict[Form, tuple[Column, ...]] = {
    "csv": (
        Column("idx", default=-1), Column("arrival", default=0), Column("op", _WORDS), Column("channel", default=0),
        Column("rank", default=0), Column("sid", default=0), Column("bankgroup"), Column("bank"), Column("row"), Column("col"),
    ),
    "ramulator": (Column("op", _WORDS), Column("address")),
    "ramulator-rw": (Column("address"), Column("op", _WORDS)),
    "dramsim3": (Column("address"), Column("op", _WORDS), Column("cycle")),
}

_LETTERS = {"ro": ROW, "ra": RANK, "si": SID, "bg": BANKGROUP, "ba": BANK, "ch": CHANNEL, "co": COLUMN}


@dataclass(frozen=True, slots=True)
class Requests:
    """Memory requests in order: int64 [n, 11], columns as the constants of this module name them.

    ``idx`` is carried through to the completions and means nothing else: it need be neither in order nor unique.
    """

    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def arrival(self) -> np.ndarray:
        """Ticks at which the requests are there."""
        return self.rows[:, ARRIVAL]

    @property
    def write(self) -> np.ndarray:
        """1 for a write, 0 for a read."""
        return self.rows[:, WRITE]

    @property
    def row(self) -> np.ndarray:
        """Rows."""
        return self.rows[:, ROW]

    @property
    def column(self) -> np.ndarray:
        """Columns, counted in bursts."""
        return self.rows[:, COLUMN]

    def flat_bank(self, organization: Organization) -> np.ndarray:
        """The number of each request's bank within its channel."""
        r, org = self.rows, organization
        group = (r[:, RANK] * org.sids + r[:, SID]) * org.bankgroups + r[:, BANKGROUP]
        bank: np.ndarray = group * org.banks + r[:, BANK]
        return bank


@dataclass(frozen=True, slots=True)
class AddressMapping:
    """Which part of a byte address is which coordinate; see :func:`address_mapping`."""

    columns: tuple[int, ...]  # from the least significant
    sizes: tuple[int, ...]
    column_bytes: int

    @property
    def capacity_bytes(self) -> int:
        """Addresses below this are in the part."""
        size = self.column_bytes
        for s in self.sizes:
            size *= s
        return size

    def split(self, address: np.ndarray, rows: np.ndarray) -> None:
        """Write the coordinates of ``address`` (int64 [n], within the part) into a chunk's ``rows``."""
        rest = address // self.column_bytes
        for column, size in zip(self.columns, self.sizes, strict=True):
            rows[:, column] = rest % size
            rest = rest // size


def address_mapping(text: str, organization: Organization, channels: int = 1) -> AddressMapping:
    """The address mapping that a string of fields describes, from the most to the least significant: ``rorabgbachco``.

    Fields may be set apart by blanks or commas and written as Ramulator does (``RoRaBgBaCo``). A field of which the part has one may be
    left out.

    Raises:
        InputError: unknown, repeated or missing fields, all at once.
    """
    org = organization
    sizes = {"ro": org.rows, "ra": org.ranks, "si": org.sids, "bg": org.bankgroups, "ba": org.banks, "ch": channels,
             "co": org.columns}
    letters = re.sub(r"[\s,]+", "", text).lower()
    fields = [letters[i : i + 2] for i in range(0, len(letters), 2)]
    key = "controller.address_mapping"
    unknown = [f for f in fields if f not in sizes]
    if unknown:
        raise InputError(Problem(f"'{text}' is not an address mapping: '{unknown[0]}' is no field",
                                 "ro row, ra rank, si sid, bg bank group, ba bank, ch channel, co column, most significant first",
                                 key=key))
    problems = [Problem(f"field '{f}' twice", "each field once", key=key) for f in sizes if fields.count(f) > 1]
    problems += [Problem(f"no field '{f}'", f"the part has {size} of them", key=key)
                 for f, size in sizes.items() if f not in fields and size > 1]
    if problems:
        raise InputError(problems)
    return AddressMapping(tuple(_LETTERS[f] for f in reversed(fields)), tuple(sizes[f] for f in reversed(fields)), org.column_bytes)


def form_of(first: str) -> Form | None:
    """The form of a trace, by its first line."""
    if "," in first:
        return "csv"
    words = first.split()
    if len(words) == 2 and words[0] in _WORDS:
        return "ramulator"
    if len(words) == 2 and words[1] in _WORDS:
        return "ramulator-rw"
    return "dramsim3" if len(words) == 3 and words[1] in _WORDS else None


def read(path: str | Path, organization: Organization, *, channels: int = 1, mapping: str = DEFAULT_MAPPING,
         note: str = "") -> Iterator[Requests]:
    """The requests of a trace file, a chunk at a time.

    Args:
        path: of the file or pipe; ``-``: standard input.
        channels: channels of the memory.
        mapping: for traces of byte addresses; see :func:`address_mapping`.
        note: why the part is smaller than it may seem, for the problems of requests outside it.

    Raises:
        InputError: while iterating, at the first chunk with wrong rows: wrong fields, an unknown op, a coordinate or address
            outside the part, time going back; an empty file, gzip data that ends early.
    """
    file = Rows(path)
    form = form_of(file.first)
    if form is None:
        raise InputError(Problem("not a request trace", "CSV with a header, or lines 'LD ADDRESS', 'ADDRESS R' or 'ADDRESS READ CYCLE'",
                                 file.file, file.line))
    split = address_mapping(mapping, organization, channels) if form != "csv" else None
    count, latest = 0, 0
    for rows in file.chunks(_FORMS[form], "," if form == "csv" else " ", header=form == "csv"):
        out, problems = (_coordinates(rows, organization, channels, file.file) if split is None
                         else _addresses(rows, form, split, file.file))
        missing = out[:, INDEX] < 0
        out[missing, INDEX] = np.arange(count, count + len(out))[missing]
        if note:
            problems = [replace(p, allowed=f"{p.allowed} ({note})") if p.key in ("rank", "address") else p for p in problems]
        problems += _times(out, latest, file.file)
        if problems:
            raise InputError(sorted(problems, key=lambda p: p.line)[:MAX_PROBLEMS])
        count, latest = count + len(out), int(out[-1, ARRIVAL])
        yield Requests(out)
    if count == 0:
        raise InputError(Problem("has no requests", file=file.file))


def _coordinates(rows: np.ndarray, org: Organization, channels: int, file: str) -> tuple[np.ndarray, list[Problem]]:
    rows[:, WRITE] = _IS_WRITE[rows[:, WRITE]]
    problems = []
    for column, size in ((CHANNEL, channels), (RANK, org.ranks), (SID, org.sids), (BANKGROUP, org.bankgroups),
                         (BANK, org.banks), (ROW, org.rows), (COLUMN, org.columns)):
        for i in np.flatnonzero((rows[:, column] < 0) | (rows[:, column] >= size))[:MAX_PROBLEMS]:
            problems.append(Problem(f"{rows[i, column]} is outside the part", f"0 to {size - 1}", file, int(rows[i, LINE]),
                                    key=FIELDS[column]))
    return rows, problems


def _addresses(rows: np.ndarray, form: Form, split: AddressMapping, file: str) -> tuple[np.ndarray, list[Problem]]:
    names = [c.name for c in _FORMS[form]]
    address = rows[:, names.index("address")]
    out = np.zeros((len(rows), LINE + 1), np.int64)
    out[:, INDEX] = -1
    out[:, WRITE] = _IS_WRITE[rows[:, names.index("op")]]
    out[:, ARRIVAL] = rows[:, names.index("cycle")] if "cycle" in names else 0
    out[:, LINE] = rows[:, -1]
    split.split(address, out)
    problems = [Problem(f"{address[i]:#x} is outside the part", f"0 to 0x{split.capacity_bytes - 1:x}", file,
                        int(out[i, LINE]), key="address")
                for i in np.flatnonzero((address < 0) | (address >= split.capacity_bytes))[:MAX_PROBLEMS]]
    return out, problems


def _times(rows: np.ndarray, latest: int, file: str) -> list[Problem]:
    back = np.flatnonzero(np.diff(rows[:, ARRIVAL], prepend=latest) < 0)[:MAX_PROBLEMS]
    before = np.concatenate(([latest], rows[:-1, ARRIVAL]))
    return [Problem(f"time goes back to {rows[i, ARRIVAL]}", f"at least {before[i]}", file, int(rows[i, LINE]), key="arrival")
            for i in back]

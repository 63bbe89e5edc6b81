"""Request files: CSV in two forms, told apart by the header.

* ``arrival,input_tokens,output_tokens`` and optionally ``ch_idx``: requests over time. ``arrival`` is a time with its unit (``1.5 ms``),
  or a bare number of seconds, rounded to whole femtoseconds; it must not go back.
* ``seq_len`` and optionally ``ch_idx``: a ready batch as NeuPIMs' traces have it. All requests are there from the beginning, with
  ``seq_len`` tokens each, the new one included, in channel ``ch_idx``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

from pimsim import units
from pimsim.errors import InputError, Problem, nearest
from pimsim.schedule.kv import KvSpace
from pimsim.schedule.request import Request

TIMED = ("arrival", "input_tokens", "output_tokens")
READY = ("seq_len", "ch_idx")
MAX_PROBLEMS = 20
MAX_TOKENS = 2**31 - 1

_SECONDS = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,2})?", re.ASCII)


def read_requests(path: str | Path, *, kv: KvSpace | None = None, channels: int | None = None,
                  output_tokens: int = 1) -> tuple[Request, ...]:
    """The requests of a file, numbered from 0.

    Args:
        kv: the space they have to fit into, one at a time; None: not checked.
        channels: how many there are; None: not checked.
        output_tokens: what each request of a ready batch generates.

    Raises:
        InputError: an unreadable or empty file, a wrong header, wrong rows, lengths below 1, arrivals that go back, a channel
            that is not there, a request longer than the KV space; up to 20 problems at once.
    """
    lines = _lines(path)
    file = str(path)
    head = next((i for i, line in enumerate(lines) if line.strip()), None)
    if head is None:
        raise InputError(Problem("is empty", file=file))
    order = _header(lines[head], file, head + 1)
    problems: list[Problem] = []
    requests: list[Request] = []
    latest = 0
    for number, text in enumerate(lines[head + 1 :], start=head + 2):
        if not text.strip():
            continue
        if len(problems) >= MAX_PROBLEMS:
            break
        row = _Row(text, order, file, number)
        request = row.request(len(requests), latest, output_tokens, kv, channels)
        problems += row.problems
        if request is not None:
            requests.append(request)
            latest = max(latest, request.arrival_fs)
    if problems:
        raise InputError(problems[:MAX_PROBLEMS])
    if not requests:
        raise InputError(Problem("has no requests", "one row each", file))
    return tuple(requests)


def check_fit(requests: Sequence[Request], kv: KvSpace) -> None:
    """Raises InputError for requests (from wherever they come) that do not fit into an empty channel, each by its number."""
    problems = [Problem(f"request {r.id}: {_too_long(r, kv)}", _longest(kv), key="workload.requests")
                for r in requests if not kv.fits(r.cached_at_most)]
    if problems:
        raise InputError(problems[:MAX_PROBLEMS])


def longest(kv: KvSpace) -> int:
    """Tokens of the longest request that fits into an empty channel; 0 if none does."""
    low, high = 0, 1
    while kv.fits(high) and high < MAX_TOKENS:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if kv.fits(middle) else (low, middle)
    return low


def _too_long(request: Request, kv: KvSpace) -> str:
    return f"{request.cached_at_most} tokens need {kv.need(request.cached_at_most)} rows of KV space, a channel has {kv.rows}"


def _longest(kv: KvSpace) -> str:
    return f"at most {longest(kv)} tokens in the cache"


def _lines(path: str | Path) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(Problem(error.strerror or str(error), file=str(path))) from None
    except UnicodeDecodeError as error:
        raise InputError(Problem(f"not UTF-8 text (byte {error.start})", file=str(path))) from None


def _header(text: str, file: str, line: int) -> tuple[str, ...]:
    """The columns in the order of the file."""
    names = tuple(name.strip() for name in text.split(","))
    ready = "seq_len" in names
    known = READY if ready else (*TIMED, "ch_idx")
    required = ("seq_len",) if ready else TIMED
    problems = []
    for i, name in enumerate(names):
        if name not in known:
            problems.append(Problem(f"unknown column '{name}'", nearest(name, known if ready else [*TIMED, *READY]), file, line))
        elif name in names[:i]:
            problems.append(Problem(f"column '{name}' twice", "each column once", file, line))
    missing = [name for name in required if name not in names]
    if missing:
        problems.append(Problem("no column " + ", ".join(f"'{name}'" for name in missing),
                                f"the first line is '{','.join(TIMED)}' or 'seq_len' or '{','.join(READY)}'", file, line))
    if problems:
        raise InputError(problems)
    return names


class _Row:
    """One row being read; collects what is wrong with it."""

    def __init__(self, text: str, names: Sequence[str], file: str, line: int):
        cells = text.split(",")
        starts = [1 + sum(len(cell) + 1 for cell in cells[:i]) for i in range(len(cells))]
        self._file, self._line = file, line
        self.problems: list[Problem] = []
        self._cells = dict(zip(names, (cell.strip() for cell in cells), strict=False))
        self._columns = dict(zip(names, starts, strict=False))
        self._complete = len(cells) == len(names)
        if not self._complete:
            self.problems.append(Problem(f"{len(cells)} fields", f"{len(names)} are needed: {','.join(names)}", file, line))

    def request(self, number: int, latest: int, output_tokens: int, kv: KvSpace | None,
                channels: int | None) -> Request | None:
        """The row's request, or None (see ``problems``)."""
        if not self._complete:
            return None
        ready = "seq_len" in self._cells
        lengths = "seq_len" if ready else "input_tokens"
        arrival = 0 if ready else self._read("arrival", lambda text: _arrival(text, latest))
        inputs = self._read(lengths, _tokens)
        outputs = output_tokens if ready else self._read("output_tokens", _tokens)
        channel = self._read("ch_idx", lambda text: _whole(text, 0, channels)) if "ch_idx" in self._cells else None
        if self.problems or arrival is None or inputs is None or outputs is None:
            return None
        request = Request(number, arrival, inputs, outputs, channel)
        if kv and not kv.fits(request.cached_at_most):
            self._wrong(lengths, _too_long(request, kv), _longest(kv))
            return None
        return request

    def _read(self, key: str, read: Callable[[str], int]) -> int | None:
        try:
            return read(self._cells[key])
        except units.UnitError as error:
            self._wrong(key, error.message, error.allowed)
            return None

    def _wrong(self, key: str, message: str, allowed: str) -> None:
        self.problems.append(Problem(message, allowed, self._file, self._line, self._columns[key], key))


def _whole(text: str, least: int, below: int | None) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise units.UnitError(f"'{text}' is not a whole number" if not text.startswith("-") else f"{text} is too small",
                              f"{least} or more" if below is None else f"{least} to {below - 1}")
    value = int(text)
    if value < least:
        raise units.UnitError(f"{value} is too small", f"at least {least}")
    if below is not None and value >= below:
        raise units.UnitError(f"{value} is too large", f"{least} to {below - 1}")
    return value


def _tokens(text: str) -> int:
    return _whole(text, 1, MAX_TOKENS + 1)


def _arrival(text: str, latest: int) -> int:
    if units.is_quantity(text):
        arrival = units.parse_time_fs(text)
    else:
        if _SECONDS.fullmatch(text) is None:
            raise units.UnitError(f"'{text}' is not a time", "seconds, or a number and a unit, for example '1.5 ms'")
        arrival = round(Fraction(text) * units.FS_PER_S)
    if arrival < 0 or arrival > units.INT64_MAX:
        raise units.UnitError(f"'{text}' is {'below zero' if arrival < 0 else 'too large'}", "0 to 2.5 hours")
    if arrival < latest:
        raise units.UnitError(f"'{text}' goes back in time", f"the row before arrives at {latest / units.FS_PER_S:g} s")
    return arrival

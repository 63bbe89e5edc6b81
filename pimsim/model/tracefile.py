"""Operator traces as files that people read, edit and feed back: CSV, or JSON lines.

One row an operator, the columns being the fields of :class:`Operator`, in any order; ``deps`` is ``3;4`` in CSV and a
list in JSON. Columns that follow from others may be left out or empty: bytes and MACs (by the operator's kind), heads
and context (0), ``stored_dtype`` (as ``dtype``), ``bias`` (0), ``deps`` (none). What is there must fit the shapes.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import IO, Any

from pimsim.errors import InputError, Problem, nearest
from pimsim.model import operators as _operators  # noqa: F401  registers the kinds
from pimsim.model.dtype import BITS
from pimsim.model.fold import MAX_PROBLEMS, Rows, check, fold
from pimsim.model.operator import KINDS, PHASES, Cost, Operator, Shape
from pimsim.model.trace import Trace

COLUMNS = tuple(field.name for field in fields(Operator))
FORMATS = (".csv", ".jsonl")
_TEXTS = ("name", "kind", "phase", "dtype", "stored_dtype")
_OPTIONAL = {"heads": "0", "kv_heads": "0", "head_dim": "0", "context": "0", "stored_dtype": "", "bias": "0",
             "bytes_read": "", "bytes_written": "", "macs": "", "deps": ""}  # fmt: skip
_POSITIVE = ("rows", "cols", "batch")
_NAME = re.compile(r"[\w.+\-]+")
_INTEGER = re.compile(r"[-+]?\d{1,30}", re.ASCII)
_TOO_LARGE = 2**62


def write_trace(trace: Trace, path: Path) -> int:
    """Write ``trace`` to ``path`` (.csv or .jsonl) and return the number of operators. Nothing half-written remains.

    Raises InputError for another suffix or a path that cannot be written.
    """
    _check_suffix(path)
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            count = stream_trace(trace, file, path.suffix)
        os.replace(partial, path)
    except OSError as error:
        raise InputError(Problem(error.strerror or str(error), file=str(path))) from None
    finally:
        partial.unlink(missing_ok=True)
    return count


def stream_trace(trace: Trace, file: IO[str], suffix: str = ".csv") -> int:
    """Write ``trace`` to an open text ``file`` row by row; returns the number of operators."""
    row = _csv_row if suffix == ".csv" else _json_row
    if suffix == ".csv":
        file.write(",".join(COLUMNS) + "\n")
    texts: dict[int, tuple[Operator, str, str]] = {}  # by identity: a template operator before and after layer, step
    base = 0
    for step in trace.steps:
        texts = {key: text for key, text in texts.items() if not text[0].context}
        for block in step.blocks:
            for layer in range(block.first_layer, block.first_layer + block.repeat):
                lines = []
                for op in block.operators:
                    text = texts.get(id(op))
                    if text is None:
                        text = texts[id(op)] = (op, *row(op))
                    deps = [base + dep for dep in op.deps if base + dep >= 0]
                    where = layer if op.layer >= 0 else -1
                    if suffix == ".csv":
                        lines.append(f"{base + op.id},{text[1]},{where},{step.index},{text[2]},"
                                     f"{';'.join(map(str, deps))}\n")  # fmt: skip
                    else:
                        lines.append(f'{{"id": {base + op.id}, {text[1]}, "layer": {where}, "step": {step.index}, '
                                     f'{text[2]}, "deps": {deps}}}\n')  # fmt: skip
                file.writelines(lines)
                base += len(block.operators)
    return base


_BEFORE = COLUMNS[1:COLUMNS.index("layer")]
_AFTER = COLUMNS[COLUMNS.index("step") + 1:-1]


def _csv_row(op: Operator) -> tuple[str, str]:
    """The cells between id and layer and those between step and deps."""

    def cells(names: Sequence[str]) -> str:
        values = (getattr(op, name) for name in names)
        return ",".join(str(int(value)) if isinstance(value, bool) else str(value) for value in values)

    return cells(_BEFORE), cells(_AFTER)


def _json_row(op: Operator) -> tuple[str, str]:
    def members(names: Sequence[str]) -> str:
        return json.dumps({name: getattr(op, name) for name in names})[1:-1]

    return members(_BEFORE), members(_AFTER)


def read_trace(path: Path) -> Trace:
    """Read a trace file; its name is the file's.

    Raises InputError with every problem (up to 100): an unreadable file, a malformed row, an unknown column, kind,
    phase or dtype (with the nearest), a number that is negative or not whole, figures that contradict the shapes,
    duplicate ids, dangling deps, circles.
    """
    _check_suffix(path)
    reader = _Reader(str(path))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            cells = _csv_cells(file, reader) if path.suffix == ".csv" else _json_cells(file, reader)
            for line, row in cells:
                reader.add(line, row)
    except OSError as error:
        raise InputError(Problem(error.strerror or str(error), file=str(path))) from None
    except UnicodeDecodeError as error:
        reader.give_up(f"not UTF-8 text (byte {error.start})")
    except csv.Error as error:
        reader.give_up(f"not well-formed CSV: {error}")
    except _Enough:
        reader.give_up(f"reading stopped after {MAX_PROBLEMS} problems")
    if reader.problems:
        structure = check(reader.rows, reader.complete)[0] if reader.rows else []
        raise InputError(reader.problems + structure[:MAX_PROBLEMS])
    return fold(reader.rows, path.stem)


def _check_suffix(path: Path) -> None:
    if path.suffix not in FORMATS:
        raise InputError(Problem(f"a trace file cannot end in '{path.suffix}'", " or ".join(FORMATS), str(path)))


class _Enough(Exception):
    """Too many problems to go on."""


def _csv_cells(file: IO[str], reader: _Reader) -> Iterator[tuple[int, list[str]]]:
    """(line, cells in the order of COLUMNS) of every row; a missing column has its default."""
    rows = csv.reader(file)
    header = [cell.strip() for cell in next(rows, [])]
    if not header:
        raise InputError(Problem("is empty", "a header and one row an operator", reader.rows.file))
    problems = []
    column = 1
    for i, name in enumerate(header):
        if name not in COLUMNS:
            problems.append(Problem(f"unknown column '{name}'", nearest(name, COLUMNS), reader.rows.file, 1, column))
        elif name in header[:i]:
            problems.append(Problem(f"column '{name}' is there twice", "once", reader.rows.file, 1, column))
        column += len(name) + 1
    missing = [name for name in COLUMNS if name not in header and name not in _OPTIONAL]
    if missing:
        problems.append(Problem("missing columns: " + ", ".join(missing), ",".join(COLUMNS), reader.rows.file, 1))
    if problems:
        raise InputError(problems)
    reader.columns = header
    places = [header.index(name) if name in header else -1 for name in COLUMNS]
    straight = places == list(range(len(COLUMNS)))
    for row in rows:
        if len(row) != len(header):
            if row:
                reader.malformed(rows.line_num, f"{len(row)} cells under {len(header)} columns")
        elif straight:
            yield rows.line_num, row
        else:
            yield rows.line_num, [row[i] if i >= 0 else _OPTIONAL[name]
                                  for i, name in zip(places, COLUMNS, strict=True)]  # fmt: skip


def _json_cells(file: IO[str], reader: _Reader) -> Iterator[tuple[int, list[Any]]]:
    """(line, values in the order of COLUMNS) of every line; a missing key has its default."""
    for line, text in enumerate(file, start=1):
        if not text.strip():
            continue
        try:
            data = json.loads(text, parse_float=str, parse_constant=str)  # as written: no float is a whole number
        except (ValueError, RecursionError) as error:  # ValueError: also a number of thousands of digits
            column = error.colno if isinstance(error, json.JSONDecodeError) else 1
            reader.malformed(line, "not well-formed JSON", column=column)
            continue
        if not isinstance(data, dict):
            reader.malformed(line, "not a JSON object")
            continue
        reader.text = text
        if tuple(data) != COLUMNS and not _check_keys(data, line, reader):
            continue
        yield line, [data.get(name, _OPTIONAL.get(name)) for name in COLUMNS]


def _check_keys(data: dict[str, Any], line: int, reader: _Reader) -> bool:
    """Whether a line has all keys that it must have and none that nobody knows."""
    wrong = [key for key in data if key not in COLUMNS]
    for key in wrong:
        reader.problem(line, key, f"unknown key '{key}'", nearest(key, COLUMNS))
    missing = [name for name in COLUMNS if name not in data and name not in _OPTIONAL]
    if missing:
        reader.malformed(line, "missing keys: " + ", ".join(missing))
    reader.complete = reader.complete and not wrong
    return not wrong and not missing


def _cell(value: object) -> str:
    """A JSON value as CSV would spell it."""
    if isinstance(value, bool):
        return str(int(value))
    return "" if value is None else str(value)


class _Reader:
    """Turns cells into rows. What repeats from layer to layer is checked once."""

    def __init__(self, file: str) -> None:
        self.rows = Rows(file)
        self.problems: list[Problem] = []
        self.complete = True  # whether every row's id and deps are known
        self.columns: list[str] = []  # the CSV header
        self.text = ""  # the JSON line
        self._forms: dict[tuple[Any, ...], int] = {}
        self._row: Sequence[Any] = []

    def malformed(self, line: int, message: str, column: int = 1) -> None:
        """Report a row of which nothing can be used."""
        self.complete = False
        self._report(Problem(message, "one value for each column", self.rows.file, line, column))

    def give_up(self, message: str) -> None:
        """Report why the rest of the file is not read."""
        self.complete = False
        self.problems.append(Problem(message, file=self.rows.file))

    def problem(self, line: int, key: str, message: str, allowed: str) -> None:
        """Report a problem with one cell."""
        self._report(Problem(message, allowed, self.rows.file, line, self._column(key), key))

    def _report(self, problem: Problem) -> None:
        self.problems.append(problem)
        if len(self.problems) >= MAX_PROBLEMS:
            raise _Enough

    def _column(self, key: str) -> int:
        """Where the cell of ``key`` begins in the line (of a CSV row without quotes)."""
        if not self.columns:
            return max(self.text.find(f'"{key}"'), 0) + 1
        if key not in self.columns:
            return 1
        cells = dict(zip(COLUMNS, self._row, strict=True))
        return 1 + sum(len(cells[name]) + 1 for name in self.columns[: self.columns.index(key)])

    def add(self, line: int, row: Sequence[Any]) -> None:
        """Add the operator whose cells (text, or JSON values) are ``row``, in the order of COLUMNS."""
        self._row = row
        try:
            form = self._forms.get((*row[1:4], *row[6:-1]), -1)
        except TypeError:  # a list or an object where a value should be
            form = -1
        if form < 0:
            form = self._form(line, row)
        id, layer, step = self._whole(line, "id", row[0]), self._whole(line, "layer", row[4]), \
            self._whole(line, "step", row[5])  # fmt: skip
        listed = row[-1]
        if not isinstance(listed, list):
            listed = _cell(listed).split(";") if listed not in ("", None) else []
        deps = [self._whole(line, "deps", dep) for dep in listed]
        known = [dep for dep in deps if dep is not None]
        if id is None or layer is None or step is None or len(known) < len(deps):
            self.complete = False
        else:
            self.rows.append(id, layer, step, known, form, line)

    def _whole(self, line: int, key: str, cell: Any) -> int | None:
        """The whole number in ``cell``; None, and a problem, if it holds something else or too little."""
        if type(cell) is int and (cell > 0 or (cell == 0 and key not in _POSITIVE)) and cell < _TOO_LARGE:
            return cell
        if type(cell) is str and cell.isdecimal() and len(cell) < 19 and (key not in _POSITIVE or int(cell)):
            return int(cell)
        text = _cell(cell).strip()
        least = -1 if key == "layer" else int(key in _POSITIVE)
        if not _INTEGER.fullmatch(text):
            self.problem(line, key, f"'{text}' is not a whole number", f"a whole number of at least {least}")
            return None
        value = int(text)
        if value < least or value >= _TOO_LARGE:
            size = "too small" if value < least else "too large"
            self.problem(line, key, f"{value} is {size}", f"from {least} to {_TOO_LARGE - 1}")
            return None
        return value

    def _form(self, line: int, row: Sequence[Any]) -> int:
        """Check what a row says besides id, layer, step and deps; -1 if it cannot be used."""
        before = len(self.problems)
        cells = {name: _cell(cell).strip() for name, cell in zip(COLUMNS, row, strict=True)}
        cells["stored_dtype"] = cells["stored_dtype"] or cells["dtype"]
        self._check_words(line, cells)
        numbers = {
            name: self._whole(line, name, cells[name])
            for name in (*Shape._fields, *Cost._fields)
            if name not in _TEXTS and cells[name]
        }
        for name in Shape._fields:
            if not cells[name]:
                self.problem(line, name, "is empty", "a whole number" if name not in _TEXTS else "a dtype")
        if numbers.get("bias") not in (None, 0, 1):
            self.problem(line, "bias", f"{numbers['bias']} is no truth value", "0 or 1")
        if len(self.problems) > before:
            return -1
        values: dict[str, Any] = {**cells, **numbers, "bias": bool(numbers["bias"])}
        shape = Shape(*(values[name] for name in Shape._fields))
        kind = KINDS[cells["kind"]]
        for field, message, allowed in kind.faults(shape):
            self.problem(line, field, message, allowed)
        for name, value in zip(Cost._fields, kind.cost(shape), strict=True):
            if numbers.setdefault(name, value) != value:
                self.problem(line, name, f"{numbers[name]} contradicts the shapes", f"{value}, or nothing")
        if len(self.problems) > before:
            return -1
        cost = kind.cost(shape)
        form = Operator(0, cells["name"], cells["kind"], cells["phase"], 0, 0, *shape, *cost, ())
        index = self._forms[(*row[1:4], *row[6:-1])] = self.rows.intern(form)
        return index

    def _check_words(self, line: int, cells: dict[str, str]) -> None:
        if not _NAME.fullmatch(cells["name"]):
            self.problem(line, "name", f"'{cells['name']}' is no name", "letters, digits, '_', '.', '+' and '-'")
        for key, known in (("kind", tuple(KINDS)), ("phase", PHASES), ("dtype", tuple(BITS)),
                           ("stored_dtype", tuple(BITS))):  # fmt: skip
            if cells[key] not in known:
                self.problem(line, key, f"unknown {key} '{cells[key]}'", nearest(cells[key], known))

"""Files of rows (command logs, request traces; plain or gzip), read in chunks with every wrong row named by file and line.

A chunk is what one block of the file holds, so that a trace of any length is read in constant memory.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import IO, cast

import numpy as np

from pimsim.errors import InputError, Problem, nearest
from pimsim.kernels import text as scan

BLOCK_BYTES = 1 << 20
WRITE_ROWS = 1 << 15
MAX_PROBLEMS = 20
"""Wrong rows that are reported at once; reading stops behind them."""

_GZIP_MAGIC = b"\x1f\x8b"
_PEEK_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file: whole numbers, or one of ``words`` (read as its index); one column of a file may have words.

    ``default`` is the value of a column that the file does not have; without one the column is required.
    """

    name: str
    words: tuple[str, ...] = ()
    default: int | None = None


class Rows:
    """The rows of an open file, chunk by chunk: int64 [rows, columns + 1], the last being the row's line number.

    Life cycle: made from a path (which reads the first block), iterated once; the path may be a pipe, and ``-`` is standard input.
    ``first`` is the file's first line that is neither empty nor a comment (#). ``header`` says that it names the columns; else every row
    has all columns in the order given.
    """

    def __init__(self, path: str | Path):
        self.file = str(path)
        self.line = 1
        self._stream = _open(path)
        self._blocks: Iterator[bytes] = self._whole_lines()
        self._block = next(self._blocks, b"").removeprefix(b"\xef\xbb\xbf")
        while self._block and not self._skip_to_rows():
            self._block = next(self._blocks, b"")
        if not self._block:
            raise InputError(Problem("is empty", file=self.file))
        if b"\0" in self._block[:_PEEK_BYTES]:
            raise InputError(Problem("is not a text file", "plain text, or text compressed by gzip", self.file))

    @property
    def first(self) -> str:
        """The first line that is neither empty nor a comment."""
        return self._block.split(b"\n", 1)[0].decode("utf-8", "replace").strip()

    def blocks(self) -> Iterator[bytes]:
        """The file as it is, in blocks of whole lines, from the first line that is neither empty nor a comment."""
        while self._block:
            yield self._block
            self._block = next(self._blocks, b"")

    def keep(self) -> list[bytes]:
        """All blocks, read into memory, for what has to look at the file before it is parsed."""
        kept = list(self.blocks())
        self._block, self._blocks = kept[0], iter(kept[1:])
        return kept

    def chunks(self, columns: Sequence[Column], separator: str = ",", *, header: bool = True) -> Iterator[np.ndarray]:
        """Read the file.

        Raises:
            InputError: a header that does not fit, wrong rows, compressed data that is damaged or ends early.
        """
        order = self._header(columns) if header else list(range(len(columns)))
        absent = [i for i in range(len(columns)) if i not in order]
        for block in self.blocks():
            rows = self._parse(block, columns, order, separator)
            if len(rows):
                for i in absent:
                    rows[:, i] = columns[i].default
                yield rows

    def _skip_to_rows(self) -> bool:
        """Skip empty lines and comments at the beginning of the block; returns whether anything is left of it."""
        start = 0
        while start < len(self._block):
            end = self._block.index(b"\n", start) + 1
            line = self._block[start:end].strip()
            if line and not line.startswith(b"#"):
                break
            self.line += 1
            start = end
        self._block = self._block[start:]
        return bool(self._block)

    def _whole_lines(self) -> Iterator[bytes]:
        """Blocks that end with a line."""
        rest, lines = b"", 0
        with self._stream:
            while True:
                block, problem = self._read()
                cut = block.rfind(b"\n") + 1
                if cut:
                    lines += block.count(b"\n")
                    yield rest + block[:cut]
                rest = block[cut:] if cut else rest + block
                if problem:
                    raise InputError(Problem(f"{problem}; line {lines} is the last that is whole", file=self.file, line=lines + 1))
                if not block:
                    break
        if rest:
            yield rest + b"\n"

    def _read(self) -> tuple[bytes, str]:
        """The next block, and what is wrong behind it; the block is empty at the end."""
        parts, left = [], BLOCK_BYTES
        try:
            while left > 0:
                part = self._stream.read1(left)
                if not part:
                    break
                parts.append(part)
                left -= len(part)
        except EOFError:
            return b"".join(parts), "gzip data ends early"
        except (zlib.error, gzip.BadGzipFile) as error:
            return b"".join(parts), f"gzip data is damaged: {error}"
        except OSError as error:
            raise InputError(Problem(error.strerror or str(error), file=self.file)) from None
        return b"".join(parts), ""

    def _header(self, columns: Sequence[Column]) -> list[int]:
        """Which column each field of the header is; moves on to the next line."""
        head, self._block = self._block.split(b"\n", 1)
        names = [name.strip() for name in head.decode("utf-8", "replace").split(",")]
        known = [c.name for c in columns]
        problems = []
        if not set(names) & set(known):
            raise InputError(Problem("no header", f"the first line names the columns: {','.join(known)}", self.file, self.line))
        for name in names:
            if name not in known:
                problems.append(Problem(f"unknown column '{name}'", nearest(name, known), self.file, self.line))
            elif names.count(name) > 1 and not any(f"'{name}' twice" in p.message for p in problems):
                problems.append(Problem(f"column '{name}' twice", "", self.file, self.line))
        for c in columns:
            if c.default is None and c.name not in names:
                problems.append(Problem(f"no column '{c.name}'", f"the first line names the columns: {','.join(known)}",
                                        self.file, self.line))
        if problems:
            raise InputError(problems)
        self.line += 1
        return [known.index(name) for name in names]

    def _parse(self, block: bytes, all_columns: Sequence[Column], order: Sequence[int], separator: str) -> np.ndarray:
        """The rows of a block, whose fields are the columns ``order``; moves on to the line behind it."""
        columns = [all_columns[i] for i in order]
        words, lengths = _dictionary([w for c in columns for w in c.words])
        kinds = np.array([scan.WORD if c.words else scan.NUMBER for c in columns], np.int64)
        out = np.empty((block.count(b"\n"), len(all_columns) + 1), np.int64)
        status = np.zeros(scan.STATUS, np.int64)
        problems: list[Problem] = []
        at = 0
        while at < len(block) and len(problems) < MAX_PROBLEMS:
            text = np.frombuffer(block, np.uint8)[at:]
            line = scan.parse_rows(text, ord(separator), kinds, np.array(order, np.int64), words, lengths, self.line, out, status)
            if status[0] == scan.FINE:
                self.line = line
                break
            problems.append(self._problem(block[at:], status, columns, separator))
            at = block.index(b"\n", at + int(status[3])) + 1
            self.line = line + 1
        if problems:
            raise InputError(problems)
        return out[: status[5]]

    def _problem(self, block: bytes, status: np.ndarray, columns: Sequence[Column], separator: str) -> Problem:
        what, line, field, begin, end = (int(v) for v in status[:5])
        start = block.rfind(b"\n", 0, begin) + 1
        row = block[start : block.find(b"\n", start)].decode("utf-8", "replace").strip()
        found = len(row.split(separator if separator != " " else None))
        value = block[begin:end].decode("utf-8", "replace")
        names = ",".join(c.name for c in columns)
        if what in (scan.MISSING, scan.EXTRA):
            return Problem(f"{found} fields", f"{len(columns)} are needed: {names}", self.file, line)
        key = columns[field].name
        message, allowed = f"'{value}' is not a whole number", ""
        if what == scan.UNKNOWN_WORD:
            message, allowed = f"unknown {key} '{value}'", nearest(value, columns[field].words)
        elif what == scan.TOO_LARGE:
            message, allowed = f"'{value}' is too large", "at most 2**58"
        return Problem(message, allowed, self.file, line, begin - start + 1, key)


def _open(path: str | Path) -> gzip.GzipFile | BufferedReader:
    """Open a file or a pipe once (``-``: standard input), uncompressing it if it begins like gzip data."""
    try:
        file = _plain(path)
        if file.peek(2)[:2] != _GZIP_MAGIC:
            return file
    except OSError as error:
        raise InputError(Problem(error.strerror or str(error), file=str(path))) from None
    packed = gzip.GzipFile(fileobj=file, mode="rb")
    packed.myfileobj = file  # type: ignore[assignment]  # closed with it; typeshed wants a FileIO
    return packed


def _plain(path: str | Path) -> BufferedReader:
    # standard input is read from a descriptor of its own, so that closing it harms nobody
    return open(os.dup(0) if str(path) == "-" else path, "rb")


class RowWriter:
    """Writes a CSV file part by part, compressed if its name ends in ``.gz``; it appears only once it is complete.

    A context manager; nothing remains of a file that was left by an exception. ``size`` counts bytes before compression.
    """

    def __init__(self, path: str | Path, header: Sequence[str], word_field: int = -1, words: Sequence[str] = ()):
        """``header`` names the columns; ``word_field`` is the one, if any, whose values are indices into ``words``."""
        self._target = Path(path)
        self._unfinished = self._target.with_name(f".{self._target.name}.{os.getpid()}")
        self._header, self._word_field = header, word_field
        self._words, self._lengths = _dictionary(words)
        self.size = 0

    def __enter__(self) -> RowWriter:
        self._opened = _create(self._unfinished, compressed=self._target.suffix == ".gz")
        try:
            self._file = self._opened.__enter__()
        except OSError as error:
            raise InputError(Problem(f"cannot be written: {error.strerror or error}", file=str(self._target))) from None
        self._put((",".join(self._header) + "\n").encode())
        return self

    def __exit__(self, failed: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._opened.__exit__(failed, error, trace)
            if failed is None:
                os.replace(self._unfinished, self._target)
        finally:
            self._unfinished.unlink(missing_ok=True)

    def write(self, part: np.ndarray) -> None:
        """Append rows: int64 [rows, at least as many columns as the header]."""
        for begin in range(0, len(part), WRITE_ROWS):
            rows = np.ascontiguousarray(part[begin : begin + WRITE_ROWS], np.int64)
            out = np.empty(rows.shape[0] * (len(self._header) * 21 + self._words.shape[1]), np.uint8)
            self._put(out[: scan.format_rows(rows, len(self._header), self._word_field, self._words, self._lengths, out)].data)

    def _put(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self.size += len(data)


def write_rows(path: str | Path, header: Sequence[str], parts: Iterable[np.ndarray], word_field: int = -1,
               words: Sequence[str] = ()) -> None:
    """Write a whole CSV file with a :class:`RowWriter`."""
    with RowWriter(path, header, word_field, words) as writer:
        for part in parts:
            writer.write(part)


@contextmanager
def _create(path: Path, *, compressed: bool) -> Iterator[IO[bytes]]:
    with open(path, "wb") as file:
        if compressed:
            # no name and no time in the header, so that equal logs are equal files
            with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
                yield cast(IO[bytes], packed)
        else:
            yield file


def _dictionary(words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The known words as bytes [words, longest], and their lengths."""
    encoded = [w.encode() for w in words]
    table = np.zeros((max(len(encoded), 1), max([len(w) for w in encoded], default=1)), np.uint8)
    for i, w in enumerate(encoded):
        table[i, : len(w)] = np.frombuffer(w, np.uint8)
    return table, np.array([len(w) for w in encoded], np.int64)

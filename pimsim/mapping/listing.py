"""Programs as text that people can read, edit and feed back: one instruction a line.

::

    # what follows is for these channels; without such a line, for all of them
    CHANNELS 0-3, 7
    WRGB count=64
    LOOP 38 row+1 {
        MAC16 row=100 count=64
    }
    RDMAC16
    ACT bank=5 row=2 boundary

An instruction is a command of the part with ``bank=`` (within the channel) if it does not address all banks, ``row=`` if it
needs or opens one, ``col=`` and ``count=`` (columns ``col`` .. ``col + count - 1``) if it is a column command. ``boundary`` allows a
due refresh before it; an all-bank activation always does. A loop adds ``row+N`` and ``col+N`` to what is inside at every
iteration. A channel runs all sections that name it, in order. Numbers are decimal or 0x hexadecimal, ``#`` begins a comment. Rows are
closed and opened as needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pimsim.dram.compile import Compiled
from pimsim.dram.spec import COLUMN_EFFECTS, LEVELS, RANK, Command, Effect, Organization
from pimsim.dram.table_file import Rows
from pimsim.errors import InputError, Problem, nearest
from pimsim.kernels.program import BANK, BOUNDARY, COLUMN, COUNT, FIELDS, FLAGS, LENGTH, LOOP, MAX_DEPTH, OP, ROW, WIDE

MAX_PROBLEMS = 20
"""Wrong lines that are reported at once; reading stops behind them."""

_REGISTER_EFFECTS = frozenset({Effect.REGISTER_READ, Effect.REGISTER_WRITE})
_CONTROLLER_ONLY = frozenset({Effect.REFRESH, Effect.ACTIVATE_FIRST})


@dataclass(frozen=True)
class Listing:
    """Programs of a part's channels: (channels, int64 [n, 8]) each; every channel is in one of them at most."""

    file: str
    programs: tuple[tuple[tuple[int, ...], np.ndarray], ...]


def operands(command: Command, organization: Organization) -> tuple[str, ...]:
    """The operands that an instruction of a command may have. Any of its banks stands for a rank."""
    level = LEVELS.index(command.scope)
    found = ("bank",) if organization.nodes(level) > 1 else ()
    if command.effect in COLUMN_EFFECTS:
        return (*found, "row", "col", "count")
    if command.effect in _REGISTER_EFFECTS:
        return (*found, "col", "count")
    return (*found, "row") if command.effect is Effect.ACTIVATE else found


def is_wide(commands: Sequence[Command], numbers: Iterable[int]) -> bool:
    """Whether these commands, and those that open and close rows for them, all address a rank or more."""
    by_name = {c.name: c for c in commands}
    used = [commands[n] for n in numbers]
    used += [by_name[name] for c in used for name in (c.opener, c.closer) if name]
    return all(LEVELS.index(c.scope) <= RANK for c in used)


def write_listing(path: str | Path, programs: Iterable[tuple[Sequence[int], np.ndarray]], compiled: Compiled) -> None:
    """Write programs, each for its channels."""
    with open(path, "w", encoding="utf-8") as file:
        for channels, program in programs:
            file.write(f"CHANNELS {', '.join(map(str, channels))}\n")
            file.writelines(f"{line}\n" for line in format_program(program, compiled))


def format_program(program: np.ndarray, compiled: Compiled) -> Iterator[str]:
    """A program (int64 [n, 8]) as lines of text."""
    ends: list[int] = []
    for at, row in enumerate(program.tolist()):
        while ends and ends[-1] == at:
            ends.pop()
            yield f"{'    ' * len(ends)}}}"
        indent = "    " * len(ends)
        if row[OP] == LOOP:
            steps = [f" {name}{row[index]:+d}" for name, index in (("row", ROW), ("col", COLUMN)) if row[index]]
            yield f"{indent}LOOP {row[COUNT]}{''.join(steps)} {{"
            ends.append(at + 1 + row[LENGTH])
            continue
        command = compiled.standard.commands[row[OP]]
        values = {"bank": row[BANK], "row": row[ROW], "col": row[COLUMN], "count": row[COUNT]}
        unsaid = {"col": 0, "count": 1}
        said = [f" {key}={values[key]}" for key in operands(command, compiled.organization) if values[key] != unsaid.get(key)]
        yield f"{indent}{command.name}{''.join(said)}{' boundary' if row[FLAGS] & BOUNDARY else ''}"
    while ends:
        ends.pop()
        yield f"{'    ' * len(ends)}}}"


def read_listing(path: str | Path | Rows, compiled: Compiled, channels: int) -> Listing:
    """Read the programs of a part with so many channels, from a file, a pipe, or what was opened already.

    Raises:
        InputError: every wrong line with its number; an empty file, compressed data that ends early.
    """
    rows = path if isinstance(path, Rows) else Rows(path)
    reader = _Reader(rows.file, compiled, channels)
    line = rows.line
    for block in rows.blocks():
        for text in block.decode("utf-8", "replace").split("\n")[:-1]:
            reader.take(line, text)
            line += 1
            if len(reader.problems) >= MAX_PROBLEMS:
                raise InputError(reader.problems)
    return reader.listing()


@dataclass
class _Loop:
    """A loop that is not closed yet: where it begins in its section and in the file."""

    head: int
    line: int


@dataclass
class _Section:
    """Instructions that are for the same channels."""

    channels: tuple[int, ...]
    rows: list[list[int]] = field(default_factory=list)


class _Reader:
    """Turns lines into sections, collecting what is wrong."""

    def __init__(self, file: str, compiled: Compiled, channels: int):
        self.file = file
        self.commands = compiled.standard.commands
        self.names = [c.name for c in self.commands]
        self.organization = compiled.organization
        self.channels = channels
        self.sections = [_Section(tuple(range(channels)))]
        self.open: list[_Loop] = []
        self.problems: list[Problem] = []
        self.line = 0

    @property
    def rows(self) -> list[list[int]]:
        return self.sections[-1].rows

    def problem(self, message: str, allowed: str = "", key: str = "", line: int = 0) -> None:
        self.problems.append(Problem(message, allowed, self.file, line or self.line, key=key))

    def take(self, line: int, text: str) -> None:
        """One line of the file."""
        self.line = line
        words = text.partition("#")[0].split()
        if not words:
            return
        if words == ["}"]:
            self._close()
        elif words[0] == "CHANNELS":
            self._section("".join(words[1:]))
        elif words[0] == "LOOP":
            self._loop(words[1:])
        elif words[0] in self.names:
            self._command(self.names.index(words[0]), words[1:])
        else:
            self.problem(f"unknown '{words[0]}'", nearest(words[0], [*self.names, "LOOP", "CHANNELS"]))

    def _number(self, word: str, key: str, least: int = 0) -> int | None:
        try:
            value = int(word, 16) if word[:2] in ("0x", "0X") else int(word)
        except ValueError:
            self.problem(f"'{word}' is not a whole number", "decimal or 0x hexadecimal", key)
            return None
        if value < least:
            self.problem(f"{word} is too small", f"at least {least}", key)
            return None
        return value

    def _section(self, text: str) -> None:
        if self.open:
            self.problem("CHANNELS inside a loop", f"close the loop of line {self.open[-1].line} first")
            return
        found: set[int] = set()
        for part in text.split(",") if text != "all" else [f"0-{self.channels - 1}"]:
            first, dash, last = part.partition("-")
            begin = self._number(first, "CHANNELS")
            end = self._number(last, "CHANNELS") if dash else begin
            if begin is None or end is None:
                continue
            if not begin <= end < self.channels:
                self.problem(f"channels {part}", f"of 0 .. {self.channels - 1}, or all", "CHANNELS")
                continue
            found |= set(range(begin, end + 1))
        self.sections.append(_Section(tuple(sorted(found))))

    def _loop(self, words: list[str]) -> None:
        if not words or words[-1] != "{":
            self.problem("a loop without {", "LOOP times row+N col+N {")
            words = [*words, "{"]
        times = self._number(words[0], "LOOP") if len(words) > 1 else self._number("", "LOOP")
        steps = {"row": 0, "col": 0}
        for word in words[1:-1]:
            key, sign, size = word[:3], word[3:4], word[4:]
            if key not in steps or sign not in ("+", "-"):
                self.problem(f"'{word}' is no step of a loop", "row+N, row-N, col+N, col-N")
                continue
            value = self._number(size, key)
            steps[key] = (value or 0) * (-1 if sign == "-" else 1)
        if len(self.open) == MAX_DEPTH:
            self.problem(f"more than {MAX_DEPTH} loops inside one another", "write the innermost one out")
        self.open.append(_Loop(len(self.rows), self.line))
        self.rows.append([LOOP, 0, steps["row"], steps["col"], times or 0, 0, 0, 0])

    def _close(self) -> None:
        if not self.open:
            self.problem("} without a loop")
            return
        head = self.open.pop().head
        body = self.rows[head + 1 :]
        self.rows[head][LENGTH] = len(body)
        self.rows[head][FLAGS] = WIDE if is_wide(self.commands, [r[OP] for r in body if r[OP] != LOOP]) else 0

    def _command(self, code: int, words: list[str]) -> None:
        command = self.commands[code]
        if command.effect in _CONTROLLER_ONLY:
            self.problem(f"{command.name} is issued by the controller", "see controller.refresh")
            return
        known = operands(command, self.organization)
        values = {"bank": 0, "row": -1 if "row" in known else 0, "col": 0, "count": 1}
        flags, fine = 0, True
        for word in words:
            key, equals, text = word.partition("=")
            if word == "boundary":
                flags = BOUNDARY
            elif not equals or key not in known:
                self.problem(f"{command.name} has no operand '{word}'", nearest(key, [*known, "boundary"]))
                fine = False
            else:
                value = self._number(text, key, int(key == "count"))
                fine = fine and value is not None
                values[key] = value or 0
        if fine and values["row"] < 0:
            self.problem(f"{command.name} needs a row", "row=N")
        elif fine:
            self._check(command, values)
        self.rows.append([code, values["bank"], values["row"], values["col"], values["count"], 0, flags, 0])

    def _check(self, command: Command, values: dict[str, int]) -> None:
        """Do bank, row and columns lie within the part, in every iteration?"""
        organization = self.organization
        limits = [("bank", values["bank"], values["bank"], organization.banks_per_channel)]
        for key, index, size in (("row", ROW, organization.rows), ("col", COLUMN, organization.columns)):
            if key not in operands(command, self.organization) or (key == "col" and command.effect in _REGISTER_EFFECTS):
                continue
            heads = [self.rows[loop.head] for loop in self.open]
            reach = [h[index] * max(h[COUNT] - 1, 0) for h in heads]
            least = values[key] + sum(r for r in reach if r < 0)
            most = values[key] + sum(r for r in reach if r > 0) + (values["count"] - 1 if key == "col" else 0)
            limits.append((key, least, most, size))
        for key, least, most, size in limits:
            if least < 0 or most >= size:
                self.problem(f"reaches {least if least < 0 else most}", f"0 .. {size - 1}", key)

    def listing(self) -> Listing:
        """What was read.

        Raises:
            InputError: all problems; loops that are not closed; no instruction at all.
        """
        for loop in self.open:
            self.problem("a loop that is not closed", "} on a line of its own", line=loop.line)
        if not any(s.rows and s.channels for s in self.sections) and not self.problems:
            self.problem("no instruction")
        if self.problems:
            raise InputError(self.problems)
        programs: dict[tuple[tuple[int, ...], ...], list[int]] = {}
        for channel in range(self.channels):
            rows = [tuple(r) for s in self.sections if channel in s.channels for r in s.rows]
            if rows:
                programs.setdefault(tuple(rows), []).append(channel)
        return Listing(self.file, tuple((tuple(members), np.array(rows, np.int64).reshape(-1, FIELDS))
                                        for rows, members in programs.items()))

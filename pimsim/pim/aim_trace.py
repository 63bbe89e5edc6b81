"""Host-instruction traces of the AiM simulator, as CENT and others generate them: text, one instruction a line, plain or gzip.

``AiM OPCODE OPERANDS...`` (see :data:`~pimsim.pim.aim.INSTRUCTIONS`; the opcode may have its prefix ``ISR_``), ``W GPR id``, ``R GPR id``,
``W CFR register value``, ``R MEM channel bank row``, ``W MEM channel bank row``. Words are parted by blanks or commas, numbers are
decimal or 0x hexadecimal, lines that begin with ``#`` are comments. ``AiM EOC`` ends a trace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pimsim.dram.spec import Organization
from pimsim.errors import InputError, Problem, nearest
from pimsim.kernels import host_layout as host
from pimsim.pim.aim import ACTIVATION_FUNCTION, CFR_RANGE, INSTRUCTIONS, LUT_ROW, UNSUPPORTED, HostInstruction

if TYPE_CHECKING:
    from pimsim.dram.table_file import Rows

MAX_PROBLEMS = 20
"""Wrong lines that are reported at once; reading stops behind them."""

Limit = tuple[int, int, str]
"""Least and greatest value of an operand, and both in words."""

_LARGEST = 1 << 62
_MEMORY = ("channel", "bank", "row")
_WORDS = ("AiM", "R", "W")


@dataclass(frozen=True)
class AimTrace:
    """A trace, ready for the kernel.

    Attributes:
        instructions: int64 [n, :data:`~pimsim.kernels.host.INSTRUCTION`], the last one being EOC.
        selectors: bool [selectors, channels]: the channels of an instruction.
        ignored: instructions behind EOC, which are never executed.
    """

    file: str
    instructions: np.ndarray
    selectors: np.ndarray
    ignored: int = 0


def is_aim_trace(file: Rows) -> bool:
    """Whether the first line that is no comment begins as one of an AiM trace does."""
    return file.first.split()[0].rstrip(",") in _WORDS


def read_aim_trace(path: str | Path | Rows, organization: Organization, channels: int, commands: Mapping[str, int],
                   register_mode: frozenset[str]) -> AimTrace:
    """Read a trace for a part.

    Args:
        path: of the file or pipe, or what was opened already.
        organization, channels: of the part; channel masks, banks, rows and sizes beyond them are errors.
        commands: command name -> its number.
        register_mode: commands that need the register mode.

    Raises:
        InputError: every wrong line with its number; an empty file, compressed data that ends early, no EOC.
    """
    from pimsim.dram.table_file import Rows  # loads numba, which whoever only asks for command sets does not need

    rows = path if isinstance(path, Rows) else Rows(path)
    reader = _Reader(rows.file, organization, channels, commands, register_mode)
    for line, text in _lines(rows):
        words = text.replace(",", " ").split()
        if words and not words[0].startswith("#"):
            reader.take(line, words)
            if len(reader.problems) >= MAX_PROBLEMS:
                break
    return reader.trace()


def _lines(rows: Rows) -> Iterator[tuple[int, str]]:
    line = rows.line
    for block in rows.blocks():
        for text in block.decode("utf-8", "replace").split("\n")[:-1]:
            yield line, text
            line += 1


class _Reader:
    """Turns lines into instructions, collecting what is wrong."""

    def __init__(self, file: str, organization: Organization, channels: int, commands: Mapping[str, int],
                 register_mode: frozenset[str]):
        self.file = file
        self.organization = organization
        self.channels = channels
        self.commands = commands
        self.register_mode = register_mode
        self.problems: list[Problem] = []
        self.rows: list[tuple[int, ...]] = []
        self.masks: dict[int, int] = {}
        self.table = 0  # of the activation function
        self.ended = False
        self.ignored = 0
        self.line = 0
        self.limits: dict[str, Limit] = {
            "opsize": (1, organization.columns, f"1 .. {organization.columns} columns of a row"),
            "bank": (0, organization.banks_per_channel - 1, f"a bank of a channel, 0 .. {organization.banks_per_channel - 1}"),
            "row": (0, organization.rows - 1, f"a row of a bank, 0 .. {organization.rows - 1}"),
            "channel": (0, channels - 1, f"a channel, 0 .. {channels - 1}"),
            "mask": (1, (1 << channels) - 1, f"1 .. {(1 << channels) - 1:#x}: a bit a channel, of {channels}"),
            "register": (0, len(CFR_RANGE) - 1, "0 broadcast, 1 ewmul_bg, 2 afm"),
        }  # fmt: skip

    def problem(self, message: str, allowed: str = "", key: str = "") -> None:
        self.problems.append(Problem(message, allowed, self.file, self.line, key=key))

    def take(self, line: int, words: list[str]) -> None:
        """One line that is no comment."""
        self.line = line
        if self.ended:
            self.ignored += 1
        elif words[0] == "AiM":
            self._instruction(words)
        elif words[0] in ("R", "W"):
            self._access(words)
        else:
            self.problem(f"unknown '{words[0]}'", f"a line begins with one of {', '.join(_WORDS)}")

    def _instruction(self, words: list[str]) -> None:
        if len(words) < 2:
            self.problem("no instruction behind AiM", ", ".join(INSTRUCTIONS))
            return
        name = words[1].removeprefix("ISR_")
        if name in UNSUPPORTED:
            self.problem(f"{name} is not supported", UNSUPPORTED[name])
            return
        if name not in INSTRUCTIONS:
            self.problem(f"unknown instruction '{words[1]}'", nearest(name, list(INSTRUCTIONS)))
            return
        kind = INSTRUCTIONS[name]
        values = self._values(name, kind.operands, words[2:], None if kind.command else {"opsize": (1, _LARGEST, "at least 1")})
        if values is None:
            return
        if kind.one_channel and values["mask"].bit_count() != 1:
            self.problem(f"{name} to {values['mask'].bit_count()} channels", "a mask of one channel", "mask")
            return
        self._append(kind, values)
        self.ended = name == "EOC"

    def _access(self, words: list[str]) -> None:
        region = words[1] if len(words) > 1 else ""
        name = f"{words[0]} {region}"
        if region == "MEM":
            values = self._values(name, _MEMORY, words[2:])
            if values is not None:
                command = "RD" if words[0] == "R" else "WR"
                values["mask"] = 1 << (self.channels - 1 - values["channel"])
                self._append(HostInstruction(command=command, memory=True), values)
        elif region == "GPR":
            if self._values(name, ("gpr",), words[2:]) is not None:
                self._append(HostInstruction(), {})
        elif region == "CFR":
            self._register(name, words[2:])
        else:
            self.problem(f"unknown region '{region}'", "GPR, CFR or MEM")

    def _register(self, name: str, words: list[str]) -> None:
        if name == "R CFR" and len(words) == 1:
            words = [*words, "0"]
        values = self._values(name, ("register", "value"), words)
        if values is None:
            return
        register, value = values["register"], values["value"]
        if value >= CFR_RANGE[register]:
            self.problem(f"{value} is no value of register {register}", f"0 .. {CFR_RANGE[register] - 1}", "value")
            return
        if name == "W CFR" and register == ACTIVATION_FUNCTION:
            self.table = value
        self._append(HostInstruction(), {})

    def _values(self, name: str, operands: tuple[str, ...], words: list[str],
                limits: Mapping[str, Limit] | None = None) -> dict[str, int] | None:
        """The operands of a line, or None and the problems that they have."""
        limits = self.limits if limits is None else limits
        if len(words) != len(operands):
            self.problem(f"{name} with {len(words)} operands", f"{len(operands)} are needed: {' '.join(operands)}" if operands
                         else "none are allowed")
            return None
        found = len(self.problems)
        values: dict[str, int] = {}
        for key, word in zip(operands, words, strict=True):
            try:
                value = int(word, 16) if word[:2] in ("0x", "0X") else int(word)
            except ValueError:
                self.problem(f"'{word}' is not a whole number", "decimal or 0x hexadecimal", key)
                continue
            least, most, allowed = limits.get(key, (0, _LARGEST, "not below 0"))
            if not least <= value <= most:
                self.problem(f"{word} is out of range", allowed, key)
            values[key] = value
        return None if len(self.problems) > found else values

    def _append(self, kind: HostInstruction, values: Mapping[str, int]) -> None:
        code = self.commands[kind.command] if kind.command else -1
        row = values.get("row", LUT_ROW + self.table if kind.command == "AF16" else 0)
        if kind.barrier:
            what, mask = host.BARRIER, (1 << self.channels) - 1
        elif code < 0:
            what, mask = host.HOST_ONLY, 0
        else:
            ordinary = host.MEMORY_READ if kind.command == "RD" else host.MEMORY_WRITE
            what, mask = ordinary if kind.memory else host.PIM_COMMAND, values["mask"]
        self.rows.append((what, code, values.get("bank", 0), row, values.get("opsize", 1), int(kind.command in self.register_mode),
                          int(kind.blocking), self.masks.setdefault(mask, len(self.masks))))

    def trace(self) -> AimTrace:
        """What was read.

        Raises:
            InputError: all problems; no EOC.
        """
        if not self.ended and len(self.problems) < MAX_PROBLEMS:
            self.problem("no AiM EOC follows", "AiM EOC as the last instruction")
        if self.problems:
            raise InputError(self.problems)
        # bit i of a mask is channel 31 - i of 32, as in the AiM simulator
        selectors = np.array([[mask >> self.channels - 1 - n & 1 for n in range(self.channels)] for mask in self.masks], bool)
        return AimTrace(self.file, np.array(self.rows, np.int64), selectors, self.ignored)

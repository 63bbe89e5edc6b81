"""A PIM channel that computes: bank arrays, operand buffer and MAC accumulators, driven by the programs that are timed.

What a command does follows from its :class:`~pimsim.dram.spec.Effect` and its scope alone, as in the timing kernel; nothing is shared
with that kernel, so that the two can be held against one another. Cells hold bf16 values as float32. A cell that was never
written is NaN, and so is every result that depends on one.

Arithmetic of a bank's MAC unit: the products of a column's elements are exact (bf16 x bf16 fits binary32), an adder tree of binary32
sums them (:func:`add_tree`), and the accumulator adds the columns one after the other in binary32.

A row's columns may hold more elements than a burst of operands has (narrow weights, K or V). Then a MAC takes the next part of a column, as
wide as an operand burst, that has not been taken since the last result read, and the next operand in the buffer, beginning anew at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pimsim.dram.compile import Compiled
from pimsim.dram.spec import LEVELS, Effect
from pimsim.errors import SimulationError
from pimsim.kernels.program import LOOP
from pimsim.units import BF16_BYTES

Array = NDArray[np.floating[Any]]
"""binary32 unless said otherwise."""


class FunctionalError(SimulationError):
    """A program did something that the memory cannot do, or that its operands do not fit."""


def add_tree(x: Array) -> Array:
    """Sum along the last axis as an adder tree does: element i and element n // 2 + i are added until one is left."""
    while x.shape[-1] > 1:
        half = x.shape[-1] // 2
        pairs = x[..., :half] + x[..., half : 2 * half]
        x = np.concatenate([pairs, x[..., 2 * half :]], axis=-1) if x.shape[-1] % 2 else pairs
    return x[..., 0]


class FunctionalChannel:
    """One channel's cells and registers.

    Attributes:
        cells: row -> float32 [banks, columns, elements of a column], made at first touch.
        buffer: the operand buffer, float32 [columns, lanes]; NaN where nothing was written.
        accumulators: float32 [banks].
        open_rows: the open row of every bank, -1 for none.
        implicit_activations: row activations that the controller added because a column command found another row, or none, open.
        journal: while it is a dict, cells of rows as they were before the first write to them.
    """

    def __init__(self, compiled: Compiled, *, implicit_rows: bool = True):
        """``implicit_rows``: whether the controller opens the row that a column command names; if not, that is an error."""
        organization = compiled.organization
        self.names = compiled.command_names
        self.banks, self.rows, self.columns = organization.banks_per_channel, organization.rows, organization.columns
        self.lanes = organization.column_bytes // BF16_BYTES
        self._actions = [(self._action(c.effect), self.banks // organization.nodes(LEVELS.index(c.scope)))
                         for c in compiled.standard.commands]
        self._implicit_rows = implicit_rows
        self.cells: dict[int, Array] = {}
        self.open_rows = [-1] * self.banks
        self.implicit_activations = 0
        self.journal: dict[int, Array] | None = None
        self._reset(np.zeros((0, self.lanes), np.float32))

    def _reset(self, stream: Array) -> None:
        self.buffer: Array = np.full((self.columns, stream.shape[-1] or self.lanes), np.nan, np.float32)
        self._filled = self._macs = 0  # of the buffer: columns written, MACs since
        self._parts = np.zeros(self.columns, np.int64)  # of each column, taken since the last result read
        self.accumulators: Array = np.zeros(self.banks, np.float32)
        self._input, self._taken = stream, 0
        self._output: list[Array] = []

    def row(self, row: int, width: int = 0) -> Array:
        """The cells of a row of all banks, to look at or to fill: float32 [banks, columns, ``width``, or lanes where it is new].

        Raises:
            FunctionalError: the banks have no such row.
        """
        if row not in self.cells:
            self._check_row(row)
            self.cells[row] = np.full((self.banks, self.columns, width or self.lanes), np.nan, np.float32)
        if width not in (0, self.cells[row].shape[-1]):
            raise FunctionalError(f"row {row} has {self.cells[row].shape[-1]} elements a column, not {width}")
        return self.cells[row]

    def change(self, row: int, width: int = 0) -> Array:
        """:meth:`row`, about to be written to: the journal keeps what it was."""
        cells = self.row(row, width)
        if self.journal is not None and row not in self.journal:
            self.journal[row] = cells.copy()
        return cells

    # ------------------------------------------------------------------ programs

    def run(self, program: np.ndarray, stream: Array, row: int = 0, column: int = 0) -> list[Array]:
        """Run a program (``pimsim.kernels.program``) to its end; buffer and accumulators start empty.

        Args:
            stream: the bursts that the ASIC sends, in program order, float32 [bursts, lanes]. A NaN in a burst that is written to a
                bank masks its lane: the cell stays what it was.
            row, column: added to every row and column.

        Returns:
            The bursts that come back, in program order: float32 [lanes] of a read, float32 [banks] of a result read (the
            accumulators as they are; the pins carry them rounded to bf16).

        Raises:
            FunctionalError: a place outside the memory, a row that is not open, more or fewer bursts than there are.
        """
        self._reset(stream)
        self._run(program.tolist(), 0, len(program), row, column)
        if self._taken != len(stream):
            raise FunctionalError(f"the program takes {self._taken} of {len(stream)} bursts")
        return self._output

    def _run(self, program: list[list[int]], begin: int, end: int, row: int, column: int) -> None:
        pc = begin
        while pc < end:
            code, bank, row_, column_, count, _, _, length = program[pc]
            pc += 1
            if code == LOOP:
                for i in range(count):
                    self._run(program, pc, pc + length, row + i * row_, column + i * column_)
                pc += length
            else:
                self._command(code, bank, row_ + row, column_ + column, count)

    def _command(self, code: int, bank: int, row: int, column: int, count: int) -> None:
        action, banks = self._actions[code]
        if not 0 <= bank < self.banks:
            raise FunctionalError(f"{self.names[code]}: bank {bank} of {self.banks}")
        try:
            action(bank // banks * banks, banks, row, column, count)
        except FunctionalError as error:
            raise FunctionalError(f"{self.names[code]}: {error}") from None

    def _action(self, effect: Effect) -> Callable[[int, int, int, int, int], None]:
        """What a command with an effect does to (first bank, banks, row, column, count)."""
        return {
            Effect.ACTIVATE: self._activate,
            Effect.PRECHARGE: self._precharge,
            Effect.READ: self._read,
            Effect.READ_PRECHARGE: self._then_precharge(self._read),
            Effect.WRITE: self._write,
            Effect.WRITE_PRECHARGE: self._then_precharge(self._write),
            Effect.COMPUTE: self._compute,
            Effect.REGISTER_WRITE: self._register_write,
            Effect.REGISTER_READ: self._register_read,
        }.get(effect, self._nothing)

    def _then_precharge(self, action: Callable[[int, int, int, int, int], None]) -> Callable[[int, int, int, int, int], None]:
        def both(first: int, banks: int, row: int, column: int, count: int) -> None:
            action(first, banks, row, column, count)
            self._precharge(first, banks, row, column, count)

        return both

    def _nothing(self, first: int, banks: int, row: int, column: int, count: int) -> None:
        """A refresh, a mode, a clock: no number changes."""

    def _activate(self, first: int, banks: int, row: int, column: int, count: int) -> None:
        self._check_row(row)
        self.open_rows[first : first + banks] = [row] * banks

    def _precharge(self, first: int, banks: int, row: int, column: int, count: int) -> None:
        self.open_rows[first : first + banks] = [-1] * banks

    def _read(self, first: int, banks: int, row: int, column: int, count: int) -> None:
        self._ready(first, banks, row, column, count)
        self._output.extend(self.row(row)[first, column : column + count].copy())

    def _write(self, first: int, banks: int, row: int, column: int, count: int) -> None:
        self._ready(first, banks, row, column, count)
        bursts = self._take(count)
        cells = self.change(row, bursts.shape[-1])[first, column : column + count]
        np.copyto(cells, bursts, where=bursts == bursts)  # NaN masks

    def _register_write(self, first: int, banks: int, row: int, column: int, count: int) -> None:
        self._check_columns(column, count)
        self.buffer[column : column + count] = self._take(count)
        self._filled, self._macs = (0 if self._macs else self._filled) + count, 0

    def _register_read(self, first: int, banks: int, row: int, column: int, count: int) -> None:
        for _ in range(count):
            self._output.append(self.accumulators.copy())
            self.accumulators[first : first + banks] = 0
            self._parts[:] = 0

    def _compute(self, first: int, banks: int, row: int, column: int, count: int) -> None:
        self._ready(first, banks, row, column, count)
        cells = self.row(row)[first : first + banks, column : column + count]
        pack = cells.shape[-1] // self.buffer.shape[-1]
        operands = self.buffer[column : column + count]
        if pack > 1:
            cells, operands = self._part(cells, column, count, pack)
        sums = add_tree(cells * operands)
        chain = np.concatenate([self.accumulators[first : first + banks, None], sums], axis=1)
        self.accumulators[first : first + banks] = np.add.accumulate(chain, axis=1)[:, -1]

    def _part(self, cells: Array, column: int, count: int, pack: int) -> tuple[Array, Array]:
        """The part of each column that is its turn, and the operands for them."""
        parts = self._parts[column : column + count]
        if parts.max() >= pack or not self._filled:
            raise FunctionalError(f"a column of {pack} parts has been taken whole" if self._filled else "no operands")
        split = cells.reshape(len(cells), count, pack, -1)
        taken = split[:, np.arange(count), parts]
        operands = self.buffer[(self._macs + np.arange(count)) % self._filled]
        self._parts[column : column + count] += 1
        self._macs += count
        return taken, operands

    def _ready(self, first: int, banks: int, row: int, column: int, count: int) -> None:
        """The columns exist and the banks have ``row`` open, or the controller opens it."""
        self._check_columns(column, count)
        wanted = [row] * banks
        if self.open_rows[first : first + banks] != wanted:
            if not self._implicit_rows:
                raise FunctionalError(f"row {row} of bank {first} is not open")
            self._check_row(row)
            self.implicit_activations += 1
            self.open_rows[first : first + banks] = wanted

    def _check_row(self, row: int) -> None:
        if not 0 <= row < self.rows:
            raise FunctionalError(f"row {row} of {self.rows}")

    def _check_columns(self, column: int, count: int) -> None:
        if column < 0 or count < 1 or column + count > self.columns:
            raise FunctionalError(f"columns {column} to {column + count - 1} of {self.columns}")

    def _take(self, count: int) -> Array:
        """The next bursts of the input stream."""
        bursts = self._input[self._taken : self._taken + count]
        if len(bursts) < count:
            raise FunctionalError(f"the program takes more than {len(self._input)} bursts")
        self._taken += count
        return bursts

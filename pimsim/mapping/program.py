"""Writing command programs, and keeping each program once.

A program (``pimsim.kernels.program``) is what one channel does for one operator. Programs name rows and columns relative to the task
that runs them, so operators of all layers and tokens with the same shape share one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

import numpy as np

from pimsim.kernels.program import BOUNDARY, FIELDS, LENGTH, LOOP, WIDE


class ProgramBuilder:
    """Collects the instructions of one program."""

    def __init__(self) -> None:
        self._rows: list[list[int]] = []

    def command(self, code: int, *, bank: int = 0, row: int = 0, column: int = 0, count: int = 1,
                boundary: bool = False) -> None:
        """Append ``count`` of a command; ``boundary`` allows a due refresh before it."""
        self._rows.append([code, bank, row, column, count, 0, BOUNDARY if boundary else 0, 0])

    @contextmanager
    def loop(self, times: int, *, row_step: int = 0, column_step: int = 0, wide: bool) -> Iterator[None]:
        """Repeat what is appended inside; ``wide`` if that is only commands of rank or channel scope."""
        head = len(self._rows)
        self._rows.append([LOOP, 0, row_step, column_step, times, 0, WIDE if wide else 0, 0])
        yield
        self._rows[head][LENGTH] = len(self._rows) - head - 1

    def array(self) -> np.ndarray:
        """The program: int64 [instructions, 8]."""
        return np.array(self._rows, np.int64).reshape(-1, FIELDS)


class ProgramLibrary:
    """Programs by key, concatenated for the kernel."""

    def __init__(self) -> None:
        self._index: dict[Hashable, int] = {}
        self._programs: list[np.ndarray] = []
        self._arrays: tuple[np.ndarray, np.ndarray] | None = None

    def get(self, key: Hashable, build: Callable[[ProgramBuilder], None]) -> int:
        """The number of the program called ``key``; ``build`` writes it the first time."""
        number = self._index.get(key)
        if number is None:
            builder = ProgramBuilder()
            build(builder)
            number = self._index[key] = len(self._programs)
            self._programs.append(builder.array())
            self._arrays = None
        return number

    def __getitem__(self, number: int) -> np.ndarray:
        return self._programs[number]

    def __len__(self) -> int:
        return len(self._programs)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """All programs behind one another [n, 8], and where each begins [programs + 1]."""
        if self._arrays is None:
            begin = np.zeros(len(self._programs) + 1, np.int64)
            begin[1:] = np.cumsum([len(p) for p in self._programs])
            everything = np.concatenate(self._programs) if self._programs else np.zeros((0, FIELDS), np.int64)
            self._arrays = everything, begin
        return self._arrays

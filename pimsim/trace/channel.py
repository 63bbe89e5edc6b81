"""The tracks of one memory channel in a timeline: its commands, the rows that are open, how many banks are."""

from __future__ import annotations

import numpy as np

from pimsim.dram.compile import Compiled
from pimsim.dram.spec import CHANNEL, LEVELS, RANK, Effect
from pimsim.kernels.channel import LOG_FIELDS
from pimsim.trace.event import EventFile
from pimsim.trace.order import BANK, CODE, COLUMN, COUNT, ROW, TICK

COMMANDS, ALL_BANKS, FIRST_BANK = range(3)
"""Track numbers; bank b has FIRST_BANK + b."""
_OPENING = frozenset({Effect.ACTIVATE})
_CLOSING = frozenset({Effect.PRECHARGE, Effect.READ_PRECHARGE, Effect.WRITE_PRECHARGE})


class ChannelTracks:
    """Draws the commands of one channel as process ``process`` of a trace.

    A command is shown from its issue for as long as it takes (its own cycles, tRCD of an activation ...), at the most until the
    next one. All-bank rows and rows of single banks have tracks of their own.
    """

    def __init__(self, compiled: Compiled, events: EventFile, process: int, name: str):
        table = compiled.table
        self._events, self._process = events, process
        self._names = compiled.command_names
        self._effects = [c.effect for c in compiled.standard.commands]
        self._banks = table.node_banks[table.scope].tolist()
        self._wide = [LEVELS.index(c.scope) in (CHANNEL, RANK) for c in compiled.standard.commands]
        self._cadence, self._occupancy = table.cadence, table.occupancy
        self._held = np.empty((0, LOG_FIELDS), np.int64)
        self._everywhere: tuple[int, int] | None = None  # (tick, row) of a row open in all banks
        self._single: dict[int, tuple[int, int]] = {}  # the same of single banks
        self._open = 0  # bit b: bank b is open
        self._tracks: set[int] = set()
        events.process(process, name)
        self._track(COMMANDS, "commands")

    def add(self, rows: np.ndarray) -> None:
        """Draw commands, int64 [n, LOG_FIELDS] in order of time, but for the last one, whose end depends on the next."""
        rows = np.concatenate([self._held, rows])
        if len(rows):
            self._draw(rows[:-1], rows[1:, TICK])
            self._held = rows[-1:]

    def finish(self, tick: int) -> None:
        """Draw the last command and end what is open at ``tick``."""
        self._draw(self._held, np.full(len(self._held), tick))
        for bank in list(self._single):
            self._close_one(bank, tick)
        self._close_everywhere(tick)

    def _draw(self, rows: np.ndarray, until: np.ndarray) -> None:
        codes = rows[:, CODE]
        natural = rows[:, TICK] + (rows[:, COUNT] - 1) * self._cadence[codes] + self._occupancy[codes]
        ends = np.minimum(natural, np.maximum(until, rows[:, TICK])).tolist()
        for row, end in zip(rows.tolist(), ends, strict=True):
            tick, code, count = row[TICK], row[CODE], row[COUNT]
            args = {k: v for k, v in (("bank", row[BANK]), ("row", row[ROW]), ("column", row[COLUMN]), ("count", count)) if v >= 0}
            if self._wide[code]:
                del args["bank"]
            self._events.slice(self._process, COMMANDS, tick, end, self._names[code], args)
            if self._effects[code] in _OPENING:
                self._opened(code, row[BANK], row[ROW], tick)
            elif self._effects[code] in _CLOSING:
                self._closed(code, row[BANK], tick)

    def _opened(self, code: int, bank: int, row: int, tick: int) -> None:
        banks = self._banks[code]
        first = bank // banks * banks
        if self._wide[code]:
            self._close_everywhere(tick)
            self._everywhere = (tick, row)
        else:
            for b in range(first, first + banks):
                self._close_one(b, tick)
                self._single[b] = (tick, row)
        self._count(self._open | ((1 << banks) - 1) << first, tick)

    def _closed(self, code: int, bank: int, tick: int) -> None:
        banks = self._banks[code]
        first = bank // banks * banks
        for b in range(first, first + banks):
            self._close_one(b, tick)
        if self._wide[code]:
            self._close_everywhere(tick)
        self._count(self._open & ~(((1 << banks) - 1) << first), tick)

    def _close_everywhere(self, tick: int) -> None:
        if self._everywhere is not None:
            begin, row = self._everywhere
            self._track(ALL_BANKS, "row open in all banks")
            self._events.slice(self._process, ALL_BANKS, begin, tick, f"row {row}")
            self._everywhere = None

    def _close_one(self, bank: int, tick: int) -> None:
        if bank in self._single:
            begin, row = self._single.pop(bank)
            self._track(FIRST_BANK + bank, f"row open in bank {bank}")
            self._events.slice(self._process, FIRST_BANK + bank, begin, tick, f"row {row}")

    def _count(self, banks: int, tick: int) -> None:
        if banks != self._open:
            self._open = banks
            self._events.counter(self._process, tick, "open banks", banks.bit_count())

    def _track(self, track: int, name: str) -> None:
        if track not in self._tracks:
            self._tracks.add(track)
            self._events.track(self._process, track, name)

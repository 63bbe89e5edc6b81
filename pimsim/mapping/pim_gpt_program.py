"""PIM-GPT's programs: what a channel does for each kind of operator. Rows and columns are relative to the task's.

What a program writes to the pins and reads from them is a stream of column bursts in program order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pimsim.mapping.geometry import HeadWeights, Keys, Memory, Values, Weights
from pimsim.mapping.program import ProgramBuilder, ProgramLibrary
from pimsim.units import ceil_div


@dataclass(frozen=True)
class Commands:
    """The commands that the mapping uses, by number. ``activate_all`` opens ``activate_step`` banks at a time."""

    activate_all: int
    activate_step: int
    mac_all: int
    buffer_write: int
    result_read: int
    activate: int
    precharge: int
    precharge_all: int
    read: int
    write: int


@dataclass(frozen=True)
class Pace:
    """Ticks that the mapping needs to know to order and bound its commands.

    Attributes:
        activate_distance: between activations of different banks, as tRRD and tFAW allow in the long run.
        activate_to_write, write_to_precharge: tRCDWR, and CWL + BL + tWR.
        first_result: from the begin of a product to its first result at the earliest (activate, one MAC, read).
        activate_to_mac, close: from an activation to its MACs; from a row's last MAC to the next activation at the earliest.
        mac, burst: between MACs of one bank, and of one column over the pins.
        asic_cycle_fs, tick_fs: clock periods of the ASIC and of the memory.
    """

    activate_distance: int
    activate_to_write: int
    write_to_precharge: int
    first_result: int
    activate_to_mac: int
    close: int
    mac: int
    burst: int
    asic_cycle_fs: int
    tick_fs: int

    def ticks(self, asic_cycles: int) -> int:
        """ASIC cycles in ticks of the memory, rounded up."""
        return ceil_div(asic_cycles * self.asic_cycle_fs, self.tick_fs)


@dataclass(frozen=True)
class Programs:
    """Writes the programs of one memory, each once. Every method returns a program's number; -1: nothing to do."""

    memory: Memory
    commands: Commands
    pace: Pace
    library: ProgramLibrary = field(default_factory=ProgramLibrary)

    def _open_all(self, p: ProgramBuilder, row: int) -> None:
        """Open a row in all banks, by one command or by one a bank group; a due refresh may come first."""
        for bank in range(0, self.memory.banks, self.commands.activate_step):
            p.command(self.commands.activate_all, bank=bank, row=row, boundary=bank == 0)

    def _macs(self, p: ProgramBuilder, memory: Memory, row: int, columns: int) -> None:
        """So many columns of an operand: where several lie in one place, all places over and over."""
        for places in memory.sweeps(columns):
            p.command(self.commands.mac_all, row=row, count=places)

    def _sharing(self, p: ProgramBuilder, memory: Memory, times: int, row_step: int, body: Callable[[int], None]) -> None:
        """``body`` so many times, on rows ``row_step`` apart that as many share as there are to a row; it is told its first row."""
        if memory.pack == 1:
            with p.loop(times, row_step=row_step, wide=True):
                body(0)
            return
        full, rest = divmod(times, memory.pack)
        if full:
            with p.loop(full, row_step=row_step, wide=True), p.loop(memory.pack, column_step=memory.share, wide=True):
                body(0)
        if rest:
            with p.loop(rest, column_step=memory.share, wide=True):
                body(full * row_step)

    def weight(self, weights: Weights, slots: int) -> int:
        if not slots:
            return -1
        c = self.commands

        def build(p: ProgramBuilder) -> None:
            for chunk, columns in enumerate(weights.chunk_columns):
                first = chunk * weights.chunk_rows
                self._open_all(p, first)  # while the buffer fills
                p.command(c.buffer_write, count=columns)

                def product(row: int, first: int = first, columns: int = columns) -> None:
                    self._macs(p, weights.memory, first + row, columns)
                    p.command(c.result_read)

                self._sharing(p, weights.memory, slots, 1, product)

        return self.library.get(("weights", weights.memory, weights.chunk_columns, weights.slots, slots), build)

    def head_weight(self, weights: HeadWeights, heads: int) -> int:
        """Products of so many heads: each one's input into the buffer as often as subs share a row, then row by row."""
        if not heads:
            return -1
        c = self.commands
        full, rest = divmod(weights.subs, weights.row_subs)

        def products(p: ProgramBuilder, row: int, columns: int, times: int) -> None:
            with p.loop(times, column_step=weights.memory.places(columns), wide=True):
                self._macs(p, weights.memory, row, columns)
                p.command(c.result_read)

        def build(p: ProgramBuilder) -> None:
            with p.loop(heads, row_step=weights.head_rows, wide=True):
                for chunk, columns in enumerate(weights.chunk_columns):
                    row = chunk * weights.chunk_rows
                    self._open_all(p, row)
                    p.command(c.buffer_write, count=columns * weights.packed)
                    if full:
                        with p.loop(full, row_step=1, wide=True):
                            products(p, row, columns, weights.row_subs)
                    if rest:
                        products(p, row + full, columns, rest)

        return self.library.get(("head_weights", weights, heads), build)

    def key_append(self, keys: Keys, bank: int) -> int:
        c = self.commands

        def build(p: ProgramBuilder) -> None:
            for chunk, heads in enumerate(keys.chunk_heads):
                row = chunk * keys.group_rows
                p.command(c.activate, bank=bank, row=row, boundary=True)
                p.command(c.write, bank=bank, row=row, count=heads * keys.head_places)

        return self.library.get(("k_append", keys, bank), build)

    def value_append(self, values: Values, slots: range) -> int:
        """One column write a dimension of the heads in some head slots of a channel, each in a row of its own.

        Banks take turns so that tRRD, not tRC, sets the pace.
        """
        if not slots:
            return -1
        c, pace = self.commands, self.pace
        write_lag = ceil_div(pace.activate_to_write, pace.activate_distance)
        close_lag = write_lag + ceil_div(pace.write_to_precharge, pace.activate_distance)

        def turn(p: ProgramBuilder, row: int, column: int, banks: int) -> None:
            for k in range(banks + close_lag):
                if k < banks:
                    p.command(c.activate, bank=k, row=row, boundary=k == 0)
                if 0 <= k - write_lag < banks:
                    p.command(c.write, bank=k - write_lag, row=row, column=column)
                if 0 <= k - close_lag < banks:
                    p.command(c.precharge, bank=k - close_lag)

        def build(p: ProgramBuilder) -> None:
            p.command(c.precharge_all)
            memory = values.memory
            if values.head_dim % memory.banks == 0 and memory.pack == 1:
                with p.loop(len(slots) * values.subs, row_step=values.chunks, wide=False):
                    turn(p, values.row(slots.start, 0, 0), 0, memory.banks)
                return
            for head in slots:
                for sub in range(values.subs):
                    turn(p, values.row(head, sub, 0), memory.shared(sub)[1], values.sub_banks(sub))

        return self.library.get(("v_append", values, slots), build)

    def score(self, keys: Keys, groups: int, passes: int) -> int:
        if not groups:
            return -1
        c = self.commands

        def build(p: ProgramBuilder) -> None:
            for chunk, heads in enumerate(keys.chunk_heads):
                first = chunk * keys.group_rows

                def tokens(row: int, first: int = first, heads: int = heads) -> None:
                    with p.loop(heads, column_step=keys.head_places, wide=True):
                        self._macs(p, keys.memory, first + row, keys.head_columns)
                        p.command(c.result_read)

                for _ in range(passes):
                    self._open_all(p, first)
                    p.command(c.buffer_write, count=heads * keys.head_columns)
                    self._sharing(p, keys.memory, groups, 1, tokens)

        return self.library.get(("score", keys, groups, passes), build)

    def attend(self, values: Values, heads: int, share: int, chunks: tuple[int, ...]) -> int:
        if not heads:
            return -1
        c = self.commands

        def build(p: ProgramBuilder) -> None:
            with p.loop(heads, row_step=values.head_rows, wide=True):
                for _ in range(share):
                    for chunk, columns in enumerate(chunks):
                        self._open_all(p, chunk)
                        p.command(c.buffer_write, count=columns)

                        def weighted(row: int, chunk: int = chunk, columns: int = columns) -> None:
                            self._macs(p, values.memory, chunk + row, columns)
                            p.command(c.result_read)

                        self._sharing(p, values.memory, values.subs, values.chunks, weighted)

        return self.library.get(("attend", values, heads, share, chunks), build)

    def embed(self, columns: int, tables: int) -> int:
        """Read the token's embedding (and its position's): row after row of one bank. Any token costs the same."""
        c = self.commands

        def build(p: ProgramBuilder) -> None:
            for part in range(tables):
                for begin in range(0, columns, self.memory.columns):
                    p.command(c.read, bank=part % self.memory.banks, row=begin // self.memory.columns,
                              count=min(self.memory.columns, columns - begin), boundary=True)

        return self.library.get(("embed", columns, tables), build)

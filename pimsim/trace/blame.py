"""Which timing rule held each command back, summed over a window of steps.

The commands are replayed against the part's rules (``Compiled.rules``), not asked from the engine that issued them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pimsim.devices.package import Segment
from pimsim.dram.checker import rulebook
from pimsim.dram.compile import Compiled
from pimsim.kernels import legality
from pimsim.kernels.blame import blame_channel
from pimsim.mapping.task import TaskList
from pimsim.model.trace import Block, Step
from pimsim.trace.order import BANK, CHANNEL, CODE, COUNT, ROW, TICK, Ordered

OTHERS = ("command bus", "waits for work, the ASIC or other channels")
MEMORY_OTHERS = ("command bus", "waits for work")
"""What holds commands back beside the rules of the part: in a system, and in a memory by itself."""


class Blame:
    """Replays command rows, channel by channel in the order of their ticks, and sums what held them back.

    ``others`` are the names of what is no rule.
    """

    def __init__(self, compiled: Compiled, channels: int, others: tuple[str, str] = OTHERS):
        self._compiled, self._others = compiled, others
        self._book = rulebook(compiled)
        self._past = [legality.history(self._book) for _ in range(channels)]
        self._at = [-1] * channels
        commands, rules = len(compiled.standard.commands), len(compiled.rules)
        self._own = np.array([self._cadence_rule(c) for c in range(commands)], np.int64)
        self._ticks, self._numbers = np.zeros((2, commands, rules + len(self._others)), np.int64)

    def add(self, rows: np.ndarray) -> None:
        """Replay rows as kernels log them: tick, channel, command, bank, row, column, count."""
        banks = self._book.node_banks[self._book.commands[:, legality.SCOPE]][rows[:, CODE]]
        log = np.zeros((len(rows), 6), np.int64)
        log[:, legality.TICK], log[:, legality.COMMAND], log[:, legality.COUNT] = rows[:, TICK], rows[:, CODE], rows[:, COUNT]
        log[:, legality.BANK], log[:, legality.ROW] = rows[:, BANK] // banks * banks, rows[:, ROW]
        for channel, past in enumerate(self._past):
            own = log[rows[:, CHANNEL] == channel]
            self._at[channel] = blame_channel(self._book, past, own, self._at[channel], self._own, self._ticks, self._numbers)

    def finish(self) -> dict[str, Any]:
        """The table, the most cycles first: command, rule, cycles of an average channel, their share, commands held back.

        The cycles sum to the time between the first and the last command.
        """
        labels = [rule.source.label for rule in self._compiled.rules] + list(self._others)
        merged: dict[tuple[str, str], list[int]] = {}
        for command, rule in zip(*np.nonzero(self._numbers), strict=True):
            key = (self._compiled.command_names[command], labels[rule])
            entry = merged.setdefault(key, [0, 0])
            entry[0] += int(self._ticks[command, rule])
            entry[1] += int(self._numbers[command, rule])
        total, channels = sum(ticks for ticks, _ in merged.values()), len(self._past)
        ranked = sorted(merged.items(), key=lambda item: (-item[1][0], item[0]))
        return {
            "cycles": total / channels,
            "held_back": [
                {"command": command, "rule": rule, "cycles": ticks / channels, "share": ticks / total if total else 0.0,
                 "commands": number}
                for (command, rule), (ticks, number) in ranked
            ],
        }  # fmt: skip

    def _cadence_rule(self, command: int) -> int:
        """The rule that sets the distance of equal commands to one place (the command bus, if none does)."""
        own = [(rule.value, -index) for index, rule in enumerate(self._compiled.rules)
               if rule.window == 1 and not rule.sibling and command in rule.before and command in rule.after]
        value, index = max(own, default=(0, 0))
        return -index if value >= self._compiled.standard.commands[command].cycles else len(self._compiled.rules)


class BlameRecorder:
    """An observer that replays the steps that are logged."""

    def __init__(self, compiled: Compiled, channels: int):
        self._blame = Blame(compiled, channels)
        self._ordered = Ordered()
        self._steps: list[int] = []

    def segment(self, step: Step, block: Block, tasks: TaskList, segment: Segment) -> None:
        """Replay what a segment did, if it was logged."""
        if segment.log is not None:
            self._blame.add(self._ordered.add(segment))
            self._steps.append(step.index)

    def step(self, step: Step, begin_tick: int, end_tick: int) -> None:
        """Nothing: segments are all that is looked at."""

    def finish(self) -> dict[str, Any]:
        """The table of :class:`Blame`, and ``steps``: the first and the last one replayed."""
        self._blame.add(self._ordered.rest())
        return {"steps": [self._steps[0], self._steps[-1]] if self._steps else [], **self._blame.finish()}

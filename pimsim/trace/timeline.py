"""A timeline of a run for Perfetto: every token step; of the steps that are logged also layers, operators, tasks and commands.

Tracks: the decoder (token steps, in them layers, operators, and the tasks of an operator that has several; each as long as it kept
everything else waiting, so that their times sum to the run's), the memory's tasks, the ASIC's tasks, and for each channel its
commands, open rows and number of open banks. Counters: steps a second, tokens in the KV cache, bandwidth in the banks and
over the pins.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

import numpy as np

from pimsim import units
from pimsim.config import SystemConfig
from pimsim.devices.package import Segment
from pimsim.dram.compile import Compiled
from pimsim.dram.spec import Effect
from pimsim.mapping.pim_gpt import category
from pimsim.mapping.task import TaskList
from pimsim.model.trace import Block, Step
from pimsim.sim.record import advance
from pimsim.trace.channel import ChannelTracks
from pimsim.trace.event import EventFile
from pimsim.trace.order import CHANNEL, CODE, COUNT, TASK, TICK, Ordered

DECODER, MEMORY, ASIC, FIRST_CHANNEL = range(1, 5)
"""Process numbers; channel c has FIRST_CHANNEL + c."""
MOST_COMMANDS = 100_000
"""Commands that are drawn; about 150 bytes each."""


class TimelineRecorder:
    """An observer that draws a run into an :class:`EventFile`, which is the caller's.

    Life cycle: observes a run, then :meth:`finish`. Once ``limit`` commands are drawn, no more are; a mark says where, and ``notify``
    is told.
    """

    def __init__(self, config: SystemConfig, compiled: Compiled, events: EventFile, *, limit: int = MOST_COMMANDS,
                 notify: Callable[[str], None] | None = None):
        self._compiled, self._events, self._left, self._notify = compiled, events, limit, notify
        self._ordered = Ordered()
        self._in_step = False
        self._now = 0
        self._busy_until = {MEMORY: 0, ASIC: 0}
        effects = [c.effect for c in compiled.standard.commands]
        column = config.memory.column_bytes
        self._pin_bytes = np.array([column * (e in (Effect.REGISTER_WRITE, Effect.REGISTER_READ, Effect.READ, Effect.WRITE))
                                    for e in effects])  # fmt: skip
        self._inside_bytes = np.array([column * (config.memory.banks if e is Effect.COMPUTE else e in (Effect.READ, Effect.WRITE))
                                       for e in effects])  # fmt: skip
        for process, name in ((DECODER, "decoder"), (MEMORY, "memory"), (ASIC, "ASIC")):
            events.process(process, name)
            events.track(process, 0, "tokens" if process == DECODER else "tasks")
        self._channels = [ChannelTracks(compiled, events, FIRST_CHANNEL + c, f"channel {c}")
                          for c in range(config.memory.channels)] if limit else []  # fmt: skip

    def segment(self, step: Step, block: Block, tasks: TaskList, segment: Segment) -> None:
        """Draw the layers of a segment, if it was logged."""
        self._now = segment.stop
        if segment.log is None:
            return
        if not self._in_step:
            self._begin_step(step, segment.start)
        moved = advance(segment).tolist()
        at = segment.start
        for repeat in range(block.repeat):
            at = self._layer(block, tasks, moved[repeat], repeat, at)
            for number, task in enumerate(tasks.tasks):
                self._task(MEMORY if task.programs else ASIC, int(segment.begin[repeat, number]), int(segment.end[repeat, number]),
                           task.category, {"layer": block.first_layer + repeat} if block.first_layer >= 0 else {})
        self._bandwidth(segment)
        self._commands(self._ordered.add(segment))

    def step(self, step: Step, begin_tick: int, end_tick: int) -> None:
        """Draw a token step."""
        if not self._in_step:
            self._begin_step(step, begin_tick)
        self._events.end(DECODER, 0, end_tick)
        seconds = (end_tick - begin_tick) * self._compiled.tick_fs / units.FS_PER_S
        self._events.counter(DECODER, begin_tick, "steps a second", 1 / seconds)
        self._events.counter(DECODER, begin_tick, "KV cache (tokens)", step.context)
        self._in_step = False

    def finish(self) -> None:
        """Draw what was held back and end what is open."""
        self._commands(self._ordered.rest())
        for channel in self._channels:
            channel.finish(self._now)
        self._events.counter(DECODER, self._now, "steps a second", 0)

    def _begin_step(self, step: Step, tick: int) -> None:
        self._events.begin(DECODER, 0, tick, f"token {step.index}", {"phase": step.phase, "context": step.context})
        self._in_step = True

    def _layer(self, block: Block, tasks: TaskList, moved: list[int], repeat: int, at: int) -> int:
        """Draw one layer from ``at`` on, its operators and their tasks; returns where it ends."""
        name = f"layer {block.first_layer + repeat}" if block.first_layer >= 0 else "outside the layers"
        self._events.begin(DECODER, 0, at, name)
        drawn = [(task, ticks) for task, ticks in zip(tasks.tasks, moved, strict=True) if ticks]
        for index, group in groupby(drawn, key=lambda item: item[0].operator):
            members = list(group)
            self._events.begin(DECODER, 0, at, category(block.operators[index]), {"operator": block.operators[index].name})
            for task, ticks in members:
                if len(members) > 1:
                    self._events.slice(DECODER, 0, at, at + ticks, task.category)
                at += ticks
            self._events.end(DECODER, 0, at)
        self._events.end(DECODER, 0, at)
        return at

    def _task(self, process: int, begin: int, end: int, name: str, args: dict[str, int]) -> None:
        """Draw a task of a resource, which takes them one after the other, from when it is free for it."""
        begin = max(begin, self._busy_until[process])
        if end > begin:
            self._events.slice(process, 0, begin, end, name, args)
            self._busy_until[process] = end

    def _bandwidth(self, segment: Segment) -> None:
        """The bandwidth of each memory task: bytes of its commands over its time."""
        log = segment.log
        assert log is not None
        begin, end = segment.begin.ravel(), segment.end.ravel()
        taken = (end - begin) * self._compiled.tick_fs / units.FS_PER_S
        for name, each in (("GB/s over the pins", self._pin_bytes), ("GB/s in the banks", self._inside_bytes)):
            moved = np.bincount(log[:, TASK], weights=each[log[:, CODE]] * log[:, COUNT], minlength=len(begin))
            for task in np.flatnonzero(moved):
                self._events.counter(MEMORY, int(begin[task]), name, round(float(moved[task] / taken[task]) / 1e9, 3))
                self._events.counter(MEMORY, int(end[task]), name, 0)

    def _commands(self, rows: np.ndarray) -> None:
        if not self._channels or not self._left:
            return
        shown = rows[: self._left]
        self._left -= len(shown)
        for number, channel in enumerate(self._channels):
            channel.add(shown[shown[:, CHANNEL] == number])
        if len(shown) < len(rows):
            self._left = 0
            self._cut(int(rows[len(shown), TICK]))

    def _cut(self, tick: int) -> None:
        for number, channel in enumerate(self._channels):
            channel.finish(tick)
            self._events.instant(FIRST_CHANNEL + number, 0, tick, "commands behind this point are left out")
        self._channels = []
        if self._notify is not None:
            time = units.human_time(tick * self._compiled.tick_fs)
            self._notify(f"the timeline shows commands up to {time}; --steps chooses other steps, fewer show more of each")

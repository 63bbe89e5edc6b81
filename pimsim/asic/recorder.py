"""Turns an operation's program into a schedule: what each stage starts on each unit and moves through SRAM.

A *stage* is work that streams together. Unchained, the primitives that depend on nothing but earlier stages form one:
a pass over the vector that reads its operands from SRAM and writes its results there. Chained (as vector processors
forward results from unit to unit since the Cray-1), a stage goes on until a value is needed that is only known once the
whole row has been seen: a reduction that is broadcast back over its row. One rule covers both: a value that is used
within its own stage is forwarded; one that leaves its stage is written to SRAM and read back.

Sizes are whole numbers, or int64 arrays of them: rows of several lengths at once, where those lengths fold in the same number of
steps. Then all of them have the same stages, and every comparison of two sizes comes out alike for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias

from pimsim.asic.datapath import PRIMITIVES, Datapath, Unit
from pimsim.asic.operations import find
from pimsim.asic.spec import AsicSpec
from pimsim.units import BF16_BYTES

Size: TypeAlias = Any
"""int, or int64 array."""


class Stage(NamedTuple):
    """One stage's work for one row of the vector."""

    adds: Size
    multiplies: Size
    read_bytes: Size
    write_bytes: Size
    live_bytes: Size  # in SRAM while it runs; a result takes the place of an operand that is not needed any more
    depth: int  # cycles through the longest chain of units, whatever the number of rows


@dataclass(frozen=True)
class Schedule:
    """The stages of an operation, and the bytes that a row brings in and puts out."""

    stages: tuple[Stage, ...]
    input_bytes: Size
    output_bytes: Size
    shared_bytes: Size  # inputs that are the same for every row

    @property
    def outside_bytes(self) -> Size:
        """SRAM held by a row that is waiting for its turn or done."""
        return larger(self.input_bytes, self.output_bytes)


@dataclass(eq=False, slots=True)
class Signal:
    """A value during recording: one row of ``columns`` elements, made in ``stage`` (-1: it came in)."""

    columns: Size
    stage: int
    element_bytes: int
    depth: int = 0  # of the chain of units behind it, within its stage
    readers: set[int] = field(default_factory=set)  # stages
    last: int = -1  # stage that needs it last

    @property
    def bytes(self) -> Size:
        return self.columns * self.element_bytes

    @property
    def leaves(self) -> bool:
        """Whether it is needed after the stage that makes it, and so goes to SRAM."""
        return self.last > self.stage


@dataclass(slots=True)
class _Work:
    """A stage while it is being filled."""

    adds: Size = 0
    multiplies: Size = 0
    read_bytes: Size = 0
    depth: int = 0


def larger(a: Size, b: Size) -> Size:
    """The larger of two sizes; of arrays, one by one."""
    if isinstance(a, int) and isinstance(b, int):
        return max(a, b)
    import numpy as np

    return np.maximum(a, b)


def _one(size: Size) -> int:
    """The size itself, or that of the longest row."""
    return size if isinstance(size, int) else int(size[-1])


class Recorder(Datapath[Signal]):
    """Runs a program on shapes instead of numbers and records what it takes."""

    def __init__(self, spec: AsicSpec):
        self.spec = spec
        self._element_bytes = spec.element_bytes
        self._work: list[_Work] = []
        self._signals: list[Signal] = []

    def bring_in(self, columns: Size) -> Signal:
        """A bf16 vector of ``columns`` elements that is in SRAM when the operation starts."""
        signal = Signal(columns, -1, BF16_BYTES)
        self._signals.append(signal)
        return signal

    def columns(self, x: Signal) -> int:
        return _one(x.columns)

    def apply(self, primitive: str, *operands: Signal | float) -> Signal:
        signals = [x for x in operands if isinstance(x, Signal)]
        columns = max([x.columns for x in signals], key=_one)
        return self._start(PRIMITIVES[primitive], columns, columns, signals)

    def fold(self, primitive: str, x: Signal) -> Signal:
        pairs = x.columns // 2
        return self._start(PRIMITIVES[primitive], pairs, x.columns - pairs, [x])

    def _start(self, unit: Unit, starts: Size, columns: Size, operands: list[Signal]) -> Signal:
        """``starts`` operations on ``unit`` that turn ``operands`` into a row of ``columns`` elements."""
        index = max([self._earliest(x, columns) for x in operands])
        if index == len(self._work):
            self._work.append(_Work())
        work = self._work[index]
        if unit is Unit.ADDER:
            work.adds = work.adds + starts
            depth = self.spec.add_depth
        else:
            work.multiplies = work.multiplies + starts
            depth = self.spec.multiply_depth
        behind = 0  # depth of the chain that this operation continues
        for x in operands:
            if x.stage == index:
                behind = max(behind, x.depth)
            elif index not in x.readers:
                work.read_bytes = work.read_bytes + x.bytes
            x.readers.add(index)
            x.last = max(x.last, index)
        result = Signal(columns, index, self._element_bytes, behind + depth)
        work.depth = max(work.depth, result.depth)
        self._signals.append(result)
        return result

    def _earliest(self, x: Signal, columns: Size) -> int:
        """First stage in which a row of ``columns`` elements can be made from ``x``."""
        forwarded = self.spec.chained and x.stage >= 0 and _one(x.columns) >= _one(columns)
        return x.stage if forwarded else x.stage + 1

    def finish(self, inputs: list[Signal], shared: list[Signal], outputs: tuple[Signal, ...]) -> Schedule:
        """Close the program: ``outputs`` are kept, as bf16. One that does nothing still holds its vector for a stage."""
        for x in outputs:
            x.last = len(self._work)
            x.element_bytes = BF16_BYTES
        input_bytes = sum(x.bytes for x in inputs)
        output_bytes = sum(x.bytes for x in outputs)
        stages = self._stages([x for x in self._signals if x not in shared and x.leaves])
        at_rest = Stage(0, 0, 0, 0, live_bytes=larger(input_bytes, output_bytes), depth=0)
        return Schedule(stages or (at_rest,), input_bytes, output_bytes, sum(x.bytes for x in shared))

    def _stages(self, signals: list[Signal]) -> tuple[Stage, ...]:
        """The recorded stages, given all the ``signals`` that spend time in SRAM."""
        count = len(self._work)
        born: list[Any] = [0] * (count + 1)
        dying: list[Any] = [0] * (count + 1)
        change: list[Any] = [0] * (count + 2)
        for x in signals:  # written in stage born, kept for the stages between, needed last in stage dying
            size = x.bytes
            if x.stage >= 0:
                born[x.stage] = born[x.stage] + size
            dying[x.last] = dying[x.last] + size
            change[x.stage + 1] = change[x.stage + 1] + size
            change[x.last] = change[x.last] - size
        kept = accumulate(change)
        return tuple(
            Stage(
                adds=work.adds,
                multiplies=work.multiplies,
                read_bytes=work.read_bytes,
                write_bytes=written,
                live_bytes=waiting + larger(written, read_last),
                depth=work.depth,
            )
            for work, written, read_last, waiting in zip(self._work, born, dying, kept, strict=False)
        )


@lru_cache(maxsize=4096)
def schedule(spec: AsicSpec, kind: str, columns: int) -> Schedule:
    """The schedule of ``kind`` on rows of ``columns`` elements (1 for kinds that work element by element).

    Raises :class:`~pimsim.errors.InputError` for an unknown kind or one that this ASIC lacks hardware for.
    """
    return record(spec, kind, columns)


def record(spec: AsicSpec, kind: str, columns: Size) -> Schedule:
    """As :func:`schedule`; also for rows of several lengths at once, in rising order, that fold in the same number of steps."""
    operation = find(kind)
    operation.check(spec)
    recorder = Recorder(spec)
    signals = {name: recorder.bring_in(columns) for name in operation.inputs}
    result = operation.program(recorder, *signals.values())
    return recorder.finish(
        [x for name, x in signals.items() if name not in operation.shared],
        [x for name, x in signals.items() if name in operation.shared],
        result if isinstance(result, tuple) else (result,),
    )

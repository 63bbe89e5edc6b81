"""Turns an operation's program into a schedule: what each stage starts on each unit and moves through SRAM.

A *stage* is work that streams together. Unchained, the primitives that depend on nothing but earlier stages form one:
a pass over the vector that reads its operands from SRAM and writes its results there. Chained (as vector processors
forward results from unit to unit since the Cray-1), a stage goes on until a value is needed that is only known once the
whole row has been seen: a reduction that is broadcast back over its row. One rule covers both: a value that is used
within its own stage is forwarded; one that leaves its stage is written to SRAM and read back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from pimsim.asic.datapath import PRIMITIVES, Datapath, Unit
from pimsim.asic.operations import find
from pimsim.asic.spec import BF16_BYTES, AsicSpec


class Stage(NamedTuple):
    """One stage's work for one row of the vector."""

    adds: int
    multiplies: int
    read_bytes: int
    write_bytes: int
    live_bytes: int  # in SRAM while it runs; a result takes the place of an operand that is not needed any more
    depth: int  # cycles through the longest chain of units, whatever the number of rows


@dataclass(frozen=True)
class Schedule:
    """The stages of an operation, and the bytes that a row brings in and puts out."""

    stages: tuple[Stage, ...]
    input_bytes: int
    output_bytes: int
    shared_bytes: int  # inputs that are the same for every row

    @property
    def outside_bytes(self) -> int:
        """SRAM held by a row that is waiting for its turn or done."""
        return max(self.input_bytes, self.output_bytes)


@dataclass(eq=False, slots=True)
class Signal:
    """A value during recording: one row of ``columns`` elements, made in ``stage`` (-1: it came in)."""

    columns: int
    stage: int
    element_bytes: int
    depth: int = 0  # of the chain of units behind it, within its stage
    readers: set[int] = field(default_factory=set)  # stages
    last: int = -1  # stage that needs it last

    @property
    def bytes(self) -> int:
        return self.columns * self.element_bytes

    @property
    def leaves(self) -> bool:
        """Whether it is needed after the stage that makes it, and so goes to SRAM."""
        return self.last > self.stage


@dataclass(slots=True)
class _Work:
    """A stage while it is being filled."""

    adds: int = 0
    multiplies: int = 0
    read_bytes: int = 0
    depth: int = 0


class Recorder(Datapath[Signal]):
    """Runs a program on shapes instead of numbers and records what it takes."""

    def __init__(self, spec: AsicSpec):
        self.spec = spec
        self._element_bytes = spec.element_bytes
        self._work: list[_Work] = []
        self._signals: list[Signal] = []

    def bring_in(self, columns: int) -> Signal:
        """A bf16 vector of ``columns`` elements that is in SRAM when the operation starts."""
        signal = Signal(columns, -1, BF16_BYTES)
        self._signals.append(signal)
        return signal

    def columns(self, x: Signal) -> int:
        return x.columns

    def apply(self, primitive: str, *operands: Signal | float) -> Signal:
        signals = [x for x in operands if isinstance(x, Signal)]
        columns = max([x.columns for x in signals])
        return self._start(PRIMITIVES[primitive], columns, columns, signals)

    def fold(self, primitive: str, x: Signal) -> Signal:
        pairs = x.columns // 2
        return self._start(PRIMITIVES[primitive], pairs, x.columns - pairs, [x])

    def _start(self, unit: Unit, starts: int, columns: int, operands: list[Signal]) -> Signal:
        """``starts`` operations on ``unit`` that turn ``operands`` into a row of ``columns`` elements."""
        index = max([self._earliest(x, columns) for x in operands])
        if index == len(self._work):
            self._work.append(_Work())
        work = self._work[index]
        if unit is Unit.ADDER:
            work.adds += starts
            depth = self.spec.add_depth
        else:
            work.multiplies += starts
            depth = self.spec.multiply_depth
        behind = 0  # depth of the chain that this operation continues
        for x in operands:
            if x.stage == index:
                behind = max(behind, x.depth)
            elif index not in x.readers:
                work.read_bytes += x.bytes
            x.readers.add(index)
            x.last = max(x.last, index)
        result = Signal(columns, index, self._element_bytes, behind + depth)
        work.depth = max(work.depth, result.depth)
        self._signals.append(result)
        return result

    def _earliest(self, x: Signal, columns: int) -> int:
        """First stage in which a row of ``columns`` elements can be made from ``x``."""
        forwarded = self.spec.chained and x.stage >= 0 and x.columns >= columns
        return x.stage if forwarded else x.stage + 1

    def finish(self, inputs: list[Signal], shared: list[Signal], outputs: tuple[Signal, ...]) -> Schedule:
        """Close the program: ``outputs`` are kept, as bf16. One that does nothing still holds its vector for a stage."""
        for x in outputs:
            x.last = len(self._work)
            x.element_bytes = BF16_BYTES
        input_bytes = sum(x.bytes for x in inputs)
        output_bytes = sum(x.bytes for x in outputs)
        stages = self._stages([x for x in self._signals if x not in shared and x.leaves])
        at_rest = Stage(0, 0, 0, 0, live_bytes=max(input_bytes, output_bytes), depth=0)
        return Schedule(stages or (at_rest,), input_bytes, output_bytes, sum(x.bytes for x in shared))

    def _stages(self, signals: list[Signal]) -> tuple[Stage, ...]:
        """The recorded stages, given all the ``signals`` that spend time in SRAM."""
        count = len(self._work)
        born, dying, change = [0] * (count + 1), [0] * (count + 1), [0] * (count + 2)
        for x in signals:  # written in stage born, kept for the stages between, needed last in stage dying
            born[x.stage] += x.bytes if x.stage >= 0 else 0
            dying[x.last] += x.bytes
            change[x.stage + 1] += x.bytes
            change[x.last] -= x.bytes
        kept = accumulate(change)
        return tuple(
            Stage(
                adds=work.adds,
                multiplies=work.multiplies,
                read_bytes=work.read_bytes,
                write_bytes=written,
                live_bytes=waiting + max(written, read_last),
                depth=work.depth,
            )
            for work, written, read_last, waiting in zip(self._work, born, dying, kept, strict=False)
        )


@lru_cache(maxsize=4096)
def schedule(spec: AsicSpec, kind: str, columns: int) -> Schedule:
    """The schedule of ``kind`` on rows of ``columns`` elements (1 for kinds that work element by element).

    Raises :class:`~pimsim.errors.InputError` for an unknown kind or one that this ASIC lacks hardware for.
    """
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

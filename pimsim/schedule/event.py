"""What happens to the scheduler (events) and what it wants done (actions).

All are immutable and compare by value, so a log of them can be replayed and two runs be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pimsim.schedule.kv import Allocation
from pimsim.schedule.request import Request


@dataclass(frozen=True, slots=True)
class Arrive:
    """Requests are there, in this order."""

    t_fs: int
    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """The iteration of ``lane`` has ended."""

    t_fs: int
    lane: int = 0


@dataclass(frozen=True, slots=True)
class Stop:
    """A user cancels a request, or it failed. If an iteration with it is in flight, it ends with that. Unknown ones are ignored."""

    t_fs: int
    request: int
    why: Literal["cancelled", "failed"] = "cancelled"


Event = Arrive | Done | Stop


@dataclass(frozen=True, slots=True)
class Work:
    """One request's part of an iteration.

    Attributes:
        tokens: tokens taken in: 1 while decoding, more of a prompt.
        context: tokens attended by the last of them, itself included; also the tokens cached afterwards.
        generates: whether a token is generated; not by the first chunks of a prompt.
        kv: its channel and its rows, those of ``tokens`` included.
    """

    request: int
    tokens: int
    context: int
    generates: bool
    kv: Allocation


@dataclass(frozen=True, slots=True)
class Admit:
    """A request gets ``rows`` rows of ``channel``. ``recovers``: tokens it had generated before it was preempted."""

    t_fs: int
    request: int
    lane: int
    channel: int
    rows: int
    recovers: int = 0


@dataclass(frozen=True, slots=True)
class Reject:
    """A request is turned away."""

    t_fs: int
    request: int
    why: str


@dataclass(frozen=True, slots=True)
class Preempt:
    """A request loses its ``rows`` rows and waits again."""

    t_fs: int
    request: int
    rows: int


@dataclass(frozen=True, slots=True)
class Run:
    """Run an iteration and answer with :class:`Done`. One sub-batch, or two to interleave."""

    t_fs: int
    lane: int
    iteration: int
    sub_batches: tuple[tuple[Work, ...], ...]

    @property
    def work(self) -> tuple[Work, ...]:
        """The whole batch."""
        return tuple(work for batch in self.sub_batches for work in batch)


@dataclass(frozen=True, slots=True)
class Emit:
    """Each of these requests has its next token."""

    t_fs: int
    lane: int
    requests: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """A request has all its tokens; its ``rows`` rows are free."""

    t_fs: int
    request: int
    rows: int


@dataclass(frozen=True, slots=True)
class Drop:
    """A request was stopped; its ``rows`` rows (0: it was waiting) are free."""

    t_fs: int
    request: int
    why: str
    rows: int


Action = Admit | Reject | Preempt | Run | Emit | Finish | Drop

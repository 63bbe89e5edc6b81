"""A request and its life: waiting -> running -> finished, with the ways out of it.

``waiting`` until the scheduler admits it into a channel; ``running`` until its last token; from there it is ``finished``. It
may be ``rejected`` on arrival (it can never fit), ``preempted`` (its KV space is taken back, it waits again and computes its
keys and values anew), or stopped at any time (``cancelled`` by its user, ``failed``).

One rule drives prefill, decoding and recovery alike. A request *knows* ``input_tokens + generated`` tokens, of which ``cached``
have their keys and values in memory. An iteration takes in some of the tokens between; once it has taken in the last, one more
token is generated. So decoding is taking in one token; a prompt is taken in at once or in chunks (Sarathi-Serve, Agrawal et al.,
OSDI 2024); ``prefill: elsewhere`` starts with all tokens cached but the last, as :mod:`pimsim.model.lowering` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pimsim.schedule.kv import Allocation


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asks for. ``channel``: where the request file wants it; None: anywhere."""

    id: int
    arrival_fs: int
    input_tokens: int
    output_tokens: int
    channel: int | None = None

    @property
    def cached_at_most(self) -> int:
        """Tokens in the KV cache when its last token is generated (which itself is never stored)."""
        return self.input_tokens + self.output_tokens - 1


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request in the queue. ``order`` counts arrivals: the queue is sorted by it."""

    request: Request
    order: int
    generated: int = 0

    @property
    def known(self) -> int:
        """Tokens it has, its own and generated ones (before it was preempted)."""
        return self.request.input_tokens + self.generated


class Running(NamedTuple):
    """An admitted request. (A tuple because every iteration makes new ones of all that run: ``_replace`` is quick.)

    Attributes:
        lane: the batch it belongs to; see :mod:`pimsim.schedule.iteration`.
        cached: tokens whose keys and values are in memory.
        generated: output tokens so far.
        step: tokens that the iteration in flight takes in; 0: it is not part of one.
        stop: why it ends with the iteration in flight; empty: it does not.
    """

    request: Request
    order: int
    lane: int
    kv: Allocation
    cached: int
    generated: int
    step: int = 0
    stop: str = ""

    @property
    def known(self) -> int:
        """Tokens it has, its own and generated ones."""
        return self.request.input_tokens + self.generated

    @property
    def pending(self) -> int:
        """Tokens still to be taken in before the next is generated; 1 while decoding."""
        return self.known - self.cached

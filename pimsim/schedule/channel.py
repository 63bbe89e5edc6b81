"""Which channel a request goes to: its keys and values lie there, so there its attention is computed.

The iteration waits for the channel with the most work. Round robin spreads requests, least load spreads their tokens, and the
paper's way (NeuPIMs, arXiv 2403.00579, algorithm 1) is greedy bin packing over the estimated cycles: longest request first, each
to the channel that is done earliest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Assignment = Literal["given", "round-robin", "least-load", "estimate"]
"""given: the channel in the request file, for those without one ``estimate``."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A request that wants a channel: its context in tokens, the rows it needs, the channel it asks for."""

    context: int
    rows: int
    channel: int | None = None


def assign(policy: Assignment, candidates: Sequence[Candidate], loads: Sequence[int], room: Sequence[int],
           cost: Callable[[int], int], turn: int) -> tuple[list[int], int]:
    """Channels for the first of ``candidates``, up to the first that fits nowhere (none may overtake another).

    Args:
        loads: work in each channel now, as ``cost`` measures it.
        room: free rows of each channel.
        cost: work of a context; see :func:`cost_of`.
        turn: the channel whose turn it is under round robin.

    Returns:
        a channel for each candidate that fits, and whose turn it is next.
    """
    packing = _Packing(policy, loads, room, cost, turn)
    channels: list[int] = []
    for candidate in candidates:
        channel = packing.place(candidate)
        if channel is None:
            break
        channels.append(channel)
    if policy in ("given", "estimate"):
        channels = _longest_first(_Packing(policy, loads, room, cost, turn), candidates[: len(channels)]) or channels
    return channels, packing.turn


def cost_of(policy: Assignment, estimate: Callable[[int], int]) -> Callable[[int], int]:
    """How ``policy`` measures a context: in tokens, or in estimated cycles."""
    return estimate if policy in ("given", "estimate") else _tokens


def _tokens(context: int) -> int:
    return context


def _longest_first(packing: _Packing, candidates: Sequence[Candidate]) -> list[int] | None:
    """Channels of ``candidates``, packed by falling context; None if they do not all fit that way."""
    chosen: dict[int, int] = {}
    for i in sorted(range(len(candidates)), key=lambda i: -candidates[i].context):
        channel = packing.place(candidates[i])
        if channel is None:
            return None
        chosen[i] = channel
    return [chosen[i] for i in range(len(candidates))]


class _Packing:
    """Channels being filled."""

    def __init__(self, policy: Assignment, loads: Sequence[int], room: Sequence[int], cost: Callable[[int], int], turn: int):
        self._policy, self._cost, self.turn = policy, cost, turn
        self._loads, self._room = list(loads), list(room)

    def place(self, candidate: Candidate) -> int | None:
        """The channel of ``candidate``, which is then in it; None if none has room."""
        channel = self._choose(candidate)
        if channel is not None:
            self._loads[channel] += self._cost(candidate.context)
            self._room[channel] -= candidate.rows
        return channel

    def _choose(self, candidate: Candidate) -> int | None:
        if self._policy == "given" and candidate.channel is not None:
            return candidate.channel if self._room[candidate.channel] >= candidate.rows else None
        fitting = [c for c, room in enumerate(self._room) if room >= candidate.rows]
        if not fitting:
            return None
        if self._policy == "round-robin":
            channel = min(fitting, key=lambda c: (c - self.turn) % len(self._room))
            self.turn = (channel + 1) % len(self._room)
            return channel
        return min(fitting, key=lambda c: self._loads[c])

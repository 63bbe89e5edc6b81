"""Transfers of which each channel has a part of its own: places of the requests that live in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pimsim.devices.lane import Places
from pimsim.devices.stage import Member

EMPTY: Places = (np.zeros(0, np.int64),) * 3


class Own:
    """A transfer: ``places`` says what is a channel's own, which nothing but its ``members`` decides."""

    def __init__(self, places: Callable[[int], Places], members: Sequence[Member]):
        self.places = places
        self._keys = {channel: signature(mine) for channel, mine in by_channel(members).items()}

    def key(self, channel: int) -> object:
        """Equal for channels that have the same part."""
        return self._keys.get(channel, ())


def signature(members: Sequence[Member]) -> object:
    """What decides the work that a channel's requests give it."""
    return tuple((m.context, m.tokens, m.rows.k.tobytes(), m.rows.v.tobytes()) for m in members)


def by_channel(members: Sequence[Member]) -> dict[int, list[Member]]:
    """The members of each channel, in order."""
    out: dict[int, list[Member]] = {}
    for member in members:
        out.setdefault(member.channel, []).append(member)
    return out


def join(places: Sequence[Places]) -> Places:
    """Several places as one."""
    kept = [p for p in places if len(p[0])]
    if not kept:
        return EMPTY
    bank, row, column = (np.concatenate(part) for part in zip(*kept, strict=True))
    return bank, row, column

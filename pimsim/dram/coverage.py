"""Does a standard say something about every two commands that can follow one another?

A forgotten row is the error that no run shows: the simulator is merely a little too fast. So each ordered pair of commands must
be covered by a constraint row, or be listed in the standard's ``free`` with the reason why nothing keeps the two apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from pimsim.dram.spec import LEVELS, Command, Effect, Standard

_OPEN, _CLOSED, _NAMED, _ANY = "open", "closed", "named", "any"

_LEAVES = {
    Effect.ACTIVATE: _OPEN,
    Effect.ACTIVATE_FIRST: _NAMED,
    Effect.PRECHARGE: _CLOSED,
    Effect.READ: _OPEN,
    Effect.WRITE: _OPEN,
    Effect.COMPUTE: _OPEN,
    Effect.READ_PRECHARGE: _CLOSED,
    Effect.WRITE_PRECHARGE: _CLOSED,
    Effect.REFRESH: _CLOSED,
}
"""State in which a command leaves the banks it addresses; the others leave them as they are."""

_NEEDS = {
    Effect.ACTIVATE: _CLOSED,
    Effect.ACTIVATE_FIRST: _CLOSED,
    Effect.READ: _OPEN,
    Effect.WRITE: _OPEN,
    Effect.COMPUTE: _OPEN,
    Effect.READ_PRECHARGE: _OPEN,
    Effect.WRITE_PRECHARGE: _OPEN,
    Effect.REFRESH: _CLOSED,
}
"""State in which a command must find them; a precharge may find anything, an idle bank included."""


@dataclass(frozen=True, slots=True)
class Pair:
    """``after`` behind ``before``, ``place`` being the narrowest level that they share."""

    place: str
    before: str
    after: str


def _can_follow(standard: Standard, before: Command, after: Command) -> bool:
    """May ``after`` come right behind ``before`` where both address a bank?"""
    if before.row_buffer != after.row_buffer:
        return True
    leaves = _LEAVES.get(before.effect, _ANY)
    needs = _NEEDS.get(after.effect, _ANY)
    if after.name == standard.activate_second:
        needs = _NAMED
    if leaves == _NAMED:
        return needs == _NAMED or after.effect in (Effect.MODE, Effect.REGISTER_WRITE, Effect.REGISTER_READ)
    return _ANY in (leaves, needs) or leaves == needs


def _places(standard: Standard) -> tuple[str, ...]:
    scopes = {c.scope for c in standard.commands}
    return tuple(level for level in LEVELS if level in standard.levels or level in scopes)


def pairs(standard: Standard) -> list[Pair]:
    """Every ordered pair of commands that can follow one another, at every place where the two can meet."""
    places = _places(standard)
    found = []
    for before in standard.commands:
        for after in standard.commands:
            shared = min(places.index(before.scope), places.index(after.scope))
            for at, place in enumerate(places[: shared + 1]):
                # apart at the next narrower level, of which there are several; or at the same node
                apart = at < shared and places[at + 1] in standard.levels
                if apart or (at == shared and _can_follow(standard, before, after)):
                    found.append(Pair(place, before.name, after.name))
    return found


def covered(standard: Standard) -> set[Pair]:
    """The pairs that a pairwise or sibling row speaks of (an activation window says nothing about two commands)."""
    places = _places(standard)
    scope = {c.name: LEVELS.index(c.scope) for c in standard.commands}
    found: set[Pair] = set()
    for row in standard.constraints:
        if row.window > 1:
            continue
        for before in row.before:
            for after in row.after:
                level = min(LEVELS.index(row.scope), scope[before], scope[after])
                if row.sibling:
                    found.add(Pair([p for p in places if LEVELS.index(p) < level][-1], before, after))
                else:
                    found |= {Pair(p, before, after) for p in places if LEVELS.index(p) >= level}
    return found


def freed(standard: Standard) -> dict[Pair, str]:
    """The pairs that ``standard.free`` lists, and why."""
    everything = tuple(c.name for c in standard.commands)
    return {
        Pair(place, before, after): entry.reason
        for entry in standard.free
        for place in entry.places
        for before in (everything if entry.before == ("*",) else entry.before)
        for after in (everything if entry.after == ("*",) else entry.after)
    }


def uncovered(standard: Standard) -> list[Pair]:
    """The pairs that neither a row nor ``standard.free`` speaks of: empty for a finished standard."""
    known = covered(standard) | freed(standard).keys()
    return [pair for pair in pairs(standard) if pair not in known]

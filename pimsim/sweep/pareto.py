"""The Pareto front: the points that no other point beats in everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def front(rows: Sequence[Row], objectives: Mapping[str, str], context: Sequence[str] = ()) -> list[bool]:
    """For every row, whether no other row of the same context is as good in all objectives and better in one.

    Args:
        objectives: column -> ``min`` or ``max``.
        context: columns whose values a row is only compared within (the workload: other work takes other time).

    A row that lacks an objective is never on the front; rows that are equal in all objectives are on it together.
    """
    costs = [_cost(row, objectives) for row in rows]
    members: dict[tuple[Any, ...], list[int]] = {}
    for place, row in enumerate(rows):
        members.setdefault(tuple(row.get(name) for name in context), []).append(place)
    on = [False] * len(rows)
    for places in members.values():
        for place in _front(places, costs):
            on[place] = True
    return on


def _cost(row: Row, objectives: Mapping[str, str]) -> tuple[float, ...] | None:
    """What to minimise, objective by objective; None if one is missing."""
    costs: list[float] = []
    for name, way in objectives.items():
        value = row.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
            return None
        costs.append(-value if way == "max" else value)
    return tuple(costs)


def _front(places: list[int], costs: Sequence[tuple[float, ...] | None]) -> list[int]:
    """Those of ``places`` that are not dominated: in the order of their costs, only earlier ones can dominate."""
    kept: list[tuple[tuple[float, ...], int]] = []
    for cost, place in sorted((cost, place) for place in places if (cost := costs[place]) is not None):
        if not any(other != cost and all(a <= b for a, b in zip(other, cost, strict=True)) for other, _ in kept):
            kept.append((cost, place))
    return [place for _, place in kept]

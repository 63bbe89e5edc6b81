"""The front is what no other point beats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.sweep.pareto import front

ROWS = st.lists(st.fixed_dictionaries({"a": st.integers(0, 6), "b": st.integers(0, 6), "c": st.integers(0, 3)}), max_size=25)


def test_a_point_that_is_better_in_nothing_is_not_on_the_front() -> None:
    assert front([{"t": 1, "e": 3}, {"t": 2, "e": 2}, {"t": 2, "e": 3}], {"t": "min", "e": "min"}) == [True, True, False]


def test_more_is_better_where_it_is_said() -> None:
    assert front([{"v": 1}, {"v": 3}, {"v": 2}], {"v": "max"}) == [False, True, False]


def test_equal_points_are_on_it_together() -> None:
    assert front([{"v": 1}, {"v": 1}], {"v": "min"}) == [True, True]


@pytest.mark.parametrize("value", [None, float("nan"), "fast", True])
def test_a_point_without_a_number_is_not_on_it(value: object) -> None:
    assert front([{"v": value}, {"v": 9}], {"v": "min"}) == [False, True]


def test_points_of_other_work_are_not_compared() -> None:
    rows = [{"v": 1, "workload": "a"}, {"v": 2, "workload": "b"}]
    assert front(rows, {"v": "min"}, ["workload"]) == [True, True]


@given(ROWS)
def test_it_is_what_the_definition_says(rows: list[dict[str, int]]) -> None:
    ways = {"a": "min", "b": "max", "c": "min"}

    def beats(p: dict[str, int], q: dict[str, int]) -> bool:
        pairs = [(p[n], q[n]) if way == "min" else (q[n], p[n]) for n, way in ways.items()]
        return all(x <= y for x, y in pairs) and any(x < y for x, y in pairs)

    assert front(rows, ways) == [not any(beats(p, q) for p in rows) for q in rows]

"""Which points there are, and in which order."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.config.sweep import load_sweep
from pimsim.errors import InputError
from pimsim.sweep.space import Space

VALUES = st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True)


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    axes = {f"a.x{i}": draw(VALUES) for i in range(draw(st.integers(0, 3)))}
    groups = []
    for number in range(draw(st.integers(0, 2))):
        length = draw(st.integers(1, 3))
        values = st.lists(st.integers(0, 9), min_size=length, max_size=length, unique=True)
        groups.append({f"z.{number}.{i}": draw(values) for i in range(draw(st.integers(1, 3)))})
    return {"system": draw(st.sampled_from(["a", ["a", "b"]])), "axes": axes, "zip": groups}


def test_the_last_axis_changes_fastest() -> None:
    space = Space(load_sweep({"axes": {"a.x": [1, 2], "a.y": [3, 4]}}))
    assert [(v["a.x"], v["a.y"]) for v in space.combinations()] == [(1, 3), (1, 4), (2, 3), (2, 4)]


def test_a_group_goes_along() -> None:
    space = Space(load_sweep({"zip": [{"a.x": [1, 2], "a.y": [3, 4]}]}))
    assert [(v["a.x"], v["a.y"]) for v in space.combinations()] == [(1, 3), (2, 4)]


def test_conditions_leave_out_and_say_why() -> None:
    sweep = load_sweep({"axes": {"a.x": [1, 2, 3]}, "when": "a.x > 1", "exclude": [{"where": "a.x == 3", "reason": "too many"}]})
    points, excluded = Space(sweep).divided()
    assert [v["a.x"] for v in points] == [2]
    assert [(e.values["a.x"], e.reason) for e in excluded] == [(1, "not a.x > 1"), (3, "too many")]


def test_a_sweep_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="none of the 2 combinations is left to run"):
        Space(load_sweep({"axes": {"a.x": [1, 2]}, "when": "a.x > 2"})).divided()


def test_a_space_too_large_to_look_at_is_refused_without_looking() -> None:
    with pytest.raises(InputError, match="1,000,000,000,000 combinations"):
        Space(load_sweep({"axes": {f"a.{i}": {"range": [1, 10_000]} for i in range(3)}})).divided()


@given(specs())
def test_there_are_as_many_combinations_as_the_axes_multiply_to(spec: dict[str, Any]) -> None:
    space = Space(load_sweep(spec))
    combinations = list(space.combinations())
    expected = len(spec["system"]) if isinstance(spec["system"], list) else 1
    for values in spec["axes"].values():
        expected *= len(values)
    for group in spec["zip"]:
        expected *= len(next(iter(group.values())))
    assert len(combinations) == space.size == expected


@given(specs())
def test_every_combination_comes_once_and_has_a_value_for_every_axis(spec: dict[str, Any]) -> None:
    space = Space(load_sweep(spec))
    seen = [tuple(values.items()) for values in space.combinations()]
    assert len(set(seen)) == len(seen)
    assert all(tuple(name for name, _ in values) == space.names for values in seen)


@given(specs(), st.integers(0, 9))
def test_points_and_what_is_left_out_are_all_combinations(spec: dict[str, Any], least: int) -> None:
    if "a.x0" not in spec["axes"]:
        return
    space = Space(load_sweep(spec | {"when": f"a.x0 >= {least}"}))
    expected = [values for values in space.combinations() if values["a.x0"] >= least]
    if not expected:
        with pytest.raises(InputError):
            space.divided()
        return
    points, excluded = space.divided()
    assert points == expected
    assert len(points) + len(excluded) == space.size

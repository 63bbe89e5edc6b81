"""A sweep's file: what its axes are, and everything that can be wrong with it, at its place."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim import assets
from pimsim.config.sweep import SweepConfig, load_sweep
from pimsim.errors import InputError


def axis(given: Any) -> tuple[Any, ...]:
    return load_sweep({"axes": {"a.b": given}}).axes["a.b"]


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ([1, 2], (1, 2)),
        (7, (7,)),
        ("16 Gb/s", ("16 Gb/s",)),
        ([True, 1, "1"], (True, 1, "1")),
        ({"range": [2, 8, 2]}, (2, 4, 6, 8)),
        ({"range": [2, 4]}, (2, 3, 4)),
        ({"range": [8, 2, -3]}, (8, 5, 2)),
        ({"range": [0.1, 0.3, 0.1]}, (0.1, 0.2, 0.3)),
        ({"range": ["200 MHz", "1 GHz", "400 MHz"]}, ("200 MHz", "600 MHz", "1000 MHz")),
        ({"range": ["1 GHz", "2 GHz", "0.5 GHz"]}, ("1 GHz", "1.5 GHz", "2 GHz")),
        ({"log2": [128, 1024]}, (128, 256, 512, 1024)),
        ({"log2": ["1 KiB", "5 KiB"]}, ("1 KiB", "2 KiB", "4 KiB")),
        ({"log2": [3, 3]}, (3,)),
    ],
)
def test_values_of_an_axis(given: Any, values: tuple[Any, ...]) -> None:
    assert axis(given) == values
    assert [type(a) for a in axis(given)] == [type(b) for b in values]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "an axis without values"),
        ({"range": [4, 2]}, "the range from 4 to 2 is empty"),
        ({"range": [2, 4, -1]}, "the range from 2 to 4 is empty"),
        ({"log2": [8, 4]}, "the log2 from 8 to 4 is empty"),
        ({"range": ["2 GHz", "1 GHz", "1 MHz"]}, "the range from 2 GHz to 1 GHz is empty"),
        ({"range": [1, 2, 0]}, "a step of zero"),
        ({"range": [0, 10**9]}, "more than 10,000 values"),
        ({"log2": [0, 4]}, "log2 from 0"),
        ({"range": [1]}, "first, last, step"),
        ({"log2": [1, 2, 3]}, "first, last"),
        ({"range": [1, "2 GHz"]}, "different kinds of quantities"),
        ({"range": ["1 ns", "2 GHz", "1 GHz"]}, "different kinds of quantities"),
        ({"range": [1, "fast"]}, "is not a quantity"),
        ({"range": [1, float("inf")]}, "is not a number"),
        ({"log": [1, 2]}, "a mapping with log"),
        ([1, 2, 1], "'1' twice"),
        ([1, None], "an empty value"),
        (None, "an empty value"),
        ([[1]], "a list or mapping as a value"),
        (list(range(10_001)), "at most 10,000"),
    ],
)
def test_axes_that_are_wrong(given: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        axis(given)
    assert said in str(caught.value)


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-9, 9))
def test_a_range_is_that_of_python_with_its_end(first: int, last: int, step: int) -> None:
    expected = tuple(range(first, last + (1 if step > 0 else -1), step)) if step else ()
    if expected:
        assert axis({"range": [first, last, step]}) == expected
    else:
        with pytest.raises(InputError):
            axis({"range": [first, last, step]})


WRONG = """\
axes:
  memory.channels: [2, 4]
  asic.clock: []
zip:
  - memory.banks: [8, 16]
    memory.bankgroups: [2]
  - memory.channels: [1]
when: memory.chanels > 2
exclude:
  - where: asic.clok > '1 GHz'
    reason: too fast
baseline: {memory.channels: 3, memory.rows: 5}
objectives: {time_s: least}
mertics: [time_s]
"""


def problems(text: str, path: Path) -> list[str]:
    file = path / "s.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        load_sweep(file)
    return [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems]


def test_everything_that_is_wrong_is_said_at_its_place(tmp_path: Path) -> None:
    assert problems(WRONG, tmp_path) == [
        "3:15: axes.asic.clock: an axis without values; at least one value",
        "13:22: objectives.time_s: 'least' is not a choice here; allowed: min, max",
        "14:1: mertics: unknown key 'mertics'; did you mean 'metrics'?",
    ]


def test_what_does_not_fit_together_is_said_at_its_place(tmp_path: Path) -> None:
    right = WRONG.replace("[]", "[1 GHz]").replace("least", "min").replace("mertics", "metrics")
    assert problems(right, tmp_path) == [
        "5:5: zip.0: axes of different lengths: memory.banks 2, memory.bankgroups 1; equally many values",
        "7:5: zip.1.memory.channels: is given twice; once",
        "8:7: when: 'memory.chanels' is no axis of this sweep; did you mean 'memory.channels'?",
        "10:12: exclude.0.where: 'asic.clok' is no axis of this sweep; did you mean 'asic.clock'?",
        "12:29: baseline.memory.channels: '3' is no value of this axis; known: 1",
        "12:32: baseline.memory.rows: 'memory.rows' is no axis of this sweep; did you mean 'memory.bankgroups'?",
    ]


def test_a_condition_that_is_none_is_said_at_its_place(tmp_path: Path) -> None:
    (said,) = problems("when:\n  - open('x')\n", tmp_path)
    assert said.startswith("2:5: when.0: 'open('x')' cannot stand in a condition; ")


def test_a_value_may_come_again_in_a_group_but_not_a_whole_row() -> None:
    load_sweep({"zip": {"a.x": [1, 1, 2], "a.y": [3, 4, 3]}})
    with pytest.raises(InputError, match="zip: twice: a.x 1, a.y 3; every combination once"):
        load_sweep({"zip": {"a.x": [1, 1, 2, 1], "a.y": [3, 4, 3, 3]}})


def test_system_and_workload_may_be_axes() -> None:
    sweep = load_sweep({"axes": {"system": ["a", "b"]}, "zip": [{"workload": ["x", "y"], "p.q": [1, 2]}]})
    assert list(sweep.all_axes) == ["system", "workload", "p.q"]


def test_system_cannot_be_given_twice() -> None:
    with pytest.raises(InputError, match="given twice"):
        load_sweep({"system": "a", "axes": {"system": ["a", "b"]}})


@pytest.mark.parametrize("name", assets.list_assets("sweep"))
def test_a_shipped_sweep_is_read_and_means_the_same_written_out(name: str) -> None:
    sweep = load_sweep(name)
    again = load_sweep({key: value for key, value in sweep.model_dump(mode="json").items() if value is not None})
    assert again.model_dump() == sweep.model_dump()


def test_the_schema_knows_every_key() -> None:
    assert set(SweepConfig.model_json_schema()["properties"]) == set(SweepConfig.model_fields)

"""Conditions are evaluated exactly, and nothing but what is listed."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.config.condition import Condition
from pimsim.errors import InputError

VALUES = {"workload": "gpt2-xl", "memory.channels": 8, "memory.pin_rate": "16 Gb/s", "asic.clock": "500 MHz", "x": 0.1, "on": True}


@pytest.mark.parametrize(
    "text",
    [
        "memory.channels == 8", "memory.channels >= 8 and workload == 'gpt2-xl'", "not memory.channels < 8", "memory.channels % 3 == 2",
        "2 < memory.channels <= 8", "workload in ['gpt2-xl', 'gpt2-small']", "workload not in ('a', 'b')", "memory.pin_rate > '8 Gb/s'",
        "memory.pin_rate == '16000 Mb/s'", "asic.clock <= '0.5 GHz'", "memory.pin_rate != '16 GHz'", "x == 0.1", "-memory.channels < 0",
        "memory.channels * 2 + 1 == 17", "memory.channels / 16 == 0.5", "memory.channels // 3 == 2", "on", "on == True",
        "workload == 'a' or memory.channels - 1 == 7", "memory.channels in [4, 8]",
    ],
)  # fmt: skip
def test_it_holds(text: str) -> None:
    assert Condition(text).holds(VALUES)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')", "a.b()", "a[0]", "1 if on else 2", "[x for x in y]", "lambda: 1", "(x := 3)", "f'{x}'", "{1: 2}",
        "x ** 2", "x << 2", "x is None", "", "x ==", "x = 3", "x; y", "'a'.b == 3", "b'x' == x", "None", "1j",
    ],
)  # fmt: skip
def test_nothing_else_can_stand_in_one(text: str) -> None:
    with pytest.raises(InputError):
        Condition(text).names  # noqa: B018


@pytest.mark.parametrize(
    "text",
    ["workload < 3", "memory.pin_rate > 8", "memory.pin_rate > asic.clock", "memory.channels / 0 > 1", "workload % 3 == 1", "'%99s' % 1",
     "workload + 'a' == 'b'", "3 in workload", "memory.channels in 8", "on + 1 == 2"],
)  # fmt: skip
def test_what_cannot_be_compared_is_an_error(text: str) -> None:
    with pytest.raises(InputError, match="has no value for"):
        Condition(text).holds(VALUES)


def test_names_are_paths_in_order() -> None:
    assert Condition("b.c > 1 and a in [b.c, 'd']").names == ["b.c", "a"]


def test_a_very_long_condition_is_refused() -> None:
    with pytest.raises(InputError, match="at most"):
        Condition("1 + " * 600 + "1 > 2").names  # noqa: B018


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_an_input_error(text: str) -> None:
    with contextlib.suppress(InputError):
        Condition(text).holds(dict.fromkeys(Condition(text).names, 1))


@given(st.integers(-1000, 1000), st.integers(-1000, 1000))
def test_whole_numbers_compare_as_in_python(a: int, b: int) -> None:
    assert Condition("a < b").holds({"a": a, "b": b}) == (a < b)
    assert Condition("a * b - a == b").holds({"a": a, "b": b}) == (a * b - a == b)

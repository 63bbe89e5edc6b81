"""Field types take quantities with units, refuse the rest with reasons, and write themselves back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from pimsim.config import quantity
from pimsim.units import Duration


def adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(getattr(quantity, kind))


def refused(kind: str, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        adapter(kind).validate_python(value)
    (error,) = caught.value.errors()
    return str(error["msg"])


@pytest.mark.parametrize(
    ("kind", "value", "number", "text"),
    [
        ("Time", "0.57 ns", 570_000, "0.57 ns"),
        ("Size", "2 KiB", 2048, "2 KiB"),
        ("Size", 48, 48, "48 B"),
        ("Frequency", "1 GHz", 10**9, "1 GHz"),
        ("Frequency", "1.5 GHz", 1_500_000_000, "1500 MHz"),
        ("Rate", "16 Gb/s", 16 * 10**9, "16 Gb/s"),
        ("Bandwidth", "32 GB/s", 32 * 10**9, "32 GB/s"),
        ("Voltage", "1.25 V", 1.25, "1.25 V"),
        ("Current", "71 mA", 0.071, "0.071 A"),
        ("Power", "149.29 mW", 0.14929, "0.14929 W"),
        ("Energy", "2.95 nJ", 2.95e-9, "2.95e-09 J"),
        ("EnergyPerBit", "5.5 pJ/bit", 5.5e-12, "5.5e-12 J/bit"),
        ("Area", "0.64 mm2", 0.64, "0.64 mm2"),
        ("Timing", "12 ns", Duration(fs=12_000_000), "12 ns"),
        ("Timing", 27, Duration(cycles=27), "27 ck"),
        ("Count", 8, 8, 8),
        ("Count", 1e9, 10**9, 10**9),
        ("Whole", 0, 0, 0),
        ("Factor", 1, 1.0, 1.0),
        ("Fraction", 0.5, 0.5, 0.5),
    ],
)
def test_a_quantity_becomes_a_number_and_is_written_back(
    kind: str, value: object, number: object, text: object
) -> None:
    assert adapter(kind).validate_python(value) == number
    assert adapter(kind).dump_python(number, mode="json") == text
    assert adapter(kind).validate_python(text) == number


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("Time", "0 ns", "0 ns is zero"),
        ("Time", "-1 ns", "-1 ns is below zero"),
        ("Size", "1.5 B", "'1.5 B' is not a whole number of B"),
        ("Size", True, "True is not a size"),
        ("Frequency", 10**9, "'1000000000' has no unit"),
        ("Current", "-1 mA", "-1 mA is below zero"),
        ("Power", "nan W", "'nan W' is not a quantity"),
        ("Count", 0, "0 is zero"),
        ("Count", 2.5, "2.5 is not a whole number"),
        ("Count", "8", "'8' is not a whole number"),
        ("Count", True, "True is not a whole number"),
        ("Count", None, "is empty"),
        ("Count", float("nan"), "nan is not a whole number"),
        ("Count", float("inf"), "inf is not a whole number"),
        ("Count", 2**70, f"{2**70} is too large"),
        ("Count", [1], "a list is not a value"),
        ("Count", {"a": 1}, "a section is not a value"),
        ("Whole", -1, "-1 is below zero"),
        ("Factor", 0, "0 is zero"),
        ("Factor", float("nan"), "nan is not a finite number"),
        ("Factor", 10**400, "is not a finite number"),
        ("Factor", "1", "'1' is not a number"),
        ("Fraction", 1.1, "1.1 is not between 0 and 1"),
        ("Timing", "1.5 ck", "'1.5 ck' is not a whole number of clocks"),
    ],
)
def test_what_is_not_such_a_quantity_is_refused_with_the_reason(kind: str, value: object, said: str) -> None:
    assert said in refused(kind, value)


@given(st.floats(0, 1e6))
def test_a_power_is_written_back_to_the_last_bit(value: float) -> None:
    power = adapter("Power")
    assert power.validate_python(power.dump_python(value, mode="json")) == value


@pytest.mark.parametrize("kind", ["Time", "Size", "Rate", "Current", "Count", "Whole", "Factor", "Fraction", "Timing"])
def test_every_type_has_a_schema(kind: str) -> None:
    assert "type" in adapter(kind).json_schema()

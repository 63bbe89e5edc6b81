"""Field types: a number with its unit in YAML, a plain number in Python, the same text again when written back.

In Python: times are femtoseconds, sizes bytes, frequencies Hz, rates bits/s (int); V, A, W, J, J/bit, mm2 (float).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from pimsim import units
from pimsim.units import Dimension, Duration, UnitError


def refuse(message: str, allowed: str = "", *, related: bool = False) -> PydanticCustomError:
    """The error a validator raises: what is wrong and what is allowed reach the user as they are.

    ``related``: the value is wrong only beside others of its section.
    """
    return PydanticCustomError("refused", "{problem}", {"problem": message, "allowed": allowed, "related": related})


def _checked(read: Callable[[Any], Any]) -> PlainValidator:
    def validate(value: Any) -> Any:
        if isinstance(value, (dict, list)):
            raise refuse(f"a {'section' if isinstance(value, dict) else 'list'} is not a value", "one value")
        try:
            return read(value)
        except UnitError as error:
            raise refuse(error.message, error.allowed) from None

    return PlainValidator(validate)


def _positive(read: Callable[[Any], Any], *, zero: bool = False) -> Callable[[Any], Any]:
    def positive(value: Any) -> Any:
        number = read(value)
        if number < 0 or (number == 0 and not zero):
            raise UnitError(f"{value} is {'below zero' if number < 0 else 'zero'}",
                            "zero or more" if zero else "more than zero")
        return number

    return positive


def _quantity(dimension: Dimension, text: Callable[[Any], str], *, zero: bool = False) -> Any:
    def read(value: Any) -> int | float:
        return units.parse(value, dimension)

    kinds = ["string", "integer"] if dimension.bare else "string"
    schema = {"type": kinds, "description": f"{dimension.name}: a number and a unit", "examples": [dimension.example]}
    return _checked(_positive(read, zero=zero)), PlainSerializer(text), WithJsonSchema(schema)


def whole_number(value: Any) -> int:
    """``value`` as an int: 8, and 1e9 (YAML writes large whole numbers so), but not 8.5, "8" or true."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UnitError("is empty" if value is None else f"{value!r} is not a whole number", "for example 8")
    if isinstance(value, float) and not (math.isfinite(value) and value.is_integer()):
        raise UnitError(f"{value} is not a whole number", "for example 8")
    if abs(value) > units.INT64_MAX:
        raise UnitError(f"{value} is too large", f"at most {units.INT64_MAX}")
    return int(value)


def real_number(value: Any) -> float:
    """``value`` as a finite float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UnitError(f"{value!r} is not a number", "a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UnitError(f"{value} is not a finite number", "a finite number")
    return number


def _fraction(value: Any) -> float:
    number = real_number(value)
    if not 0 <= number <= 1:
        raise UnitError(f"{value} is not between 0 and 1", "0 to 1")
    return number


def _si(unit: str) -> Callable[[float], str]:
    return lambda value: f"{value!r} {unit}"


Count = Annotated[int, _checked(_positive(whole_number)), WithJsonSchema({"type": "integer", "minimum": 1})]
"""A whole number above zero."""
Whole = Annotated[int, _checked(_positive(whole_number, zero=True)), WithJsonSchema({"type": "integer", "minimum": 0})]
"""A whole number, zero or more."""
Factor = Annotated[float, _checked(_positive(real_number)), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})]
"""A real number above zero."""
Fraction = Annotated[float, _checked(_fraction), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})]
"""A real number from 0 to 1."""

Time = Annotated[int, *_quantity(units.TIME, units.exact_time)]
"""A time above zero, in femtoseconds."""
Size = Annotated[int, *_quantity(units.SIZE, units.exact_size)]
"""A size above zero, in bytes."""
Frequency = Annotated[int, *_quantity(units.FREQUENCY, lambda value: units.exact_whole(value, "Hz"))]
"""A frequency above zero, in Hz."""
Rate = Annotated[int, *_quantity(units.RATE, lambda value: units.exact_whole(value, "b/s"))]
"""A bit rate above zero, in bits a second."""
Bandwidth = Annotated[int, *_quantity(units.BANDWIDTH, lambda value: units.exact_whole(value, "B/s"))]
"""A byte rate above zero, in bytes a second."""
Compute = Annotated[float, *_quantity(units.COMPUTE, _si("FLOP/s"))]
"""Floating-point operations a second, above zero; a multiply-accumulate is two."""
Voltage = Annotated[float, *_quantity(units.VOLTAGE, _si("V"))]
Current = Annotated[float, *_quantity(units.CURRENT, _si("A"), zero=True)]
Power = Annotated[float, *_quantity(units.POWER, _si("W"), zero=True)]
Energy = Annotated[float, *_quantity(units.ENERGY, _si("J"), zero=True)]
EnergyPerBit = Annotated[float, *_quantity(units.ENERGY_PER_BIT, _si("J/bit"), zero=True)]
Area = Annotated[float, *_quantity(units.AREA, _si("mm2"), zero=True)]

Timing = Annotated[
    Duration,
    _checked(units.parse_duration),
    PlainSerializer(str),
    WithJsonSchema({"type": ["string", "integer"], "description": "a time or clocks", "examples": ["12 ns", 27]}),
]
"""A timing parameter: a time ("12 ns") or clocks ("27 ck", 27), zero or more."""

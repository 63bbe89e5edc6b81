"""Quantities with units: "12 ns", "2 KiB", "16 Gb/s", "71 mA", "27 ck".

Every hardware number in a configuration is written with its unit and becomes one number in one base unit here, by
exact rational arithmetic: time is whole femtoseconds (HBM3's half clock is 312.5 ps), sizes are whole bytes,
frequencies whole hertz and rates whole bits a second; everything else is a float in SI units (V, A, W, J, J/bit; mm2
for area). Time never passes through a float, so a nanosecond figure becomes clocks by exactly ceil(t / tCK), the JEDEC
rounding rule.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

FS_PER_PS = 10**3
FS_PER_NS = 10**6
FS_PER_S = 10**15
INT64_MAX = 2**63 - 1
BF16_BITS, BF16_BYTES = 16, 2

_PREFIX = {"f": -15, "p": -12, "n": -9, "u": -6, "µ": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12}
_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?)\s*([^\s\d].*?)?\s*", re.ASCII)


def ceil_div(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)


class UnitError(ValueError):
    """A quantity that cannot be read: ``message`` says what is wrong, ``allowed`` what would be right."""

    def __init__(self, message: str, allowed: str = ""):
        super().__init__(f"{message}; {allowed}" if allowed else message)
        self.message = message
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class Dimension:
    """A kind of quantity: its units as exact factors to the base unit, and whether the base unit comes whole."""

    name: str
    base: str
    units: dict[str, Fraction]
    example: str
    whole: bool = False
    bare: bool = False  # a number without a unit is in the base unit


def _scaled(unit: str, prefixes: str, base_exponent: int = 0) -> dict[str, Fraction]:
    """Units ``<prefix>unit`` for each prefix, "-" standing for none, as factors to 10**base_exponent of ``unit``."""
    chosen = {"" if p == "-" else p: _PREFIX["" if p == "-" else p] for p in prefixes}
    return {prefix + unit: Fraction(10) ** (exponent - base_exponent) for prefix, exponent in chosen.items()}


TIME = Dimension("time", "fs", _scaled("s", "fpnuµm-", -15), "12 ns", whole=True)
SIZE = Dimension(
    "size",
    "B",
    _scaled("B", "-kMGT") | {f"{p}iB": Fraction(1024**i) for i, p in enumerate("KMGT", start=1)},
    "2 KiB",
    whole=True,
    bare=True,
)
FREQUENCY = Dimension("frequency", "Hz", _scaled("Hz", "-kMG"), "1 GHz", whole=True)
RATE = Dimension("rate", "b/s", _scaled("b/s", "-kMGT") | _scaled("bit/s", "-kMGT"), "16 Gb/s", whole=True)
BANDWIDTH = Dimension("bandwidth", "B/s", _scaled("B/s", "-kMGT"), "32 GB/s", whole=True)
COMPUTE = Dimension("computing rate", "FLOP/s", _scaled("FLOP/s", "-kMGT"), "65 TFLOP/s")
VOLTAGE = Dimension("voltage", "V", _scaled("V", "m-"), "1.25 V")
CURRENT = Dimension("current", "A", _scaled("A", "nuµm-"), "71 mA")
POWER = Dimension("power", "W", _scaled("W", "nuµm-k"), "149.29 mW")
ENERGY = Dimension("energy", "J", _scaled("J", "fpnuµm-"), "2.95 nJ")
ENERGY_PER_BIT = Dimension("energy per bit", "J/bit", _scaled("J/bit", "fpn-") | _scaled("J/b", "fpn-"), "5.5 pJ/bit")
AREA = Dimension("area", "mm2", {"mm2": Fraction(1), "um2": Fraction(1, 10**6), "mm²": Fraction(1)}, "0.64 mm2")

_DIMENSIONS = (TIME, SIZE, FREQUENCY, RATE, BANDWIDTH, COMPUTE, VOLTAGE, CURRENT, POWER, ENERGY, ENERGY_PER_BIT, AREA)
_CYCLE_UNITS = ("ck", "nCK", "cycles", "cycle")
_ALL_UNITS = frozenset(_CYCLE_UNITS).union(*(dimension.units for dimension in _DIMENSIONS))


def _split(text: str, example: str) -> tuple[Fraction, str]:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise UnitError(f"'{text}' is not a quantity", f"a number and a unit, for example '{example}'")
    return Fraction(match[1]), match[2] or ""


def is_quantity(text: str) -> bool:
    """Whether ``text`` is a number with a unit of any dimension ("12 ns", "27 ck")."""
    match = _QUANTITY.fullmatch(text)
    return match is not None and match[2] in _ALL_UNITS


def split(text: str) -> tuple[Fraction, str]:
    """Number and unit of a quantity of any dimension. Raises :class:`UnitError` if it is none."""
    number, unit = _split(text, "12 ns")
    if unit not in _ALL_UNITS:
        raise UnitError(f"'{unit}' is not a unit", f"for example '{TIME.example}'")
    return number, unit


def amount(text: str) -> tuple[str, Fraction]:
    """Dimension and exact number of base units of a quantity of any dimension (clocks: "cycles").

    Raises :class:`UnitError` if it is none.
    """
    number, unit = split(text)
    for dimension in _DIMENSIONS:
        if unit in dimension.units:
            return dimension.name, number * dimension.units[unit]
    return "cycles", number


def whole(unit: str) -> Fraction | None:
    """The least step of a quantity in this unit, in the unit: of sizes a byte, of clocks one. None if it comes in any fraction."""
    if unit in _CYCLE_UNITS:
        return Fraction(1)
    dimension = next((one for one in _DIMENSIONS if unit in one.units), None)
    return 1 / dimension.units[unit] if dimension is not None and dimension.whole else None


def parse(value: object, dimension: Dimension) -> int | float:
    """Read ``value`` ("12 ns", or a bare number where ``dimension.bare``) as a number in the dimension's base unit.

    Returns an int where the base unit comes whole (fs, B, Hz, b/s, B/s), else a float.
    Raises :class:`UnitError` for a wrong or missing unit, NaN, an infinite or a fractional base unit.
    """
    allowed = f"a number and a unit, for example '{dimension.example}'"
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise UnitError(f"{value!r} is not a {dimension.name}", allowed)
    if isinstance(value, float) and not math.isfinite(value):
        raise UnitError(f"{value} is not a finite number", allowed)
    number, unit = _split(value, dimension.example) if isinstance(value, str) else (Fraction(value), "")
    if not unit:
        if not dimension.bare:
            raise UnitError(f"'{value}' has no unit", allowed)
        unit = dimension.base
    if unit not in dimension.units:
        hint = "KiB is 1,024 bytes, kB 1,000" if unit == "KB" else f"one of: {', '.join(dimension.units)}"
        raise UnitError(f"'{unit}' is not a unit of {dimension.name}", hint)
    exact = number * dimension.units[unit]
    if not dimension.whole:
        try:
            return float(exact)
        except OverflowError:
            raise UnitError(f"'{value}' is too large", allowed) from None
    if exact.denominator != 1:
        raise UnitError(f"'{value}' is not a whole number of {dimension.base}", allowed)
    if abs(exact.numerator) > INT64_MAX:
        limit = "at most 2.5 hours" if dimension is TIME else f"at most {INT64_MAX} {dimension.base}"
        raise UnitError(f"'{value}' is too large", limit)
    return exact.numerator


def parse_time_fs(value: object) -> int:
    """Femtoseconds of "0.57 ns"."""
    return int(parse(value, TIME))


def parse_size_bytes(value: object) -> int:
    """Bytes of "2 KiB" or of a bare 2048."""
    return int(parse(value, SIZE))


def parse_frequency_hz(value: object) -> int:
    """Hertz of "1 GHz"."""
    return int(parse(value, FREQUENCY))


@dataclass(frozen=True, slots=True)
class Duration:
    """A timing parameter as data sheets give it: a time in femtoseconds or a number of clocks; exactly one is set."""

    fs: int | None = None
    cycles: int | None = None

    def __post_init__(self) -> None:
        if (self.fs is None) == (self.cycles is None):
            raise ValueError("a duration is either a time or a number of clocks")

    def to_cycles(self, tck_fs: int) -> int:
        """Clocks of ``tck_fs`` femtoseconds: the smallest whole number that is not shorter (JEDEC rounding)."""
        return self.cycles if self.cycles is not None else fs_to_ticks(self.fs or 0, tck_fs)

    def to_fs(self, tck_fs: int) -> int:
        """Femtoseconds, with clocks of ``tck_fs``."""
        return self.fs if self.fs is not None else (self.cycles or 0) * tck_fs

    def __str__(self) -> str:
        return f"{self.cycles} ck" if self.cycles is not None else exact_time(self.fs or 0)


def parse_duration(value: object) -> Duration:
    """Read "12 ns" or clocks ("27 ck", a plain 27). Raises :class:`UnitError`, also below zero."""
    allowed = "a time ('12 ns') or a whole number of clocks ('27 ck', 27), not below zero"
    if isinstance(value, Duration):
        return value
    if isinstance(value, str):
        number, unit = _split(value, "12 ns")
        if unit and unit not in _CYCLE_UNITS:
            if unit not in TIME.units:
                raise UnitError(f"'{unit}' is not a unit of time", allowed)
            duration_fs = parse_time_fs(value)
            if duration_fs < 0:
                raise UnitError(f"'{value}' is below zero", allowed)
            return Duration(fs=duration_fs)
    elif isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UnitError(f"{value!r} is not a duration", allowed)
    else:
        number = Fraction(value)
    if number.denominator != 1:
        raise UnitError(f"'{value}' is not a whole number of clocks", allowed)
    if not 0 <= number.numerator <= INT64_MAX:
        raise UnitError(f"'{value}' clocks is {'below zero' if number < 0 else 'too large'}", allowed)
    return Duration(cycles=number.numerator)


def fs_to_ticks(duration_fs: int, tick_fs: int) -> int:
    """Smallest whole number of ticks of ``tick_fs`` that is not shorter than ``duration_fs``: ceil, in integers."""
    return -(-duration_fs // tick_fs)


def ticks_to_fs(ticks: int, tick_fs: int) -> int:
    """Femtoseconds of ``ticks`` ticks."""
    return ticks * tick_fs


def cycles_to_fs(cycles: int, frequency_hz: int) -> int:
    """Femtoseconds of ``cycles`` clocks, rounded up once at the end: clocks such as 300 MHz have no whole period."""
    return -(-cycles * FS_PER_S // frequency_hz)


def fs_to_s(duration_fs: int) -> float:
    """Seconds, for results and people; never to be turned back into time."""
    return duration_fs / FS_PER_S


def exact_time(duration_fs: int) -> str:
    """Render femtoseconds without loss: 570000 -> "0.57 ns". :func:`parse_time_fs` reads it back."""
    units = ("fs", "ps", "ns", "us", "ms", "s")
    unit = next((i for i in range(len(units) - 1, 0, -1) if abs(duration_fs) * 10 >= 10 ** (3 * i)), 0)
    whole, rest = divmod(abs(duration_fs), 10 ** (3 * unit))
    digits = f".{rest:0{3 * unit}d}".rstrip("0") if rest else ""
    return f"{'-' if duration_fs < 0 else ''}{whole}{digits} {units[unit]}"


def exact_size(size_bytes: int) -> str:
    """Render bytes without loss, in the largest binary unit that divides them: 2048 -> "2 KiB"."""
    for exponent, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if size_bytes and size_bytes % 1024**exponent == 0:
            return f"{size_bytes // 1024**exponent} {unit}"
    return f"{size_bytes} B"


def exact_whole(value: int, unit: str) -> str:
    """Render a whole number without loss, in the largest prefix that divides it: 16000000000, "b/s" -> "16 Gb/s"."""
    for exponent, prefix in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if value and value % 10**exponent == 0:
            return f"{value // 10**exponent} {prefix}{unit}"
    return f"{value} {unit}"


def human(value: float, unit: str) -> str:
    """Render ``value`` for people, three significant digits and an SI prefix: 2.1e12, "B/s" -> "2.1 TB/s"."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}"
    rounded = float(f"{value:.2e}")
    exponent = max(-15, min(12, 3 * math.floor(math.floor(math.log10(abs(rounded)) + 1e-9) / 3)))
    scaled = rounded / 10.0**exponent
    prefix = {e: p for p, e in _PREFIX.items() if p != "µ"}[exponent]
    return f"{scaled:.3g} {prefix}{unit}" if abs(scaled) < 1000 else f"{scaled:.0f} {prefix}{unit}"


def human_time(duration_fs: int) -> str:
    """Render femtoseconds for people: 1060000000000000 -> "1.06 s"."""
    return human(duration_fs / FS_PER_S, "s")


def human_size(size_bytes: int) -> str:
    """Render bytes for people in binary units: 1536 -> "1.5 KiB"."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} TiB"

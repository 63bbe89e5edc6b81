"""Quantities become exact integers and come back as text."""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim import units
from pimsim.units import Duration, UnitError, parse, parse_duration, parse_time_fs


@pytest.mark.parametrize(
    ("text", "fs"),
    [
        ("12 ns", 12_000_000),
        ("0.57 ns", 570_000),
        ("312.5 ps", 312_500),
        ("1 fs", 1),
        ("6.825 us", 6_825_000_000),
        ("6.825 µs", 6_825_000_000),
        ("1e-3 s", 10**12),
        (".5ns", 500_000),
        ("+2. ms", 2 * 10**12),
        ("  3   ns ", 3_000_000),
    ],
)
def test_times_are_whole_femtoseconds(text: str, fs: int) -> None:
    assert parse_time_fs(text) == fs


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("2 KiB", units.SIZE, 2048),
        ("32 B", units.SIZE, 32),
        (4096, units.SIZE, 4096),
        ("1.5 MiB", units.SIZE, 3 * 2**19),
        ("3 kB", units.SIZE, 3000),
        ("4 GiB", units.SIZE, 2**32),
        ("1 GHz", units.FREQUENCY, 10**9),
        ("16 Gb/s", units.RATE, 16 * 10**9),
        ("14.4 Gbit/s", units.RATE, 14_400_000_000),
        ("32 GB/s", units.BANDWIDTH, 32 * 10**9),
        ("71 mA", units.CURRENT, 0.071),
        ("1.25 V", units.VOLTAGE, 1.25),
        ("149.29 mW", units.POWER, 0.14929),
        ("2.95 nJ", units.ENERGY, 2.95e-9),
        ("5.5 pJ/bit", units.ENERGY_PER_BIT, 5.5e-12),
        ("0.64 mm2", units.AREA, 0.64),
    ],
)
def test_quantities_are_in_their_base_unit(text: object, dimension: units.Dimension, value: float) -> None:
    parsed = parse(text, dimension)
    assert parsed == value
    assert isinstance(parsed, int) is dimension.whole


@pytest.mark.parametrize(
    ("value", "dimension", "said"),
    [
        ("12", units.TIME, "has no unit"),
        (12, units.TIME, "has no unit"),
        ("12 GHz", units.TIME, "'GHz' is not a unit of time"),
        ("12 NS", units.TIME, "'NS' is not a unit of time"),
        ("ns", units.TIME, "is not a quantity"),
        ("12 ns 3", units.TIME, "is not a unit"),
        ("twelve ns", units.TIME, "is not a quantity"),
        ("", units.TIME, "is not a quantity"),
        ("nan ns", units.TIME, "is not a quantity"),
        ("0.3 fs", units.TIME, "is not a whole number of fs"),
        ("3 hours", units.TIME, "is not a unit of time"),
        ("9999999 s", units.TIME, "too large"),
        (True, units.SIZE, "is not a size"),
        (None, units.SIZE, "is not a size"),
        (float("nan"), units.SIZE, "not a finite number"),
        (float("inf"), units.SIZE, "not a finite number"),
        (0.5, units.SIZE, "is not a whole number of B"),
        ("2 KB", units.SIZE, "'KB' is not a unit of size"),
        ("1e400 W", units.POWER, "too large"),
        ("1e4000 W", units.POWER, "is not a"),
        ("١٢ ns", units.TIME, "is not a quantity"),
    ],
)
def test_what_is_not_a_quantity_is_refused(value: object, dimension: units.Dimension, said: str) -> None:
    with pytest.raises(UnitError, match=said):
        parse(value, dimension)


def test_kilobytes_are_ambiguous_and_the_message_says_what_to_write() -> None:
    with pytest.raises(UnitError) as caught:
        parse("2 KB", units.SIZE)
    assert caught.value.allowed == "KiB is 1,024 bytes, kB 1,000"


def test_12_ns_is_24_clocks_of_half_a_nanosecond() -> None:
    assert parse_duration("12 ns").to_cycles(parse_time_fs("0.5 ns")) == 24


def test_a_time_rounds_up_to_clocks() -> None:
    assert parse_duration("12.1 ns").to_cycles(500_000) == 25


@given(st.integers(0, 10**12), st.integers(1, 10**7))
def test_clocks_are_the_exact_ceiling(duration_fs: int, tck_fs: int) -> None:
    assert Duration(fs=duration_fs).to_cycles(tck_fs) == ceil(Fraction(duration_fs, tck_fs))


@given(st.integers(0, 10**6), st.integers(1, 10**7))
def test_clocks_survive_the_way_to_time_and_back(cycles: int, tck_fs: int) -> None:
    assert units.fs_to_ticks(units.ticks_to_fs(cycles, tck_fs), tck_fs) == cycles


@pytest.mark.parametrize("value", ["27 ck", "27 nCK", "27 cycles", "27", 27, 27.0])
def test_clocks_may_be_written_many_ways(value: object) -> None:
    assert parse_duration(value) == Duration(cycles=27)


@pytest.mark.parametrize("value", ["1.5 ck", 1.5, -1, "-1 ns", "27 KiB", True, None, float("nan"), [27], 10**30])
def test_what_is_not_a_duration_is_refused(value: object) -> None:
    with pytest.raises(UnitError):
        parse_duration(value)


def test_a_duration_is_either_a_time_or_clocks() -> None:
    with pytest.raises(ValueError, match="either"):
        Duration()
    with pytest.raises(ValueError, match="either"):
        Duration(fs=1, cycles=1)


def test_a_duration_of_zero_clocks_is_zero_time() -> None:
    assert Duration(cycles=0).to_fs(500_000) == 0


def test_cycles_of_a_clock_without_a_whole_period_round_once() -> None:
    assert units.cycles_to_fs(3, 300_000_000) == 10_000_000
    assert units.cycles_to_fs(1, 300_000_000) == 3_333_334


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_exact_time_reads_back(duration_fs: int) -> None:
    assert parse_time_fs(units.exact_time(duration_fs)) == duration_fs


@given(st.integers(0, 2**63 - 1))
def test_exact_size_reads_back(size: int) -> None:
    assert parse(units.exact_size(size), units.SIZE) == size


@given(st.integers(0, 2**63 - 1))
def test_exact_rate_reads_back(rate: int) -> None:
    assert parse(units.exact_whole(rate, "b/s"), units.RATE) == rate


@given(st.one_of(st.builds(Duration, fs=st.integers(0, 2**62)), st.builds(Duration, cycles=st.integers(0, 2**62))))
def test_durations_read_back(duration: Duration) -> None:
    assert parse_duration(str(duration)) == duration


@pytest.mark.parametrize(
    ("fs", "text"),
    [(570_000, "0.57 ns"), (312_500, "0.3125 ns"), (12_000_000, "12 ns"), (0, "0 fs"), (-500_000, "-0.5 ns")],
)
def test_exact_time_picks_a_readable_unit(fs: int, text: str) -> None:
    assert units.exact_time(fs) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2.1e12, "B/s", "2.1 TB/s"),
        (24.31, "W", "24.3 W"),
        (0.0709, "A", "70.9 mA"),
        (999.96, "W", "1 kW"),
        (0.99996, "W", "1 W"),
        (1000, "W", "1 kW"),
        (0.0, "W", "0 W"),
        (-1500.0, "W", "-1.5 kW"),
        (1.5e15, "B", "1500 TB"),
        (float("inf"), "W", "inf W"),
    ],
)
def test_figures_for_people_have_three_digits_and_a_prefix(value: float, unit: str, text: str) -> None:
    assert units.human(value, unit) == text


def test_times_and_sizes_for_people() -> None:
    assert units.human_time(1_060_000_000_000_000) == "1.06 s"
    assert units.human_size(1536) == "1.5 KiB"
    assert units.human_size(4 * 2**30) == "4 GiB"


@given(st.floats(1e-15, 1e14))
def test_figures_for_people_keep_three_digits(value: float) -> None:
    number, _, unit = units.human(value, "J").partition(" ")
    exponent = 3 * "fpnumJkMGT".index(unit[0]) - 15
    assert float(number) * 10.0**exponent == pytest.approx(value, rel=6e-3)


@pytest.mark.parametrize("text", ["12 ns", "27 ck", "5.5 pJ/bit"])
def test_a_number_and_a_unit_are_a_quantity(text: str) -> None:
    assert units.is_quantity(text)


@pytest.mark.parametrize("text", ["3x-read", "7", "28nm", "bf16", ""])
def test_names_with_digits_are_no_quantity(text: str) -> None:
    assert not units.is_quantity(text)

"""Every unverified number is varied by itself, and the table says what that moves."""

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.config import load_system
from pimsim.errors import InputError
from pimsim.results.source import sources
from pimsim.sweep.unverified import UNVERIFIED, scaled
from tests.sweep.conftest import Spec, done


@pytest.mark.parametrize(
    ("text", "factor", "value"),
    [
        ("12 ns", 0.8, "9.6 ns"),
        ("16 Gb/s", 1.2, "19.2 Gb/s"),
        ("6", 0.8, 5),
        ("54 ck", 1.2, "65 ck"),
        ("32 B", 0.8, "26 B"),
        ("1.25 V", 0.8, "1 V"),
        ("0.5", 1.2, 0.6),
        ("1 ns", 0.8, "0.8 ns"),
        ("2", 0.9, 2),
    ],
)
def test_a_value_is_scaled_in_its_unit(text: str, factor: float, value: Any) -> None:
    assert scaled(text, factor) == value


@given(st.integers(1, 10**6), st.sampled_from(["ns", "B", "KiB", "MHz", "mW", "ck"]), st.sampled_from([0.8, 0.9, 1.2, 1.5]))
def test_a_scaled_quantity_is_near_the_share(number: int, unit: str, factor: float) -> None:
    moved = float(str(scaled(f"{number} {unit}", factor)).split()[0])
    assert abs(moved - number * factor) <= 0.5 + 1e-9 * number


@pytest.fixture
def tornado(spec: Spec, cache: Path, tmp_path: Path) -> tuple[Any, Path]:
    return done(spec, cache, out=tmp_path / "out", unverified=0.2), tmp_path / "out"


def test_every_unverified_number_that_can_move_the_objectives_has_a_row(tornado: tuple[Any, Path]) -> None:
    paths = {row["path"] for row in tornado[0].extra[UNVERIFIED]}
    known = {source.path for source in sources(load_system("pim-gpt")) if source.unverified}
    assert {path for path in known if not path.startswith("area.")} - {"asic.adders"} <= paths


def test_areas_count_where_area_is_an_objective(spec: Spec, cache: Path) -> None:
    found = done(spec | {"objectives": ["area_mm2.total"]}, cache, unverified=0.2)
    first = found.extra[UNVERIFIED][0]
    assert (first["path"], first["area_mm2.total_swing"] > 0.2) == ("area.mac_lane", True)


def test_the_widest_swing_comes_first(tornado: tuple[Any, Path]) -> None:
    swings = [max(row["time_s_swing"], row["energy_j.total_swing"]) for row in tornado[0].extra[UNVERIFIED]]
    assert swings == sorted(swings, reverse=True)
    assert swings[0] > 0


def test_a_swing_is_what_the_points_say(tornado: tuple[Any, Path]) -> None:
    table = tornado[0].table.rows
    row = next(row for row in tornado[0].extra[UNVERIFIED] if row["path"] == "memory.timing.tRP")
    times = [table[0]["time_s"], *(r["time_s"] for r in table if r["memory.timing.tRP"] in ("9.6 ns", "14.4 ns"))]
    assert len(times) == 3
    assert row["time_s_swing"] == pytest.approx((max(times) - min(times)) / table[0]["time_s"])


def test_points_differ_from_the_first_in_one_number(tornado: tuple[Any, Path]) -> None:
    first, *others = tornado[0].table.rows
    for row in others:
        assert sum(row[name] != first[name] for name in tornado[0].table.axes) == 1


def test_numbers_that_cannot_be_moved_say_why(tornado: tuple[Any, Path]) -> None:
    said = {row["path"]: row["not_run"] for row in tornado[0].extra[UNVERIFIED]}
    assert said["controller.postpone"] == "a whole number that this share does not change"
    assert "is smaller than a row" in said["pim.global_buffer"]


def test_the_ranking_is_written(tornado: tuple[Any, Path]) -> None:
    with (tornado[1] / UNVERIFIED).open(newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == [row["path"] for row in tornado[0].extra[UNVERIFIED]]


def test_a_baseline_that_cannot_run_is_refused(spec: Spec, cache: Path) -> None:
    with pytest.raises(InputError, match="the baseline cannot run"):
        done(spec | {"axes": {"pim.global_buffer": ["1 KiB"]}}, cache, unverified=0.2)

"""The search finds good designs, the same ones for the same seed, with as many points as it is given."""

from pathlib import Path

import pytest

from pimsim.errors import InputError
from tests.sweep.conftest import Spec, done

pytest.importorskip("optuna")


@pytest.fixture
def wide(spec: Spec) -> Spec:
    """60 designs."""
    return spec | {"axes": {"memory.channels": [1, 2, 3, 4, 6], "asic.adders": {"log2": [32, 256]}, "system.overlap": ["none", "pipelined"],
                            "asic.multipliers": [64, 128, 256]}}  # fmt: skip


def test_it_runs_as_many_designs_as_it_may(wide: Spec, cache: Path) -> None:
    assert len(done(wide, cache, search=20).table.rows) == 20


def test_the_same_seed_finds_the_same_designs_on_two_workers(wide: Spec, cache: Path, tmp_path: Path) -> None:
    done(wide, cache, search=20, out=tmp_path / "a")
    done(wide, tmp_path / "other", search=20, out=tmp_path / "b", jobs=2)
    for name in ("results.csv", "search.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_another_seed_finds_others(wide: Spec, cache: Path) -> None:
    first, second = (done(wide | {"seed": seed}, cache, search=16).table.rows for seed in (1, 2))
    assert [row["time_s"] for row in first] != [row["time_s"] for row in second]


def test_it_finds_the_fastest_of_a_few(spec: Spec, cache: Path) -> None:
    few = spec | {"objectives": ["time_s"]}
    whole = done(few, cache).table
    found = done(few, cache, search=100)
    assert min(row["time_s"] for row in found.table.rows) == min(row["time_s"] for row in whole.rows)
    assert len(found.table.rows) == len(whole.rows)


def test_a_design_is_judged_over_all_workloads(spec: Spec, cache: Path) -> None:
    both = spec | {"axes": spec["axes"] | {"workload.output_tokens": [2, 5]}}
    found = done(both, cache, search=100)
    designs = found.extra["search.csv"]
    assert len(designs) == 6
    assert len(found.table.rows) == 12
    first = [row["time_s"] for row in found.table.rows[:2]]
    assert designs[0]["time_s"] == pytest.approx((first[0] * first[1]) ** 0.5)


def test_designs_that_conditions_leave_out_are_not_run(wide: Spec, cache: Path) -> None:
    rows = done(wide | {"when": "memory.channels != 3"}, cache, search=16).table.rows
    assert rows
    assert 3 not in {row["memory.channels"] for row in rows}


def test_a_space_without_any_design_is_refused(wide: Spec, cache: Path) -> None:
    with pytest.raises(InputError, match="leave out every design"):
        done(wide | {"when": "memory.channels > 9"}, cache, search=16)

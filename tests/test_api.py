"""The Python interface."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pimsim
from pimsim.config import load_workload
from pimsim.errors import InputError
from pimsim.model.lowering import lower_workload
from pimsim.model.tracefile import write_trace


def same(result: pimsim.Result) -> dict[str, Any]:
    """What must not depend on how the simulation was done."""
    facts = result.summary()
    return {key: value for key, value in facts.items() if key not in ("host", "folded", "blame")}


@pytest.fixture(scope="module")
def plain(tiny: str) -> pimsim.Result:
    return pimsim.run("pim-gpt", tiny)


def test_importing_pimsim_loads_nothing_heavy() -> None:
    program = "import sys, pimsim; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "numba", "simpy", "pandas", "pydantic", "pimsim.api"} & set(loaded)


def test_every_exported_name_is_there() -> None:
    assert all(getattr(pimsim, name) is not None for name in pimsim.__all__)


def test_a_name_that_is_not_exported_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        pimsim.runn  # noqa: B018


def test_a_run_has_the_tokens_of_its_workload(plain: pimsim.Result) -> None:
    assert (plain.tokens_generated, len(plain.tokens())) == (5, 6)


@pytest.mark.parametrize("options", [{"fold": False}, {"fast_forward": False}, {"fold": False, "fast_forward": False}])
def test_short_cuts_change_no_number(tiny: str, plain: pimsim.Result, options: dict[str, bool]) -> None:
    other = pimsim.run("pim-gpt", tiny, **options)
    assert same(other) == same(plain)
    assert (other.operator_rows, other.token_rows) == (plain.operator_rows, plain.token_rows)


@pytest.mark.parametrize("steps", [None, slice(0, 1), slice(2, 4), slice(-1, None)])
def test_looking_into_a_run_changes_no_number(tiny: str, plain: pimsim.Result, tmp_path: Path, steps: slice | None) -> None:
    watched = pimsim.run("pim-gpt", tiny, commands=tmp_path / "c.csv", timeline=tmp_path / "t.json", blame=True, steps=steps)
    assert same(watched) == same(plain)
    assert (watched.operator_rows, watched.token_rows) == (plain.operator_rows, plain.token_rows)


def test_settings_are_overrides(tiny: str) -> None:
    result = pimsim.run("pim-gpt", tiny, memory={"channels": 4, "timing": {"tRP": "20 ns"}}, **{"workload.output_tokens": 2})
    assert (result.tokens_generated, result.config["memory"]["channels"]) == (2, 4)
    assert result.config["memory"]["timing"]["tRP"] == "20 ns"


def test_a_trace_gives_what_its_workload_gives(tiny: str, plain: pimsim.Result, tmp_path: Path) -> None:
    write_trace(lower_workload(load_workload(tiny)), tmp_path / "edited.csv")
    traced = pimsim.run("pim-gpt", trace=tmp_path / "edited.csv")
    assert same(traced) | {"workload": ""} == same(plain) | {"workload": ""}
    assert traced.facts["workload"] == "edited"


def test_a_trace_and_a_workload_are_one_too_many(tiny: str) -> None:
    with pytest.raises(InputError, match="both a workload"):
        pimsim.run("pim-gpt", tiny, trace="x.csv")


def test_problems_of_system_and_workload_are_reported_together(tiny: str) -> None:
    with pytest.raises(InputError) as error:
        pimsim.run("pim-gpt", tiny, overrides=["memory.chanels=4", "workload.bach=1"])
    assert len(error.value.problems) == 2


def test_problems_of_building_and_energy_are_reported_together(tiny: str) -> None:
    with pytest.raises(InputError) as error:
        pimsim.run("pim-gpt", tiny, overrides=["memory.currents_variant=paper", "memory.rows=1"])
    said = str(error.value)
    assert "--set memory.rows: the model and its KV cache need" in said
    assert "memory.currents_variants.paper: activate would take" in said


def test_every_target_that_cannot_be_written_is_named(tiny: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        pimsim.run("pim-gpt", tiny, commands=tmp_path / "a.txt", timeline=tmp_path / "no" / "b.json", out=__file__)
    assert len(error.value.problems) == 3


def test_steps_outside_the_run_are_refused(tiny: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="steps 0 to 5"):
        pimsim.run("pim-gpt", tiny, commands=tmp_path / "c.csv", steps=slice(6, 9))


def test_progress_is_told_every_step(tiny: str) -> None:
    told: list[tuple[int, int]] = []
    pimsim.run("pim-gpt", tiny, progress=lambda done, total: told.append((done, total)))
    assert told == [(n, 6) for n in range(1, 7)]


def test_nothing_is_left_of_a_run_that_is_interrupted(tiny: str, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pimsim.run("pim-gpt", tiny, out=tmp_path / "run", commands=tmp_path / "c.csv.gz", timeline=tmp_path / "t.json", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_an_error_during_the_run_says_which_key_it_is_about(tiny: str) -> None:
    with pytest.raises(InputError) as error:
        pimsim.run("pim-gpt", tiny, overrides=["asic.sram_bytes=256 B", "asic.on_overflow=error"])
    assert str(error.value).startswith("--set asic.sram_bytes: ")


def test_a_compressed_log_and_timeline_hold_the_same_as_plain_ones(tiny: str, tmp_path: Path) -> None:
    for ending in ("", ".gz"):
        pimsim.run("pim-gpt", tiny, commands=tmp_path / f"c.csv{ending}", timeline=tmp_path / f"t.json{ending}")
    for name in ("c.csv", "t.json"):
        assert gzip.decompress((tmp_path / f"{name}.gz").read_bytes()) == (tmp_path / name).read_bytes()
    assert json.loads((tmp_path / "t.json").read_text())["traceEvents"]

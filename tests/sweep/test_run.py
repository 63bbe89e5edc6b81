"""A sweep from its file to its table: the same whoever runs it, complete whatever happens on the way."""

import csv
import json
import os
import pickle
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import pimsim
from pimsim.config.sweep import load_sweep
from pimsim.errors import InputError, SimulationError
from pimsim.kinds import pim_gpt
from pimsim.kinds.job import Job
from pimsim.sweep.cache import Cache
from pimsim.sweep.plan import make_plan
from pimsim.sweep.run import Options, preview, run
from pimsim.sweep.session import Progress, Session
from pimsim.sweep.table import Finished
from pimsim.sweep.version import code_identity
from pimsim.sweep.worker import Task, simulate
from tests.sweep.conftest import Spec, done

FILES = {"results.csv", "points.csv", "excluded.csv", "pareto.csv", "sweep.yaml", "sweep.json"}


def rows(out: Path, name: str = "results.csv") -> list[dict[str, str]]:
    with (out / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_is_what_a_run_of_the_point_says(spec: Spec, cache: Path) -> None:
    table = done(spec, cache).table
    for row in table.rows:
        result = pimsim.run("pim-gpt", spec["workload"], **{name: row[name] for name in spec["axes"]})
        assert (row["time_s"], row["energy_j.total"], row["commands.MAC16"]) == \
            (result.time_s, result.energy_j["total"], result.commands["MAC16"])


def test_a_sweep_folder_holds_its_files_and_nothing_else(spec: Spec, cache: Path, tmp_path: Path) -> None:
    done(spec, cache, out=tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == FILES


def test_the_table_has_no_wall_times_and_no_paths(spec: Spec, cache: Path, tmp_path: Path) -> None:
    done(spec, cache, out=tmp_path / "out")
    text = (tmp_path / "out" / "results.csv").read_text()
    assert "wall" not in text
    assert "/" not in text


def test_a_second_time_everything_comes_from_the_cache(spec: Spec, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done(spec, cache, out=tmp_path / "a")
    monkeypatch.setattr(pim_gpt, "run", None)
    again = done(spec, cache, out=tmp_path / "b")
    assert all(one.cached for one in again.table.finished)
    assert (tmp_path / "a" / "results.csv").read_bytes() == (tmp_path / "b" / "results.csv").read_bytes()


def test_two_processes_make_the_same_table_as_one(spec: Spec, cache: Path, tmp_path: Path) -> None:
    done(spec, cache, out=tmp_path / "a")
    done(spec, tmp_path / "other", out=tmp_path / "b", jobs=2)
    assert (tmp_path / "a" / "results.csv").read_bytes() == (tmp_path / "b" / "results.csv").read_bytes()


def test_a_killed_worker_costs_nothing(spec: Spec, cache: Path, tmp_path: Path) -> None:
    spec = spec | {"axes": spec["axes"] | {"asic.clock": ["1 GHz", "500 MHz", "250 MHz"]}}
    done(spec, cache, out=tmp_path / "a")
    plan = make_plan(load_sweep(spec))
    finished: list[Finished] = []
    with Session(Cache(tmp_path / "other"), jobs=2) as session:
        def kept(one: Finished) -> None:
            if not finished:
                pool: Any = session._workers
                os.kill(next(iter(pool._pool._processes)), signal.SIGKILL)
            finished.append(one)

        session.run(plan.points, kept)
    assert len(finished) == 18
    assert not [one.error for one in finished if one.error]
    again = done(spec, tmp_path / "other", out=tmp_path / "b")
    assert all(one.cached for one in again.table.finished)
    assert (tmp_path / "a" / "results.csv").read_bytes() == (tmp_path / "b" / "results.csv").read_bytes()


def test_workers_end_when_their_parent_is_killed(spec: Spec, cache: Path, tmp_path: Path) -> None:
    program = (f"import os, signal, pimsim.sweep.session as s\nfrom pimsim.config.sweep import load_sweep\n"
               f"from pimsim.sweep.plan import make_plan\nfrom pimsim.sweep.cache import Cache\n"
               f"session = s.Session(Cache(__import__('pathlib').Path({str(cache)!r})), jobs=2)\n"
               f"def kept(one):\n"
               f"    print(*session._workers._pool._processes, flush=True)\n    os.kill(os.getpid(), signal.SIGKILL)\n"
               f"session.run(make_plan(load_sweep({spec!r})).points, kept)\n")  # fmt: skip
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert said.returncode == -signal.SIGKILL
    workers = [int(pid) for pid in said.stdout.split()]
    assert len(workers) == 2
    until = time.monotonic() + 30
    while time.monotonic() < until and any(_alive(pid) for pid in workers):
        time.sleep(0.05)
    assert not any(_alive(pid) for pid in workers)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_killed_at_twenty_moments_and_continued_the_table_is_the_same(spec: Spec, cache: Path, tmp_path: Path) -> None:
    spec = spec | {"axes": spec["axes"] | {"asic.clock": ["1 GHz", "500 MHz"]}}
    begin = time.monotonic()
    done(spec, cache, out=tmp_path / "whole")
    length = time.monotonic() - begin
    other, out = tmp_path / "other", tmp_path / "out"
    for moment in range(20):
        child = os.fork()
        if not child:
            run(load_sweep(spec), Options(jobs=1, cache=other, out=out))
            os._exit(0)
        time.sleep(length * (0.618 * moment % 1))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        stored = [path for path in (other / "runs").glob("0*/*")]
        assert all(json.loads((path / "summary.json").read_text()) for path in stored)
        assert not out.exists() or {path.name for path in out.iterdir() if not path.name.startswith(".")} <= FILES
    done(spec, other, out=out)
    assert (out / "results.csv").read_bytes() == (tmp_path / "whole" / "results.csv").read_bytes()


@pytest.mark.slow
def test_two_workers_killed_with_their_parent_at_twenty_moments_and_continued(spec: Spec, cache: Path, tmp_path: Path) -> None:
    spec = spec | {"axes": spec["axes"] | {"asic.clock": {"range": ["100 MHz", "1 GHz", "100 MHz"]}}}
    (tmp_path / "s.yaml").write_text(json.dumps(spec))
    command = [sys.executable, "-m", "pimsim", "sweep", str(tmp_path / "s.yaml"), "--jobs", "2"]
    begin = time.monotonic()
    subprocess.run([*command, "--cache", str(cache), "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    length = time.monotonic() - begin
    continued = [*command, "--cache", str(tmp_path / "other"), "--out", str(tmp_path / "out")]
    for moment in range(20):
        child = subprocess.Popen(continued, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(length * (0.2 + 0.8 * (0.618 * moment % 1)))
        child.kill()
        child.wait()
    subprocess.run(continued, check=True, capture_output=True)
    assert (tmp_path / "out" / "results.csv").read_bytes() == (tmp_path / "whole" / "results.csv").read_bytes()


def test_an_interrupt_keeps_and_writes_what_was_finished(spec: Spec, cache: Path, tmp_path: Path) -> None:
    def stop(now: Progress) -> None:
        if now.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        done(spec, cache, out=tmp_path / "out", progress=stop)
    assert [row["point"] for row in rows(tmp_path / "out")] == ["0", "1", "2"]
    assert json.loads((tmp_path / "out" / "sweep.json").read_text())["complete"] is False
    again = done(spec, cache, out=tmp_path / "out")
    assert [one.cached for one in again.table.finished] == [True] * 3 + [False] * 3
    assert json.loads((tmp_path / "out" / "sweep.json").read_text())["complete"] is True


def test_a_full_disk_ends_the_sweep_and_loses_nothing(spec: Spec, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, stored = Cache.adopt, []

    def adopt(self: Cache, key: str, folder: Path) -> None:
        if len(stored) == 2:
            raise OSError(28, "No space left on device", "summary.json")
        stored.append(key)
        real(self, key, folder)

    monkeypatch.setattr(Cache, "adopt", adopt)
    with pytest.raises(OSError, match="No space"):
        done(spec, cache, out=tmp_path / "out")
    assert len(rows(tmp_path / "out")) == 2
    monkeypatch.undo()
    assert sum(one.cached for one in done(spec, cache).table.finished) == 2


def test_a_disk_that_a_worker_finds_full_ends_the_sweep(spec: Spec, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device", "tokens.csv")

    monkeypatch.setattr("pimsim.sweep.worker.write_files", full)
    with pytest.raises(OSError, match="No space left on device: 'tokens.csv'"):
        done(spec, cache)


def test_an_answer_fits_into_a_pipe_at_once(spec: Spec, cache: Path) -> None:
    Cache(cache).prepare()
    point = make_plan(load_sweep(spec)).points[0]
    for config in (point.config, b"nonsense" * 1000):
        outcome = simulate(Task(point.key, code_identity(), config, str(Cache(cache).staging)))
        assert len(pickle.dumps(outcome)) < 4000 < select.PIPE_BUF


def test_a_point_that_cannot_run_is_a_row_with_its_error(spec: Spec, cache: Path, tmp_path: Path) -> None:
    table = done(spec | {"axes": {"pim.global_buffer": ["2 KiB", "1 KiB"]}}, cache, out=tmp_path / "out").table
    assert [row["status"] for row in table.rows] == ["ok", "failed"]
    assert table.rows[1]["error"].startswith("pim.global_buffer: a buffer of 1024 B is smaller than a row of 2048 B; ")
    assert table.rows[1]["time_s"] is None
    assert rows(tmp_path / "out")[1]["time_s"] == ""


def test_a_configuration_that_is_refused_is_a_row_with_its_error(spec: Spec, cache: Path) -> None:
    table = done(spec | {"axes": {"memory.banks": [8, 16], "memory.bankgroups": [4, 16]}}, cache).table
    assert table.rows[1]["error"] == "memory.banks: 8 banks do not divide into 16 bank groups; a multiple of 16"


def test_a_point_that_cannot_run_is_not_tried_again(spec: Spec, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec | {"axes": {"pim.global_buffer": ["1 KiB"]}}
    first = done(spec, cache).table
    monkeypatch.setattr(pim_gpt, "run", None)
    assert done(spec, cache).table.rows == first.rows


@pytest.mark.parametrize(("error", "kept"), [(SimulationError("a law is broken"), True), (MemoryError("full"), False)])
def test_what_may_go_right_another_time_is_not_kept(spec: Spec, cache: Path, monkeypatch: pytest.MonkeyPatch, error: Exception,
                                                   kept: bool) -> None:  # fmt: skip
    def fail(job: Job) -> None:
        raise error

    monkeypatch.setattr(pim_gpt, "run", fail)
    table = done(spec, cache).table
    assert {row["error"] for row in table.rows} == {f"{type(error).__name__}: {error}"}
    monkeypatch.undo()
    assert {row["status"] for row in done(spec, cache).table.rows} == {"failed" if kept else "ok"}


def test_equal_points_are_run_once(spec: Spec, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    real = pim_gpt.run
    monkeypatch.setattr(pim_gpt, "run", lambda job: ran.append(job) or real(job))
    table = done(spec | {"axes": {"asic.clock": ["1 GHz", "1000 MHz"]}}, cache).table
    assert len(ran) == 1
    assert table.rows[0]["time_s"] == table.rows[1]["time_s"]


def test_another_sweep_uses_the_points_that_it_shares(spec: Spec, cache: Path) -> None:
    done(spec, cache)
    table = done(spec | {"axes": {"memory.channels": [2, 8]}}, cache).table
    assert [one.cached for one in table.finished] == [True, False]


def test_a_written_sweep_runs_again_to_the_same_table(spec: Spec, cache: Path, tmp_path: Path) -> None:
    spec = spec | {"when": "memory.channels > 1", "baseline": {"asic.adders": 64}, "metrics": ["time_s", "energy_j"], "seed": 3}
    done(spec, cache, out=tmp_path / "a")
    run(load_sweep(tmp_path / "a" / "sweep.yaml"), Options(jobs=1, cache=cache, out=tmp_path / "b"))
    assert (tmp_path / "a" / "results.csv").read_bytes() == (tmp_path / "b" / "results.csv").read_bytes()


def test_points_are_compared_with_those_of_the_baseline_that_differ_in_nothing_else(spec: Spec, cache: Path) -> None:
    table = done(spec | {"baseline": {"memory.channels": 1}}, cache).table
    time = {(row["memory.channels"], row["asic.adders"]): row["time_s"] for row in table.rows}
    for row in table.rows:
        assert row["speedup"] == pytest.approx(time[1, row["asic.adders"]] / row["time_s"])


def test_metrics_choose_the_columns(spec: Spec, cache: Path) -> None:
    table = done(spec | {"metrics": ["power_w", "utilisation"], "objectives": ["time_s"]}, cache).table
    assert list(table.rows[0]) == ["point", "system", "workload", "memory.channels", "asic.adders", "status", "time_s", "power_w",
                                   "utilisation.pim", "utilisation.asic", "pareto", "error"]  # fmt: skip


def test_a_metric_that_is_in_no_result_is_answered_with_the_nearest(spec: Spec, cache: Path) -> None:
    with pytest.raises(InputError, match=r"no result has 'time'; did you mean 'time_s'\?"):
        done(spec | {"metrics": ["time"]}, cache)


def test_a_metric_that_the_first_result_lacks_is_mentioned_at_once(spec: Spec, cache: Path) -> None:
    said: list[str] = []
    with pytest.raises(InputError):
        run(load_sweep(spec | {"metrics": ["time"]}), Options(cache=cache, jobs=1, notify=said.append))
    assert [text for text in said if "'time'" in text] == [
        "metrics: no result has 'time'; did you mean 'time_s'? (so far; the first result of 6 has it not)"]


def test_what_one_system_has_by_parts_and_another_not_at_all_is_columns_of_its_parts(tiny: str, cache: Path) -> None:
    table = done({"system": ["pim-gpt", "gpu-t4"], "workload": tiny}, cache).table
    assert not [name for name in table.rows[0] if name == "area_mm2"]
    assert [row["area_mm2.total"] is None for row in table.rows] == [False, True]


@pytest.mark.parametrize("name", ["file", "other"])
def test_a_folder_that_is_no_sweeps_is_refused(spec: Spec, cache: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="is a file|holds something else"):
        done(spec, cache, out=tmp_path / name)
    assert not cache.exists()


def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_runs(spec: Spec, cache: Path, tmp_path: Path,
                                                                            monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    def read_only(*args: object, **options: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", read_only)
    with pytest.raises(InputError, match="out: cannot be written to: Read-only file system"):
        done(spec, cache, out=tmp_path / "out")
    assert not cache.exists()


def test_a_preview_counts_and_estimates(spec: Spec, cache: Path) -> None:
    options = Options(jobs=1, cache=cache)
    spec = spec | {"when": "memory.channels < 4"}
    assert preview(load_sweep(spec), options).seconds is None
    done(spec | {"when": "memory.channels < 2"}, cache)
    seen = preview(load_sweep(spec), options)
    assert (seen.points, seen.cached, len(seen.excluded)) == (4, 2, 2)
    assert seen.seconds is not None
    assert seen.seconds > 0


def test_loaded_it_is_a_data_frame_with_the_runs_behind_it(spec: Spec, cache: Path, tmp_path: Path) -> None:
    made = pimsim.sweep(spec, out=tmp_path / "out", cache=cache, jobs=1)
    loaded = pimsim.load(tmp_path / "out")
    assert isinstance(loaded, pd.DataFrame)
    pd.testing.assert_frame_equal(made.table(), loaded.table(), check_like=False)
    assert list(loaded.varied) == ["system", "workload", "memory.channels", "asic.adders"]
    assert loaded.run(3).time_s == loaded["time_s"][3]
    assert len(loaded.pareto()) == loaded["pareto"].sum() > 0
    assert loaded[loaded["asic.adders"] == 64].run(0).time_s == loaded["time_s"][0]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda out: (out / "results.csv").unlink(), "No such file"),
        (lambda out: (out / "sweep.json").write_text('{"schema_version": 99, "axes": []}'), "schema version 99"),
        (lambda out: (out / "points.csv").write_text("x\n1\n"), "is damaged"),
    ],
)
def test_a_damaged_sweep_folder_is_refused(spec: Spec, cache: Path, tmp_path: Path, spoil: Any, said: str) -> None:
    done(spec | {"axes": {}}, cache, out=tmp_path / "out")
    spoil(tmp_path / "out")
    with pytest.raises(InputError, match=said):
        pimsim.load(tmp_path / "out")


def test_a_script_without_a_main_guard_may_sweep(spec: Spec, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(f"import pimsim\nprint(len(pimsim.sweep({spec!r}, cache={str(cache)!r}, jobs=2)))\n")
    said = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, env=_with_checkout())
    assert (said.stdout, said.stderr) == ("6\n", "")


def _with_checkout() -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    return os.environ | {"PYTHONPATH": root + os.pathsep + os.environ.get("PYTHONPATH", "")}

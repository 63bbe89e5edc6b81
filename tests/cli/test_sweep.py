"""``pimsim sweep``: what it prints, how it ends, and one line for whatever is wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pimsim.cli import main
from pimsim.cli.progress import Rate, duration, words

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def file(tiny: str, tmp_path: Path) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(f"workload: {tiny}\naxes:\n  memory.channels: [1, 2]\n  asic.adders: [64, 256]\nbaseline: {{memory.channels: 1}}\n")
    return path


def run(capsys: Captured, *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main.main([str(arg) for arg in args])
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


def sweep(capsys: Captured, file: Path, *args: object) -> tuple[int, str, str]:
    return run(capsys, "sweep", file, "--jobs", 1, "--cache", file.parent / "cache", *args)


def test_it_prints_the_front_and_how_many_points(capsys: Captured, file: Path) -> None:
    code, out, err = sweep(capsys, file, "--out", file.parent / "out")
    assert code == 0
    assert out.startswith("Pareto front of time_s, energy_j.total\n")
    assert out.endswith("\n4 points\n")
    assert "4 of 4 points" in err
    assert f"wrote {file.parent / 'out'}" in err


def test_json_is_one_object(capsys: Captured, file: Path) -> None:
    code, out, err = sweep(capsys, file, "--json")
    assert (code, err) == (0, "")
    said = json.loads(out)
    assert (said["points"], said["failed"], said["excluded"]) == (4, 0, 0)
    assert said["pareto"]


def test_a_dry_run_runs_nothing(capsys: Captured, file: Path) -> None:
    code, out, _ = sweep(capsys, file, "--dry-run")
    assert (code, out) == (0, "4 points: 0 from the cache, 4 to run\ntime: not known, as nothing has run yet\n")
    assert not (file.parent / "cache").exists()


def test_a_dry_run_says_what_is_cached_and_left_out(capsys: Captured, file: Path) -> None:
    sweep(capsys, file)
    file.write_text(file.read_text() + "exclude: [{where: memory.channels == 2 and asic.adders == 64, reason: too small}]\n")
    assert sweep(capsys, file, "--dry-run")[1] == \
        "3 points: 3 from the cache, 0 to run\n  1 combinations left out: too small\n"
    assert json.loads(sweep(capsys, file, "--dry-run", "--json")[1]) == \
        {"points": 3, "cached": 3, "refused": 0, "excluded": {"too small": 1}, "seconds": 0.0}


def test_a_dry_run_says_why_points_are_refused(capsys: Captured, file: Path) -> None:
    file.write_text("system: [pim-gpt, gpu-t4]\n" + file.read_text())
    out = sweep(capsys, file, "--dry-run")[1].splitlines()
    assert out[0] == "8 points: 0 from the cache, 4 to run, 4 whose configuration is refused"
    assert out[1].startswith("  4 refused: ") and "memory.channels: unknown key 'memory'" in out[1]


def test_an_unknown_axis_is_answered_with_the_nearest(capsys: Captured, file: Path) -> None:
    file.write_text(file.read_text().replace("asic.adders", "asic.aders"))
    assert sweep(capsys, file) == \
        (2, "", f"{file}:4:3: axes.asic.aders: there is no configuration path 'asic.aders'; did you mean 'asic.adders'?\n")


def test_an_empty_range_is_named(capsys: Captured, file: Path) -> None:
    file.write_text(file.read_text().replace("[64, 256]", "{range: [64, 32, 8]}"))
    assert sweep(capsys, file) == (2, "", f"{file}:4:16: axes.asic.adders: the range from 64 to 32 is empty; a last value that can be "
                                          "reached from the first\n")  # fmt: skip


def test_too_many_points_need_yes(capsys: Captured, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pimsim.sweep.run.LIMIT", 3)
    assert sweep(capsys, file) == \
        (2, "", f"{file}: 4 points, more than 3; --yes runs them all the same, --dry-run only counts them\n")
    assert "more than 3 points: --yes runs them" in sweep(capsys, file, "--dry-run")[1]
    assert sweep(capsys, file, "--yes")[0] == 0


def test_a_folder_with_something_else_is_refused(capsys: Captured, file: Path) -> None:
    (file.parent / "mine").mkdir()
    (file.parent / "mine" / "thesis.tex").write_text("")
    code, _, err = sweep(capsys, file, "--out", file.parent / "mine")
    assert code == 2
    assert err == f"{file.parent / 'mine'}: holds something else than a sweep; a new folder, or a sweep's folder to go on with\n"


def test_a_read_only_folder_is_named(capsys: Captured, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*args: object, **options: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", read_only)
    assert sweep(capsys, file, "--out", file.parent / "out") == \
        (2, "", f"{file.parent / 'out'}: cannot be written to: Read-only file system; another folder\n")


def test_a_cache_of_another_layout_is_named(capsys: Captured, file: Path) -> None:
    sweep(capsys, file)
    (file.parent / "cache" / "runs" / "format.json").write_text('{"format": 7}')
    code, _, err = sweep(capsys, file)
    assert (code, err.count("\n")) == (2, 1)
    assert "this cache was written by another version of pimsim (layout 7, this one has 1)" in err


def test_runs_of_other_versions_are_mentioned(capsys: Captured, file: Path) -> None:
    sweep(capsys, file)
    (file.parent / "cache" / "runs" / "0.0.1-abc").mkdir()
    assert "holds runs of 1 other version of pimsim; they are kept, not used" in sweep(capsys, file)[2]


def test_a_full_disk_is_one_line_and_what_was_finished_is_kept(capsys: Captured, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pimsim.sweep.cache import Cache

    real = Cache.adopt
    stored: list[str] = []

    def adopt(self: Cache, key: str, folder: Path) -> None:
        if stored:
            raise OSError(28, "No space left on device", "cache/summary.json")
        stored.append(key)
        real(self, key, folder)

    monkeypatch.setattr(Cache, "adopt", adopt)
    code, _, err = sweep(capsys, file)
    assert (code, err.splitlines()) == (1, ["1 of 4 points are kept; the same command goes on from there",
                                            "cache/summary.json: No space left on device"])  # fmt: skip


def test_failed_points_are_shown(capsys: Captured, file: Path) -> None:
    file.write_text(file.read_text().replace("asic.adders: [64, 256]", "pim.global_buffer: [2 KiB, 1 KiB]"))
    code, out, err = sweep(capsys, file)
    assert code == 0
    assert out.endswith("4 points, 2 failed\n")
    assert "failed: memory.channels=1, pim.global_buffer=1 KiB: pim.global_buffer: a buffer of 1024 B is smaller" in err


def test_a_sweep_of_which_no_point_can_run_ends_with_1(capsys: Captured, file: Path) -> None:
    file.write_text("workload: gpt3-xl\naxes: {memory.channels: [1, 2]}\n")
    assert sweep(capsys, file)[0] == sweep(capsys, file, "--json")[0] == 1


def test_search_and_unverified_exclude_each_other(capsys: Captured, file: Path) -> None:
    assert sweep(capsys, file, "--search", 3, "--unverified")[0] == 2


def test_what_unverified_numbers_move_is_printed(capsys: Captured, file: Path) -> None:
    code, out, _ = sweep(capsys, file, "--unverified", "--range", 0.1)
    assert code == 0
    assert "memory.timing.tRP" in out
    assert "time_s_swing" in out


def test_a_cached_sweep_loads_neither_numba_nor_pandas(file: Path, capsys: Captured) -> None:
    sweep(capsys, file)
    arguments = ["sweep", str(file), "--cache", str(file.parent / "cache")]
    program = f"import sys\nfrom pimsim.cli.main import _run\ncode = _run({arguments!r})\nprint(code, *sys.modules, file=sys.stderr)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    code, *loaded = said.stderr.splitlines()[-1].split()
    assert code == "0"
    assert not {"numba", "pandas", "matplotlib", "simpy", "optuna", "distributed"} & set(loaded)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_a_second_start_goes_on(file: Path, number: signal.Signals) -> None:
    file.write_text(file.read_text().replace("[64, 256]", "{range: [64, 200, 2]}"))
    command = [sys.executable, "-m", "pimsim", "sweep", str(file), "--jobs", "2", "--cache", str(file.parent / "cache")]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    until = time.monotonic() + 120
    while time.monotonic() < until and len(list(file.parent.glob("cache/runs/0*/*"))) < 3:
        time.sleep(0.02)
    if number == signal.SIGINT:
        os.killpg(child.pid, number)  # as a terminal does
    else:
        child.send_signal(number)
    _, err = child.communicate()
    assert child.returncode == 130, err
    assert "points are kept; the same command goes on from there" in err
    assert "Traceback" not in err
    again = subprocess.run([*command, "--dry-run", "--json"], capture_output=True, text=True, check=True)
    assert json.loads(again.stdout)["cached"] >= 3


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (0.3, "0.3 s"), (44.6, "45 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)  # fmt: skip
def test_a_duration_for_people(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_progress_in_words() -> None:
    assert words(12, 64, 1, 3, (2.1, 25)) == "12 of 64 points, 3 from the cache, 1 failed, 2.1 points/s, 25 s left"


def test_the_rate_counts_from_the_first_point_that_was_run(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([10.0, 11.0, 15.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    rate = Rate()
    assert rate.left(3, 3, 13) is None
    assert rate.left(4, 3, 13) is None
    assert rate.left(8, 3, 13) == (1.0, 5.0)

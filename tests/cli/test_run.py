"""``pimsim run``: what it prints, where it prints it, and what it says about wrong input."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click
import pytest

from pimsim.cli import main as cli
from pimsim.cli import run as command
from pimsim.cli.run import _interruptible, _Lines, _Steps
from pimsim.config import load_workload
from pimsim.errors import SimulationError
from pimsim.model import tracefile as model
from pimsim.model.lowering import lower_workload

Said = tuple[int, str, str]
Pimsim = Callable[..., Said]


@pytest.fixture
def pimsim(capfd: pytest.CaptureFixture[str]) -> Pimsim:
    def call(*args: str | Path) -> Said:
        with pytest.raises(SystemExit) as exit_:
            cli.main(["run", *map(str, args)])
        out, err = capfd.readouterr()
        assert isinstance(exit_.value.code, int)
        assert "Traceback" not in err
        return exit_.value.code, out, err

    return call


def write_trace(tiny: str, path: Path, change: Callable[[int, dict[str, str]], None] = lambda number, row: None) -> Path:
    """The trace of a workload, each row changed."""
    model.write_trace(lower_workload(load_workload(tiny)), path)
    with path.open() as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        change(number, row)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_the_report_goes_to_stdout_and_progress_to_stderr(pimsim: Pimsim, tiny: str) -> None:
    code, out, err = pimsim("pim-gpt", tiny)
    assert code == 0
    assert out.startswith("tiny on pim-gpt: 5 tokens in ")
    assert "\x1b" not in out
    assert err.splitlines()[-1].startswith("simulated 6 steps in ")


def test_json_is_one_object_on_stdout_and_stderr_is_silent(pimsim: Pimsim, tiny: str) -> None:
    code, out, err = pimsim("pim-gpt", tiny, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["tokens"] == 5


def test_the_summary_of_a_folder_is_what_json_prints(pimsim: Pimsim, tiny: str, tmp_path: Path) -> None:
    _, out, _ = pimsim("pim-gpt", tiny, "--json", "--out", tmp_path / "run")
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == json.loads(out)


def test_files_that_were_written_are_named(pimsim: Pimsim, tiny: str, tmp_path: Path) -> None:
    paths = [tmp_path / "run", tmp_path / "c.csv", tmp_path / "t.json"]
    code, _, err = pimsim("pim-gpt", tiny, "--out", paths[0], "--commands", paths[1], "--timeline", paths[2], "--steps", "1:3")
    assert code == 0
    assert err.splitlines()[-3:] == [f"wrote {path}" for path in paths]
    assert all(path.exists() for path in paths)


def test_blame_is_in_the_report_and_in_json(pimsim: Pimsim, tiny: str) -> None:
    assert "Held back by, step 5" in pimsim("pim-gpt", tiny, "--blame", "--steps=-1")[1]
    assert json.loads(pimsim("pim-gpt", tiny, "--blame", "--json")[1])["blame"]["held_back"]


def test_verbose_lists_unverified_numbers(pimsim: Pimsim, tiny: str) -> None:
    assert "memory.timing.tRP = 12 ns" in pimsim("pim-gpt", tiny, "-v")[1]


def test_short_cuts_can_be_switched_off(pimsim: Pimsim, tiny: str) -> None:
    fast, slow = (json.loads(pimsim("pim-gpt", tiny, "--json", *options)[1]) for options in ((), ("--no-fold", "--no-fast-forward")))
    assert slow["folded"] == [] != fast["folded"]
    assert {k: v for k, v in slow.items() if k not in ("host", "folded")} == {k: v for k, v in fast.items() if k not in ("host", "folded")}


def test_a_trace_is_run(pimsim: Pimsim, tiny: str, tmp_path: Path) -> None:
    path = write_trace(tiny, tmp_path / "tiny.csv")
    whole, traced = (json.loads(pimsim(*args, "--json")[1])["cycles"] for args in (("pim-gpt", tiny), ("pim-gpt", "--trace", path)))
    assert whole == traced


def test_an_edited_trace_gives_another_result(pimsim: Pimsim, tiny: str, tmp_path: Path) -> None:
    def double(number: int, row: dict[str, str]) -> None:
        if row["name"] == "ffn1":
            row["rows"] = str(2 * int(row["rows"]))
            row["bytes_read"] = row["bytes_written"] = row["macs"] = ""

    result = json.loads(pimsim("pim-gpt", "--trace", write_trace(tiny, tmp_path / "tiny.csv", double), "--json")[1])
    assert result["macs"] == 3 * (6 * 16 * 192**2 + 2 * 192 * 21)


def test_a_context_beyond_what_the_model_was_made_for_is_said(pimsim: Pimsim) -> None:
    code, out, err = pimsim("pim-gpt", "gpt2-small", "--set", "workload.output_tokens=1", "--set", "workload.prompt_tokens=1100",
                            "--set", "workload.prefill=elsewhere", "--json")  # fmt: skip
    assert code == 0 and json.loads(out)["tokens"] == 1
    assert "note: a context of 1,100 tokens is beyond the 1,024 that gpt2-small was made for" in err


# ---------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("memory.chanels=4", "--set memory.chanels: unknown key 'chanels'; did you mean 'channels'?"),
        ("memory.timing.tRCDX=4", "unknown timing name 'tRCDX'; did you mean"),
        ("memory.timing.tRP=12 kg", "'kg' is not a unit of time"),
        ("asic.clock=1 ns", "'ns' is not a unit of frequency"),
        ("asic.clock=1000", "'1000' has no unit"),
        ("memory.channels=0", "0 is zero; more than zero"),
        ("memory.rows=-5", "-5 is below zero"),
        ("memory.timing.tRP=-1 ns", "'-1 ns' is below zero"),
        ("memory.channels=2.5", "2.5 is not a whole number"),
        ("memory.channels=two", "'two' is not a whole number"),
        ("memory.channels=.nan", "nan is not a whole number"),
        ("asic.clock=.nan", "nan is not a finite number"),
        ("memory.timing.tRP=.inf", "inf is not a duration"),
        ("memory.banks=15", "15 banks do not divide into 4 bank groups; a multiple of 4"),
        ("memory.row_buffers=2", "mapping pim-gpt uses one row buffer; 1"),
        ("memory.ranks=2", "2 ranks and 1 sids; mapping pim-gpt wants 1 of each"),
        ("controller.refresh=per-bank", "all-bank PIM commands cannot run beside per-bank refresh; all-bank or none"),
        ("pim.global_buffer=1 KiB", "a buffer of 1024 B is smaller than a row of 2048 B"),
        ("memory.currents_variant=paper", "activate would take -225.0 pJ: the currents contradict one another"),
        ("memory.rows=20", "the model and its KV cache need"),
        ("asic.sram_bytes=256 B --set asic.on_overflow=error", "bytes of ASIC SRAM"),
        ("controller.policy=fcfs", "--set controller.policy: a pim-gpt system has no 'fcfs'; 'ramulator-rowhit'"),
        ("controller.read_queue=64", "--set controller.read_queue: 64 changes nothing on a pim-gpt system; leave it out"),
        ("controller.page=closed", "--set controller.page: a pim-gpt system has no 'closed'; 'open'"),
        ("pim.arbiter=age", "--set pim.arbiter: a pim-gpt system has no 'age'; 'pim-first'"),
        ("scheduler.max_batch=8", "--set scheduler.max_batch: 8 changes nothing on a pim-gpt system; 512"),
        ("parallel.tensor=2", "--set parallel.tensor: 2 changes nothing on a pim-gpt system; leave it out"),
        ("kind=pim-gtp", "unknown kind of system 'pim-gtp'; did you mean 'pim-gpt'?"),
        ("workload.batch=2", "a batch of 2; mapping pim-gpt runs one sequence at a time"),
        ("workload.output_tokens=0", "0 is zero"),
        ("workload.prefil=inline", "unknown key 'prefil'; did you mean 'prefill'?"),
        ("memory.channels", "'memory.channels' is not PATH=VALUE"),
    ],
)
def test_a_wrong_setting_is_bad_input(pimsim: Pimsim, tiny: str, tmp_path: Path, setting: str, said: str) -> None:
    settings = [word for part in setting.split(" --set ") for word in ("--set", part)]
    code, out, err = pimsim("pim-gpt", tiny, *settings, "--out", tmp_path / "run", "--commands", tmp_path / "c.csv")
    assert (code, out) == (2, "")
    assert said in err
    assert err.startswith("--set") or "gddr6-pim.yaml:" in err
    assert list(tmp_path.iterdir()) == []


def test_bank_groups_too_large_for_the_activation_window_are_refused(pimsim: Pimsim, tiny: str) -> None:
    code, _, err = pimsim("pim-gpt", tiny, "--set", "pim.all_bank_act=faw", "--set", "memory.bankgroups=2")
    assert code == 2
    assert "--set memory.bankgroups: a bank group of 8 banks cannot be opened at once under tFAW; at most 4 banks" in err


def test_all_problems_are_said_at_once(pimsim: Pimsim, tiny: str) -> None:
    wrong = ("memory.chanels=4", "asic.clock=fast", "workload.batch=-1", "nonsense")
    code, _, err = pimsim("pim-gpt", tiny, *(word for text in wrong for word in ("--set", text)))
    assert code == 2
    assert len(err.splitlines()) == 4


def test_problems_in_a_file_name_its_line(pimsim: Pimsim, tiny: str, tmp_path: Path) -> None:
    system = tmp_path / "mine.yaml"
    system.write_text("kind: pim-gpt\nmemory:\n  part: gddr6-pim\n  rows: 3\nasic:\n  part: pim-gpt-28nm\n  adderz: 2\nmapping: pim-gpt\n")
    code, _, err = pimsim(system, tiny)
    assert (code, err) == (2, f"{system}:7:3: asic.adderz: unknown key 'adderz'; did you mean 'adders'?\n")
    system.write_text(system.read_text().replace("  adderz: 2\n", ""))
    code, _, err = pimsim(system, tiny)
    assert code == 2
    assert err.startswith(f"{system}:4:9: memory.rows: the model and its KV cache need ")


def test_a_model_that_is_too_large_is_told_by_how_much(pimsim: Pimsim) -> None:
    code, _, err = pimsim("pim-gpt", "gpt2-xl", "--set", "memory.channels=4")
    assert code == 2
    assert "memory.rows: the model and its KV cache need 30480 rows of every bank, 14096 more than there are" in err
    assert "at least 8 channels of this size" in err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("pim-gtp",), "'pim-gtp' is not a system that ships, nor a file; did you mean 'pim-gpt'?"),
        (("pim-gpt", "gpt2-xs"), "'gpt2-xs' is not a workload that ships, nor a file; did you mean 'gpt2-xl'?"),
        (("no/such.yaml",), "no/such.yaml: no such file"),
        (("pim-gpt", "no/such.yaml"), "no/such.yaml: no such file"),
        (("--trace", "no.csv"), "no.csv: No such file or directory"),
        (("pim-gpt", "gpt2-xl", "--trace", "no.csv"), "no.csv: both a workload ('gpt2-xl') and a trace; one of them"),
        (("--trace", "no.csv", "--set", "workload.batch=1"), "--set: nothing here has 'workload.batch'"),
        (("--steps", "1"), "--steps goes with --commands, --timeline or --blame"),
        (("--blame", "--steps", "a:b"), "'a:b' is neither a step nor A:B"),
        (("--blame", "--steps", "2000"), "--steps: no step is chosen; steps 0 to 1023"),
        (("--blame", "--steps", "5:2000"), "--steps: there is no step 2000; steps 0 to 1023"),
        (("--blame", "--steps=-2000:3"), "--steps: there is no step -2000; steps 0 to 1023"),
        (("--commands", "no/c.csv"), "no/c.csv: there is no folder 'no'"),
        (("--commands", "c.txt"), "c.txt: a file of this kind cannot be called 'c.txt'; a name that ends in .csv or .csv.gz"),
        (("--timeline", "t.csv"), "t.csv: a file of this kind cannot be called"),
    ],
)
def test_wrong_arguments_are_bad_input(pimsim: Pimsim, args: tuple[str, ...], said: str, tmp_path: Path,
                                       monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    code, out, err = pimsim(*args)
    assert (code, out) == (2, "")
    assert said in err


def test_a_folder_that_holds_something_else_is_refused(pimsim: Pimsim, tiny: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    code, _, err = pimsim("pim-gpt", tiny, "--out", tmp_path)
    assert (code, err) == (2, f"{tmp_path}: holds something else than a run; a new folder, or a run folder to replace\n")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("row", "column", "value", "said"),
    [
        (4, "deps", "9999", "9999"),
        (1, "deps", "4", "circle"),
        (2, "kind", "matvek", "matvec"),
        (3, "rows", "-3", "-3"),
        (3, "rows", "2.5", "2.5"),
        (3, "rows", "nan", "nan"),
        (5, "cols", "", ""),
    ],
)
def test_a_wrong_trace_names_its_file_and_line(pimsim: Pimsim, tiny: str, tmp_path: Path, row: int, column: str, value: str,
                                               said: str) -> None:  # fmt: skip
    def spoil(number: int, cells: dict[str, str]) -> None:
        if number == row:
            cells[column] = value

    path = write_trace(tiny, tmp_path / "t.csv", spoil)
    code, out, err = pimsim("--trace", path, "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    assert err.startswith(f"{path}:") and err[len(str(path)) + 1].isdigit()
    assert said in err
    assert not (tmp_path / "run").exists()


def test_a_trace_that_the_mapping_cannot_run_is_named(pimsim: Pimsim, tiny: str, tmp_path: Path) -> None:
    def rotate(number: int, row: dict[str, str]) -> None:
        if row["kind"] == "gelu":  # 768 elements
            row |= {"kind": "rotary", "cols": "2", "heads": "1", "kv_heads": "1", "head_dim": "384", "bytes_read": "",
                    "bytes_written": ""}

    path = write_trace(tiny, tmp_path / "t.csv", rotate)
    code, _, err = pimsim("--trace", path)
    assert code == 2
    assert "pim-gpt-28nm.yaml:" in err
    assert "asic.sincos_table: operator 'gelu' (rotary): the ASIC cannot run 'rotary'" in err


# ---------------------------------------------------------------- failing and stopping


def test_a_broken_law_fails_the_run_and_leaves_nothing(pimsim: Pimsim, tiny: str, tmp_path: Path,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    def broken(*args: object) -> None:
        raise SimulationError("law 'energy' is broken: by a joule")

    monkeypatch.setattr("pimsim.results.pim_gpt.check", broken)
    code, out, err = pimsim("pim-gpt", tiny, "--out", tmp_path / "run", "--timeline", tmp_path / "t.json")
    assert (code, out) == (1, "")
    assert err.endswith("law 'energy' is broken: by a joule\n")
    assert list(tmp_path.iterdir()) == []


def test_interrupting_leaves_one_line_and_no_files(tmp_path: Path) -> None:
    args = ["run", "pim-gpt", "gpt2-small", "--no-fold", "--json", "--out", "run", "--commands", "c.csv", "--timeline", "t.json"]
    process = subprocess.Popen([sys.executable, "-m", "pimsim.cli.main", *args], cwd=tmp_path, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    end = time.monotonic() + 120
    while not any(path.name.startswith(".c.csv") and path.stat().st_size > 10**6 for path in tmp_path.iterdir()):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.strip()) == (130, "", "interrupted")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_that_was_lost_ends_the_run_at_the_next_step() -> None:
    with pytest.raises(KeyboardInterrupt), _interruptible() as check:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        check()


def test_an_error_that_an_interrupt_has_caused_is_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), _interruptible():
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise RuntimeError("no compiled object yet")


def test_an_error_by_itself_stays_one() -> None:
    with pytest.raises(RuntimeError), _interruptible():
        raise RuntimeError("a bug")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# ---------------------------------------------------------------- small parts


@pytest.mark.parametrize(("text", "chosen"), [("0:4", [0, 1, 2, 3]), ("3", [3]), ("-1", [9]), (":2", [0, 1]), ("8:", [8, 9]),
                                              ("-2:", [8, 9]), (":", list(range(10))), ("0", [0])])  # fmt: skip
def test_steps_are_slices(text: str, chosen: list[int]) -> None:
    assert list(range(10))[_Steps().convert(text, None, None)] == chosen


@pytest.mark.parametrize("text", ["", "x", "1:2:3", "1.5", "1-2"])
def test_other_texts_are_no_steps(text: str) -> None:
    with pytest.raises(click.BadParameter):
        _Steps().convert(text, None, None)


def test_progress_lines_come_every_few_seconds(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    monkeypatch.setattr(command.time, "monotonic", lambda: now[0])
    lines = _Lines()
    lines.prepare("compiling")
    for done in range(1, 21):
        now[0] = 30.0 + 2 * done  # half a minute of compiling comes before
        lines.progress(done, 20)
    assert capsys.readouterr().err.splitlines() == [
        "compiling ...",
        "step 4 of 20, 0.5 steps/s, 32 s left",
        "step 7 of 20, 0.5 steps/s, 26 s left",
        "step 10 of 20, 0.5 steps/s, 20 s left",
        "step 13 of 20, 0.5 steps/s, 14 s left",
        "step 16 of 20, 0.5 steps/s, 8 s left",
        "step 19 of 20, 0.5 steps/s, 2 s left",
        "simulated 20 steps in 70.0 s",
    ]


def test_a_terminal_that_lacks_the_bars_still_gets_the_report(tiny: str) -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-m", "pimsim.cli.main", "run", "pim-gpt", tiny], capture_output=True, env=environment)
    assert done.returncode == 0
    assert done.stdout.decode("ascii").startswith("tiny on pim-gpt")

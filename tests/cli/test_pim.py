"""``pimsim pim``: what it prints, what it writes, and what is wrong with its input."""

from __future__ import annotations

import gzip
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from pimsim import validate
from pimsim.cli import main as cli
from pimsim.kernels import jit

TRACES = Path(validate.__file__).parent / "reference" / "aim"
PROGRAM = "WRGB count=64\nLOOP 38 row+1 {\n    MAC16 row=100 count=64\n}\nRDMAC16\n"


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        cli.main(["pim", *args])
    out, err = capsys.readouterr()
    assert isinstance(exit_.value.code, int)
    return exit_.value.code, out, err


def facts(capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, Any]:
    code, out, err = run(capsys, *args, "--json")
    assert (code, err) == (0, "")
    return dict(json.loads(out))


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "gemv.prog"
    path.write_text(PROGRAM)
    return str(path)


def trace(name: str) -> str:
    return str(TRACES / f"{name}.trace.gz")


def test_an_aim_trace_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    found = facts(capsys, "gddr6-aim", trace("gemv16x1024_ch1"))
    assert (found["cycles"], found["form"], found["refresh"]) == (419, "aim-trace", "none")
    assert found["counts"] == {"ACT16": 1, "MAC16": 64, "WRGB": 64, "WRMAC16": 1, "RDMAC16": 1, "TMOD": 3}
    assert found["compat"] == ["any_write_answers_reads", "opened_requests_leave_queue"]
    assert found["time_s"] == pytest.approx(419 * 0.5e-9)
    assert {"wall_s", "cpu_s", "commands_per_s", "peak_rss_bytes"} == found["host"].keys()


def test_counts_are_those_of_all_channels(capsys: pytest.CaptureFixture[str]) -> None:
    found = facts(capsys, "gddr6-aim", trace("micro_wrbias_1024_16banks"))
    assert found["counts"]["WRMAC16"] == 32 * 1024
    assert [(c["channels"], c["counts"]["WRMAC16"]) for c in found["channels"]] == [(list(range(32)), 1024)]


def test_folding_is_said_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    folded = facts(capsys, "gddr6-aim", trace("all_isr"))
    whole = facts(capsys, "gddr6-aim", trace("all_isr"), "--no-fold")
    assert (folded["folded"], whole["folded"]) == (["channels 4-27 did the same"], [])
    same = ("cycles", "counts", "cycles_by_cause", "answered_reads", "unserved_requests")
    assert {k: folded[k] for k in same} == {k: whole[k] for k in same}


def test_a_program_runs_on_any_part_with_pim_commands(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    for part in ("gddr6-pim", "gddr6-aim"):
        found = facts(capsys, part, program)
        assert found["form"] == "program"
        assert found["counts"]["MAC16"] == len(found["channels"][0]["channels"]) * 38 * 64


def test_a_program_gets_the_mode_switches_that_its_part_needs(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "TMOD" not in facts(capsys, "gddr6-pim", program)["counts"]
    assert facts(capsys, "gddr6-aim", program)["counts"]["TMOD"] == 3 * 32


def test_short_cuts_change_no_number_of_a_program(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    same = ("cycles", "counts", "cycles_by_cause")
    quick = facts(capsys, "gddr6-pim", program)
    slow = facts(capsys, "gddr6-pim", program, "--no-fold", "--no-fast-forward")
    assert {k: quick[k] for k in same} == {k: slow[k] for k in same}


def test_a_program_s_log_is_legal(program: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part in ("gddr6-pim", "gddr6-aim"):
        log = tmp_path / f"{part}.csv"
        overrides = ("--set", "controller.refresh=all-bank", "--set", "memory.timing.tREFI=1000 ck")
        assert run(capsys, part, program, *overrides, "--commands", str(log))[0] == 0
        with pytest.raises(SystemExit) as exit_:
            cli.main(["check", part, str(log), *overrides])
        assert exit_.value.code == 0
        assert "REFab" in log.read_text()


def test_the_log_has_the_reference_s_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.csv.gz"
    assert run(capsys, "gddr6-aim", trace("gemv16x1024_ch1"), "--commands", str(log))[0] == 0
    with gzip.open(log, "rt") as file:
        lines = file.read().splitlines()
    assert lines[:3] == ["cycle,channel,rank,sid,bankgroup,bank,command,row,col,count", "6,31,0,0,-1,-1,TMOD,-1,-1,1",
                         "38,31,0,0,-1,-1,WRMAC16,-1,0,1"]
    assert len(lines) == 135


def test_what_people_read(program: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.trace"
    path.write_text("W MEM 0 0 1\nW MEM 0 0 2\nR MEM 0 1 1\nAiM EOC\nAiM EOC\n")
    code, out, err = run(capsys, "gddr6-aim", str(path))
    assert (code, err) == (0, f"{path}: 1 instructions behind AiM EOC were not executed\n")
    assert out.startswith(f"{path} on gddr6-aim: ")
    assert "(no refresh)\n  ACT " in out
    assert "1 reads were answered by waiting writes and needed no command\n" in out
    assert "channels 1-31 did the same\n" in out


def test_unserved_requests_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.trace"
    path.write_text("W MEM 0 0 1\nAiM EOC\n")
    assert "1 reads and writes were not served by the end (compat.opened_requests_leave_queue)" in run(capsys, "gddr6-aim", str(path))[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("AiM MAC_ABC 1 1 0\nAiM AF 0\nAiM EOC\n",
         ["{}:1: unknown instruction 'MAC_ABC'; did you mean 'MAC_ABK'?",
          "{}:2: mask: 0 is out of range; 1 .. 0xffffffff: a bit a channel, of 32"]),
        ("AiM WR_AFLUT 4\nAiM EOC\n", ["{}:1: WR_AFLUT is not supported; the AiM simulator does not model loading activation tables"]),
        ("W GPR 1\n", ["{}:1: no AiM EOC follows; AiM EOC as the last instruction"]),
        ("MAC61 row=1\n}\n", ["{}:1: unknown 'MAC61'; did you mean 'MAC16'?", "{}:2: }} without a loop"]),
        ("", ["{}: is empty"]),
    ],
)
def test_bad_programs_are_bad_input(text: str, said: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t"
    path.write_text(text)
    log = tmp_path / "log.csv"
    code, out, err = run(capsys, "gddr6-aim", str(path), "--json", "--commands", str(log))
    assert (code, out, err.splitlines()) == (2, "", [s.format(path) for s in said])
    assert not log.exists()


def test_compressed_data_that_ends_early_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.trace.gz"
    path.write_bytes((TRACES / "all_isr.trace.gz").read_bytes()[:-9])
    code, _, err = run(capsys, "gddr6-aim", str(path))
    assert (code, err) == (2, f"{path}:146: gzip data ends early; line 145 is the last that is whole\n")


@pytest.mark.parametrize(
    ("part", "overrides", "said"),
    [
        ("gddr6-pim", (), "AiM host instructions need AiM's commands"),
        ("gddr6-8gb-x16-14000", (), "memory.command_set: this memory has no PIM commands"),
        ("gddr6-aim", ("compat.opened=true",), "--set compat.opened: unknown shortcut 'opened'"),
        ("gddr6-aim", ("controller.refresh=per-bank",), "--set controller.refresh: all-bank PIM commands cannot run beside per-bank"),
        ("gddr6-aim", ("memory.channels=3",), "mask: 15 is out of range; 1 .. 0x7: a bit a channel, of 3"),
        ("gddr6-aimm", (), "'gddr6-aimm' is not a DRAM part that ships, nor a file; did you mean 'gddr6-aim'?"),
    ],
)
def test_a_part_that_cannot_is_bad_input(part: str, overrides: tuple[str, ...], said: str,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, part, trace("all_isr"), *(word for o in overrides for word in ("--set", o)))
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_a_log_that_cannot_be_written_fails_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "none" / "log.csv"
    code, out, err = run(capsys, "gddr6-aim", trace("all_isr"), "--commands", str(log))
    assert (code, out) == (2, "")
    assert err == f"--commands: {log}: there is no folder {log.parent}; an existing folder\n"


def test_a_log_in_the_place_of_the_program_is_refused(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path(program).read_text()
    code, out, err = run(capsys, "gddr6-pim", program, "--commands", program)
    assert (code, out, err) == (2, "", f"--commands: {program} is the file of PROGRAM too; another file\n")
    assert Path(program).read_text() == before


TWO_BUFFERS = "GWRITE bank=0 row=5\n" + "".join(f"G_ACT bank={4 * g} row=9\n" for g in range(8)) + "COMP row=9 count=8\nREADRES\n"


def test_a_program_on_two_row_buffers_is_refused_with_what_to_do(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "p.prog").write_text(TWO_BUFFERS)
    code, _, err = run(capsys, "hbm2-neupims", str(tmp_path / "p.prog"))
    assert code == 2
    assert "memory.row_buffers: a program runs on banks with one row buffer; what two do, pimsim micro measures; 1" in err


def test_a_program_on_one_of_two_row_buffers_is_legal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "p.prog").write_text(TWO_BUFFERS)
    one, log = ("--set", "memory.row_buffers=1"), str(tmp_path / "log.csv")
    found = facts(capsys, "hbm2-neupims", str(tmp_path / "p.prog"), *one, "--commands", log)
    assert {name: found["counts"][name] // 32 for name in ("G_ACT", "COMP", "READRES")} == {"G_ACT": 8, "COMP": 8, "READRES": 1}
    with pytest.raises(SystemExit) as exit_:
        cli.main(["check", "hbm2-neupims", log, *one])
    assert exit_.value.code == 0


def test_a_program_comes_through_a_pipe(program: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(Path(program).read_bytes()))
    writer.start()
    _, piped, _ = run(capsys, "gddr6-pim", str(pipe), "--json")
    writer.join()
    _, direct, _ = run(capsys, "gddr6-pim", program, "--json")
    assert json.loads(piped)["cycles"] == json.loads(direct)["cycles"]


def test_a_kernel_that_has_to_be_compiled_is_announced(program: str, capsys: pytest.CaptureFixture[str],
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "is_compiled", lambda name: name != "run_program")
    assert run(capsys, "gddr6-pim", program)[2].startswith("compiling the simulation kernels, once for all runs to come")
    assert run(capsys, "gddr6-aim", trace("all_isr"))[2] == ""

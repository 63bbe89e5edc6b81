"""``pimsim check``: exit codes and what is printed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from pimsim.cli.main import main

COMMANDS = Path(__file__).parents[1] / "reference" / "dram" / "commands"
LEGAL = COMMANDS / "gddr6__ram_rowhit__bank_conflict.csv.gz"


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["check", *args])
    return int(stop.value.code or 0)


@pytest.fixture
def illegal(tmp_path: Path) -> Path:
    """The legal log with the command of line 100 one cycle too early."""
    lines = gzip.decompress(LEGAL.read_bytes()).decode().splitlines()
    cycle, rest = lines[99].split(",", 1)
    lines[99] = f"{int(cycle) - 1},{rest}"
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "log.csv"


def test_a_legal_log_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("gddr6-8gb-x16-14000", str(LEGAL)) == 0
    assert "2322 commands break no rule of gddr6-8gb-x16-14000 (GDDR6)" in capsys.readouterr().out


def test_a_broken_rule_exits_with_1_and_is_named_with_file_and_line(
    illegal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("gddr6-8gb-x16-14000", str(illegal)) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"{illegal}:100: cycle ")
    assert "bank ACT->PRE/PREab tRAS: 52 cycles behind the command at cycle" in out


def test_json_is_one_object_with_the_violation(illegal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("gddr6-8gb-x16-14000", str(illegal), "--json") == 1
    result = json.loads(capsys.readouterr().out)
    assert not result["ok"]
    violation = result["violations"][0]
    assert (violation["line"], violation["rule"], violation["bankgroup"], violation["bank"]) == (
        100, "bank ACT->PRE/PREab tRAS", 1, 2)
    assert violation["earliest"] == violation["cycle"] + 1


def test_an_override_changes_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("gddr6-8gb-x16-14000", str(LEGAL), "--set", "memory.timing.tRCDRD=28") == 1
    assert "tRCDRD" in capsys.readouterr().out


def test_a_policy_carries_its_simulators_rules() -> None:
    log = str(COMMANDS / "hbm2__ds3_fr32__mixed_rw.csv.gz")
    assert run("hbm2-4gb-2000", log) == 1
    assert run("hbm2-4gb-2000", log, "--set", "controller.policy=dramsim3-fr32") == 0


def test_bad_input_exits_with_2_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.csv"
    log.write_text("cycle,channel,rank,sid,bankgroup,bank,command,row,col\n1,0,0,0,0,0,ACTIVATE,1,-1\n")
    assert run("gddr6-8gb-x16-14000", str(log)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"{log}:2:13: command: unknown command 'ACTIVATE'")


def test_a_channel_that_the_part_does_not_have_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.csv"
    log.write_text("cycle,channel,rank,sid,bankgroup,bank,command,row,col\n1,3,0,0,0,0,ACT,1,-1\n")
    assert run("gddr6-8gb-x16-14000", str(log)) == 2
    assert "channel 3 of ACT is outside the part; 0 to 0" in capsys.readouterr().err

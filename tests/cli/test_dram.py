"""``pimsim dram``: what it prints and what it refuses."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pimsim.cli.dram import command
from pimsim.errors import InputError

PART = "gddr6-8gb-x16-14000"
HEADER = "idx,arrival,op,rank,sid,bankgroup,bank,row,col\n"
GOOD = HEADER + "".join(f"{i},{i},{'W' if i % 3 == 0 else 'R'},0,0,{i % 4},0,{i // 8},{i % 8}\n" for i in range(64))


@pytest.fixture
def requests(tmp_path: Path) -> Path:
    file = tmp_path / "requests.csv"
    file.write_text(GOOD)
    return file


def test_json_has_the_keys_that_scripts_rely_on(requests: Path, tmp_path: Path) -> None:
    commands, completions = tmp_path / "c.csv", tmp_path / "d.csv.gz"
    done = CliRunner().invoke(command, [PART, str(requests), "--json", "--commands", str(commands), "--completions",
                                        str(completions), "--blame"], catch_exceptions=False)
    summary = json.loads(done.stdout)
    assert {"total_cycles", "last_rdwr_cycle", "counts", "row_hits", "row_misses", "row_conflicts", "avg_read_latency_cycles",
            "energy_j", "host", "blame"} <= summary.keys()
    assert summary["counts"]["RD"] + summary["counts"]["WR"] == 64
    assert sum(v for k, v in summary["energy_j"].items() if k != "total") == pytest.approx(summary["energy_j"]["total"])
    assert len(commands.read_text().splitlines()) - 1 == sum(summary["counts"].values())
    lines = gzip.decompress(completions.read_bytes()).decode().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == [str(i) for i in range(64)]


def test_table_for_people_is_short(requests: Path) -> None:
    done = CliRunner().invoke(command, [PART, str(requests), "--blame"], catch_exceptions=False)
    assert "64 requests" in done.stdout
    assert len(done.stdout.splitlines()) < 45


@pytest.mark.parametrize(("text", "line"), [
    (GOOD + "64,64,R,0,0\n", 66), (GOOD + "64,64,X,0,0,0,0,0,0\n", 66), (GOOD + "64,3,R,0,0,0,0,0,0\n", 66),
    (GOOD + "64,64,R,0,0,4,0,0,0\n", 66), (GOOD + "64,64,R,0,0,0,0,16384,0\n", 66), ("", 0), (HEADER, 0),
])
def test_malformed_requests_are_refused_with_their_line(text: str, line: int, tmp_path: Path) -> None:
    file, log = tmp_path / "bad.csv", tmp_path / "log.csv"
    file.write_text(text)
    with pytest.raises(InputError) as refused:
        CliRunner().invoke(command, [PART, str(file), "--commands", str(log)], catch_exceptions=False)
    assert f"bad.csv{f':{line}' if line else ''}" in str(refused.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.csv"]


def test_gzip_that_ends_early_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cut.csv.gz"
    file.write_bytes(gzip.compress(GOOD.encode())[:-20])
    with pytest.raises(InputError, match=r"cut\.csv\.gz"):
        CliRunner().invoke(command, [PART, str(file)], catch_exceptions=False)


@pytest.mark.parametrize("part", ["hbm3-16gb-6400", "lpddr5-8gb-x16-6400", "ddr5-16gb-x16-6400"])
def test_a_part_without_currents_says_that_its_energy_is_not_known(part: str, requests: Path) -> None:
    summary = json.loads(CliRunner().invoke(command, [part, str(requests), "--json"], catch_exceptions=False).stdout)
    assert (summary["energy_j"], summary["energy_note"]) == (None, "the part has no currents (memory.currents)")
    shown = CliRunner().invoke(command, [part, str(requests)], catch_exceptions=False).stdout
    assert "not known: the part has no currents" in shown


def test_a_part_with_currents_has_no_note(requests: Path) -> None:
    summary = json.loads(CliRunner().invoke(command, [PART, str(requests), "--json"], catch_exceptions=False).stdout)
    assert summary["energy_note"] is None


def test_a_policy_that_the_part_cannot_have_is_located_at_the_override(requests: Path) -> None:
    with pytest.raises(InputError, match=r"--set controller\.policy: dramsim3 has no rules for HBM3"):
        CliRunner().invoke(command, ["hbm3-16gb-6400", str(requests), "--set", "controller.policy=dramsim3-fr32"], catch_exceptions=False)

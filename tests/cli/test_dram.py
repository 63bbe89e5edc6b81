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


HBM2_RANKS = HEADER + "0,0,R,0,0,0,0,0,0\n1,1,R,1,0,0,0,0,0\n"


def test_a_pseudo_channel_that_a_policy_does_not_know_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "hbm2.csv"
    file.write_text(HBM2_RANKS)
    with pytest.raises(InputError) as refused:
        CliRunner().invoke(command, ["hbm2-4gb-2000", str(file), "--set", "controller.policy=dramsim3-fr32"], catch_exceptions=False)
    assert str(refused.value) == (f"{file}:3: rank: 1 is outside the part; 0 to 0 (DRAMsim3 has no pseudo channels: each is a channel "
                                  "of its own)")


def test_addresses_are_taken_apart_by_the_organisation_that_the_policy_sees(tmp_path: Path) -> None:
    """With the rank (of which DRAMsim3 knows one) lowest, neighbouring columns are neighbours in one bank."""
    file = tmp_path / "addresses"
    file.write_text("".join(f"{32 * i} READ {i}\n" for i in range(32)) + f"{32 << 20} WRITE 40\n")
    changes = ["--set", "controller.policy=dramsim3-fr32", "--set", "controller.address_mapping=ro bg ba co ra"]
    run = CliRunner().invoke(command, ["hbm2-4gb-2000", str(file), "--json", *changes], catch_exceptions=False)
    summary = json.loads(run.stdout)
    assert (summary["counts"]["RD"], summary["counts"]["WR"], summary["counts"]["ACT"]) == (32, 1, 2)


def test_a_wrong_mapping_is_located_at_the_override(requests: Path) -> None:
    with pytest.raises(InputError, match=r"^--set controller\.address_mapping: 'row' is not an address mapping"):
        CliRunner().invoke(command, [PART, str(requests), "--set", "controller.address_mapping=row"], catch_exceptions=False)


def test_completions_carry_the_idx_of_the_file(tmp_path: Path) -> None:
    file, done = tmp_path / "r.csv", tmp_path / "done.csv"
    file.write_text(HEADER + "70,0,R,0,0,0,0,0,0\n5,0,R,0,0,1,0,0,0\n5,3,R,0,0,0,0,0,1\n")
    CliRunner().invoke(command, [PART, str(file), "--completions", str(done)], catch_exceptions=False)
    assert [line.split(",")[0] for line in done.read_text().splitlines()[1:]] == ["70", "5", "5"]

"""``pimsim dram``: what it prints and what it refuses."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pimsim.cli.dram import _bars, command
from pimsim.config import load_dram
from pimsim.errors import InputError
from pimsim.kernels import jit
from pimsim.sim.memory import compile_memory, data_buses

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


def refused(*args: object) -> list[str]:
    with pytest.raises(InputError) as error:
        CliRunner().invoke(command, [str(a) for a in args], catch_exceptions=False)
    return [str(p) for p in error.value.problems]


def test_outputs_take_the_place_of_no_input_and_of_no_other_output(requests: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.csv"
    link.hardlink_to(requests)
    assert refused(PART, requests, "--commands", requests) == [f"--commands: {requests} is the file of REQUESTS too; another file"]
    assert refused(PART, requests, "--commands", link)[0].startswith("--commands: ")
    assert refused(PART, requests, "--commands", tmp_path / "x", "--completions", tmp_path / "." / "y" / ".." / "x") == [
        f"--completions: {tmp_path}/y/../x is the file of --commands too; another file"]
    assert requests.read_text() == GOOD


def test_places_that_cannot_be_written_are_named_before_anything_runs(requests: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "none" / "x.csv"
    assert refused(PART, requests, "--commands", nowhere, "--completions", tmp_path / "none" / "y.csv") == [
        f"--commands: {nowhere}: there is no folder {nowhere.parent}; an existing folder",
        f"--completions: {tmp_path}/none/y.csv: there is no folder {nowhere.parent}; an existing folder"]
    assert refused(PART, requests, "--commands", "/dev/null") == ["--commands: /dev/null is not a regular file; a file"]


@pytest.mark.parametrize("compressed", [False, True])
def test_requests_come_through_a_pipe(requests: Path, compressed: bool) -> None:
    data = gzip.compress(GOOD.encode()) if compressed else GOOD.encode()
    call = [sys.executable, "-m", "pimsim", "dram", PART, "-", "--json"]
    piped = json.loads(subprocess.run(call, input=data, capture_output=True, check=True).stdout)
    direct = json.loads(CliRunner().invoke(command, [PART, str(requests), "--json"], catch_exceptions=False).stdout)
    assert (piped["requests"], piped["total_cycles"]) == (64, direct["total_cycles"])


@pytest.mark.parametrize(("change", "said"), [
    ("memory.tCK=285 ps", "a burst of 2 clocks of 0.285 ns is 0.57 ns, but 16 pins at 14 Gb/s need 1.142858 ns for 32 B"),
    ("memory.timing.BL=1", "a burst of 1 clocks"),
    ("memory.timing.BL=3", "a burst of 3 clocks"),
    ("memory.column_bytes=64", "a burst of 2 clocks"),
    ("memory.pin_rate=28 Gb/s", "a burst of 2 clocks"),
])  # fmt: skip
def test_a_burst_that_the_pins_cannot_have_is_refused(requests: Path, change: str, said: str) -> None:
    (problem,) = refused(PART, requests, "--set", change)
    assert said in problem
    assert change.split("=")[0] in problem


def test_clock_and_pins_that_agree_give_the_peak(requests: Path) -> None:
    changes = [word for change in ("memory.tCK=285 ps", "memory.pin_rate=28 Gb/s") for word in ("--set", change)]
    summary = json.loads(CliRunner().invoke(command, [PART, str(requests), "--json", *changes], catch_exceptions=False).stdout)
    assert summary["peak_bytes_per_s"] == pytest.approx(32 / 570e-12)
    assert summary["bandwidth_utilisation"] == pytest.approx(summary["bandwidth_bytes_per_s"] / summary["peak_bytes_per_s"])


@pytest.mark.parametrize(("part", "changes", "buses"), [
    ("hbm2-4gb-2000", [], 2), ("hbm2-4gb-2000", ["controller.policy=dramsim3-fr32"], 1), ("ddr4-8gb-x8-2400", ["memory.ranks=2"], 1),
    ("lpddr5-8gb-x16-6400", ["memory.ranks=2"], 1), ("hbm3-16gb-6400", [], 2),
])  # fmt: skip
def test_pseudo_channels_have_data_buses_of_their_own_and_ranks_share_one(part: str, changes: list[str], buses: int) -> None:
    config = load_dram(part, changes)
    assert data_buses(compile_memory(config.memory, config.controller)) == buses


@pytest.mark.parametrize("formula", ["drampower", "micron"])
def test_the_formula_can_be_chosen_where_a_part_says_nothing_of_energy(requests: Path, formula: str) -> None:
    run = CliRunner().invoke(command, [PART, str(requests), "--json", "--set", f"energy.formula={formula}"], catch_exceptions=False)
    default = json.loads(CliRunner().invoke(command, [PART, str(requests), "--json"], catch_exceptions=False).stdout)
    summary = json.loads(run.stdout)
    assert summary["energy_j"]["activate"] != default["energy_j"]["activate"]
    assert summary["energy_j"]["read"] == default["energy_j"]["read"]
    assert "io" not in summary["energy_j"]


def test_the_pins_energy_counts_if_it_is_given(requests: Path) -> None:
    run = CliRunner().invoke(command, [PART, str(requests), "--json", "--set", "energy.io=5 pJ/bit"], catch_exceptions=False)
    energy = json.loads(run.stdout)["energy_j"]
    assert energy["io"] == pytest.approx(64 * 32 * 8 * 5e-12)
    assert energy["total"] == pytest.approx(sum(v for k, v in energy.items() if k != "total"))


def test_blame_of_a_memory_speaks_of_no_asic(requests: Path) -> None:
    requests.write_text(GOOD + "64,1500,R,0,0,0,0,0,0\n")
    shown = CliRunner().invoke(command, [PART, str(requests), "--blame"], catch_exceptions=False).stdout
    assert "waits for work" in shown
    assert "ASIC" not in shown


def test_bars_of_the_latency_histogram_have_about_equal_ratios() -> None:
    bins = [[b, b, 1] for b in range(20, 64)] + [[b, b + 7, 8] for b in range(64, 1024, 8)]
    bars = [line.split() for line in _bars(bins)]
    spans = [(int(first), int(last)) for first, _, last, *_ in bars]
    assert all(1.2 < (last + 1) / first < 1.6 for first, last in spans)
    assert sum(int(bar[-1].replace(",", "")) for bar in bars) == 44 + 960


@pytest.mark.parametrize(("missing", "options"), [("serve", []), ("blame_channel", ["--blame"])])
def test_kernels_that_have_to_be_compiled_are_announced(missing: str, options: list[str], requests: Path,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "is_compiled", lambda name: name != missing)
    run = CliRunner().invoke(command, [PART, str(requests), *options], catch_exceptions=False)
    assert run.stderr.startswith("compiling the simulation kernels, once for all runs to come")
    assert "compiling" not in run.stdout


def test_levels_that_a_standard_does_not_have_are_refused(requests: Path) -> None:
    assert refused(PART, requests, "--set", "memory.sids=2") == ["--set memory.sids: a channel of GDDR6 has no more than 1; 1"]
    assert refused(PART, requests, "--set", "memory.ranks=2") == ["--set memory.ranks: GDDR6 has no rules between ranks; 1"]

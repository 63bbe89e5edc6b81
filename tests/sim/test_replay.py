"""Replaying AiM traces against the AiM simulator's cycles and command logs, and against a plain-Python model of its host.

``pimsim/validate/reference`` and ``tests/reference/aim``: traces, cycles and command logs of arkhadem/aim_simulator 0f28a07.
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.config import DramConfig, load_dram
from pimsim.dram import commandlog
from pimsim.dram.checker import check
from pimsim.errors import InputError
from pimsim.pim.aim_trace import read_aim_trace
from pimsim.pim.command_set import command_set
from pimsim.sim.replay import Replay, policy_vector, ranges, replay
from pimsim.validate import aim
from pimsim.validate.reference import table
from tests.sim import aim_oracle as oracle

REFERENCE = Path(__file__).parents[1] / "reference" / "aim"
RUNS = {row["trace"]: row for row in table("aim_runs")}
LOGGED = [trace for trace, row in RUNS.items() if row["logged"] != "0"]
SMALL = sorted(path.name.removesuffix(".cmd.gz") for path in (REFERENCE / "cmdlogs").glob("*.gz"))


@cache
def part(*overrides: str) -> DramConfig:
    return load_dram("gddr6-aim", overrides)


@cache
def reference_run(trace: str) -> Replay:
    return aim.run(trace)


def reference_trace(trace: str) -> Path:
    return Path(aim.__file__).parent / "reference" / "aim" / f"{trace}.trace.gz"


@pytest.mark.parametrize("trace", RUNS)
def test_cycles_are_the_simulators(trace: str) -> None:
    assert reference_run(trace).cycles == int(RUNS[trace]["cycles"])


COUNTED = ("MAC16", "ACT16", "TMOD", "PREA", "WRGB", "RDMAC16", "REFab")


@pytest.mark.parametrize("trace", RUNS)
def test_counts_of_a_channel_are_the_simulators(trace: str) -> None:
    run = reference_run(trace)
    busiest = max((run.counts(n) for n in range(len(run.members))), key=lambda counts: sum(counts.values()))
    assert {name: busiest.get(name, 0) for name in COUNTED} == {name: int(RUNS[trace][name]) for name in COUNTED}


@pytest.mark.parametrize("trace", LOGGED)
def test_the_command_log_is_the_simulators(trace: str) -> None:
    row = RUNS[trace]
    assert aim.digest(reference_run(trace), int(row["logged_channel"])) == (int(row["logged"]), row["sha256"])


@pytest.mark.parametrize("trace", SMALL)
def test_every_command_has_the_simulators_cycle(trace: str) -> None:
    with gzip.open(REFERENCE / "cmdlogs" / f"{trace}.cmd.gz", "rt") as file:
        expected = [(int(w[1]), int(w[4]), w[3]) for w in map(str.split, file)]
    assert [entry[:3] for entry in entries(reference_run(trace))] == expected


# ---------------------------------------------------------------- traces of our own


def write(folder: Path, *lines: str) -> Path:
    path = folder / "t.trace"
    path.write_text("".join(f"{line}\n" for line in (*lines, "AiM EOC")))
    return path


Entry = tuple[int, int, str, int, int, int]
"""(cycle, channel, command, bank in the channel or -1, row, column)."""


def entries(run: Replay) -> list[Entry]:
    log = run.log(run.channels)
    return [(r[0], r[1], log.names[r[6]], r[4] * 4 + r[5] if r[5] >= 0 else -1, r[7], r[8]) for r in log.rows.tolist()]


def names(run: Replay) -> list[tuple[int, str]]:
    return [(cycle, name) for cycle, _, name, *_ in entries(run)]


def test_the_host_does_one_instruction_a_tick(tmp_path: Path) -> None:
    run = replay(part(), write(tmp_path, "W GPR 0", "W CFR 0 1", "AiM EWADD 1 0 1"))
    assert run.cycles == 5  # EOC is sent in tick 4 and completes in the next


def test_a_mode_switch_takes_the_slot_of_the_command_that_needs_it(tmp_path: Path) -> None:
    run = replay(part(), write(tmp_path, "AiM MAC_ABK 1 1 0", "AiM MAC_ABK 1 1 1", "AiM WR_GB 1 0 1", "AiM MAC_ABK 1 1 1"), log=True)
    assert names(run) == [
        (1, "ACT16"), (57, "MAC16"), (69, "PREA"), (101, "ACT16"), (157, "MAC16"), (158, "TMOD"), (190, "WRGB"), (191, "TMOD"),
        (223, "MAC16"),
    ]  # fmt: skip


def test_a_blocking_read_holds_the_host(tmp_path: Path) -> None:
    run = replay(part(), write(tmp_path, "AiM RD_MAC 0 1", "AiM RD_MAC 0 2"), log=True)
    # the second is sent when the first, issued in 33, has its data (2 ticks), and the host has seen it
    assert names(run) == [(1, "TMOD"), (33, "RDMAC16"), (36, "TMOD"), (68, "RDMAC16")]


def test_a_read_of_results_waits_for_reads_before_it(tmp_path: Path) -> None:
    alone = replay(part(), write(tmp_path, "AiM RD_MAC 0 1"))
    behind = replay(part(), write(tmp_path, "R MEM 31 0 0", *["W GPR 0"] * 40, "AiM RD_MAC 0 1"))
    # the read, issued in tick 37, is done in 89; results after it, EOC after those
    assert (alone.cycles, behind.cycles) == (37, 92)


def test_a_full_queue_holds_the_host(tmp_path: Path) -> None:
    # the 34th request is accepted behind the issue of the first, in 57; then comes the read, which goes at once
    run = replay(part(), write(tmp_path, "AiM MAC_ABK 34 1 0", "R MEM 0 0 0"), log=True)
    assert [cycle for cycle, channel, *_ in entries(run) if channel == 0][0] == 59


def test_all_banks_are_opened_while_one_is_open(tmp_path: Path) -> None:
    run = replay(part(), write(tmp_path, "AiM MAC_SBK 1 1 3 0", "AiM MAC_ABK 1 1 0"), log=True)
    assert names(run) == [(1, "ACT"), (57, "MAC"), (90, "ACT16"), (146, "MAC16")]


def test_the_ordered_set_closes_banks_first(tmp_path: Path) -> None:
    run = replay(part("memory.command_set=aim-ordered"), write(tmp_path, "AiM MAC_SBK 1 1 3 0", "AiM MAC_ABK 1 1 0"), log=True)
    assert [name for _, name in names(run)] == ["ACT", "MAC", "PREA", "ACT16", "MAC16"]


def test_any_waiting_write_answers_a_read(tmp_path: Path) -> None:
    # two writes to one bank: the second waits in the queue for its row, and answers the read of quite another place
    trace = write(tmp_path, "W MEM 0 0 1", "W MEM 0 0 2", "R MEM 0 5 9", "AiM SYNC")
    run = replay(part(), trace)
    assert (run.answered_reads, run.counts().get("RD", 0)) == (1, 0)


def test_only_its_own_write_answers_a_read(tmp_path: Path) -> None:
    trace = write(tmp_path, "W MEM 0 0 1", "W MEM 0 0 2", "R MEM 0 5 9", "R MEM 0 0 2", "AiM SYNC")
    run = replay(part("compat.any_write_answers_reads=false"), trace)
    assert (run.answered_reads, run.counts()["RD"]) == (1, 1)


def test_eoc_does_not_wait_for_a_request_whose_row_is_open(tmp_path: Path) -> None:
    run = replay(part(), write(tmp_path, "W MEM 0 0 1"))
    assert (run.cycles, run.unserved, run.counts()) == (3, 1, {"ACT": 1})


def test_without_the_shortcut_eoc_waits_for_all(tmp_path: Path) -> None:
    run = replay(part("compat.opened_requests_leave_queue=false"), write(tmp_path, "W MEM 0 0 1"))
    # ACT in 1, WR in 29, done in 37
    assert (run.cycles, run.unserved, run.counts()) == (38, 0, {"ACT": 1, "WR": 1})


def test_the_oldest_ready_request_goes_first(tmp_path: Path) -> None:
    # the third read hits the open row while the second waits for its row to be closed
    run = replay(part(), write(tmp_path, "R MEM 0 0 1", "R MEM 0 0 2", "R MEM 0 0 1", *["W GPR 0"] * 200), log=True)
    assert [(name, row) for _, _, name, _, row, _ in entries(run)] == [
        ("ACT", 1), ("RD", 1), ("RD", 1), ("PRE", -1), ("ACT", 2), ("RD", 2)]


def test_instructions_behind_eoc_are_counted(tmp_path: Path) -> None:
    run = replay(part(), write(tmp_path, "AiM EOC", "AiM AF 1"))
    assert (run.ignored, run.counts()) == (2, {})


# ---------------------------------------------------------------- folding, refresh, legality


def test_channels_with_the_same_instructions_are_simulated_once() -> None:
    run = reference_run("all_isr")
    assert [len(m) for m in run.members] == [1, 1, 1, 1, 24, 1, 1, 1, 1]
    assert run.folded == ["channels 4-27 did the same"]


@pytest.mark.parametrize("trace", ["all_isr", "gemv16x4096_ch1", "micro_rdmac_1024_16banks"])
def test_without_folding_all_numbers_are_the_same(trace: str) -> None:
    folded = reference_run(trace)
    whole = replay(part(), reference_trace(trace), fold=False, log=True)
    assert (whole.cycles, whole.counts(), whole.folded) == (folded.cycles, folded.counts(), [])
    assert whole.cycles_by_cause() == folded.cycles_by_cause()
    assert entries(whole) == entries(folded)


@pytest.mark.parametrize("trace", RUNS)
def test_every_tick_has_a_cause(trace: str) -> None:
    run = reference_run(trace)
    assert sum(run.cycles_by_cause().values()) == pytest.approx(run.cycles, abs=1e-9)


def legal(run: Replay) -> bool:
    verdict = check(run.compiled, run.log([m[0] for m in run.members]), channels=run.config.memory.channels)
    assert verdict.ok, verdict.violations
    return True


@pytest.mark.parametrize("trace", RUNS)
def test_the_reference_logs_are_legal(trace: str) -> None:
    assert legal(reference_run(trace))


@pytest.mark.parametrize("trace", RUNS)
def test_with_refresh_it_takes_longer_and_is_legal(trace: str) -> None:
    run = replay(part("controller.refresh=all-bank", "memory.timing.tREFI=3333 ck"), reference_trace(trace),
                 log=True)
    refreshes = run.counts().get("REFab", 0) // 32
    assert refreshes == run.cycles // 3333 or refreshes == run.cycles // 3333 - 1
    assert (run.cycles > int(RUNS[trace]["cycles"])) == (refreshes > 0)
    assert legal(run)


def test_per_bank_refresh_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"controller.refresh: all-bank PIM commands cannot run beside per-bank refresh"):
        replay(part("controller.refresh=per-bank"), write(tmp_path))


def test_an_unknown_shortcut_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"compat.any_write_answer_reads: unknown shortcut 'any_write_answer_reads'; did you mean"):
        replay(part("compat.any_write_answer_reads=true"), write(tmp_path))


@pytest.mark.parametrize("override", ["controller.order=fcfs", "controller.page=closed", "controller.policy=fcfs"])
def test_keys_of_the_controller_that_its_host_does_not_have_are_refused(override: str, tmp_path: Path) -> None:
    key = override.partition("=")[0]
    with pytest.raises(InputError, match=f"{key}: AiM's host has a controller of its own"):
        replay(part(override), write(tmp_path))


def test_a_part_without_aim_s_commands_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="AiM host instructions need AiM's commands"):
        replay(load_dram("gddr6-pim"), write(tmp_path))


def test_a_part_without_pim_commands_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="this memory has no PIM commands"):
        replay(load_dram("gddr6-8gb-x16-14000"), write(tmp_path))


def test_a_replay_without_a_log_has_none_to_write(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="kept no log"):
        replay(part(), write(tmp_path)).write_log(tmp_path / "log.csv")
    assert list(tmp_path.iterdir()) == [tmp_path / "t.trace"]


def test_what_is_written_is_the_log(tmp_path: Path) -> None:
    run = reference_run("all_isr")
    run.write_log(tmp_path / "log.csv")
    read = commandlog.read(tmp_path / "log.csv", run.compiled.command_names)
    assert np.array_equal(read.rows[:, : commandlog.LINE], run.log(run.channels).rows[:, : commandlog.LINE])


def test_ranges() -> None:
    assert ranges([0, 1, 2, 7, 9, 10]) == "0-2, 7, 9-10"


# ---------------------------------------------------------------- the plain-Python host

MASK = st.integers(1, 15)
ROW = st.sampled_from([0, 0, 1, 5])
BANK = st.sampled_from([0, 0, 1, 4, 15])
SIZE = st.sampled_from([1, 2, 7, 33, 34, 64])
ONE = st.sampled_from([1, 2, 4, 8])


def _line(template: str, *operands: st.SearchStrategy[int]) -> st.SearchStrategy[str]:
    return st.tuples(*operands).map(lambda values: template.format(*values))


MEMORY = st.one_of(
    _line("W MEM {} {} {}", st.integers(0, 3), BANK, ROW), _line("R MEM {} {} {}", st.integers(0, 3), BANK, ROW),
    _line("AiM WR_SBK 0 {} {} {}", MASK, BANK, ROW), _line("AiM RD_SBK 0 {} {} {}", MASK, BANK, ROW),
)  # fmt: skip
BANKS = st.one_of(
    _line("AiM MAC_ABK {} {} {}", SIZE, MASK, ROW), _line("AiM EWMUL {} {} {}", SIZE, MASK, ROW),
    _line("AiM MAC_SBK {} {} {} {}", SIZE, MASK, BANK, ROW), _line("AiM COPY_BKGB {} {} {} {}", SIZE, MASK, BANK, ROW),
    _line("AiM COPY_GBBK {} {} {} {}", SIZE, MASK, BANK, ROW), _line("AiM WR_ABK 0 {} {}", ONE, ROW), _line("AiM AF {}", MASK),
    _line("W CFR 2 {}", st.integers(0, 7)),
)  # fmt: skip
REGISTERS = st.one_of(_line("AiM WR_GB {} 0 {}", SIZE, MASK), _line("AiM WR_BIAS 0 {}", MASK), _line("AiM RD_MAC 0 {}", MASK),
                      _line("AiM RD_AF 0 {}", MASK))  # fmt: skip
OTHERS = st.sampled_from(["W GPR 0", "AiM EWADD 1 0 1", "AiM SYNC"])
TRACES = st.one_of(
    st.lists(MEMORY, max_size=60),
    st.lists(st.one_of(MEMORY, REGISTERS, OTHERS), max_size=20),
    st.lists(st.one_of(MEMORY, BANKS, REGISTERS, OTHERS), max_size=12),
)
OVERRIDES = st.tuples(
    st.sampled_from([(), ("compat.any_write_answers_reads=false",)]),
    st.sampled_from([(), ("compat.opened_requests_leave_queue=false",)]),
    st.sampled_from([(), ("memory.command_set=aim-ordered",)]),
    st.sampled_from([(), ("controller.read_queue=5", "controller.write_queue=9")]),
    st.sampled_from([(), ("controller.refresh=all-bank", "memory.timing.tREFI=400 ck"),
                     ("controller.refresh=all-bank", "memory.timing.tREFI=777 ck", "controller.postpone=2")]),
).map(lambda parts: ("memory.channels=4", *(key for keys in parts for key in keys)))  # fmt: skip


def _expected(config: DramConfig, run: Replay, path: Path) -> oracle.Outcome:
    codes = {name: code for code, name in enumerate(run.compiled.command_names)}
    register = command_set(config.memory.command_set or "").register_mode
    trace = read_aim_trace(path, run.compiled.organization, config.memory.channels, codes, register)
    return oracle.run(run.compiled, trace.instructions, trace.selectors, policy_vector(config, run.compiled))


@settings(max_examples=80, deadline=None)
@given(lines=TRACES, overrides=OVERRIDES)
def test_every_trace_runs_as_tick_by_tick(lines: list[str], overrides: tuple[str, ...],
                                          tmp_path_factory: pytest.TempPathFactory) -> None:
    path = write(tmp_path_factory.mktemp("replay"), *lines)
    config = part(*overrides)
    run = replay(config, path, log=True)
    expected = _expected(config, run, path)
    assert (run.cycles, run.answered_reads, run.unserved) == (expected.cycles, expected.answered, expected.unserved)
    assert entries(run) == expected.log
    assert legal(run)
    whole = replay(config, path, fold=False)
    assert (whole.cycles, whole.counts(), whole.cycles_by_cause()) == (run.cycles, run.counts(), run.cycles_by_cause())

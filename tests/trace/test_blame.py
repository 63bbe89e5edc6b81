"""What held commands back, against a few lines of Python that know only the rules, and against the run's own account."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pimsim
from pimsim.config import load_system
from pimsim.devices.package import Segment
from pimsim.dram import commandlog
from pimsim.dram.compile import Compiled
from pimsim.dram.spec import BANK, LEVELS
from pimsim.kernels.channel import LOG_FIELDS
from pimsim.sim.memory import compile_memory
from pimsim.trace.blame import OTHERS, BlameRecorder

EVERYTHING = slice(None)


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    config = load_system("pim-gpt")
    return compile_memory(config.memory, config.controller, config.pim)


@pytest.fixture(scope="module")
def blame(tiny: str) -> dict[str, Any]:
    found: dict[str, Any] = pimsim.run("pim-gpt", tiny, blame=True, steps=EVERYTHING).facts["blame"]
    return found


def of(compiled: Compiled, *commands: tuple[int, str, int, int]) -> dict[tuple[str, str], tuple[int, int]]:
    """Blame of (tick, command, bank, count) on one channel: (command, rule) -> (ticks, commands)."""
    log = np.zeros((len(commands), LOG_FIELDS), np.int64)
    for row, (tick, name, bank, count) in zip(log, commands, strict=True):
        row[[0, 2, 3, 6]] = tick, compiled.command(name), bank, count
    recorder = BlameRecorder(compiled, channels=1)
    step: Any = type("Step", (), {"index": 0})
    recorder.segment(step, None, None, Segment(0, 0, log, log, log))  # type: ignore[arg-type]
    return {(r["command"], r["rule"]): (r["cycles"], r["commands"]) for r in recorder.finish()["held_back"]}


def test_a_column_command_behind_its_activation_waits_for_trcd(compiled: Compiled) -> None:
    assert of(compiled, (100, "ACT16", 0, 1), (124, "MAC16", 0, 1)) == {
        ("MAC16", "rank ACT/ACT4/ACT16->MAC16 tRCDMAC"): (24, 1)}


def test_a_command_that_no_rule_held_back_waited_for_something_else(compiled: Compiled) -> None:
    assert of(compiled, (100, "ACT16", 0, 1), (125, "MAC16", 0, 1)) == {("MAC16", OTHERS[1]): (25, 1)}


def test_commands_of_a_run_wait_for_their_cadence(compiled: Compiled) -> None:
    assert of(compiled, (100, "ACT16", 0, 1), (124, "MAC16", 0, 64)) == {
        ("MAC16", "rank ACT/ACT4/ACT16->MAC16 tRCDMAC"): (24, 1), ("MAC16", "rank MAC16->MAC16 tMAC"): (63 * 2, 63)}


def test_a_command_behind_a_run_is_held_back_by_its_last_one(compiled: Compiled) -> None:
    found = of(compiled, (100, "ACT16", 0, 1), (124, "MAC16", 0, 64), (124 + 126 + 12, "PREab", 0, 1))
    assert found["PREab", "rank MAC16->PRE/PREab tRTP"] == (12, 1)


def test_a_fifth_activation_waits_for_the_window() -> None:
    config = load_system("pim-gpt", ["memory.timing.tFAW=60"])
    compiled = compile_memory(config.memory, config.controller, config.pim)
    found = of(compiled, *((100 + 11 * i, "ACT", 5 * i, 1) for i in range(4)), (160, "ACT", 1, 1))
    assert sum(ticks for (_, rule), (ticks, _) in found.items() if "tRRD" in rule) == 33
    assert [spent for (_, rule), spent in found.items() if rule.endswith("tFAW x4")] == [(27, 1)]


def test_cycles_sum_to_the_time_from_the_first_to_the_last_command(blame: dict[str, Any], tiny: str, tmp_path: Path,
                                                                    compiled: Compiled) -> None:  # fmt: skip
    pimsim.run("pim-gpt", tiny, commands=tmp_path / "c.csv")
    rows = commandlog.read(tmp_path / "c.csv", compiled.command_names).rows
    cadence = compiled.table.cadence[rows[:, commandlog.COMMAND]]
    last = rows[:, commandlog.CYCLE] + (rows[:, commandlog.COUNT] - 1) * cadence
    spans = [last[rows[:, 1] == c].max() - rows[rows[:, 1] == c, 0].min() for c in range(8)]
    assert blame["cycles"] == pytest.approx(sum(spans) / 8)
    assert sum(row["cycles"] for row in blame["held_back"]) == pytest.approx(blame["cycles"])
    assert sum(row["share"] for row in blame["held_back"]) == pytest.approx(1)


def test_every_command_but_the_first_of_a_channel_is_held_back_by_something(blame: dict[str, Any], tiny: str) -> None:
    issued = sum(pimsim.run("pim-gpt", tiny).commands.values())
    assert sum(row["commands"] for row in blame["held_back"]) == issued - 8


def test_rows_are_ranked(blame: dict[str, Any]) -> None:
    cycles = [row["cycles"] for row in blame["held_back"]]
    assert cycles == sorted(cycles, reverse=True)


def test_the_steps_looked_into_are_named(blame: dict[str, Any], tiny: str) -> None:
    assert blame["steps"] == [0, 5]
    assert pimsim.run("pim-gpt", tiny, blame=True).facts["blame"]["steps"] == [0, 0]


def earliest_tick(compiled: Compiled, history: dict[tuple[int, int, int], list[int]], code: int, bank: int) -> int:
    """The first tick that every rule allows, the slow way: all earlier commands of a node are looked at."""
    org, commands = compiled.organization, compiled.standard.commands
    earliest = 0
    for rule in compiled.rules:
        if code not in rule.after:
            continue
        node = bank * org.nodes(rule.level) // org.nodes(BANK)
        places = commands[code].activations if rule.window > 1 else 1
        ticks = sorted(tick for before in rule.before for tick in history.get((rule.level, node, before), [])
                       for _ in range(commands[before].activations if rule.window > 1 else 1))  # fmt: skip
        if len(ticks) > rule.window - places:
            earliest = max(earliest, ticks[len(ticks) - 1 - rule.window + places] + rule.value)
    return earliest


def test_blame_agrees_with_a_replay_in_plain_python(tiny: str, tmp_path: Path, compiled: Compiled) -> None:
    result = pimsim.run("pim-gpt", tiny, blame=True, commands=tmp_path / "c.csv", steps=slice(0, 1))
    log = commandlog.read(tmp_path / "c.csv", compiled.command_names).rows
    org = compiled.organization
    held, free = 0, 0
    for channel in range(8):
        history: dict[tuple[int, int, int], list[int]] = {}
        at = -1
        for row in log[log[:, commandlog.CHANNEL] == channel].tolist():
            tick, code, count = row[commandlog.CYCLE], row[commandlog.COMMAND], row[commandlog.COUNT]
            bank = org.flat_bank(*(max(place, 0) for place in row[commandlog.AT_RANK : commandlog.AT_BANK + 1]))
            allowed = max(earliest_tick(compiled, history, code, bank), at + 1)
            assert allowed <= tick
            if at >= 0 and allowed == tick:
                held += tick - at
            elif at >= 0:
                free += tick - at
            at = tick + (count - 1) * int(compiled.table.cadence[code])
            held += at - tick
            for level in range(LEVELS.index(compiled.standard.commands[code].scope) + 1):
                history.setdefault((level, bank * org.nodes(level) // org.nodes(BANK), code), []).append(at)
    rows = result.facts["blame"]["held_back"]
    assert sum(row["cycles"] for row in rows if row["rule"] == OTHERS[1]) * 8 == free
    assert sum(row["cycles"] for row in rows if row["rule"] != OTHERS[1]) * 8 == held

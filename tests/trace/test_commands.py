"""The command log of a run: legal, complete, in order, and of the steps that were asked for."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import pimsim
from pimsim.config import load_system
from pimsim.devices.package import Segment
from pimsim.dram import checker, commandlog
from pimsim.dram.commandlog import COMMAND, COUNT, CYCLE, CommandLog
from pimsim.dram.compile import Compiled
from pimsim.dram.table_file import RowWriter
from pimsim.kernels.channel import LOG_FIELDS
from pimsim.sim.memory import compile_memory
from pimsim.trace.commands import CommandRecorder
from pimsim.trace.order import Ordered


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    config = load_system("pim-gpt")
    return compile_memory(config.memory, config.controller, config.pim)


@pytest.fixture(scope="module", params=["none", "pipelined"])
def logged(request: pytest.FixtureRequest, tiny: str, tmp_path_factory: pytest.TempPathFactory,
           compiled: Compiled) -> tuple[pimsim.Result, CommandLog]:  # fmt: skip
    path = tmp_path_factory.mktemp("log") / "c.csv"
    result = pimsim.run("pim-gpt", tiny, overrides=[f"system.overlap={request.param}"], commands=path)
    return result, commandlog.read(path, compiled.command_names)


def counts(log: CommandLog) -> dict[str, int]:
    return {name: int(log.rows[log.rows[:, COMMAND] == code, COUNT].sum()) for code, name in enumerate(log.names)
            if (log.rows[:, COMMAND] == code).any()}  # fmt: skip


def test_the_log_holds_every_command_of_the_run(logged: tuple[pimsim.Result, CommandLog]) -> None:
    result, log = logged
    assert counts(log) == result.commands


def test_the_log_breaks_no_rule(logged: tuple[pimsim.Result, CommandLog], compiled: Compiled) -> None:
    _, log = logged
    assert checker.check(compiled, log, channels=8).ok


def test_the_log_is_in_order_of_time(logged: tuple[pimsim.Result, CommandLog]) -> None:
    _, log = logged
    assert (np.diff(log.rows[:, CYCLE]) >= 0).all()


def test_the_log_ends_within_the_run(logged: tuple[pimsim.Result, CommandLog]) -> None:
    result, log = logged
    assert log.rows[0, CYCLE] >= 0 and log.rows[-1, CYCLE] <= result.cycles


def test_logs_of_all_steps_together_are_the_log_of_the_run(tiny: str, tmp_path: Path) -> None:
    pimsim.run("pim-gpt", tiny, commands=tmp_path / "all.csv")
    lines: list[str] = []
    for step in range(6):
        pimsim.run("pim-gpt", tiny, commands=tmp_path / "c.csv", steps=slice(step, step + 1))
        lines += (tmp_path / "c.csv").read_text().splitlines()[1:]
    assert sorted(lines) == sorted((tmp_path / "all.csv").read_text().splitlines()[1:])


def test_the_log_has_the_columns_of_the_reference_files(tiny: str, tmp_path: Path) -> None:
    pimsim.run("pim-gpt", tiny, commands=tmp_path / "c.csv", steps=slice(0, 1))
    with (tmp_path / "c.csv").open() as file:
        assert next(csv.reader(file)) == ["cycle", "channel", "rank", "sid", "bankgroup", "bank", "command", "row", "col", "count"]


def rows(*ticks: tuple[int, int]) -> np.ndarray:
    """Commands at (tick, channel)."""
    log = np.zeros((len(ticks), LOG_FIELDS), np.int64)
    log[:, :2] = ticks
    return log


def segment(log: np.ndarray, stop: int) -> Segment:
    return Segment(0, stop, np.zeros((1, 1), np.int64), np.zeros((1, 1), np.int64), log)


def test_commands_that_a_later_segment_may_precede_are_held_back() -> None:
    ordered = Ordered()
    first = ordered.add(segment(rows((3, 0), (9, 0), (2, 1), (5, 1)), stop=5))
    second = ordered.add(segment(rows((6, 1), (12, 0)), stop=6))
    assert first[:, :2].tolist() == [[2, 1], [3, 0]]
    assert second[:, :2].tolist() == [[5, 1]]
    assert ordered.rest()[:, :2].tolist() == [[6, 1], [9, 0], [12, 0]]
    assert len(ordered.rest()) == 0


class _Told:
    def __init__(self) -> None:
        self.said: list[str] = []

    def __call__(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.parametrize(("steps", "told"), [(1, 0), (10**6, 1)])
def test_a_large_log_is_announced_once_after_its_first_step(tmp_path: Path, compiled: Compiled, steps: int, told: int) -> None:
    say = _Told()
    log = segment(np.repeat(rows((1, 0)), 1000, axis=0), stop=2)
    with RowWriter(tmp_path / "c.csv", commandlog.FIELDS, COMMAND, compiled.command_names) as file:
        recorder = CommandRecorder(compiled, file, steps, say)
        for _ in range(2):
            recorder.segment(None, None, None, log)  # type: ignore[arg-type]
            recorder.step(None, 0, 0)  # type: ignore[arg-type]
    assert len(say.said) == told
    assert all("about 1.0e+09 rows" in text for text in say.said)

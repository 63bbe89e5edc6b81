"""A timeline is well-formed, nests, and adds up to the summary."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pimsim
from pimsim.config import load_system, load_workload
from pimsim.model.lowering import lower_workload
from pimsim.sim.run import build, simulate
from pimsim.trace.event import EventFile
from pimsim.trace.timeline import ASIC, DECODER, FIRST_CHANNEL, MEMORY, TimelineRecorder

TICK_US = 0.5e-3
Event = dict[str, Any]


@pytest.fixture(scope="module", params=["none", "pipelined"])
def drawn(request: pytest.FixtureRequest, tiny: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[pimsim.Result, list[Event]]:
    path = tmp_path_factory.mktemp("timeline") / "t.json"
    result = pimsim.run("pim-gpt", tiny, overrides=[f"system.overlap={request.param}"], timeline=path, steps=slice(None))
    return result, json.loads(path.read_text())["traceEvents"]


def ticks(time_us: float) -> int:
    whole = round(time_us / TICK_US)
    assert whole * 500_000 / 10**9 == time_us  # the file holds the exact quotient
    return whole


def slices(events: list[Event], process: int) -> Iterator[tuple[int, int, int, int, str]]:
    """(track, depth, begin, end, name) of every slice of a process, in the order in which they begin; checks that they nest."""
    open_: dict[int, list[tuple[int, str]]] = defaultdict(list)
    free: dict[tuple[int, int], int] = defaultdict(int)  # (track, depth) -> end of the slice before
    for event in events:
        if event["pid"] != process or event["ph"] not in "BEX":
            continue
        track, at = event["tid"], ticks(event["ts"])
        stack = open_[track]
        if event["ph"] == "E":
            begin, name = stack.pop()
            assert at >= free[track, len(stack) + 1]
            free[track, len(stack)] = at
            yield track, len(stack), begin, at, name
            continue
        assert at >= free[track, len(stack)] and (not stack or at >= stack[-1][0])
        if event["ph"] == "B":
            stack.append((at, event["name"]))
        else:
            free[track, len(stack)] = at + ticks(event["dur"])
            yield track, len(stack), at, at + ticks(event["dur"]), event["name"]
    assert not any(open_.values())


def spent(events: list[Event], process: int, depth: int = 0) -> dict[str, int]:
    """Ticks by name of a process's slices at a depth."""
    sums: dict[str, int] = defaultdict(int)
    for _, at_depth, begin, end, name in slices(events, process):
        sums[name] += (end - begin) if at_depth == depth else 0
    return {name: ticks for name, ticks in sums.items() if ticks}


def test_token_steps_fill_the_run(drawn: tuple[pimsim.Result, list[Event]]) -> None:
    result, events = drawn
    assert spent(events, DECODER) == {f"token {row['step']}": row["cycles"] for row in result.token_rows}


def test_layers_fill_their_token_step(drawn: tuple[pimsim.Result, list[Event]]) -> None:
    result, events = drawn
    layers = spent(events, DECODER, depth=1)
    assert set(layers) == {"layer 0", "layer 1", "layer 2"}
    assert sum(layers.values()) == result.cycles


def test_operators_sum_to_the_times_of_the_summary(drawn: tuple[pimsim.Result, list[Event]]) -> None:
    result, events = drawn
    times = {row["operator"]: row["cycles"] for row in result.operator_rows if row["cycles"]}
    assert spent(events, DECODER, depth=2) == times


def test_tasks_of_the_asic_sum_to_its_utilisation(drawn: tuple[pimsim.Result, list[Event]]) -> None:
    result, events = drawn
    busy = sum(spent(events, ASIC).values())
    if result.config["system"]["overlap"] == "none":
        assert busy == result.facts["utilisation"]["asic"] * result.cycles
    else:  # a task that takes in a stream is drawn for as long as it waits
        assert busy >= result.facts["utilisation"]["asic"] * result.cycles


def test_tasks_of_the_memory_follow_one_another(drawn: tuple[pimsim.Result, list[Event]]) -> None:
    result, events = drawn
    assert 0 < sum(spent(events, MEMORY).values()) <= result.cycles


def test_every_command_is_drawn_on_its_channel(drawn: tuple[pimsim.Result, list[Event]]) -> None:
    result, events = drawn
    counted: dict[str, int] = defaultdict(int)
    for event in events:
        if event["ph"] == "X" and event["pid"] >= FIRST_CHANNEL and event["tid"] % 1000 == 0:
            counted[event["name"]] += event["args"]["count"]
    assert counted == result.commands


def test_rows_are_open_from_their_activation_to_their_precharge(drawn: tuple[pimsim.Result, list[Event]]) -> None:
    result, events = drawn
    for channel in range(8):
        own = [e for e in events if e["pid"] == FIRST_CHANNEL + channel and e["ph"] == "X"]
        opened = {(e["ts"], f"row {e['args']['row']}") for e in own if e["name"] in ("ACT", "ACT16")}
        closed = {e["ts"] for e in own if e["name"] in ("PRE", "PREab")} | {result.cycles * TICK_US}
        rows = [e for e in own if e["tid"] % 1000]
        assert rows and all((e["ts"], e["name"]) in opened for e in rows)
        assert all(any(abs(e["ts"] + e["dur"] - end) < TICK_US / 2 for end in closed) for e in rows)


def test_slices_of_channels_nest(drawn: tuple[pimsim.Result, list[Event]]) -> None:
    _, events = drawn
    for channel in range(8):
        assert {depth for _, depth, *_ in slices(events, FIRST_CHANNEL + channel)} == {0}


def test_open_banks_are_counted_from_none_to_all(drawn: tuple[pimsim.Result, list[Event]]) -> None:
    _, events = drawn
    values = [e["args"]["value"] for e in events if e["ph"] == "C" and e["name"] == "open banks"]
    assert (min(values), max(values)) == (0, 16)
    assert 1 in values  # appending K and V opens single banks


def test_bandwidth_stays_below_the_peak(drawn: tuple[pimsim.Result, list[Event]]) -> None:
    result, events = drawn
    for name, peak in (("GB/s over the pins", 8 * 32), ("GB/s in the banks", 8 * 16 * 32)):
        values = [e["args"]["value"] for e in events if e["ph"] == "C" and e["name"] == name]
        assert 0 < max(values) <= peak


def test_the_kv_cache_holds_the_context_of_each_step(drawn: tuple[pimsim.Result, list[Event]]) -> None:
    result, events = drawn
    held = [(ticks(e["ts"]), e["args"]["value"]) for e in events if e["ph"] == "C" and e["name"] == "KV cache (tokens)"]
    assert held == [(row["begin_cycle"], row["context"]) for row in result.token_rows]


def test_every_track_has_a_name(drawn: tuple[pimsim.Result, list[Event]]) -> None:
    _, events = drawn
    named = {(e["pid"], e["tid"]) for e in events if e["ph"] == "M" and e["name"] == "thread_name"}
    assert {(e["pid"], e["tid"]) for e in events if e["ph"] in "BEX"} <= named
    assert {e["pid"] for e in events if e["ph"] != "M"} <= {e["pid"] for e in events if e.get("name") == "process_name"}


def test_only_the_window_is_drawn_in_detail(tiny: str, tmp_path: Path) -> None:
    result = pimsim.run("pim-gpt", tiny, timeline=tmp_path / "t.json", steps=slice(2, 3))
    events = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    begin, end = result.token_rows[2]["begin_cycle"], result.token_rows[3]["begin_cycle"]
    assert sum(spent(events, DECODER).values()) == result.cycles
    assert sum(spent(events, DECODER, depth=1).values()) == end - begin
    assert all(begin <= ticks(e["ts"]) < end for e in events if e["ph"] == "X" and e["pid"] != DECODER)


def test_by_default_the_first_step_is_drawn_in_detail(tiny: str, tmp_path: Path) -> None:
    result = pimsim.run("pim-gpt", tiny, timeline=tmp_path / "t.json", commands=tmp_path / "c.csv")
    events = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    assert sum(spent(events, DECODER, depth=1).values()) == result.token_rows[0]["cycles"]


def test_commands_beyond_the_limit_are_left_out_and_that_is_said(tiny: str, tmp_path: Path) -> None:
    config = load_system("pim-gpt")
    trace = lower_workload(load_workload(tiny))
    system = build(config, trace)
    said: list[str] = []
    with EventFile(tmp_path / "t.json", system.compiled.tick_fs, {}) as file:
        recorder = TimelineRecorder(config, system.compiled, file, limit=1000, notify=said.append)
        simulate(config, trace, system=system, logged=range(1), observers=[recorder])
        recorder.finish()
    events = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    drawn = [e for e in events if e["ph"] == "X" and e["pid"] >= FIRST_CHANNEL and e["tid"] % 1000 == 0]
    marks = [e for e in events if e["ph"] == "i"]
    assert len(drawn) == 1000
    assert len(marks) == 8 and len({mark["ts"] for mark in marks}) == 1
    assert all(e["ts"] + e["dur"] <= marks[0]["ts"] + TICK_US / 2 for e in drawn)
    assert len(said) == 1 and "commands up to" in said[0]


def test_a_failed_file_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), EventFile(tmp_path / "t.json.gz", 500_000, {}) as file:
        file.process(1, "decoder")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []

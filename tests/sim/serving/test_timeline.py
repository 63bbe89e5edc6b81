"""The timeline of a serving run, read back."""

import json
from pathlib import Path
from typing import Any

import pytest

from pimsim import config
from pimsim.sim.serving.run import Serving, simulate
from pimsim.trace.event import EventFile
from pimsim.trace.serving import FIRST_GROUP, NPU, PIM, REQUESTS, SERVER, STAGES, draw

from .fake import FakeDevice

Events = list[dict[str, Any]]


@pytest.fixture(scope="module")
def drawn(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Serving, Events]:
    loaded = config.load("neupims", model, ["parallel.tensor=2", "memory.channels=1", "workload.output_tokens=2"])
    run = simulate(*loaded, lambda system, part: FakeDevice(system, part, rows=70), kept=range(1))
    path = tmp_path_factory.mktemp("drawn") / "t.json"
    with EventFile(path, run.tick_fs, {}) as events:
        draw(run, events)
    return run, json.loads(path.read_text())["traceEvents"]


def slices(events: Events, process: int, track: int) -> Events:
    return [e for e in events if e["ph"] == "X" and e["tid"] == 1000 * process + track]


def test_iterations_follow_one_another(drawn: tuple[Serving, Events]) -> None:
    run, events = drawn
    shown = slices(events, SERVER, 0)
    assert len(shown) == len(run.server.iterations)
    assert all(a["ts"] + a["dur"] <= b["ts"] + 1e-9 for a, b in zip(shown, shown[1:], strict=False))


def test_stages_of_the_kept_iteration_fill_it(drawn: tuple[Serving, Events]) -> None:
    run, events = drawn
    shown = slices(events, FIRST_GROUP, STAGES)
    assert [e["name"] for e in shown] == ["A", "B", "E"] * 4
    assert sum(e["dur"] for e in shown) == pytest.approx(slices(events, SERVER, 0)[0]["dur"])


@pytest.mark.parametrize("track", [NPU, PIM])
def test_operators_of_a_unit_do_not_overlap(drawn: tuple[Serving, Events], track: int) -> None:
    shown = slices(drawn[1], FIRST_GROUP, track)
    assert shown
    assert all(a["ts"] + a["dur"] <= b["ts"] + 1e-9 for a, b in zip(shown, shown[1:], strict=False))


def test_requests_that_found_no_room_wait_and_then_run(drawn: tuple[Serving, Events]) -> None:
    names = [[e["name"] for e in slices(drawn[1], REQUESTS, number)] for number in range(6)]
    assert names[0] == ["runs in channel 0"]
    assert ["waits", "runs in channel 0"] in names


def test_every_token_is_marked(drawn: tuple[Serving, Events]) -> None:
    assert sum(e["ph"] == "i" and e["name"] == "token" for e in drawn[1]) == 12


def test_counters_end_empty(drawn: tuple[Serving, Events]) -> None:
    last: dict[str, float] = {e["name"]: e["args"]["value"] for e in drawn[1] if e["ph"] == "C"}
    assert last["requests waiting"] == last["requests running"] == last["KV rows in use, %"] == 0

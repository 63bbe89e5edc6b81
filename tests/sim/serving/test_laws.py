"""Laws of the whole loop under random arrivals, lengths, capacities and pipelines: nothing leaks, starves, is lost or comes twice.

:mod:`pimsim.results.neupims.check` holds the laws in every run; here they are held against what was asked for.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pimsim.results.neupims import result
from pimsim.schedule.event import Emit
from pimsim.sim.serving.run import Serving

Serve = Callable[..., Serving]


@st.composite
def loads(draw: st.DrawFn) -> tuple[list[tuple[int, int, int]], dict[str, str], int]:
    """Requests (arrival in us, input, output), settings, rows of a channel that hold the longest of them."""
    number = draw(st.integers(1, 9))
    arrivals = sorted(draw(st.lists(st.integers(0, 400), min_size=number, max_size=number)))
    requests = [(at, draw(st.integers(1, 90)), draw(st.integers(1, 6))) for at in arrivals]
    keys = {
        "parallel.pipeline": str(draw(st.integers(1, 3))),
        "scheduler.max_batch": str(draw(st.integers(3, 9))),
        "scheduler.sub_batches": draw(st.sampled_from(["on", "off"])),
        "scheduler.assignment": draw(st.sampled_from(["round-robin", "least-load", "estimate"])),
        "scheduler.admission": draw(st.sampled_from(["on-demand", "reserve"])),
        "workload.prefill": draw(st.sampled_from(["inline", "elsewhere"])),
        "memory.channels": str(draw(st.integers(1, 3))),
    }
    longest = max(tokens + out for _, tokens, out in requests)
    least = 4 * (-(-longest // 32) + 4)  # K tiles and V of four heads, four layers
    return requests, keys, least + draw(st.integers(0, 40))


@given(loads())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_request_gets_its_tokens_and_gives_its_rows_back(
        serve: Serve, tmp_path_factory: pytest.TempPathFactory, load: tuple[list[tuple[int, int, int]], dict[str, str], int]) -> None:
    requests, keys, rows = load
    file: Path = tmp_path_factory.mktemp("load") / "requests.csv"
    file.write_text("arrival,input_tokens,output_tokens\n" + "".join(f"{at} us,{a},{b}\n" for at, a, b in requests))
    run = serve(f"workload.requests={file}", *(f"{k}={v}" for k, v in keys.items()), rows=rows)
    got = [number for record in run.server.log for a in record.actions if isinstance(a, Emit) for number in a.requests]
    assert [got.count(number) for number in range(len(requests))] == [out for _, _, out in requests]
    assert run.server.state.kv.used == 0
    checks = result(run).facts["checks"]
    assert all(verdict is True for verdict in checks.values())

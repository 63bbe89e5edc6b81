"""Requests, iteration by iteration."""

from __future__ import annotations

import pytest

from pimsim.baseline.machine import Run
from pimsim.baseline.serving import Model, Request, serve
from pimsim.config import BaselineConfig, load_any
from pimsim.errors import InputError
from pimsim.model.importer import load_architecture
from pimsim.model.lowering import lower

SMALL = load_architecture("gpt2-small")
DECODE, PREFILL = lower(SMALL, 1, 1, 64).steps, lower(SMALL, 1, 64, 1).steps
KV = 12 * 2 * 768 * 2


def model(weights: int = 170_000_000) -> Model:
    return Model("small", lambda c: DECODE[c - 1], lambda c: PREFILL[c - 1], weights, KV)


def served(*requests: Request, elsewhere: bool = True, iterations: int | None = None, weights: int = 170_000_000) -> Run:
    config = load_any("gpu-h200")
    assert isinstance(config, BaselineConfig)
    return serve(config, model(weights), requests, prompts_elsewhere=elsewhere, iterations=iterations)


def test_requests_of_a_batch_generate_side_by_side() -> None:
    done = served(Request(0, 10, 3), Request(0, 20, 3))
    assert [(p.context, p.tokens) for p in done.work.passes] == [(20, 2), (21, 2), (22, 2)]
    assert done.trace is not None and done.trace.n_tokens == 6


def test_a_finished_request_leaves() -> None:
    assert [p.tokens for p in served(Request(0, 10, 1), Request(0, 20, 3)).work.passes] == [2, 1, 1]


def test_prompt_goes_through_with_the_pass_that_it_joins() -> None:
    assert [p.tokens for p in served(Request(0, 10, 2), elsewhere=False).work.passes] == [10, 1]


def test_a_later_request_joins_and_the_gap_before_it_is_idle() -> None:
    done = served(Request(0, 10, 1), Request(1.0, 10, 1))
    assert done.idle_s == pytest.approx(1.0 - float(done.pass_s[0]))
    assert done.time_s == pytest.approx(1.0 + float(done.pass_s[1]))


def test_iterations_end_the_run() -> None:
    assert len(served(Request(0, 10, 30), iterations=4).work.passes) == 4


def test_equal_requests_take_as_long_as_a_batch() -> None:
    from pimsim.baseline.machine import run

    config = load_any("gpu-h200")
    assert isinstance(config, BaselineConfig)
    batch = run(config, lower(SMALL, 5, 10, 3, "elsewhere"))
    assert served(*[Request(0, 10, 3)] * 5).time_s == pytest.approx(batch.time_s)


def test_a_request_waits_until_the_memory_has_room_for_all_its_tokens() -> None:
    room = 141_000_000_000 - 12 * KV
    done = served(Request(0, 10, 3), Request(0, 10, 3), weights=room)
    assert [p.tokens for p in done.work.passes] == [1] * 6


def test_a_request_that_never_fits_is_refused() -> None:
    with pytest.raises(InputError, match="the device has"):
        served(Request(0, 10, 3), weights=141_000_000_000)

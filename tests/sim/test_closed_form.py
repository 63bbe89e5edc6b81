"""The simulation against the closed forms of docs/validation.md: the time of every cause, whole runs of all eight models."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pimsim.config import load_system
from pimsim.model.importer import load_architecture
from pimsim.validate.closed_form import CAUSES, closed_form
from pimsim.validate.pim_gpt_run import MODELS, Measured, measure, predicted

SHORT = 96
CHANGES = [
    ("memory.channels=4",),
    ("memory.channels=16",),
    ("memory.timing.tRCDMAC=28 ns",),
    ("memory.timing.tRP=17 ns", "memory.timing.tRTP=9 ns"),
    ("memory.timing.tFAW=60 ck", "memory.timing.tWR=20 ns"),
    ("memory.timing.tREFI=1900 ns", "memory.timing.tRFCab=200 ns"),
    ("pim.clock=500 MHz",),
    ("asic.clock=500 MHz", "asic.adders=128"),
]


def short(*overrides: str) -> tuple[Measured, dict[str, float]]:
    """A short run of GPT-2 medium and its closed forms."""
    return (measure("gpt2-medium", f"workload.output_tokens={SHORT}", *overrides),
            predicted("gpt2-medium", *overrides, tokens=SHORT))


@pytest.mark.parametrize("cause", [*CAUSES, "total"])
@pytest.mark.parametrize("model", MODELS)
def test_time_of_a_cause_is_its_closed_form(model: str, cause: str) -> None:
    assert measure(model).ticks[cause] == pytest.approx(predicted(model)[cause], rel=0.02)


@pytest.mark.parametrize("model", MODELS)
def test_whole_run_is_its_closed_form(model: str) -> None:
    assert measure(model).ticks["total"] == pytest.approx(predicted(model)["total"], rel=0.0001)


@pytest.mark.parametrize("model", MODELS)
def test_filling_the_buffers_is_exact(model: str) -> None:
    assert measure(model).ticks["buffer_fill"] == predicted(model)["buffer_fill"]


@pytest.mark.parametrize("model", MODELS)
def test_the_asic_is_busy_for_exactly_its_closed_form(model: str) -> None:
    """The channels wait a little less than it is busy: a refresh that began before can outlast a wait."""
    facts = measure(model).facts
    assert facts["utilisation"]["asic"] * facts["cycles"] == pytest.approx(predicted(model)["asic"], abs=1)


@pytest.mark.parametrize("model", MODELS)
def test_causes_are_the_whole_run(model: str) -> None:
    ours = measure(model).ticks
    assert sum(ours[cause] for cause in CAUSES) == ours["total"] == measure(model).facts["cycles"]


@pytest.mark.parametrize("overrides", CHANGES, ids=" ".join)
def test_closed_forms_follow_the_configuration(overrides: tuple[str, ...]) -> None:
    ours, expected = short(*overrides)
    assert ours.ticks["total"] == pytest.approx(expected["total"], rel=0.001)
    for cause in ("weights", "scores", "attention", "v_append", "refresh", "buffer_fill", "result_read", "asic"):
        assert ours.ticks[cause] == pytest.approx(expected[cause], rel=0.02), cause


def test_two_nanoseconds_of_one_timing_are_noticed() -> None:
    ours, _ = short("memory.timing.tRCDMAC=14 ns")
    _, expected = short()
    assert ours.ticks["weights"] > 1.02 * expected["weights"]


@pytest.mark.parametrize("override", [
    "system.overlap=pipelined", "pim.all_bank_act=faw", "controller.refresh=none", "controller.postpone=1",
    "memory.timing.tRAS=60 ns",
])  # fmt: skip
def test_what_the_closed_forms_do_not_cover_is_refused(override: str) -> None:
    with pytest.raises(ValueError, match="closed forms hold"):
        closed_form(load_system("pim-gpt", [override]), load_architecture("gpt2-small"), 1)


@pytest.mark.parametrize("change", [{"norm": "rmsnorm"}, {"gated_ffn": True}, {"kv_heads": 4}, {"head_dim": 40}])
def test_blocks_that_are_not_gpt2s_are_refused(change: dict[str, object]) -> None:
    architecture = replace(load_architecture("gpt2-small"), **change)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="GPT-2 blocks"):
        closed_form(load_system("pim-gpt"), architecture, 1)


def test_context_longer_than_a_row_is_refused() -> None:
    with pytest.raises(ValueError, match="within a row"):
        closed_form(load_system("pim-gpt"), load_architecture("gpt2-small"), 1025)

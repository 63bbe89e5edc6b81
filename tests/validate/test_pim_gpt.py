"""The group of PIM-GPT: which figures there are and what comes of them."""

from __future__ import annotations

import pytest

from pimsim.validate import pim_gpt
from pimsim.validate.figure import Figure, Verdict
from pimsim.validate.pim_gpt_run import MODELS, command, measure


def verdicts(figures: list[Figure]) -> list[str]:
    return [str(figure.verdict) for figure in figures]


@pytest.mark.parametrize("model", MODELS)
def test_no_run_is_faster_than_its_macs(model: str) -> None:
    bound, _ = pim_gpt.times(model)
    assert bound.verdict is Verdict.OK
    assert bound.ours == measure(model).time_s


@pytest.mark.parametrize("model", MODELS)
def test_time_over_the_bound_is_as_expected_but_for_the_smallest_model(model: str) -> None:
    _, ratio = pim_gpt.times(model)
    assert ratio.verdict is (Verdict.DIFFERS if model.endswith("small") else Verdict.OK)


@pytest.mark.parametrize("model", MODELS)
def test_every_cause_is_its_closed_form(model: str) -> None:
    assert verdicts(list(pim_gpt.causes(model))) == ["ok"] * 11


@pytest.mark.parametrize("model", pim_gpt.LARGE)
def test_large_models_hit_open_rows(model: str) -> None:
    hits, *_ = pim_gpt.traffic(model)
    assert hits.verdict is Verdict.OK
    assert 0.97 <= hits.ours < 1


@pytest.mark.parametrize("model", MODELS)
def test_power_and_traffic_are_reported_beside_the_paper(model: str) -> None:
    _, *others = pim_gpt.traffic(model)
    assert verdicts(others) == ["reported"] * 2


def test_command_repeats_a_run_with_its_overrides() -> None:
    shown = command("gpt3-xl", "asic.clock=100 MHz", "memory.channels=4", key=".time_s")
    assert shown == "pimsim run pim-gpt gpt3-xl --set 'asic.clock=100 MHz' --set memory.channels=4 --json | jq .time_s"


def test_paper_gives_a_range() -> None:
    assert pim_gpt.paper("data_movement_reduction") == (110, 259)


@pytest.mark.slow
def test_variants_are_reported() -> None:
    found: list[Figure] = []
    for part in (pim_gpt.waiting, pim_gpt.slow_asic, pim_gpt.mac_energy, pim_gpt.channels, pim_gpt.activation, pim_gpt.mac_delay):
        found += part()
    assert set(verdicts(found)) == {"reported"}
    ours = {figure.name: figure.ours for figure in found}
    assert 0 < ours["gpt3-xl: memory waits for the ASIC, pipelined"] < ours["gpt3-xl: memory waits for the ASIC, overlap none"]
    assert ours["gpt3-xl: power, a MAC of all banks costs 3 reads"] < ours["gpt3-xl: power, a MAC of all banks costs 4 reads"]
    assert 1.5 < ours["gpt3-large: speed of 8 channels over 4"] < 2
    assert 3 < ours["gpt3-large: speed of 16 channels over 4"] < 4
    assert all(ours[f"{model}: banks opened under tFAW over all at once"] > 1 for model in ("gpt2-xl", "gpt3-xl"))


@pytest.mark.slow
def test_whole_group_has_no_failure() -> None:
    said: list[str] = []
    found = list(pim_gpt.figures(said.append))
    assert Verdict.FAIL not in {figure.verdict for figure in found}
    assert len({figure.name for figure in found}) == len(found)
    assert said

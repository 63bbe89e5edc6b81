"""Policies as data: presets, changed keys, and what is refused."""

from __future__ import annotations

from dataclasses import fields

import pytest

from pimsim.config import load_dram
from pimsim.config.controller import ControllerConfig
from pimsim.dram.controller.plan import make_plan, refresh_round, watermarks
from pimsim.dram.controller.policy import PRESETS, Policy, policy
from pimsim.errors import InputError
from pimsim.sim.memory import compile_memory
from pimsim.sim.traffic import policy_of


def test_every_key_of_a_policy_is_a_key_of_the_configuration() -> None:
    assert {f.name for f in fields(Policy)} <= ControllerConfig.model_fields.keys()


def test_a_key_that_is_not_given_stays_the_presets() -> None:
    assert policy("dramsim3-fr32", postpone=None) == PRESETS["dramsim3-fr32"]


def test_a_key_changes_nothing_else() -> None:
    changed = load_dram("gddr6-8gb-x16-14000", ["controller.policy=dramsim3-fr32", "controller.row_hit_cap=7"]).controller
    assert policy_of(changed) == policy("dramsim3-fr32", row_hit_cap=7)


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'ramulator-rowhit'"):
        policy("ramulator-rowhits")


def test_every_wrong_key_is_reported_at_once() -> None:
    with pytest.raises(InputError) as refused:
        policy("fcfs", read_queue=0, postpone=9, write_low=0.9)
    assert [p.key for p in refused.value.problems] == ["controller.read_queue", "controller.postpone", "controller.write_low"]


@pytest.mark.parametrize("changes", [{"waiting": 1}, {"order": "fcfs"}, {"order_same_column": True}])
def test_split_queues_refuse_what_needs_one_queue(changes: dict[str, object]) -> None:
    with pytest.raises(InputError, match="unified"):
        policy("ramulator-rowhit", **changes)


def test_watermarks_are_those_of_ramulator() -> None:
    """Write mode from 26 of 32 writes on (more than 0.8), down to 6 (less than 0.2)."""
    assert watermarks(PRESETS["ramulator-rowhit"]) == (26, 6)


def test_write_mode_can_always_end() -> None:
    assert watermarks(policy("ramulator-rowhit", write_low=0.0, write_queue=1)) == (1, 0)


@pytest.mark.parametrize(("part", "refresh", "due"), [
    ("gddr6-8gb-x16-14000", "all-bank", (3333, 1)), ("hbm2-4gb-2000", "per-bank", (3900, 16)), ("hbm3-16gb-6400", "all-bank", (12480, 1)),
    ("gddr6-8gb-x16-14000", "per-bank", (3333, 16)), ("hbm2-4gb-2000", "none", (0, 1)), ("hbm3-16gb-6400", "per-bank", (12480, 32)),
    ("lpddr5-8gb-x16-6400", "per-bank", (3125, 16)),
])  # fmt: skip
def test_every_bank_is_refreshed_once_a_trefi(part: str, refresh: str, due: tuple[int, int]) -> None:
    config = load_dram(part)
    assert refresh_round(compile_memory(config.memory, config.controller), policy("ramulator-rowhit", refresh=refresh)) == due


def test_a_per_bank_interval_that_is_given_is_kept() -> None:
    config = load_dram("hbm2-4gb-2000", ["memory.timing.tREFIpb=122 ck"])
    assert refresh_round(compile_memory(config.memory, config.controller), policy("ramulator-rowhit", refresh="per-bank")) == (122, 1)


def test_per_bank_refresh_needs_its_command() -> None:
    config = load_dram("ddr4-8gb-x8-2400")
    with pytest.raises(InputError, match="DDR4 has no per-bank refresh"):
        make_plan(compile_memory(config.memory, config.controller), policy("ramulator-rowhit", refresh="per-bank"))

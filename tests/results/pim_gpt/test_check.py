"""The laws of a run: they hold on every kind of run, and each notices what it is for."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

import pimsim
from pimsim.errors import SimulationError
from pimsim.kernels.table import CAUSES
from pimsim.results.pim_gpt.check import check
from pimsim.results.pim_gpt.energy import energy
from pimsim.sim.run import Run

LAWS = {"macs", "model", "operators", "bytes", "tensors", "busy", "causes", "time", "bounds", "energy"}


@pytest.fixture(scope="module")
def finished(tiny: str) -> Run:
    run = pimsim.run("pim-gpt", tiny).run
    assert isinstance(run, Run)
    return run


@pytest.mark.parametrize("settings", [
    {}, {"system.overlap": "pipelined"}, {"pim.mac_energy": "3x-read"}, {"energy.formula": "drampower"}, {"asic.sram_bytes": "1 KiB"},
    {"pim.all_bank_act": "faw"}, {"controller.refresh": "none"}, {"memory.channels": 3}, {"asic.asic_power": "when-busy"},
])  # fmt: skip
def test_laws_hold(tiny: str, settings: dict[str, object]) -> None:
    assert pimsim.run("pim-gpt", tiny, **settings).checks == dict.fromkeys(LAWS, True)


@pytest.mark.parametrize("workload", [
    {"embedding": True, "lm_head": True}, {"part": "ffn"}, {"prefill": "elsewhere"}, {"kv_dtype": "fp8"}, {"weight_dtype": "int4"},
    {"decoding.kv_budget": 3},
])  # fmt: skip
def test_laws_hold_whatever_is_run(tiny: str, workload: dict[str, object]) -> None:
    overrides = [f"workload.{key}={str(value).lower()}" for key, value in workload.items()]
    assert pimsim.run("pim-gpt", tiny, overrides=overrides).checks == dict.fromkeys(LAWS, True)


def test_an_untouched_run_breaks_none(finished: Run) -> None:
    assert set(check(finished, energy(finished))) == LAWS


def issue(run: Run, name: str, number: int) -> None:
    """Count so many more of a command on the first channel, as work of the first category."""
    at = CAUSES + run.system.compiled.command_names.index(name)
    run.system.package.by_channel[0, at] += number
    run.system.package.by_category[0, at] += number


def lost_mac(run: Run) -> None:
    issue(run, "MAC16", -1)


def lost_result(run: Run) -> None:
    issue(run, "RDMAC16", -1)


def operator_twice(run: Run) -> None:
    run.recorder.work["qkv"].operators += 1


def other_model(run: Run) -> None:
    """The model has another FFN than the operators that ran."""
    arch = run.trace.architecture
    assert arch is not None
    object.__setattr__(run.trace, "architecture", replace(arch, ffn=arch.ffn + 16))


def tensors_too_large(run: Run) -> None:
    run.recorder.work["qkv"].bytes_read *= 1000


def more_work_than_time(run: Run) -> None:
    issue(run, "MAC16", run.system.package.now)


def busy_asic(run: Run) -> None:
    run.recorder.asic_ticks["layernorm"] += run.system.package.now


def tick_without_cause(run: Run) -> None:
    run.system.package.by_channel[2, 0] -= 1
    run.system.package.by_category[0, 0] -= 1


def cause_of_nobody(run: Run) -> None:
    run.system.package.by_category[0, 0] += 1


def task_ends_before_it_begins(run: Run) -> None:
    run.recorder.backwards += 1


def step_goes_back(run: Run) -> None:
    run.recorder.steps[1], run.recorder.steps[2] = run.recorder.steps[2], run.recorder.steps[1]


def faster_than_light(run: Run) -> None:
    run.recorder.work["ffn1"].bound_ticks *= 1000


@pytest.mark.parametrize(("law", "tamper"), [
    ("macs", lost_mac), ("bytes", lost_result), ("operators", operator_twice), ("model", other_model), ("tensors", tensors_too_large),
    ("busy", more_work_than_time), ("busy", busy_asic), ("causes", tick_without_cause), ("causes", cause_of_nobody),
    ("time", task_ends_before_it_begins), ("time", step_goes_back), ("bounds", faster_than_light),
])  # fmt: skip
def test_a_broken_law_is_named(finished: Run, law: str, tamper: Callable[[Run], None]) -> None:
    run = copy.deepcopy(finished)
    parts = energy(run)
    tamper(run)
    with pytest.raises(SimulationError, match=f"law '{law}' is broken"):
        check(run, parts)


@pytest.mark.parametrize("component", ["activate", "mac", "io", "refresh", "active_standby", "asic", "write"])
def test_a_component_that_is_off_by_a_millionth_of_the_whole_breaks_the_law_of_energy(finished: Run, component: str) -> None:
    parts = energy(finished)
    parts[component] += 1e-6 * sum(parts.values())
    with pytest.raises(SimulationError, match=re.escape("law 'energy' is broken")):
        check(finished, parts)


def test_a_negative_component_breaks_the_law_of_energy(finished: Run) -> None:
    parts = energy(finished)
    parts["mac"], parts["write"] = parts["mac"] + 2 * parts["write"], -parts["write"]
    with pytest.raises(SimulationError, match="law 'energy' is broken"):
        check(finished, parts)


def test_energy_follows_the_commands_that_were_issued(finished: Run) -> None:
    run = copy.deepcopy(finished)
    parts = energy(run)
    run.system.package.by_category[0, CAUSES + run.system.compiled.command_names.index("ACT16")] += 1
    with pytest.raises(SimulationError, match="law 'energy' is broken"):
        check(run, parts)

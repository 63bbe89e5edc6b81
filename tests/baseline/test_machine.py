"""Host, device and power of a run."""

from __future__ import annotations

import numpy as np
import pytest

from pimsim import units
from pimsim.baseline.machine import Run, energy_j, run
from pimsim.config import BaselineConfig, load_any
from pimsim.errors import InputError
from pimsim.model.importer import load_architecture
from pimsim.model.lowering import lower
from pimsim.model.trace import Trace

SMALL = load_architecture("gpt2-small")


def gpu(name: str, *overrides: str) -> BaselineConfig:
    config = load_any(name, overrides)
    assert isinstance(config, BaselineConfig)
    return config


def decode(tokens: int = 4, prompt: int = 1, batch: int = 1) -> Trace:
    return lower(SMALL, batch, prompt, tokens)


def calls_s(done: Run, *, layers: int = 12, calls: int = 56) -> float:
    return layers * calls * done.config.efficiency.host.call / units.FS_PER_S


def test_graph_mode_costs_no_host() -> None:
    done = run(gpu("gpu-h200"), decode())
    assert done.pass_s == pytest.approx(np.bincount(done.work.table.step, done.kernel_s))
    assert not done.host_bound.any()


def test_small_eager_steps_take_as_long_as_the_hosts_calls() -> None:
    done = run(gpu("gpu-a100-80", "execution.mode=eager", "execution.attention=separate"), decode())
    assert done.host_bound.all()
    assert done.pass_s[1:] == pytest.approx(calls_s(done))


def test_first_step_of_an_eager_run_takes_longer_by_the_requests_cost() -> None:
    done = run(gpu("gpu-a100-80", "execution.mode=eager"), decode())
    assert done.pass_s[0] - done.pass_s[1] == pytest.approx(done.config.efficiency.host.request / units.FS_PER_S)


def test_large_eager_steps_take_as_long_as_the_device() -> None:
    done = run(gpu("gpu-t4"), decode(prompt=1024, tokens=1, batch=8))
    assert not done.host_bound.any()
    assert done.pass_s[0] > 5 * calls_s(done)


def test_host_and_arithmetic_of_a_cpu_add_up() -> None:
    done = run(gpu("cpu-xeon-6154"), decode())
    kernels = np.bincount(done.work.table.step, done.kernel_s)
    assert done.pass_s[1:] - kernels[1:] == pytest.approx(calls_s(done))


def test_without_a_cache_a_step_costs_more_the_longer_the_context() -> None:
    done = run(gpu("cpu-xeon-6154", "execution.kv_cache=false"), decode(tokens=600))
    assert done.pass_s[599] > 4 * done.pass_s[99]


def test_more_batch_takes_longer_but_less_a_token() -> None:
    one, many = (run(gpu("gpu-h200"), decode(batch=batch)).time_s for batch in (1, 64))
    assert one < many < 64 * one


def test_more_bandwidth_is_faster_in_proportion_where_memory_is_all() -> None:
    trace = lower(load_architecture("llama-3-8b"), 1, 1, 8)
    slow, fast = (run(gpu("gpu-h200", f"device.bandwidth={rate} GB/s"), trace) for rate in (100, 200))
    assert slow.time_s / fast.time_s == pytest.approx(2, rel=0.02)


def test_a_model_that_does_not_fit_is_refused_with_the_key() -> None:
    with pytest.raises(InputError) as caught:
        run(gpu("gpu-t4"), lower(load_architecture("gpt3-30b"), 1, 1, 2))
    (problem,) = caught.value.problems
    assert problem.key == "device.memory"
    assert "the device has 14.9 GiB" in problem.message


def test_all_experts_have_to_fit_not_only_the_chosen_ones() -> None:
    mixtral = load_architecture("mixtral-8x7b")
    with pytest.raises(InputError):
        run(gpu("gpu-h100"), lower(mixtral, 1, 1, 2))
    assert run(gpu("gpu-h200"), lower(mixtral, 1, 1, 2)).time_s > 0


def test_idle_memory_leaves_the_active_power() -> None:
    done = run(gpu("gpu-a100-80", "execution.mode=eager"), decode())
    joules = energy_j(done)
    assert joules["active"] == pytest.approx(done.time_s * 400 * done.config.efficiency.power.active)
    assert joules["memory"] < 0.1 * joules["active"]


def test_power_stops_at_the_limit() -> None:
    config = gpu("gpu-h200", "efficiency.power.active=0.9", "efficiency.power.memory=1")
    done = run(config, lower(load_architecture("llama-3-8b"), 1, 1, 2))
    assert sum(energy_j(done).values()) == pytest.approx(700 * done.time_s)


def test_memory_power_is_in_proportion_to_bytes() -> None:
    done = run(gpu("gpu-h200"), decode())
    table, share = done.work.table, done.config.efficiency.power.memory
    moved = float((table.bytes * table.repeat).sum())
    assert energy_j(done)["memory"] == pytest.approx(moved / 4.8e12 * share * 700)

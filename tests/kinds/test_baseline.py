"""GPUs, CPUs and the ideal memory as ``pimsim.run`` has them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import pimsim
from pimsim.errors import InputError

SYSTEMS = ("gpu-t4", "gpu-a100-40", "gpu-a100-80", "gpu-h100", "gpu-h100-measured", "gpu-h200", "gpu-rtx4090", "gpu-jetson-orin",
           "cpu-xeon-6154", "cpu-epyc-9654", "ideal-non-pim")  # fmt: skip
KEYS = {
    "schema_version", "pimsim_version", "system", "workload", "time_s", "cycles", "tokens", "tokens_per_s", "layers_simulated", "folded",
    "energy_j", "power_w", "row_hit_rate", "commands", "macs", "bandwidth", "utilisation", "time_by_op_s", "cycles_by_cause", "bound_s",
    "checks", "host", "peaks", "area_mm2", "bytes_over_pins", "bytes_spilled", "bound_by_op_s", "rows_used", "energy_per_token_j",
}  # fmt: skip


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_shipped_machine_runs_and_keeps_its_laws(system: str, tiny: str) -> None:
    facts = pimsim.run(system, tiny).summary()
    assert set(facts["checks"].values()) == {True}
    assert set(facts) >= KEYS
    assert facts["tokens"] == 5
    assert facts["bound_s"] <= facts["time_s"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_parts_sum_to_the_whole(system: str, tiny: str) -> None:
    result = pimsim.run(system, tiny)
    facts = result.summary()
    assert sum(v for k, v in facts["energy_j"].items() if k != "total") == pytest.approx(facts["energy_j"]["total"])
    assert sum(facts["time_by_op_s"].values()) == pytest.approx(facts["time_s"])
    assert sum(row["share"] for row in result.operator_rows) == pytest.approx(1)
    assert sum(row["latency_s"] for row in result.token_rows) == pytest.approx(facts["time_s"])


def test_what_limits_the_time_sums_to_it(tiny: str) -> None:
    facts = pimsim.run("gpu-t4", tiny).summary()
    assert sum(facts["time_by_limit_s"].values()) == pytest.approx(facts["time_s"])
    assert facts["time_by_limit_s"]["host"] > 0.9 * facts["time_s"]


def test_run_folder_reads_back(tiny: str, tmp_path: Path) -> None:
    result = pimsim.run("gpu-h200", tiny, out=tmp_path / "run")
    assert pimsim.load(tmp_path / "run") == result
    again = pimsim.run(tmp_path / "run" / "config.yaml", tmp_path / "run" / "workload.yaml")
    assert again.time_s == result.time_s


def test_report_names_system_and_workload(tiny: str) -> None:
    report = pimsim.run("gpu-h200", tiny).report()
    assert report.startswith("tiny on gpu-h200: 5 tokens in ")
    assert "Time by operator" in report


def test_ideal_memory_moves_weights_and_cache_at_the_rate_of_its_pins() -> None:
    facts = pimsim.run("ideal-non-pim", "gpt2-small", **{"workload.output_tokens": 1}).summary()
    weights = 12 * (12 * 768 * 768 + 9 * 768 + 4 * 768)
    cache = 12 * 2 * 768 * 2  # one token, appended and read
    assert facts["time_s"] * 256e9 == pytest.approx(2 * weights + 2 * cache)
    assert facts["bandwidth"]["external_utilisation"] == pytest.approx(1)


def test_ideal_memory_of_another_part() -> None:
    slow, fast = (pimsim.run("ideal-non-pim", "gpt2-small", **{"memory.part": part}).time_s for part in ("gddr6-pim", "hbm2-neupims"))
    assert slow / fast == pytest.approx(4, rel=0.01)


def test_cpu_without_bf16_moves_twice_the_bytes(tiny: str) -> None:
    half, full = (pimsim.run("cpu-xeon-6154", tiny, **{"execution.dtype": d}).summary()["bytes_over_pins"] for d in ("bf16", "fp32"))
    assert full == 2 * half


def test_devices_share_a_layer_and_their_energy_adds_up(tiny: str) -> None:
    one, three = (pimsim.run("gpu-h200", tiny, **{"execution.devices": n}).summary() for n in (1, 3))
    assert three["time_s"] < one["time_s"]
    assert three["power_w"] > 2 * one["power_w"]
    assert three["macs"] == one["macs"]


def test_heads_that_devices_cannot_share_are_refused(tiny: str) -> None:
    with pytest.raises(InputError, match="execution.devices: .*3 heads, which 2 devices cannot share"):
        pimsim.run("gpu-h200", tiny, **{"execution.devices": 2})


def test_trace_runs_as_the_workload_that_it_was_lowered_from(tiny: str, tmp_path: Path) -> None:
    from pimsim.cli.main import main

    with pytest.raises(SystemExit):
        main(["lower", tiny, "-o", str(tmp_path / "trace.csv")])
    assert pimsim.run("gpu-h200", trace=tmp_path / "trace.csv").time_s == pytest.approx(pimsim.run("gpu-h200", tiny).time_s)


def test_commands_cannot_be_logged(tiny: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="kind: a system of kind 'gpu' issues no commands"):
        pimsim.run("gpu-t4", tiny, commands=tmp_path / "log.csv")


def test_drafts_without_a_cache_are_refused() -> None:
    decoding = {"draft_model": "gpt2-small", "acceptance": 0.5}
    settings = {"execution.kv_cache": False, "workload.decoding": decoding, "workload.output_tokens": 4}
    with pytest.raises(InputError, match="execution.kv_cache: drafts are decoded with a KV cache"):
        pimsim.run("gpu-h200", "gpt2-medium", **settings)


def test_requests_are_served() -> None:
    settings = {"workload.arrivals.warm": 8, "workload.iterations": 2, "execution.devices": 4}
    facts = pimsim.run("gpu-a100-80", "gpt3-7b-sharegpt", **settings).summary()
    assert facts["devices"] == 4
    assert 8 <= facts["tokens"] <= 16
    assert set(facts["checks"].values()) == {True}


def test_summary_is_json(tiny: str) -> None:
    json.dumps(pimsim.run("gpu-h200", tiny).summary(), allow_nan=False)


def test_served_requests_with_drafts_are_refused() -> None:
    drafts = {"workload.decoding.draft_model": "gpt3-small", "workload.decoding.acceptance": 0.5}
    with pytest.raises(InputError, match="decoding.draft_model: requests are served without drafts"):
        pimsim.run("gpu-h200", "gpt3-7b-alpaca", **drafts)

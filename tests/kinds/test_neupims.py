"""Serving on the simulated device: systems, exact short cuts, run folders, and input that cannot be served."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import pimsim
from pimsim.cli import main as cli
from pimsim.results.result import Result

MODEL = {"model_type": "gpt2", "n_layer": 3, "n_embd": 256, "n_head": 8, "n_positions": 2048, "vocab_size": 100,
         "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5}  # fmt: skip
LENGTHS = (40, 70, 33, 200, 18, 90)
"""Of the requests; two of them share a channel."""


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("served")
    (folder / "config.json").write_text(json.dumps(MODEL))
    (folder / "requests.csv").write_text("seq_len,ch_idx\n" + "".join(f"{n},{i % 5}\n" for i, n in enumerate(LENGTHS)))
    (folder / "w.yaml").write_text("model: config.json\nrequests: requests.csv\noutput_tokens: 2\nprefill: elsewhere\n")
    return str(folder / "w.yaml")


def run(workload: str, system: str = "neupims", **settings: Any) -> Result:
    how = {key: settings.pop(key) for key in ("fold",) if key in settings}
    return pimsim.run(system, workload, **how, **{"parallel.tensor": 2}, **settings)


def without_host(result: Result) -> dict[str, Any]:
    return {key: value for key, value in result.summary().items() if key not in ("host", "folded")}


@pytest.mark.parametrize("clock", ["500 MHz", "1 GHz", "2 GHz"])
def test_arrays_work_for_their_macs_over_the_peak_at_any_clock(workload: str, clock: str) -> None:
    """The matrices fill the arrays, so that the share of the time in which they work is MACs over the peak."""
    used = run(workload, **{"npu.clock": clock}).facts["utilisation"]
    assert used["npu"] == pytest.approx(used["npu_macs"], rel=0.01)


def test_everything_is_the_same_without_folding(workload: str) -> None:
    assert without_host(run(workload)) == without_host(run(workload, fold=False))


@pytest.mark.parametrize("system", ["neupims", "neupims-authors", "npu-pim", "npu-only"])
@pytest.mark.parametrize("sub_batches", ["off", "on"])
def test_every_system_keeps_every_law(workload: str, system: str, sub_batches: str) -> None:
    result = run(workload, system, **{"scheduler.sub_batches": sub_batches})
    assert result.tokens_generated == 2 * len(LENGTHS)
    assert all(verdict is True or verdict.startswith("waived: ") for verdict in result.checks.values())
    for view in result.facts["cycles_by_cause_of"].values():
        assert sum(view.values()) == pytest.approx(result.cycles, rel=1e-12)


def test_only_the_authors_shortcuts_waive_laws(workload: str) -> None:
    assert all(verdict is True for verdict in run(workload).checks.values())


def test_attention_on_the_npu_leaves_the_memory_s_units_alone(workload: str) -> None:
    result = run(workload, "npu-only")
    assert result.facts["utilisation"]["pim"] == 0
    assert not {"COMP", "G_ACT"} & set(result.commands)


def test_a_second_row_buffer_lets_reads_and_attention_overlap(workload: str) -> None:
    two, one = (run(workload, **{"scheduler.sub_batches": "on", "memory.row_buffers": n}) for n in (2, 1))
    assert two.cycles < one.cycles


def test_prompts_are_taken_in_here_as_well(workload: str) -> None:
    result = run(workload, **{"workload.prefill": "inline"})
    assert result.tokens_generated == 2 * len(LENGTHS)
    assert [row["new_tokens"] for row in result.tables["tokens"]] == [sum(LENGTHS), len(LENGTHS)]


def test_all_reduces_cost_time_and_energy(workload: str) -> None:
    link = {"parallel.link.bandwidth": "100 GB/s", "parallel.link.latency": "1 us", "parallel.link.energy": "10 pJ/bit"}
    alone, linked = run(workload), run(workload, **link)
    assert linked.cycles > alone.cycles
    assert linked.energy_j["link"] > 0 == alone.energy_j["link"]


def test_pipeline_stages_share_the_layers(workload: str) -> None:
    result = run(workload, **{"parallel.pipeline": 3})
    assert result.facts["devices"] == {"tensor": 2, "pipeline": 3}
    assert result.facts["layers_simulated"] == 3


def test_a_run_folder_reads_back_equal(workload: str, tmp_path: Path) -> None:
    result = pimsim.run("neupims", workload, out=tmp_path / "run", **{"parallel.tensor": 2, "workload.part": "block"})
    assert pimsim.load(tmp_path / "run").summary() == result.summary()
    assert {path.stem for path in (tmp_path / "run").glob("*.csv")} >= {"stages", "requests", "tokens", "queue"}


def test_energies_sum_to_the_total_and_none_is_negative(workload: str) -> None:
    energy = run(workload).energy_j
    parts = [joules for name, joules in energy.items() if name != "total"]
    assert sum(parts) == pytest.approx(energy["total"], rel=1e-12)
    assert min(parts) >= 0


def test_a_block_s_requests_and_tokens_are_counted_over_the_same_time(workload: str) -> None:
    served = run(workload, **{"workload.part": "block", "workload.output_tokens": 1, "scheduler.sub_batches": "on"}).facts["serving"]
    assert served["throughput"]["requests_per_s"] == served["throughput"]["tokens_per_s"]


def test_who_still_waits_is_counted(workload: str) -> None:
    requests = run(workload, **{"workload.iterations": 1, "scheduler.max_batch": 2}).facts["serving"]["requests"]
    assert requests["waiting"] == len(LENGTHS) - 2


@pytest.mark.parametrize(("sets", "said"), [
    (["workload.part=block", "scheduler.max_batch=5"], "scheduler.max_batch: 6 requests in one iteration, at most 5 run at a time"),
    (["workload.batch=0"], "workload.batch"),
    (["parallel.tensor=3"], "8 heads, which 3 devices cannot share evenly"),
    (["scheduler.assignment=best"], "scheduler.assignment"),
    (["placement=best"], "placement: unknown policy"),
    (["memory.rows=600"], "requests.csv:"),
    (["workload.lm_head=true"], "workload.lm_head"),
])  # fmt: skip
def test_what_cannot_be_served_exits_with_2_and_says_where(
        workload: str, sets: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(workload, "parallel.tensor=2", *sets)
    assert said in capsys.readouterr().err


def test_arrivals_that_go_back_are_found_in_their_line(workload: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "r.csv"
    file.write_text("arrival,input_tokens,output_tokens\n2 ms,10,2\n1 ms,10,2\n")
    assert refused(workload, f"workload.requests={file}")
    assert f"{file}:3:1: arrival: " in capsys.readouterr().err


def refused(workload: str, *sets: str) -> bool:
    """Whether ``pimsim run`` exits with 2."""
    with pytest.raises(SystemExit) as left:
        cli.main(["run", "neupims", workload, *(part for text in sets for part in ("--set", text))])
    return left.value.code == 2


def test_crossover_puts_attention_where_the_keys_are(workload: str) -> None:
    result = run(workload, placement="crossover")
    assert result.facts["placement"]["macs"]["pim"] > 0
    assert {"gemm", "vector", "attention in memory"} <= set(result.facts["placement"]["estimate_errors"])


def test_the_command_log_is_legal_and_has_every_command(workload: str, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    result = pimsim.run("neupims", workload, commands=log, **{"parallel.tensor": 2, "workload.part": "block"})
    counted: dict[str, int] = {}
    with log.open() as file:
        for row in csv.DictReader(file):
            counted[row["command"]] = counted.get(row["command"], 0) + int(row.get("count") or 1)
    assert counted == result.commands
    with pytest.raises(SystemExit) as left:
        cli.main(["check", "hbm2-neupims", str(log)])
    assert left.value.code == 0


def test_iterations_of_the_log_are_those_asked_for(workload: str, tmp_path: Path) -> None:
    pimsim.run("neupims", workload, commands=tmp_path / "a.csv", steps=slice(1, 2), **{"parallel.tensor": 2})
    second = next(row for row in run(workload).tables["tokens"] if row["step"] == 1)
    with (tmp_path / "a.csv").open() as file:
        cycles = [int(row["cycle"]) for row in csv.DictReader(file)]
    assert cycles == sorted(cycles)
    assert second["begin_cycle"] <= cycles[0] < cycles[-1] < second["begin_cycle"] + second["cycles"]


def test_approximations_say_how_far_they_are_off_and_are_not(workload: str, tmp_path: Path) -> None:
    """With layers long enough that it does not count where in them a refresh falls."""
    for name, text in (("w.yaml", None), ("requests.csv", None), ("config.json", json.dumps(MODEL | {"n_embd": 768, "n_head": 12}))):
        (tmp_path / name).write_text(text or (Path(workload).parent / name).read_text())
    sets = {"workload.output_tokens": 8}
    exact, rough = (run(str(tmp_path / "w.yaml"), **sets, **more) for more in ({}, {"system.approximate": "layers, iterations"}))
    found = rough.facts["approximation"]
    assert found["iterations"]["simulated"] < found["iterations"]["of"] == 8
    assert rough.cycles == pytest.approx(exact.cycles, rel=0.02)
    assert rough.energy_j["total"] == pytest.approx(exact.energy_j["total"], rel=0.02)
    assert "Approximate" in rough.report()

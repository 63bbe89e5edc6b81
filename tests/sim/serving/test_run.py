"""Serving runs, on a device that simulates nothing: what is run, when, and what the result says of it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pimsim import config
from pimsim.errors import InputError
from pimsim.results.neupims import result
from pimsim.results.neupims.total import Totals
from pimsim.sim.serving.run import Serving, simulate

from .fake import FakeDevice

Serve = Callable[..., Serving]


def names(run: Serving, group: int = 0) -> list[str]:
    return [work.name for work in run.groups[group].device.works]


def problems(serve: Serve, *overrides: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        serve(*overrides)
    return [str(problem) for problem in caught.value.problems]


def test_every_layer_of_every_iteration_has_stages_a_b_e(serve: Serve) -> None:
    assert names(serve()) == ["A", "B", "E"] * 4 * 5


def test_two_sub_batches_interleave(serve: Serve) -> None:
    assert names(serve("scheduler.sub_batches=on", "workload.output_tokens=1")) == list("ABCDCDCDEF")


def test_contexts_grow_by_a_token_an_iteration(serve: Serve) -> None:
    seen = [{m.context for m in w.pim} for w in serve().groups[0].device.works if w.name == "B"]
    assert seen[::4] == [{40}, {41}, {42}, {43}, {44}]


def test_rows_of_a_layer_are_its_own(serve: Serve) -> None:
    works = [w for w in serve("workload.output_tokens=1").groups[0].device.works if w.name == "B"]
    rows = [set(m.rows.k.tolist()) | set(m.rows.v.tolist()) for w in works for m in w.pim if m.channel == 0]
    assert sum(map(len, rows)) == len(set().union(*rows))
    assert len(rows[0]) == 2 + 4 * 1  # 40 tokens: two tiles of K; V of four heads on this device, one tile each


def test_all_tokens_come_out(serve: Serve) -> None:
    facts = result(serve()).facts
    assert facts["tokens"] == 6 * 5
    assert facts["serving"]["requests"]["finished"] == 6
    assert facts["serving"]["kv"]["most"] > 0


def test_macs_are_those_of_the_graph(serve: Serve) -> None:
    run = serve()
    whole = sum(part.macs_per_token(40 + i) for part in run.parts for i in range(5)) * 6
    assert sum(Totals(run).busy.under("macs").values()) == whole


def test_causes_sum_to_the_run(serve: Serve) -> None:
    facts = result(serve("workload.arrivals={dataset: alpaca, number: 5, rate: 1000}", "workload.iterations=40")).facts
    assert sum(facts["cycles_by_cause"].values()) == pytest.approx(facts["cycles"], rel=1e-12)


def test_a_block_is_one_layer_and_one_iteration(serve: Serve) -> None:
    run = serve("workload.part=block")
    assert names(run) == ["A", "B", "E"]
    facts = result(run).facts
    assert facts["cycles"] == sum(facts["stages"].values())
    assert facts["tokens"] == 6


def test_a_block_with_two_sub_batches_takes_c_and_d(serve: Serve) -> None:
    run = serve("workload.part=block", "scheduler.sub_batches=on")
    assert names(run) == list("ABCDEF")
    facts = result(run).facts
    assert list(facts["stages"]) == list("ABCDEF")
    assert facts["cycles"] == facts["stages"]["C"] + facts["stages"]["D"]


@pytest.mark.parametrize(("part", "stages"), [("qkv", ["A"]), ("attention", ["B"]), ("ffn", ["E"])])
def test_a_part_of_a_layer_is_one_stage(serve: Serve, part: str, stages: list[str]) -> None:
    assert names(serve(f"workload.part={part}")) == stages


def test_prompts_are_taken_in_by_the_npu(serve: Serve) -> None:
    run = serve("workload.prefill=inline", "workload.output_tokens=2")
    first, later = (w for w in run.groups[0].device.works if w.name == "B" and w is not None), None
    work = next(first)
    assert not work.pim and [op.kind for op in work.npu] == ["attention"]
    later = run.groups[0].device.works[-2]
    assert later.pim and not later.npu


def test_attention_goes_where_it_is_placed(serve: Serve) -> None:
    work = serve("placement.attention=npu", system="npu-only").groups[0].device.works[1]
    assert (work.name, work.pim, [op.kind for op in work.npu]) == ("B", (), ["attention"])


def test_crossover_uses_both_units_and_reports_how_wrong_it_was(serve: Serve) -> None:
    facts = result(serve("placement=crossover")).facts
    assert {"gemm", "vector"} <= set(facts["placement"]["estimate_errors"])


def test_one_layer_stands_for_the_rest(serve: Serve) -> None:
    run = serve("system.approximate=layers")
    assert len([name for name in names(run) if name == "A"]) == 5 + 2  # an iteration one, and two to know the error
    exact = serve()
    assert result(run).cycles == result(exact).cycles  # on this device all layers are equal
    assert result(run).facts["approximation"]["layers"]["worst"] == 0


def test_one_layer_stands_for_the_rest_with_sub_batches(serve: Serve) -> None:
    run, exact = (serve("scheduler.sub_batches=on", *more) for more in ([], ["system.approximate=layers"]))
    assert result(run).cycles == result(exact).cycles


def test_interpolated_iterations_come_close(serve: Serve) -> None:
    overrides = ["workload.arrivals={dataset: sharegpt, warm: 12}", "workload.iterations=40"]
    exact, run = (serve(*overrides, *more) for more in ([], ["system.approximate=iterations"]))
    facts = result(run).facts
    assert facts["approximation"]["iterations"]["simulated"] < 30
    assert facts["approximation"]["iterations"]["worst"] < 0.02
    assert result(run).cycles == pytest.approx(result(exact).cycles, rel=0.02)


def test_all_reduces_take_time_and_the_device_waits(serve: Serve) -> None:
    link = ["parallel.link.bandwidth=100 GB/s", "parallel.link.latency=1 us"]
    run, without = serve(*link), serve()
    each = 2 * 2 * (1000 + -(-6 * 512 // 2 // 100))  # two, of two messages: a microsecond and a shard of 1,536 bytes at 100 B a tick
    late = result(run).cycles - result(without).cycles
    assert late == pytest.approx(each * 4 * 5, rel=0.01)
    assert run.groups[0].device.waits


def test_pipeline_stages_work_at_the_same_time(serve: Serve) -> None:
    run = serve("parallel.pipeline=2")
    assert [group.planner.part.layers for group in run.groups] == [2, 2]
    begins = [[p.begin_fs for i in run.server.iterations for p in i.passages if p.group == g] for g in (0, 1)]
    ends = [[p.end_fs for i in run.server.iterations for p in i.passages if p.group == g] for g in (0, 1)]
    assert any(b < e and b2 < e for b, e, b2 in zip(begins[0][1:], ends[1], begins[1], strict=False))
    assert result(run).facts["devices"] == {"tensor": 2, "pipeline": 2}


def test_what_groups_hand_on_goes_over_the_links(serve: Serve) -> None:
    sent = [sum(group.rest[("link", "bytes")] for group in serve(f"parallel.pipeline={stages}").groups) for stages in (1, 2, 4)]
    activations = 6 * 5 * 256 * 2  # six requests, five tokens
    assert sent == [0, activations, 3 * activations]


def test_keys_and_values_have_the_rows_of_the_group_with_the_least(model: Path) -> None:
    loaded = config.load("neupims", model, ["parallel.tensor=1", "parallel.pipeline=2"])
    rooms = iter((500, 300))
    run = simulate(*loaded, lambda system, part: FakeDevice(system, part, rows=next(rooms)))
    assert run.space.rows == run.server.state.kv.rows == 300


def test_requests_wait_for_room_and_all_are_served(serve: Serve) -> None:
    run = serve("memory.channels=1", "workload.batch=8", rows=70)
    facts = result(run).facts
    assert facts["serving"]["requests"]["finished"] == 8
    assert facts["serving"]["queue"]["most"] > 0


def test_a_request_longer_than_the_kv_space_is_refused(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    file.write_text("seq_len\n40\n999999\n")
    found = problems(serve, f"workload.requests={file}")
    assert len(found) == 1 and found[0].startswith(f"{file}:3:1: seq_len: ")


def test_arrivals_do_not_go_back(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    file.write_text("arrival,input_tokens,output_tokens\n2 ms,10,2\n1 ms,10,2\n")
    assert problems(serve, f"workload.requests={file}")[0].startswith(f"{file}:3:1: arrival: ")


@pytest.mark.parametrize(("override", "said"), [
    ("parallel.tensor=3", "has 8 heads, which 3 devices cannot share"),
    ("parallel.pipeline=9", "parallel.pipeline: 9 stages"),
    ("placement=best", "placement: unknown policy"),
    ("placement.matvec=pim", "placement.matvec: weights are laid out for the NPU"),
    ("placement.score=npu", "placement.score: score runs on npu and attend on pim"),
    ("placement.attention=vector", "placement.attention: attention cannot run on"),
    ("workload.lm_head=true", "workload.lm_head"),
    ("workload.arrivals={dataset: alpaca, number: 3}", "workload.arrivals.rate: is missing"),
    ("workload.arrivals={dataset: alpaca}", "workload.arrivals: there are no requests"),
])  # fmt: skip
def test_what_cannot_be_run_is_refused_by_its_key(serve: Serve, override: str, said: str) -> None:
    assert any(said in problem for problem in problems(serve, override)), problems(serve, override)


@pytest.mark.parametrize(("override", "key"), [
    ("workload.batch=0", "workload.batch"), ("scheduler.sub_batches=maybe", "scheduler.sub_batches"),
    ("scheduler.assignment=best", "scheduler.assignment"),
])  # fmt: skip
def test_what_the_configuration_does_not_have_is_refused(serve: Serve, override: str, key: str) -> None:
    assert any(key in problem for problem in problems(serve, override))


def test_experts_get_the_tokens_that_the_routing_says(tmp_path: Path) -> None:
    moe = {"model_type": "mixtral", "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2,
           "intermediate_size": 96, "num_local_experts": 4, "num_experts_per_tok": 2, "vocab_size": 50,
           "max_position_embeddings": 512}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(moe))
    (tmp_path / "routes.csv").write_text("step,layer,expert,tokens\n0,0,1,3\n0,0,3,3\n0,1,0,3\n0,1,2,3\n")
    (tmp_path / "w.yaml").write_text("model: config.json\nbatch: 3\nprompt_tokens: 9\noutput_tokens: 1\nprefill: elsewhere\n")
    loaded = config.load("neupims", tmp_path / "w.yaml", [f"workload.routing={tmp_path / 'routes.csv'}"])
    works = simulate(*loaded, lambda system, part: FakeDevice(system, part)).groups[0].device.works
    chosen = [{op.name.split(".")[1] for op in work.npu if "expert" in op.name} for work in works if work.name == "E"]
    assert chosen == [{"expert1", "expert3"}, {"expert0", "expert2"}]


@pytest.mark.parametrize("override", ["workload.weight_dtype=int8", "workload.decoding.kv_budget=32", "workload.dtype=fp8"])
def test_what_serving_does_not_do_is_refused(serve: Serve, override: str) -> None:
    assert problems(serve, override)

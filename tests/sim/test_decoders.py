"""Decoders of today on a PIM-GPT large enough for them: they run, keep every law, and compute on scaled-down shapes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pimsim
from pimsim.config import load_system, load_workload
from pimsim.errors import InputError
from pimsim.model.importer import load_architecture
from pimsim.model.lowering import lower_workload
from pimsim.model.trace import Trace
from pimsim.model.tracefile import write_trace
from pimsim.sim.run import build, simulate
from pimsim.sim.verify import verify

ROOT = str(Path(__file__).parents[2])
LLAMA = {"hidden_size": 96, "num_hidden_layers": 2, "num_attention_heads": 6, "num_key_value_heads": 2, "intermediate_size": 160,
         "vocab_size": 203, "max_position_embeddings": 128, "torch_dtype": "bfloat16", "hidden_act": "silu", "rms_norm_eps": 1e-5,
         "tie_word_embeddings": False}  # fmt: skip
SCALED_DOWN = {
    "llama-3-8b": {**LLAMA, "model_type": "llama"},
    "qwen2.5-7b": {**LLAMA, "model_type": "qwen2"},
    "mistral-7b": {**LLAMA, "model_type": "mistral", "sliding_window": 7},
    "gemma-2b": {**LLAMA, "model_type": "gemma", "num_key_value_heads": 1, "head_dim": 32, "hidden_act": "gelu_pytorch_tanh"},
    "gpt-neox-20b": {"model_type": "gpt_neox", "hidden_size": 96, "num_hidden_layers": 2, "num_attention_heads": 6,
                     "intermediate_size": 160, "vocab_size": 203, "max_position_embeddings": 128, "rotary_pct": 0.25,
                     "use_parallel_residual": True},
    "mixtral-8x7b": {**LLAMA, "model_type": "mixtral", "num_local_experts": 5, "num_experts_per_tok": 2},
    "deepseek-v2-lite": {**LLAMA, "model_type": "deepseek_v2", "num_key_value_heads": 6, "kv_lora_rank": 48, "q_lora_rank": None,
                         "qk_nope_head_dim": 16, "qk_rope_head_dim": 8, "v_head_dim": 16, "n_routed_experts": 6,
                         "num_experts_per_tok": 3, "n_shared_experts": 2, "moe_intermediate_size": 40,
                         "first_k_dense_replace": 1, "moe_layer_freq": 1},
}  # fmt: skip
"""config.json files with the fields of the shipped models and small numbers."""

SMALL = ("memory.channels=4", "memory.banks=4", "memory.columns=8", "memory.rows=2048")
LARGE = ("llama-3-8b", "qwen2.5-7b", "mixtral-8x7b", "deepseek-v2-lite")


@pytest.mark.parametrize("name", SCALED_DOWN)
def test_a_scaled_down_model_computes(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(SCALED_DOWN[name]))
    workload = load_workload(tmp_path / "config.json", ["workload.output_tokens=10", "workload.lm_head=true", "workload.embedding=true"])
    found = verify(load_system("pim-gpt-large", SMALL), workload)
    assert found.ok and {check.place.context for check in found.operators} >= {1, 10}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_model_runs_and_keeps_every_law(name: str) -> None:
    result = pimsim.run("pim-gpt-large", name, **{"workload.output_tokens": 2, "workload.lm_head": True})
    summary = result.summary()
    assert set(summary["checks"].values()) == {True}
    architecture = load_architecture(name)
    assert summary["macs"] == sum(architecture.macs_per_token(context, lm_head=True) for context in (1, 2))


def test_all_experts_are_in_the_memory() -> None:
    trace = lower_workload(load_workload("mixtral-8x7b", ["workload.output_tokens=1"]))
    placement = build(load_system("pim-gpt-large"), trace).mapping.placement
    assert {f"experts.{n}.{matrix}" for n in range(8) for matrix in ("ffn1", "ffn2")} <= {name for _, name in placement.regions}
    row_bytes = 128 * 16 * 2048
    held = sum(region.rows for (_, name), region in placement.regions.items() if not name.startswith("kv")) * row_bytes
    weights = 2 * load_architecture("mixtral-8x7b").parameters()["blocks"]
    assert weights <= held < 1.01 * weights


def test_an_expanded_trace_runs_alike_whichever_experts_its_layers_use(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**SCALED_DOWN["mixtral-8x7b"], "num_hidden_layers": 3}))
    chosen = [[(0, 1), (1, 2), (0, 4)], [(0, 1)] * 3]  # each layer others, then all the same: one block, so evenly spaced
    loads = "".join(f"{step},{layer},{expert},1\n" for step, layers in enumerate(chosen) for layer, pair in enumerate(layers)
                    for expert in pair)  # fmt: skip
    (tmp_path / "loads.csv").write_text("step,layer,expert,tokens\n" + loads)
    options = ["workload.output_tokens=2", f"workload.routing={tmp_path / 'loads.csv'}"]
    trace = lower_workload(load_workload(tmp_path / "config.json", options))
    again = Trace.from_operators(trace.operators())
    assert [len(step.blocks) for step in again.steps] == [3, 1]
    system = load_system("pim-gpt-large", SMALL)
    ticks = [simulate(system, run).system.package.now for run in (trace, again)]
    assert ticks[0] == ticks[1]


def test_a_trace_file_is_read_before_anything_else(tmp_path: Path) -> None:
    code = "from pathlib import Path; from pimsim.model.tracefile import read_trace; read_trace(Path('t.csv'))"
    write_trace(lower_workload(load_workload("gpt2-small", ["workload.output_tokens=1"])), tmp_path / "t.csv")
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False, env={**os.environ, "PYTHONPATH": ROOT}).returncode == 0


def test_a_memory_too_small_says_by_how_much_and_what_would_do() -> None:
    with pytest.raises(InputError) as caught:
        pimsim.run("pim-gpt", "llama-3-8b", overrides=["asic.sincos_table=true", "workload.output_tokens=8"])
    (problem,) = caught.value.problems
    assert problem.key == "memory.rows" and "more than there are" in problem.message
    channels, rows = (int(word) for word in problem.allowed.split() if word.isdecimal())
    for fits in (f"memory.channels={channels}", f"memory.rows={rows}"):
        pimsim.run("pim-gpt", "llama-3-8b", overrides=["asic.sincos_table=true", "workload.output_tokens=8", fits])

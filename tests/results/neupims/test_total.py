"""What a whole run counts: also what memory does while nothing is simulated."""

import json
from pathlib import Path

import pytest

from pimsim.config import load
from pimsim.kinds.job import Job
from pimsim.kinds.neupims import run

MODEL = {"model_type": "gpt2", "n_layer": 3, "n_embd": 256, "n_head": 4, "n_positions": 256, "vocab_size": 100,
         "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5}  # fmt: skip


def facts(folder: Path, *overrides: str) -> dict[str, object]:
    (folder / "config.json").write_text(json.dumps(MODEL))
    (folder / "r.csv").write_text("arrival,input_tokens,output_tokens\n0 us,40,2\n600 us,40,2\n")
    (folder / "w.yaml").write_text(f"model: config.json\nrequests: {folder / 'r.csv'}\nprefill: elsewhere\ndtype: fp16\n")
    return run(Job(*load("neupims", folder / "w.yaml", ["memory.channels=2", *overrides]))).summary()


def test_memory_is_refreshed_while_an_approximated_run_waits_for_requests(tmp_path: Path) -> None:
    exact, near = facts(tmp_path), facts(tmp_path, "system.approximate=layers")
    assert near["commands"]["REFab"] == pytest.approx(exact["commands"]["REFab"], rel=0.02)
    assert near["cycles_by_cause"]["refresh"] == pytest.approx(exact["cycles_by_cause"]["refresh"], rel=0.02)
    assert sum(near["cycles_by_cause"].values()) == near["cycles"]


def test_nothing_is_refreshed_where_refresh_is_off(tmp_path: Path) -> None:
    assert "REFab" not in facts(tmp_path, "system.approximate=layers", "controller.refresh=none")["commands"]

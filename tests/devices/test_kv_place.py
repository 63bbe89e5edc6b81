"""Keys and values of prompts that are longer than what a layer keeps."""

import json
from pathlib import Path

import pytest

from pimsim.config import load
from pimsim.kinds.job import Job
from pimsim.kinds.neupims import run

WINDOW, PROMPT, LAYERS = 32, 200, 2
MODEL = {"model_type": "mistral", "num_hidden_layers": LAYERS, "hidden_size": 256, "num_attention_heads": 8, "num_key_value_heads": 4,
         "intermediate_size": 512, "vocab_size": 100, "max_position_embeddings": 4096, "hidden_act": "silu", "rms_norm_eps": 1e-5,
         "sliding_window": WINDOW}  # fmt: skip
TOKEN_BYTES = 2 * 4 * 32 * 2
"""Keys and values of a token in a layer."""


def written(folder: Path, system: str, prompt: int) -> int:
    (folder / "config.json").write_text(json.dumps(MODEL))
    (folder / "w.yaml").write_text(f"model: config.json\nbatch: 1\nprompt_tokens: {prompt}\noutput_tokens: 1\ndtype: fp16\n")
    rows = run(Job(*load(system, folder / "w.yaml"))).operator_rows
    return next(row["bytes_written"] for row in rows if row["operator"] == "attn.QKVgen")


def test_a_window_keeps_the_last_tokens_of_a_prompt(tmp_path: Path) -> None:
    assert written(tmp_path, "npu-only", PROMPT) == LAYERS * WINDOW * TOKEN_BYTES
    assert written(tmp_path, "npu-only", WINDOW // 2) == LAYERS * WINDOW // 2 * TOKEN_BYTES


@pytest.mark.parametrize("prompt", [WINDOW, WINDOW + 1, PROMPT])
def test_in_the_channel_too_and_its_queries_stay_on_the_chip(tmp_path: Path, prompt: int) -> None:
    keys, values = WINDOW * 4, 4 * 32 * (WINDOW // 32)  # column accesses of 32 elements: a head of a token, a dimension of 32 tokens
    assert written(tmp_path, "neupims", prompt) == LAYERS * (keys + values) * 64

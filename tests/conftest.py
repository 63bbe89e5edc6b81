"""A workload so small that simulating it takes milliseconds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TINY = {"model_type": "gpt2", "n_layer": 3, "n_embd": 192, "n_head": 3, "n_positions": 64, "vocab_size": 100,
        "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5}  # fmt: skip


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a workload: a GPT-2 of 3 layers, prompt of 2, 5 output tokens."""
    folder: Path = tmp_path_factory.mktemp("tiny")
    (folder / "config.json").write_text(json.dumps(TINY))
    (folder / "tiny.yaml").write_text("model: config.json\nprompt_tokens: 2\noutput_tokens: 5\n")
    return str(folder / "tiny.yaml")

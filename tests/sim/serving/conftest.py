"""Runs of small models on a device that simulates nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pimsim import config
from pimsim.sim.serving.run import Serving, simulate

from .fake import FakeDevice

MODEL = {"model_type": "gpt2", "n_layer": 4, "n_embd": 256, "n_head": 8, "n_positions": 2048, "vocab_size": 100,
         "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5}  # fmt: skip
SMALL = ["parallel.tensor=2", "parallel.pipeline=1"]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workload of a small model: 6 requests of 40 tokens that generate 5."""
    folder: Path = tmp_path_factory.mktemp("served")
    (folder / "config.json").write_text(json.dumps(MODEL))
    (folder / "small.yaml").write_text("model: config.json\nbatch: 6\nprompt_tokens: 40\noutput_tokens: 5\nprefill: elsewhere\n")
    return folder / "small.yaml"


@pytest.fixture
def serve(model: Path) -> Callable[..., Serving]:
    """Serves the small model; positional arguments are overrides, keywords go to the device."""

    def run(*overrides: str, system: str = "neupims", **device: Any) -> Serving:
        loaded = config.load(system, model, [*SMALL, *overrides])
        return simulate(*loaded, lambda system, part: FakeDevice(system, part, **device))

    return run

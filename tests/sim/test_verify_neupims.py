"""The functional companion of NeuPIMs computes, and finds what a mapping would do wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pimsim import config
from pimsim.kernels import contend_layout as at
from pimsim.mapping.neupims import NeuPimsLayout
from pimsim.mapping.tensor import TensorMap
from pimsim.sim.verify import Verification, verify

SMALL = {"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 96, "num_attention_heads": 6, "num_key_value_heads": 2,
         "head_dim": 48, "intermediate_size": 160, "vocab_size": 50, "max_position_embeddings": 1024}  # fmt: skip


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("verified")
    (folder / "config.json").write_text(json.dumps(SMALL))
    (folder / "w.yaml").write_text("model: config.json\nbatch: 3\nprompt_tokens: 70\noutput_tokens: 2\nprefill: elsewhere\n")
    return folder / "w.yaml"


def run(workload: Path) -> Verification:
    return verify(*config.load("neupims", workload))


def wrong(workload: Path) -> set[str]:
    return {check.name for check in run(workload).operators if not check.ok}


def test_grouped_queries_over_grown_and_reused_rows_are_computed_to_the_last_bit(workload: Path) -> None:
    found = run(workload)
    assert found.ok
    assert {check.name for check in found.operators} >= {"kv_append", "score", "softmax", "attend", "attn.QKVgen"}
    assert all(check.equal for check in found.operators if check.name in ("score", "attend"))


def test_a_key_in_the_wrong_row_is_found(workload: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NeuPimsLayout, "key_row", lambda self, tile, chunk: max(tile - 1, 0) * self.key_chunks + chunk)
    assert "score" in wrong(workload)


def test_a_missing_tile_of_values_is_found(workload: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = NeuPimsLayout.attend

    def attend(self: NeuPimsLayout, tokens: int, rows: Any = 0) -> np.ndarray:
        program = right(self, tokens, rows)
        program[program[:, at.T_KIND] == at.COMPUTE, at.T_COMPUTES] -= 1
        return program

    monkeypatch.setattr(NeuPimsLayout, "attend", attend)
    assert wrong(workload) == {"attend"}


def test_a_column_that_is_not_appended_is_found(workload: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = NeuPimsLayout.append
    monkeypatch.setattr(NeuPimsLayout, "append", lambda self, *args, **kwargs: right(self, *args, **kwargs)[1:])
    assert "kv_append" in wrong(workload)


def test_a_block_of_weights_at_the_wrong_address_is_found(workload: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = TensorMap.blocks
    monkeypatch.setattr(TensorMap, "blocks", lambda self, name, k, n, pairs: right(self, name, k, n, np.zeros_like(pairs)))
    assert "attn.QKVgen" in wrong(workload)

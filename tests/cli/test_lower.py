"""``pimsim lower``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pimsim.cli.main import main
from pimsim.model.tracefile import read_trace


def lower(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["lower", *arguments])
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


SHORT = ("gpt2-small", "--set", "workload.output_tokens=2")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_trace_is_written_to_a_file(suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"trace{suffix}"
    code, out, _ = lower(capsys, *SHORT, "-o", str(path))
    assert (code, out) == (0, "")
    assert read_trace(path).totals().operators == 2 * 12 * 13


def test_trace_goes_to_stdout_without_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = lower(capsys, *SHORT)
    assert code == 0
    assert len(out.splitlines()) == 1 + 2 * 12 * 13


def test_json_gives_the_totals(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = lower(capsys, *SHORT, "--json")
    facts = json.loads(out)
    assert code == 0
    assert (facts["operators"], facts["steps"], facts["tokens"]) == (2 * 12 * 13, 2, 2)


def test_config_file_is_a_workload(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"model_type": "gpt2", "n_layer": 2, "n_embd": 48, "n_head": 4, "vocab_size": 9}))
    code, out, _ = lower(capsys, str(config), "--json")
    assert (code, json.loads(out)["operators"]) == (0, 1024 * 2 * 13)


def test_bad_config_is_exit_2_with_file_line_and_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"model_type": "gpt2",\n"n_layer": 2, "n_embd": 48, "n_head": 5, "vocab_size": 9}')
    code, out, err = lower(capsys, str(config))
    assert (code, out) == (2, "")
    assert err.startswith(f"{config}:2:29: n_head: 5 heads do not divide the hidden size 48; ")
    assert len(err.splitlines()) == 1


def test_unknown_suffix_is_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = lower(capsys, *SHORT, "-o", str(tmp_path / "trace.txt"))
    assert code == 2
    assert "cannot end in '.txt'" in err


MIXTRAL = {"model_type": "mixtral", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
           "intermediate_size": 64, "vocab_size": 50, "max_position_embeddings": 64, "num_local_experts": 4,
           "num_experts_per_tok": 2}  # fmt: skip


def refused(*arguments: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines of standard error of a run that is refused."""
    code, out, err = lower(capsys, *arguments)
    assert (code, out) == (2, "") and "Traceback" not in err
    return err.splitlines()


def test_every_bad_field_of_a_model_is_told_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**MIXTRAL, "num_attention_heads": 6, "num_experts_per_tok": 5, "torch_dtype": "float7",
                                "sliding_window": 0}))  # fmt: skip
    lines = refused(str(file), capsys=capsys)
    assert all(line.startswith(f"{file}:1:") for line in lines)
    said = {line.split(": ")[1]: line for line in lines}
    assert said.keys() == {"num_attention_heads", "num_experts_per_tok", "torch_dtype", "sliding_window"}
    assert "6 heads do not divide the hidden size 64" in said["num_attention_heads"]
    assert "5 experts per token of 4 experts; at most 4" in said["num_experts_per_tok"]
    assert "unknown dtype 'float7'; known: bf16" in said["torch_dtype"]
    assert "0 is too small; at least 1" in said["sliding_window"]


def test_every_bad_way_of_decoding_is_told_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(MIXTRAL))
    file = tmp_path / "w.yaml"
    file.write_text("model: config.json\nweight_dtype: int3\nkv_dtype: x\nseed: -1\nrouting: lost.csv\ndecoding:\n"
                    "  acceptance: 1.2\n  draft_model: nobody\n  ffn_active: 0\n  ffn_width: [1.0, 2]\n"
                    "  kv_budget: 0\n  attention_splits: 1.5\n  block_tokens: -2\n")  # fmt: skip
    lines = refused(str(file), capsys=capsys)
    assert [line.split(": ")[0] for line in lines] == [f"{file}:{n}:{c}" for n, c in [
        (2, 15), (3, 11), (4, 7), (5, 10), (7, 15), (8, 16), (9, 15), (10, 14), (11, 14), (12, 21), (13, 17)]]
    assert "acceptance: 1.2 is not between 0 and 1" in lines[4] and "draft_model: 'nobody' is not a model" in lines[5]


def test_options_that_contradict_the_model_are_told_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(MIXTRAL))
    file = tmp_path / "w.yaml"
    file.write_text("model: config.json\nrouting: zipg:1\ndecoding:\n  acceptance: 0.5\n  block_layers: 1\n  ffn_width: [1, 1, 1]\n")
    lines = refused(str(file), capsys=capsys)
    assert {line.split(": ")[1] for line in lines} == {
        "routing", "decoding.acceptance", "decoding.block_layers", "decoding.ffn_width"}


def test_files_of_a_workload_lie_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, config in (("config", MIXTRAL), ("small", {**MIXTRAL, "num_hidden_layers": 1})):
        (tmp_path / f"{name}.json").write_text(json.dumps(config))
    loads = "".join(f"{step},{layer},{expert},1\n" for step in range(3) for layer in range(2) for expert in (1, 3))
    (tmp_path / "loads.csv").write_text("step,layer,expert,tokens\n" + loads)
    (tmp_path / "w.yaml").write_text("model: config.json\noutput_tokens: 3\nrouting: loads.csv\n")
    code, out, _ = lower(capsys, str(tmp_path / "w.yaml"))
    names = {name for name in out.replace("\n", ",").split(",") if name.startswith("experts.")}
    assert names == {f"experts.{expert}.{rest}" for expert in (1, 3) for rest in ("ffn1", "swiglu", "ffn2")}
    (tmp_path / "d.yaml").write_text("model: config.json\noutput_tokens: 3\ndecoding: {draft_model: small.json, acceptance: 1}\n")
    drafted = lower(capsys, str(tmp_path / "d.yaml"))
    assert (code, drafted[0]) == (0, 0) and ",draft," in drafted[1]

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

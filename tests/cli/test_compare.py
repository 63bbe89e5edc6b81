"""``pimsim compare``."""

from __future__ import annotations

import json

import pytest

from pimsim.cli.main import main


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["compare", *args])
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


@pytest.mark.parametrize("words", [("--workloads", "W", "gpt2-small"), ("--workloads", "W,gpt2-small"),
                                   ("--workloads", "W", "--workloads", "gpt2-small")])  # fmt: skip
def test_workloads_are_separated_by_spaces_commas_or_options(tiny: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    args = [word.replace("W", tiny) for word in words]
    code, out, _ = run(capsys, "gpu-h200", "gpu-t4", *args, "--set", "workload.output_tokens=2", "--json")
    assert code == 0
    assert {row["workload"] for row in json.loads(out)["runs"]} == {tiny, "gpt2-small"}


def test_tables_go_to_stdout_and_progress_to_stderr(tiny: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "gpu-h200", "gpu-t4", "--workloads", tiny)
    assert code == 0
    assert "Speed-up: gpu-h200 over" in out and "Energy efficiency" in out
    assert f"gpu-t4: {tiny}" in err


@pytest.mark.parametrize(("args", "said"), [
    ((), "nothing to compare"),
    (("gpu-h200", "gpu-t4", "--workloads"), "requires an argument"),
    (("gpu-h200", "--paper", "pim-gpt"), "--paper goes with nothing else"),
    (("gpu-h200", "gpu-t5", "--workloads", "gpt2-small"), "did you mean 'gpu-t4'?"),
    (("--paper", "pim-gtp"), "pim-gtp"),
])  # fmt: skip
def test_bad_input_exits_with_2(args: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *args)
    assert (code, out) == (2, "")
    assert said in err

"""``pimsim micro SYSTEM gemm``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pimsim.cli.main import main


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        main(["micro", *args])
    out, err = capsys.readouterr()
    return int(exit_.value.code or 0), out, err


SHAPE = ("gemm", "--m", "128", "--k", "128", "--n", "128")


def test_json_has_cycles_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "neupims", *SHAPE, "--json")
    facts = json.loads(out)
    assert (code, err) == (0, "")
    assert facts["macs"] == 128**3
    assert facts["counts"]["RD"] == (2 * 128 * 128 * 2 + 256) // 64
    assert facts["bytes_written"] == 128 * 128 * 2
    assert facts["compute_only_cycles"] <= facts["cycles"]
    assert all(law is True for law in facts["checks"].values())
    assert {"wall_s", "cpu_s", "commands_per_s", "peak_rss_bytes"} <= facts["host"].keys()


def test_cycles_are_the_authors_within_five_percent(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "neupims-authors", *SHAPE, "--json")
    assert json.loads(out)["cycles"] == pytest.approx(627, rel=0.05)  # casys-kaist/NeuPIMs f299af3


def test_overrides_count(capsys: pytest.CaptureFixture[str]) -> None:
    cycles = [json.loads(run(capsys, "neupims", "gemm", "--m", "512", "--k", "512", "--n", "512", "--set", f"npu.arrays={n}", "--json")[1])[
        "cycles"] for n in (1, 8)]
    assert cycles[0] > 2 * cycles[1]


def test_the_command_log_is_legal_and_whole(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    code, out, _ = run(capsys, "neupims", *SHAPE, "--json", "--commands", str(log))
    facts = json.loads(out)
    assert code == 0
    names = [line.split(",")[6] for line in log.read_text().splitlines() if line[0].isdigit()]
    assert {name: names.count(name) for name in facts["counts"]} == facts["counts"]
    with pytest.raises(SystemExit) as exit_:
        main(["check", "hbm2-neupims", str(log)])
    assert not exit_.value.code


def test_the_command_log_changes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    options = ((), ("--commands", str(tmp_path / "log.csv")))
    plain, logged = (json.loads(run(capsys, "neupims", *SHAPE, "--json", *more)[1]) for more in options)
    different = {key for key in plain if plain[key] != logged[key]}
    assert different <= {"host", "folded", "commands"}


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "npu-only", *SHAPE)
    assert code == 0
    assert out.startswith("128 x 128 x 128 on npu-only: ")


@pytest.mark.parametrize(("args", "said"), [
    (("--m", "0", "--n", "-3"), "--n: -3 is too few; at least 1"),
    (("--m", "100000", "--k", "100000"), "too large"),
    (("--set", "npu.arrays=0"), "npu.arrays"),
    (("--set", "npu.scratchpad=1 KiB"), "npu.scratchpad"),
    (("--set", "compat.typo=true"), "compat.typo: unknown key"),
    (("--set", "npu.dataflow=sideways"), "npu.dataflow: unknown dataflow 'sideways'"),
])
def test_bad_input_is_refused_with_its_key(capsys: pytest.CaptureFixture[str], args: tuple[str, ...], said: str) -> None:
    code, out, err = run(capsys, "neupims", "gemm", *args)
    assert (code, out) == (2, "")
    assert said in err


def test_a_system_without_an_npu_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "pim-gpt", *SHAPE)
    assert code == 2
    assert "pim-gpt.yaml" in err
    assert "npu: is missing" in err

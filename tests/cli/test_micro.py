"""``pimsim micro SYSTEM gemv``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pimsim.cli.main import main
from pimsim.config import load_system
from pimsim.dram import commandlog
from pimsim.sim.contend import contend_plan


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        main(["micro", *args])
    out, err = capsys.readouterr()
    return int(exit_.value.code or 0), out, err


LOGIT = ("gemv", "--op", "logit", "--context", "64", "--heads", "8", "--head-dim", "128")


def test_json_has_the_cycles_and_counts_of_the_authors(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "neupims-authors", *LOGIT, "--requests-per-channel", "1", "--channels", "1", "--json")
    facts = json.loads(out)
    assert (code, err) == (0, "")
    assert facts["cycles"] == 972
    assert {"GWRITE": 2, "G_ACT": 32, "COMP": 128, "READRES": 16, "PIM_PRECHARGE": 96}.items() <= facts["counts"].items()
    assert {"wall_s", "cpu_s", "commands_per_s", "peak_rss_bytes"} <= facts["host"].keys()


def test_one_row_buffer_is_an_override(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "neupims-authors", *LOGIT, "--set", "memory.row_buffers=1", "--json")
    assert (code, json.loads(out)["cycles"]) == (0, 1068)


def test_channels_change_no_cycles(capsys: pytest.CaptureFixture[str]) -> None:
    _, one, _ = run(capsys, "neupims", *LOGIT, "--json")
    _, all_, _ = run(capsys, "neupims", *LOGIT, "--channels", "32", "--json")
    assert json.loads(one)["cycles"] == json.loads(all_)["cycles"]
    assert json.loads(all_)["macs"] == 32 * json.loads(one)["macs"]


def test_text_names_cycles_and_causes(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "neupims", *LOGIT, "--reads", "100")
    assert code == 0
    assert "cycles" in out and "100 reads" in out and "contention" in out


def test_commands_are_written_and_pass_the_check(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "commands.csv"
    code, out, _ = run(capsys, "neupims", *LOGIT, "--reads", "400", "--commands", str(file), "--json")
    names = contend_plan(load_system("neupims")).compiled.command_names
    log = commandlog.read(file, names)
    assert code == 0
    assert (log.rows[1:, commandlog.CYCLE] >= log.rows[:-1, commandlog.CYCLE]).all()
    assert int(log.rows[:, commandlog.COUNT].sum()) == sum(json.loads(out)["counts"].values())
    with pytest.raises(SystemExit) as exit_:
        main(["check", "hbm2-neupims", str(file)])
    assert not exit_.value.code


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("neupims", "gemv", "--context", "0"), ("--context", "at least 1")),
        (("neupims", "gemv", "--heads", "-1", "--head-dim", "0"), ("--heads", "--head-dim")),
        (("neupims", "gemv", "--channels", "33"), ("--channels", "memory.channels")),
        (("neupims", "gemv", "--op", "softmax"), ("--op", "logit")),
        (("neupims", "gemv", "--set", "compat.free_last_compsite=true"), ("compat.free_last_compsite", "free_last_composite")),
        (("neupims", "gemv", "--set", "controller.refresh=per-bank"), ("controller.refresh",)),
        (("pim-gpt", "gemv"), ("memory.command_set", "neupims")),
        (("neupim", "gemv"), ("neupims",)),
        (("neupims", "gemw"), ("gemw",)),
    ],
)
def test_bad_input_is_two_and_says_what_is_wrong(capsys: pytest.CaptureFixture[str], args: tuple[str, ...],
                                                 words: tuple[str, ...]) -> None:
    code, out, err = run(capsys, *args)
    assert (code, out) == (2, "")
    assert all(word in err for word in words)
    assert "Traceback" not in err

"""``pimsim verify``: exit codes, JSON and table."""

import json
from dataclasses import replace

import pytest

from pimsim.cli import main as cli
from pimsim.sim import verify as module
from pimsim.sim.verify import Verification

ARGS = ("verify", "pim-gpt", "gpt2-small", "--set", "workload.output_tokens=1")


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        cli.main(args)
    out, err = capsys.readouterr()
    assert isinstance(exit_.value.code, int)
    return exit_.value.code, out, err


@pytest.fixture
def spoilt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second check of every run fails."""
    real = module.verify

    def verify(*args: object, **options: object) -> Verification:
        found = real(*args, **options)  # type: ignore[arg-type]
        checks = list(found.operators)
        checks[1] = replace(checks[1], ok=False, fault="a weight is lost")
        return replace(found, operators=tuple(checks))

    monkeypatch.setattr(module, "verify", verify)


def test_json_is_one_object_on_stdout(capsys):
    code, out, err = run(capsys, *ARGS, "--json")
    data = json.loads(out)
    assert code == 0 and data["ok"] is True and data["workload"] == "gpt2-small"
    assert all(op["ok"] for op in data["operators"]) and "overlap none" in err


def test_table_has_a_line_an_operator_and_a_verdict(capsys):
    code, out, _ = run(capsys, *ARGS)
    lines = [line.split()[0] for line in out.splitlines() if line.strip()]
    assert code == 0 and {"qkv", "qkv_sum", "kv_append", "score", "softmax", "attend", "layer"} <= set(lines)
    assert out.splitlines()[-1] == "pim-gpt computes gpt2-small: ok"


def test_a_failed_check_exits_with_1(capsys, spoilt):
    code, out, _ = run(capsys, *ARGS)
    assert code == 1
    assert "a weight is lost" in out and "checks failed" in out.splitlines()[-1]


def test_a_failed_check_exits_with_1_and_json(capsys, spoilt):
    code, out, _ = run(capsys, *ARGS, "--json")
    assert code == 1 and json.loads(out)["ok"] is False


def test_bad_input_exits_with_2_and_names_everything(capsys):
    code, out, err = run(capsys, "verify", "pim-gtp", "gpt2-smal")
    assert (code, out) == (2, "") and "pim-gtp" in err and "gpt2-smal" in err


def test_what_the_asic_cannot_run_exits_with_2(capsys):
    code, _, err = run(capsys, "verify", "pim-gpt", "llama-3.2-1b")
    assert code == 2 and "asic.sincos_table" in err


def test_seed_must_not_be_negative(capsys):
    code, _, err = run(capsys, *ARGS, "--seed", "-1")
    assert code == 2 and "--seed" in err

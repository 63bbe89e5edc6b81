"""``pimsim validate``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import pytest

from pimsim.cli.main import main
from pimsim.validate import models
from pimsim.validate.figure import Figure, at_least, between, within
from pimsim.validate.group import groups


def validate(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["validate", *arguments])
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


OK = Figure("time", "a paper", 1.01, 1.0, "s", within(1.0, 0.02), command="pimsim run")
DIFFERS = Figure("ratio", "a paper", 1.8, "1.1 to 1.7", "x", between(1.1, 1.7), between(1.7, 2.0), "the model is small")
REPORTED = Figure("power", "a paper", 20.0, 24.0, "W", reason="the currents are not known")
FAILS = Figure("row hits", "a paper", 0.9, 0.98, "", at_least(0.97))


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """What the group 'models' consists of."""
    chosen: list[Figure] = [OK, DIFFERS, REPORTED]

    def figures(notify: object) -> Iterator[Figure]:
        yield from chosen

    monkeypatch.setattr(models, "figures", figures)
    return chosen


def test_shipped_models_validate(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = validate(capsys, "--only", "models")
    assert code == 0
    assert out.splitlines()[-1].endswith(" ok")


def test_table_has_a_line_a_figure_and_its_reason(found: list[Figure], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = validate(capsys, "--only", "models")
    lines = out.splitlines()
    assert code == 0
    assert lines[1].split() == ["figure", "reference", "ours", "error", "tolerance", "verdict"]
    assert lines[2].split() == ["time", "1", "s", "1.01", "s", "+1.00", "%", "2", "%", "ok"]
    assert lines[3].endswith("differs")
    assert lines[4].strip() == "the model is small"
    assert lines[5].endswith("reported")
    assert lines[6].strip() == "the currents are not known"
    assert lines[-1] == "1 ok, 1 differs, 1 reported"


def test_a_failure_exits_with_1(found: list[Figure], capsys: pytest.CaptureFixture[str]) -> None:
    found.append(FAILS)
    code, out, _ = validate(capsys, "--only", "models")
    assert code == 1
    assert out.splitlines()[-2].endswith("FAIL")


def test_json_is_one_object_with_every_figure(found: list[Figure], capsys: pytest.CaptureFixture[str]) -> None:
    found.append(FAILS)
    code, out, _ = validate(capsys, "--only", "models", "--json")
    facts = json.loads(out)
    assert code == 1
    assert facts["ok"] is False
    assert facts["verdicts"] == {"ok": 1, "differs": 1, "FAIL": 1, "reported": 1}
    assert [row["verdict"] for row in facts["figures"]] == ["ok", "differs", "reported", "FAIL"]
    assert set(facts["figures"][0]) == {"group", "figure", "source", "reference", "ours", "unit", "error", "tolerance", "verdict",
                                        "reason", "command"}


def test_json_can_say_that_ours_is_no_number(found: list[Figure], capsys: pytest.CaptureFixture[str]) -> None:
    found[:] = [Figure("time", "a paper", math.nan, "one", "s", reason="none")]
    code, out, _ = validate(capsys, "--only", "models", "--json")
    assert code == 1
    assert json.loads(out)["figures"][0]["ours"] is None


def test_commands_are_printed_when_asked_for(found: list[Figure], capsys: pytest.CaptureFixture[str]) -> None:
    assert "pimsim run" in validate(capsys, "--only", "models", "--commands")[1]
    assert "pimsim run" not in validate(capsys, "--only", "models")[1]


def test_unknown_group_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = validate(capsys, "--only", "modles")
    assert (code, out) == (2, "")
    assert err == "--only: there is no group of figures 'modles'; did you mean 'models'?\n"


def test_groups_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = validate(capsys, "--list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == groups()


def test_groups_are_listed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(json.loads(validate(capsys, "--list", "--json")[1])["groups"]) == groups()

"""The registry of groups of figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim.errors import InputError
from pimsim.validate import group
from pimsim.validate.group import GROUPS, check_names, groups


def test_groups_are_those_whose_file_there_is() -> None:
    assert {"models", "pim-gpt"} <= set(groups()) <= set(GROUPS)


def test_group_without_its_file_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(GROUPS, "no-such-file", "nothing")
    assert "no-such-file" not in groups()


def test_module_of_a_group_is_its_name_with_underscores() -> None:
    assert group.module_name("pim-gpt") == "pim_gpt"


def test_no_name_means_all_groups() -> None:
    assert check_names([]) == groups()


def test_names_come_in_the_order_of_the_table() -> None:
    assert check_names(["pim-gpt", "models"]) == ["models", "pim-gpt"]


def test_every_unknown_name_is_reported_with_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        check_names(["modles", "models", "pimgpt"])
    assert [problem.allowed for problem in caught.value.problems] == ["did you mean 'models'?", "did you mean 'pim-gpt'?"]


def test_every_group_of_the_document_is_there() -> None:
    document = Path(__file__).parents[2] / "docs" / "validation.md"
    sections = [line.removeprefix("## ") for line in document.read_text(encoding="utf-8").splitlines() if line.startswith("## ")]
    assert {name for name in sections if name in GROUPS} <= set(groups())
    assert {"models", "dram", "aim", "gpu", "pim-gpt"} <= set(sections)

"""The group of the models' sizes."""

from __future__ import annotations

from pimsim import assets
from pimsim.validate.figure import Verdict
from pimsim.validate.group import figures


def test_every_model_is_as_published() -> None:
    assert {figure.verdict for figure in figures("models")} == {Verdict.OK}


def test_every_shipped_model_is_there() -> None:
    named = {figure.name.partition(":")[0] for figure in figures("models")}
    assert set(assets.list_assets("model")) <= named


def test_commands_show_the_model_of_the_figure() -> None:
    for figure in figures("models"):
        assert figure.command.startswith(f"pimsim show {figure.name.partition(':')[0]} ")

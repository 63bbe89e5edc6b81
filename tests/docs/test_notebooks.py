"""A notebook is what its source beside it says (``jupytext --update --to ipynb notebooks/*.py``), and it was run without an error."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.docs.page import ROOT

SOURCES = sorted((ROOT / "notebooks").glob("*.py"))


def cells(source: Path) -> list[tuple[str, str]]:
    """(kind, text) of the cells of a source in jupytext's percent format."""
    text = source.read_text(encoding="utf-8").split("# ---\n", 2)[2]
    found = re.split(r"^# %%(.*)\n", text, flags=re.MULTILINE)[1:]
    made = []
    for kind, body in zip(found[::2], found[1::2], strict=True):
        markdown = kind.strip() == "[markdown]"
        lines = [re.sub("^# ?", "", line) if markdown else line for line in body.strip("\n").splitlines()]
        made.append(("markdown" if markdown else "code", "\n".join(lines).strip()))
    return made


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_notebook_is_built_from_its_source(source: Path) -> None:
    built = json.loads(source.with_suffix(".ipynb").read_text(encoding="utf-8"))
    assert [(cell["cell_type"], "".join(cell["source"]).strip()) for cell in built["cells"]] == cells(source)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_notebook_was_run_to_its_end(source: Path) -> None:
    code = [cell for cell in json.loads(source.with_suffix(".ipynb").read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not any(output["output_type"] == "error" for cell in code for output in cell["outputs"])


def test_there_is_a_notebook_for_every_question() -> None:
    assert [path.stem[0] for path in SOURCES] == ["1", "2", "3", "4", "5"]

"""Every example of the documentation and of the README runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.page import ROOT, examples

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
WITH_EXAMPLES = [page for page in PAGES if examples(page)]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path) -> None:
    desk = tmp_path / "desk"
    shutil.copytree(ROOT / "docs" / "examples", desk)
    done = subprocess.run([sys.executable, str(ROOT / "tests" / "docs" / "page.py"), str(page)], cwd=desk,
                          env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


@pytest.mark.parametrize("page", [page for page in PAGES if page.name.startswith("add-")], ids=lambda page: page.stem)
def test_how_tos_have_examples(page: Path) -> None:
    assert examples(page)

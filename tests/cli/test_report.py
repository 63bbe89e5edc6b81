"""``pimsim report``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import pimsim
from pimsim.cli.main import main


@pytest.fixture(scope="module")
def folder(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run"
    pimsim.run("pim-gpt", tiny, out=path)
    return path


def invoke(*args: str | Path) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in args])
    return int(stopped.value.code or 0)


def test_a_run_becomes_one_file(folder: Path, tmp_path: Path) -> None:
    assert invoke("report", folder, "-o", tmp_path / "r.html", "--validate", "models") == 0
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]
    assert 'id="validation"' in (tmp_path / "r.html").read_text()


def test_by_default_it_lies_in_the_folder(folder: Path) -> None:
    assert invoke("report", folder) == 0
    assert (folder / "report.html").is_file()


def test_a_sweep_with_a_failed_point_becomes_one_file(tmp_path: Path) -> None:
    frame = pd.DataFrame({"memory.channels": [2, 4], "time_s": [2.0, None], "error": [None, "does not fit"]})
    frame.to_csv(tmp_path / "results.csv", index=False)
    assert invoke("report", tmp_path) == 0
    assert "does not fit" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(("args", "said"), [
    (("-o", "r.pdf"), "a name that ends in .html"),
    (("-o", "nowhere/r.html"), "no folder 'nowhere'"),
    (("--validate", "modles"), "no group of figures 'modles'"),
])  # fmt: skip
def test_bad_input_is_named_and_exits_with_2(folder: Path, args: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke("report", folder, *args) == 2
    assert said in capsys.readouterr().err

"""``pimsim plot``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import pimsim
from pimsim import plot
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


def test_all_pictures_go_into_the_folder(folder: Path) -> None:
    assert invoke("plot", folder) == 0
    assert {p.stem for p in (folder / "plots").glob("*.svg")} == {p.stem for p in (folder / "plots").glob("*.csv")} == set(plot.RUN_KINDS)


def test_one_picture_goes_where_it_is_wanted(folder: Path, tmp_path: Path) -> None:
    assert invoke("plot", folder, "--kind", "energy", "-o", tmp_path / "e.pdf") == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e.csv", "e.pdf"]


def test_a_sweep_is_drawn_from_its_table(tmp_path: Path) -> None:
    pd.DataFrame({"memory.channels": [2, 4], "time_s": [2.0, 1.0], "error": None}).to_csv(tmp_path / "results.csv")
    assert invoke("plot", tmp_path, "--kind", "bar", "--baseline", "memory.channels=2") == 0
    assert pd.read_csv(tmp_path / "plots" / "bar.csv")["speed_up"].tolist() == [1, 2]


@pytest.mark.parametrize(("args", "said"), [
    (("--kind", "tme"), "has no picture 'tme'; did you mean 'time'"),
    (("--where", "x"), "'x' is not COLUMN=VALUE"),
    (("-o", "all.svg"), "one file for several pictures"),
])  # fmt: skip
def test_bad_input_is_named_and_exits_with_2(folder: Path, args: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke("plot", folder, *args) == 2
    assert said in capsys.readouterr().err


def test_a_folder_that_holds_neither_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke("plot", tmp_path) == 2
    assert "neither a run folder nor a sweep's" in capsys.readouterr().err

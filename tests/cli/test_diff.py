"""``pimsim diff``: exit codes and what is printed."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from pimsim.cli.main import main

HEAD = "cycle,channel,rank,sid,bankgroup,bank,command,row,col\n"
ROWS = [f"{i},0,0,0,0,0,RD,5,{i}\n" for i in range(10)]


def run(*args: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["diff", *map(str, args)])
    return int(stop.value.code or 0)


@pytest.fixture
def logs(tmp_path: Path) -> tuple[Path, Path]:
    """Two logs that part in row 6 (line 7)."""
    a, b = tmp_path / "a.csv", tmp_path / "b.csv"
    a.write_text(HEAD + "".join(ROWS))
    b.write_text(HEAD + "".join(ROWS[:5]) + "9,0,0,0,0,1,MAC,5,5\n" + "".join(ROWS[6:]))
    return a, b


def test_equal_logs_exit_with_0(logs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(logs[0], logs[0]) == 0
    assert capsys.readouterr().out == "the same 10 rows\n"


def test_logs_that_part_exit_with_1_and_show_the_rows_around(
    logs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*logs, "--context", 1) == 1
    assert capsys.readouterr().out.splitlines() == [
        "first difference in row 6 (of 10 and 10): cycle, bank, command",
        "  4,0,0,0,0,0,RD,5,4",
        "< 5,0,0,0,0,0,RD,5,5",
        "< 6,0,0,0,0,0,RD,5,6",
        "> 9,0,0,0,0,1,MAC,5,5",
        "> 6,0,0,0,0,0,RD,5,6",
    ]


def test_a_log_that_ends_early_is_shown_to_end(logs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    logs[1].write_text(HEAD + "".join(ROWS[:9]))
    assert run(*logs, "--context", 0) == 1
    assert capsys.readouterr().out.splitlines()[1:] == ["< 9,0,0,0,0,0,RD,5,9", "> (end)"]


def test_json_is_one_object(logs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*logs, "--json") == 1
    assert json.loads(capsys.readouterr().out) == {
        "same": False, "rows": [10, 10], "row": 5, "columns": ["cycle", "bank", "command"],
        "a": {"line": 7, "text": "5,0,0,0,0,0,RD,5,5"}, "b": {"line": 7, "text": "9,0,0,0,0,1,MAC,5,5"},
    }


def test_pipes_are_compared_as_files_are(logs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(logs[1].read_bytes()))
    writer.start()
    assert run(logs[0], pipe) == 1
    writer.join()
    assert "first difference in row 6" in capsys.readouterr().out


def test_bad_input_exits_with_2(logs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    logs[1].write_text(HEAD + "1,0,0,0,0,0,RD,5\n")
    assert run(*logs) == 2
    assert f"{logs[1]}:2: 8 fields; 9 are needed" in capsys.readouterr().err

"""Command logs to files and back."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from pimsim.dram import commandlog
from pimsim.dram.commandlog import CommandLog
from pimsim.dram.spec import Organization
from pimsim.errors import InputError

COMMANDS = Path(__file__).parents[1] / "reference" / "dram" / "commands"
NAMES = ("ACT", "RD", "PRE", "REFab")
HEAD = "cycle,channel,rank,sid,bankgroup,bank,command,row,col"


def log_of(tmp_path: Path, text: str) -> CommandLog:
    (tmp_path / "log.csv").write_text(text)
    return commandlog.read(tmp_path / "log.csv", NAMES)


@pytest.mark.parametrize("path", sorted(COMMANDS.glob("*.csv.gz")), ids=lambda path: path.name.split(".")[0])
def test_a_reference_log_is_written_as_it_was_read(path: Path, tmp_path: Path) -> None:
    log = commandlog.read(path)
    commandlog.write(tmp_path / "copy.csv", log)
    assert (tmp_path / "copy.csv").read_bytes() == gzip.decompress(path.read_bytes())


def test_equal_logs_are_equal_compressed_files(tmp_path: Path) -> None:
    log = log_of(tmp_path, f"{HEAD}\n1,0,0,0,0,0,ACT,5,-1\n")
    commandlog.write(tmp_path / "a.csv.gz", log)
    commandlog.write(tmp_path / "b.csv.gz", log)
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()


def test_count_is_one_unless_given(tmp_path: Path) -> None:
    assert log_of(tmp_path, f"{HEAD}\n1,0,0,0,0,0,ACT,5,-1\n").rows[0, commandlog.COUNT] == 1
    assert log_of(tmp_path, f"{HEAD},count\n1,0,0,0,0,0,RD,5,0,64\n").rows[0, commandlog.COUNT] == 64


def test_a_count_is_written_where_a_row_needs_one(tmp_path: Path) -> None:
    text = f"{HEAD},count\n1,0,0,0,0,0,ACT,5,-1,1\n2,0,0,0,0,0,RD,5,0,64\n"
    commandlog.write(tmp_path / "copy.csv", log_of(tmp_path, text))
    assert (tmp_path / "copy.csv").read_text() == text


@pytest.mark.parametrize(("row", "message"), [
    ("1,0,0,0,0,0,ACTT,5,-1,1", "log.csv:2:13: command: unknown command 'ACTT'; did you mean 'ACT'?"),
    ("-1,0,0,0,0,0,ACT,5,-1,1", "log.csv:2: cycle: -1 is too small; at least 0"),
    ("1,0,0,0,0,0,RD,5,-1,0", "log.csv:2: count: 0 is too small; at least 1"),
    ("1,0,0,0,0,0,RD,5", "log.csv:2: 8 fields; 10 are needed"),
])
def test_a_wrong_row_is_refused(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        log_of(tmp_path, f"{HEAD},count\n{row}\n")
    assert message in str(error.value)


def test_names_in_a_log_come_in_order_of_appearance(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(f"{HEAD}\n1,0,0,0,0,0,MAC16,5,-1\n2,0,0,0,0,0,ACT,5,-1\n3,0,0,0,0,0,MAC16,5,-1\n")
    assert commandlog.read(tmp_path / "log.csv").names == ("MAC16", "ACT")


def test_kernel_rows_become_coordinates_with_minus_one_below_the_scope() -> None:
    org = Organization(ranks=2, sids=2, bankgroups=4, banks=4)
    bank = org.flat_bank(1, 0, 3, 2)
    kernel = np.array([[7, 3, 1, bank, 5, 9, 2, 0], [8, 3, 3, org.flat_bank(1, 0, 0, 0), -1, -1, 1, 0]])
    log = commandlog.from_kernel(kernel, NAMES, org, np.array([4, 4, 4, 1]))
    assert [log.text(0), log.text(1)] == ["7,3,1,0,3,2,RD,5,9,2", "8,3,1,-1,-1,-1,REFab,-1,-1"]


def test_first_difference_of_equal_logs_is_none(tmp_path: Path) -> None:
    log = log_of(tmp_path, f"{HEAD}\n1,0,0,0,0,0,ACT,5,-1\n")
    assert commandlog.first_difference(log, log) is None


def test_first_difference_is_the_first_row_that_differs(tmp_path: Path) -> None:
    a = log_of(tmp_path, f"{HEAD}\n1,0,0,0,0,0,ACT,5,-1\n2,0,0,0,0,0,RD,5,1\n3,0,0,0,0,0,RD,5,2\n")
    b = log_of(tmp_path, f"{HEAD}\n1,0,0,0,0,0,ACT,5,-1\n2,0,0,0,0,0,RD,5,7\n3,0,0,0,0,0,RD,5,8\n")
    assert commandlog.first_difference(a, b) == 1


def test_a_log_that_ends_early_differs_at_its_end(tmp_path: Path) -> None:
    a = log_of(tmp_path, f"{HEAD}\n1,0,0,0,0,0,ACT,5,-1\n2,0,0,0,0,0,RD,5,1\n")
    b = log_of(tmp_path, f"{HEAD}\n1,0,0,0,0,0,ACT,5,-1\n")
    assert commandlog.first_difference(a, b) == commandlog.first_difference(b, a) == 1


def test_lines_are_no_difference(tmp_path: Path) -> None:
    a = log_of(tmp_path, f"{HEAD}\n1,0,0,0,0,0,ACT,5,-1\n")
    b = log_of(tmp_path, f"{HEAD}\n\n\n1,0,0,0,0,0,ACT,5,-1\n")
    assert commandlog.first_difference(a, b) is None

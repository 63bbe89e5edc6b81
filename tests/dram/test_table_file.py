"""Files of rows: what is read, and what is said about rows that are wrong."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from pimsim.dram import table_file
from pimsim.dram.table_file import Column, Rows, write_rows
from pimsim.errors import InputError

COLUMNS = (Column("cycle"), Column("op", ("RD", "WR")), Column("row", default=-1))


def read(path: Path, separator: str = ",", *, header: bool = True) -> list[list[int]]:
    return [row for chunk in Rows(path).chunks(COLUMNS, separator, header=header) for row in chunk.tolist()]


def problems(path: Path) -> list[str]:
    with pytest.raises(InputError) as error:
        read(path)
    return [str(p).removeprefix(str(path)) for p in error.value.problems]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


def test_rows_come_with_their_line_numbers(file: Path) -> None:
    file.write_text("cycle,op,row\n1,RD,5\n\n7,WR,-1\n")
    assert read(file) == [[1, 0, 5, 2], [7, 1, -1, 4]]


def test_columns_may_come_in_another_order(file: Path) -> None:
    file.write_text("op,row,cycle\nWR,5,1\n")
    assert read(file) == [[1, 1, 5, 2]]


def test_a_column_with_a_default_may_be_absent(file: Path) -> None:
    file.write_text("op,cycle\nWR,3\n")
    assert read(file) == [[3, 1, -1, 2]]


def test_line_ends_spaces_byte_order_mark_and_a_missing_last_newline_do_not_matter(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf\r\n  cycle,op,row\r\n 1,RD,5 \r\n2,WR,6")
    assert read(file) == [[1, 0, 5, 3], [2, 1, 6, 4]]


def test_blank_separated_rows_may_have_any_run_of_blanks(file: Path) -> None:
    file.write_text("1 RD\t 0x1F\n 2\tWR   0\n")
    assert read(file, " ", header=False) == [[1, 0, 31, 1], [2, 1, 0, 2]]


def test_gzip_is_known_by_its_content(file: Path) -> None:
    file.write_bytes(gzip.compress(b"cycle,op\n1,RD\n"))
    assert read(file) == [[1, 0, -1, 2]]


def test_files_longer_than_a_block_are_read_in_chunks(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_file, "BLOCK_BYTES", 32)
    file.write_text("cycle,op,row\n" + "".join(f"{i},RD,{i * i}\n" for i in range(100)))
    chunks = list(Rows(file).chunks(COLUMNS))
    assert len(chunks) > 10
    assert np.concatenate(chunks).tolist() == [[i, 0, i * i, i + 2] for i in range(100)]


@pytest.mark.parametrize(("text", "expected"), [
    ("cycle,op,row\n1,RD\n", [":2: 2 fields; 3 are needed: cycle,op,row"]),
    ("cycle,op,row\n1,RD,5,6\n", [":2: 4 fields; 3 are needed: cycle,op,row"]),
    ("cycle,op,row\n1,RD,5\n12,RD,x5\n", [":3:7: row: 'x5' is not a whole number"]),
    ("cycle,op,row\n1,RD,\n", [":2:6: row: '' is not a whole number"]),
    ("cycle,op,row\n1.5,RD,0\n", [":2:1: cycle: '1.5' is not a whole number"]),
    ("cycle,op,row\n99999999999999999999,RD,0\n", [":2:1: cycle: '99999999999999999999' is too large; at most 2**58"]),
    ("cycle,op,row\n1,RW,0\n", [":2:3: op: unknown op 'RW'; known: RD, WR"]),
    ("cycle,op,row\nx,RD,0\n1,RD,2\n2,XX,1\n", [":2:1: cycle: 'x' is not a whole number",
                                               ":4:3: op: unknown op 'XX'; known: RD, WR"]),
    ("cycle,op,rwo\n1,RD,0\n", [":1: unknown column 'rwo'; did you mean 'row'?"]),
    ("cycle,op,op\n1,RD,RD\n", [":1: column 'op' twice"]),
    ("cycle,row\n1,2\n", [":1: no column 'op'; the first line names the columns: cycle,op,row"]),
    ("", [": is empty"]),
    ("\n \n", [": is empty"]),
])
def test_what_is_wrong_is_said_with_file_and_line(file: Path, text: str, expected: list[str]) -> None:
    file.write_text(text)
    assert problems(file) == expected


def test_line_numbers_are_right_beyond_the_first_block(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_file, "BLOCK_BYTES", 64)
    file.write_text("cycle,op,row\n" + "1,RD,2\n" * 50 + "1,RD\n")
    assert problems(file) == [":52: 2 fields; 3 are needed: cycle,op,row"]


def test_at_most_twenty_wrong_rows_are_reported(file: Path) -> None:
    file.write_text("cycle,op,row\n" + "x,RD,2\n" * 50)
    assert len(problems(file)) == 20


def test_a_gzip_that_ends_early_is_an_error(file: Path) -> None:
    whole = gzip.compress(("cycle,op\n" + "".join(f"{i},RD\n" for i in range(5000))).encode())
    file.write_bytes(whole[: len(whole) // 2])
    (problem,) = problems(file)
    last = int(problem.split(":")[1]) - 1
    assert problem.endswith(f"gzip data ends early; line {last} is the last that is whole")
    assert 1000 < last < 5000


def test_a_damaged_gzip_is_an_error(file: Path) -> None:
    whole = bytearray(gzip.compress(("cycle,op\n" + "".join(f"{i},RD\n" for i in range(5000))).encode()))
    whole[len(whole) // 2] ^= 0xFF
    file.write_bytes(whole)
    assert "gzip data is damaged" in problems(file)[0]


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        Rows(tmp_path / "none.csv")


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz"])
def test_what_is_written_is_read_back(tmp_path: Path, name: str) -> None:
    rows = np.array([[0, 1, -1], [123456789012345678, 0, 10], [9, 0, 99], [10, 1, -100]])
    write_rows(tmp_path / name, ("cycle", "op", "row"), [rows[:3], rows[3:]], 1, ("RD", "WR"))
    assert [row[:3] for row in read(tmp_path / name)] == rows.tolist()


def test_an_unfinished_file_does_not_appear(tmp_path: Path) -> None:
    def parts():  # type: ignore[no-untyped-def]
        yield np.zeros((1, 1), np.int64)
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_rows(tmp_path / "out.csv", ("cycle",), parts())
    assert list(tmp_path.iterdir()) == []

"""Request traces in their three forms, and everything that can be wrong with them."""

from __future__ import annotations

import gzip
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.dram import request_trace, table_file
from pimsim.dram.request_trace import (
    BANK,
    BANKGROUP,
    CHANNEL,
    COLUMN,
    INDEX,
    LINE,
    RANK,
    ROW,
    SID,
    Requests,
    address_mapping,
)
from pimsim.dram.spec import Organization
from pimsim.errors import InputError

ORG = Organization(ranks=2, sids=1, bankgroups=4, banks=4, rows=1024, columns=32, column_bytes=32)
HEAD = "idx,arrival,op,rank,sid,bankgroup,bank,row,col\n"


def all_of(path: Path, organization: Organization = ORG, **options: object) -> Requests:
    return Requests(np.concatenate([c.rows for c in request_trace.read(path, organization, **options)]))  # type: ignore[arg-type]


def problems(path: Path, **options: object) -> list[str]:
    with pytest.raises(InputError) as error:
        all_of(path, **options)  # type: ignore[arg-type]
    return [str(p).removeprefix(str(path)) for p in error.value.problems]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "trace"


def test_csv_requests_have_the_columns_of_the_file(file: Path) -> None:
    file.write_text(HEAD + "0,0,R,0,0,1,2,37,3\n1,5,W,1,0,3,0,38,4\n")
    found = all_of(file)
    assert found.arrival.tolist() == [0, 5]
    assert found.write.tolist() == [0, 1]
    assert found.rows[1, [RANK, SID, BANKGROUP, BANK, ROW, COLUMN, LINE]].tolist() == [1, 0, 3, 0, 38, 4, 3]


def test_a_flat_bank_counts_through_the_levels(file: Path) -> None:
    file.write_text(HEAD + "0,0,R,0,0,1,2,37,3\n1,5,W,1,0,3,0,38,4\n")
    assert all_of(file).flat_bank(ORG).tolist() == [6, 16 + 12]


def test_what_a_csv_leaves_out_is_zero_and_requests_are_numbered(file: Path) -> None:
    file.write_text("op,bankgroup,bank,row,col\nR,0,0,5,1\nW,1,0,6,2\n")
    found = all_of(file)
    assert found.rows[:, INDEX].tolist() == [0, 1]
    assert found.rows[:, [CHANNEL, RANK, SID]].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert found.arrival.tolist() == [0, 0]


def test_ramulator_traces_are_byte_addresses_that_are_there_from_the_beginning(file: Path) -> None:
    file.write_text("LD 0x20\nST 64\n")
    found = all_of(file, mapping="rorabgbaco")
    assert found.write.tolist() == [0, 1]
    assert found.column.tolist() == [1, 2]
    assert found.arrival.tolist() == [0, 0]


def test_dramsim3_traces_are_byte_addresses_with_cycles(file: Path) -> None:
    file.write_text("0x00000400 READ 3\n0x420 WRITE 10\n")
    found = all_of(file, mapping="rorabgbaco")
    assert found.arrival.tolist() == [3, 10]
    assert found.write.tolist() == [0, 1]
    assert found.rows[:, [BANK, COLUMN]].tolist() == [[1, 0], [1, 1]]


def test_gzip_is_read_too(file: Path) -> None:
    file.write_bytes(gzip.compress(b"LD 0x20\n"))
    assert all_of(file).column.tolist() == [1]


def test_chunks_are_small_and_numbering_goes_on(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_file, "BLOCK_BYTES", 256)
    file.write_text("op,arrival,bankgroup,bank,row,col\n" + "".join(f"R,{i},0,0,{i},0\n" for i in range(500)))
    chunks = list(request_trace.read(file, ORG))
    assert max(len(c) for c in chunks) < 40
    assert np.concatenate([c.rows[:, INDEX] for c in chunks]).tolist() == list(range(500))


@pytest.mark.parametrize(("rows", "expected"), [
    ("0,0,R,0,0,1,2,37\n", ":2: 8 fields; 9 are needed: idx,arrival,op,rank,sid,bankgroup,bank,row,col"),
    ("0,0,X,0,0,1,2,37,3\n", ":2:5: op: unknown op 'X'; known: "),
    ("0,0,R,2,0,1,2,37,3\n", ":2: rank: 2 is outside the part; 0 to 1"),
    ("0,0,R,0,1,1,2,37,3\n", ":2: sid: 1 is outside the part; 0 to 0"),
    ("0,0,R,0,0,4,2,37,3\n", ":2: bankgroup: 4 is outside the part; 0 to 3"),
    ("0,0,R,0,0,1,-1,37,3\n", ":2: bank: -1 is outside the part; 0 to 3"),
    ("0,0,R,0,0,1,2,1024,3\n", ":2: row: 1024 is outside the part; 0 to 1023"),
    ("0,0,R,0,0,1,2,37,32\n", ":2: col: 32 is outside the part; 0 to 31"),
    ("0,7,R,0,0,1,2,37,3\n1,6,R,0,0,1,2,37,3\n", ":3: arrival: time goes back to 6; at least 7"),
    ("0,-1,R,0,0,1,2,37,3\n", ":2: arrival: time goes back to -1; at least 0"),
    ("0,0,R,0,0,1,2,3x,3\n", ":2:15: row: '3x' is not a whole number"),
    ("", ": has no requests"),
])
def test_what_is_wrong_with_a_csv_trace_is_said(file: Path, rows: str, expected: str) -> None:
    file.write_text(HEAD + rows)
    assert problems(file)[0].startswith(expected)


def test_every_wrong_row_of_a_chunk_is_reported_in_order(file: Path) -> None:
    file.write_text(HEAD + "0,0,R,0,0,9,2,37,3\n1,5,R,0,0,1,9,37,3\n2,4,R,0,0,1,2,37,3\n")
    assert [p.split(":")[1] for p in problems(file)] == ["2", "3", "4"]


def test_time_may_not_go_back_from_one_chunk_to_the_next(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_file, "BLOCK_BYTES", 64)
    file.write_text("op,arrival,bankgroup,bank,row,col\n" + "R,9,0,0,1,0\n" * 20 + "R,8,0,0,1,0\n")
    assert problems(file) == [":22: arrival: time goes back to 8; at least 9"]


def test_an_address_outside_the_part_is_refused(file: Path) -> None:
    file.write_text("LD 0x1000000\nLD 0x2000000\n")
    assert address_mapping("rorabgbaco", ORG).capacity_bytes == 0x2000000
    assert problems(file) == [":2: address: 0x2000000 is outside the part; 0 to 0x1ffffff"]


@pytest.mark.parametrize(("text", "expected"), [
    ("", ": is empty"),
    ("hello\n", ":1: not a request trace; CSV with a header, or lines 'LD ADDRESS', 'ADDRESS R' or 'ADDRESS READ CYCLE'"),
    ("LD 0x20\nLD\n", ":2: 1 fields; 2 are needed: op,address"),
    ("LD 0x20\nLD 0xZZ\n", ":2:4: address: '0xZZ' is not a whole number"),
    ("0x20 READ 5\n0x40 READ 4\n", ":2: arrival: time goes back to 4; at least 5"),
])
def test_what_is_wrong_with_other_files_is_said(file: Path, text: str, expected: str) -> None:
    file.write_text(text)
    assert problems(file) == [expected]


def test_a_gzip_that_ends_early_is_refused(file: Path) -> None:
    whole = gzip.compress((HEAD + "0,0,R,0,0,1,2,37,3\n" * 3000).encode())
    file.write_bytes(whole[: len(whole) - 20])
    found = problems(file)[0]
    line = int(found.split(":")[1])
    assert found.endswith(f"gzip data ends early; line {line - 1} is the last that is whole")
    with gzip.open(file) as stream, pytest.raises(EOFError):
        whole_lines = 0
        while True:
            whole_lines += stream.read1(100).count(b"\n")
    assert whole_lines == line - 1


def test_comments_and_blanks_around_fields_are_skipped(file: Path) -> None:
    file.write_text("# made by hand\n\n" + HEAD.replace(",", ", ") + "  # two requests\n0, 0, R, 0, 0, 1, 2, 37, 3\n"
                    "#1,5\n1,5 ,W ,1,0,3,0,38,\t4 \n")
    found = all_of(file)
    assert found.column.tolist() == [3, 4]
    assert found.rows[:, LINE].tolist() == [5, 7]


def test_ramulator_read_write_traces_have_the_address_first(file: Path) -> None:
    file.write_text("0x20 R\n64 W\n")
    found = all_of(file, mapping="rorabgbaco")
    assert found.write.tolist() == [0, 1]
    assert found.column.tolist() == [1, 2]
    assert found.arrival.tolist() == [0, 0]


def test_a_pipe_is_read_once_from_its_beginning(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    data = gzip.compress((HEAD + "0,0,R,0,0,1,2,37,3\n" * 3000).encode())
    writer = threading.Thread(target=lambda: pipe.write_bytes(data))
    writer.start()
    assert len(all_of(pipe)) == 3000
    writer.join()


@pytest.mark.parametrize(("data", "expected"), [
    (b"0,0,R,0,0,1,2,37,3\n", f":1: no header; the first line names the columns: {HEAD.strip().replace('op,', 'op,channel,')}"),
    (bytes(range(256)) * 20, ": is not a text file; plain text, or text compressed by gzip"),
    (b"# nothing\n\n# but comments\n", ": is empty"),
])  # fmt: skip
def test_what_is_no_trace_is_one_problem(file: Path, data: bytes, expected: str) -> None:
    file.write_bytes(data)
    assert problems(file) == [expected]


def test_a_part_that_is_smaller_than_it_seems_says_why(file: Path) -> None:
    file.write_text(HEAD + "0,0,R,2,0,1,2,37,3\n")
    assert problems(file, note="only two here") == [":2: rank: 2 is outside the part; 0 to 1 (only two here)"]


@pytest.mark.parametrize("text", ["rorabgbaco", "ro ra bg ba co", "ro,ra,bg,ba,co", "RoRaBgBaCo", " ro, ra bg BA co"])
def test_a_mapping_may_be_written_in_several_ways(text: str) -> None:
    assert address_mapping(text, ORG) == address_mapping("rorabgbaco", ORG)


def test_what_is_no_mapping_is_one_problem() -> None:
    with pytest.raises(InputError) as error:
        address_mapping("row:bank", ORG)
    assert [str(p) for p in error.value.problems] == [
        "controller.address_mapping: 'row:bank' is not an address mapping: 'w:' is no field; ro row, ra rank, si sid, bg bank group, "
        "ba bank, ch channel, co column, most significant first"]


@pytest.mark.parametrize(("text", "expected"), [
    ("rorabgbacoco", ["field 'co' twice; each field once"]),
    ("rorabgco", ["no field 'ba'; the part has 4 of them"]),
])
def test_a_mapping_that_does_not_fit_is_refused(text: str, expected: list[str]) -> None:
    with pytest.raises(InputError) as error:
        address_mapping(text, ORG)
    assert [str(p).removeprefix("controller.address_mapping: ") for p in error.value.problems] == expected


@given(st.permutations(["ro", "ra", "bg", "ba", "co", "ch", "si"]), st.integers(0, 0x2000000 * 2 - 1))
def test_a_mapping_gives_every_address_its_own_place(fields: list[str], address: int) -> None:
    found = address_mapping("".join(fields), ORG, channels=2)
    rows = np.zeros((1, LINE + 1), np.int64)
    found.split(np.array([address]), rows)
    back, scale = 0, ORG.column_bytes
    for column, size in zip(found.columns, found.sizes, strict=True):
        assert 0 <= rows[0, column] < size
        back += int(rows[0, column]) * scale
        scale *= size
    assert back == address // ORG.column_bytes * ORG.column_bytes

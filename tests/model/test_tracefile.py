"""Trace files: written and read back exactly, edited by hand, and refused with line, column and key."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pimsim.errors import InputError, Problem
from pimsim.model.lowering import lower
from pimsim.model.trace import Trace
from pimsim.model.tracefile import COLUMNS, read_trace, stream_trace, write_trace

from .conftest import FAMILIES, tiny

SUFFIXES = (".csv", ".jsonl")
HEADER = ",".join(COLUMNS)
ROW = "0,qkv,matvec,decode,0,0,12,4,1,0,0,0,0,bf16,bf16,0,104,24,48,"


def written(trace: Trace, tmp_path: Path, suffix: str = ".csv") -> Path:
    path = tmp_path / f"trace{suffix}"
    write_trace(trace, path)
    return path


def problems(tmp_path: Path, text: str, suffix: str = ".csv") -> list[Problem]:
    path = tmp_path / f"bad{suffix}"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_trace(path)
    return list(caught.value.problems)


def problem(tmp_path: Path, *rows: str) -> Problem:
    (only,) = problems(tmp_path, "\n".join([HEADER, *rows]) + "\n")
    return only


def changed(**cells: object) -> str:
    row = dict(zip(COLUMNS, ROW.split(","), strict=True))
    return ",".join(str({**row, **cells}[name]) for name in COLUMNS)


# ---- round trip


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", FAMILIES)
def test_round_trip_is_exact(name: str, suffix: str, tmp_path: Path) -> None:
    trace = lower(FAMILIES[name], batch=2, prompt_tokens=2, output_tokens=4, embedding=True, lm_head=True)
    back = read_trace(written(trace, tmp_path, suffix))
    assert list(back.steps) == list(trace.steps)
    assert list(back.operators()) == list(trace.operators())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_trace_that_was_read_is_written_the_same(suffix: str, tmp_path: Path) -> None:
    path = written(lower(tiny(), output_tokens=3), tmp_path, suffix)
    first = path.read_bytes()
    assert written(read_trace(path), tmp_path, suffix).read_bytes() == first


def test_both_forms_hold_the_same(tmp_path: Path) -> None:
    trace = lower(tiny(), output_tokens=3)
    csv, jsonl = (read_trace(written(trace, tmp_path, suffix)) for suffix in SUFFIXES)
    assert list(csv.steps) == list(jsonl.steps)


def test_one_row_an_operator(tmp_path: Path) -> None:
    lines = written(lower(tiny(), output_tokens=3), tmp_path).read_text().splitlines()
    assert len(lines) == 1 + 3 * 3 * 13
    assert lines[0] == HEADER


def test_deps_are_separated_by_semicolons(tmp_path: Path) -> None:
    rows = written(lower(tiny(), output_tokens=1), tmp_path).read_text().splitlines()
    assert rows[4].split(",")[-1] == "1;2"


def test_json_lines_are_objects_with_the_columns_as_keys(tmp_path: Path) -> None:
    first = json.loads(written(lower(tiny()), tmp_path, ".jsonl").open().readline())
    assert tuple(first) == COLUMNS
    assert first["bias"] is True
    assert first["deps"] == []


def test_read_trace_is_named_after_its_file(tmp_path: Path) -> None:
    assert read_trace(written(lower(tiny(), output_tokens=1), tmp_path)).name == "trace"


def test_stream_gives_the_same_as_the_file(tmp_path: Path) -> None:
    trace, stream = lower(tiny(), output_tokens=2), io.StringIO()
    assert stream_trace(trace, stream) == 2 * 3 * 13
    assert stream.getvalue() == written(trace, tmp_path).read_text()


def test_nothing_half_written_remains(tmp_path: Path) -> None:
    class Failing:
        def __iter__(self) -> object:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_trace(Trace("broken", None, Failing(), 1), tmp_path / "out.csv")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_folder_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file or directory"):
        write_trace(lower(tiny(), output_tokens=1), tmp_path / "nowhere" / "out.csv")


# ---- what people may write


def test_columns_may_be_in_any_order(tmp_path: Path) -> None:
    path = written(lower(tiny(), output_tokens=2), tmp_path)
    rows = [line.split(",")[::-1] for line in path.read_text().splitlines()]
    other = tmp_path / "turned.csv"
    other.write_text("\n".join(",".join(row) for row in rows))
    assert list(read_trace(other).steps) == list(read_trace(path).steps)


def test_bytes_and_macs_follow_from_the_shapes_where_left_out(tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_text("id,name,kind,phase,layer,step,rows,cols,batch,dtype\n0,qkv,matvec,decode,0,0,12,4,1,bf16\n")
    (op,) = read_trace(path).operators()
    assert (op.bytes_read, op.bytes_written, op.macs, op.stored_dtype) == (104, 24, 48, "bf16")


def test_cells_that_follow_may_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_text(f"{HEADER}\n{changed(bytes_read='', bytes_written='', macs='', stored_dtype='')}\n")
    assert next(read_trace(path).operators()).macs == 48


@pytest.mark.parametrize(("key", "value"), [("bytes_read", None), ("stored_dtype", None), ("deps", None)])
def test_json_null_is_as_if_left_out(key: str, value: object, tmp_path: Path) -> None:
    line = json.loads(written(lower(tiny(), output_tokens=1), tmp_path, ".jsonl").open().readline())
    path = tmp_path / "null.jsonl"
    path.write_text(json.dumps({**line, key: value}))
    assert next(read_trace(path).operators()) == next(lower(tiny()).operators())


def test_blank_lines_and_byte_order_marks_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "excel.csv"
    path.write_bytes(f"\ufeff{HEADER}\r\n\r\n{ROW}\r\n".encode())
    assert len(list(read_trace(path).operators())) == 1


# ---- what is refused


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_empty_file_is_refused(suffix: str, tmp_path: Path) -> None:
    (only,) = problems(tmp_path, "", suffix)
    assert only.message in ("is empty", "holds no operator")


def test_header_alone_is_refused(tmp_path: Path) -> None:
    assert problem(tmp_path).message == "holds no operator"


def test_unknown_suffix_is_refused(tmp_path: Path) -> None:
    for action in (read_trace, lambda path: write_trace(lower(tiny()), path)):
        with pytest.raises(InputError, match=r"cannot end in '.txt'; .csv or .jsonl"):
            action(tmp_path / "trace.txt")


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no.csv: No such file"):
        read_trace(tmp_path / "no.csv")


def test_unknown_column_is_told_the_nearest(tmp_path: Path) -> None:
    text = "\n".join([HEADER.replace("rows", "rowz"), ROW])
    assert any("did you mean 'rows'" in str(found) for found in problems(tmp_path, text))


def test_missing_columns_are_told(tmp_path: Path) -> None:
    (only,) = problems(tmp_path, "id,name\n0,a\n")
    assert only.message.startswith("missing columns: kind, phase, layer, step")


def test_column_twice_is_told(tmp_path: Path) -> None:
    (only,) = problems(tmp_path, f"{HEADER},rows\n{ROW},12\n")
    assert only.message == "column 'rows' is there twice"


@pytest.mark.parametrize("row", [ROW + ",1", "0,qkv", ROW[:-1]])
def test_row_of_another_length_is_told(row: str, tmp_path: Path) -> None:
    found = problem(tmp_path, row)
    assert "cells under 20 columns" in found.message
    assert found.line == 2


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"kind": "matvek"}, "unknown kind 'matvek'"),
        ({"phase": "decoding"}, "unknown phase 'decoding'"),
        ({"dtype": "bf17"}, "unknown dtype 'bf17'"),
        ({"name": "a b"}, "'a b' is no name"),
        ({"name": ""}, "'' is no name"),
        ({"rows": 0}, "0 is too small"),
        ({"rows": -12}, "-12 is too small"),
        ({"rows": ""}, "is empty"),
        ({"rows": "nan"}, "'nan' is not a whole number"),
        ({"rows": "12.0"}, "'12.0' is not a whole number"),
        ({"rows": "1e3"}, "'1e3' is not a whole number"),
        ({"rows": 10**25}, "is too large"),
        ({"batch": 0}, "0 is too small"),
        ({"layer": -2}, "-2 is too small"),
        ({"step": -1}, "-1 is too small"),
        ({"step": "one"}, "'one' is not a whole number"),
        ({"id": "x"}, "'x' is not a whole number"),
        ({"heads": -1}, "-1 is too small"),
        ({"bias": "yes"}, "'yes' is not a whole number"),
        ({"bias": 2}, "2 is no truth value"),
        ({"macs": 49}, "49 contradicts the shapes"),
        ({"bytes_read": 0}, "0 contradicts the shapes"),
        ({"deps": "a"}, "'a' is not a whole number"),
        ({"deps": "7"}, "operator 0 (qkv) depends on 7"),
    ],
)
def test_bad_cell_is_told_with_line_and_key(cells: dict[str, object], message: str, tmp_path: Path) -> None:
    found = problem(tmp_path, changed(**cells))
    assert message in found.message
    assert (found.line, found.key) == (2, *cells)


def test_bad_cell_is_told_with_its_column(tmp_path: Path) -> None:
    assert problem(tmp_path, changed(rows="x")).column == ROW.index("12,4") + 1


def test_shape_that_contradicts_itself_is_told(tmp_path: Path) -> None:
    row = "0,score,score,decode,0,0,31,8,1,6,2,8,5,bf16,bf16,0,,,,"
    assert str(problem(tmp_path, row)).endswith("rows: 31 does not fit the other shapes; heads x context = 30")


def test_bad_row_is_told_in_every_line_that_has_it(tmp_path: Path) -> None:
    rows = [changed(id=i, rows="x") for i in range(3)]
    assert [found.line for found in problems(tmp_path, "\n".join([HEADER, *rows]))] == [2, 3, 4]


def test_problems_of_cells_and_of_structure_are_told_at_once(tmp_path: Path) -> None:
    rows = [ROW, changed(id=1, kind="what"), changed(id=1), changed(id=3, deps="3"), changed(id=4, deps="99")]
    found = [found.key for found in problems(tmp_path, "\n".join([HEADER, *rows]))]
    assert found == ["kind", "id", "deps", "deps"]


def test_rows_that_cannot_be_used_make_no_dep_dangle(tmp_path: Path) -> None:
    found = problems(tmp_path, "\n".join([HEADER, "0,qkv", changed(id=1, deps="0")]))
    assert len(found) == 1


def test_file_that_is_something_else_is_given_up(tmp_path: Path) -> None:
    found = problems(tmp_path, HEADER + "\n" + "nonsense\n" * 100000)
    assert len(found) == 101
    assert "reading stopped" in found[-1].message


def test_structure_that_is_wrong_everywhere_is_told_a_hundred_times(tmp_path: Path) -> None:
    assert len(problems(tmp_path, "\n".join([HEADER, *[ROW] * 500]))) == 100


def test_number_of_thousands_of_digits_is_told(tmp_path: Path) -> None:
    (only,) = problems(tmp_path, '{"id": ' + "9" * 5000 + "}", ".jsonl")
    assert only.message == "not well-formed JSON"


Line = Callable[[dict[str, object]], str]


@pytest.mark.parametrize(
    ("change", "message", "key"),
    [
        (lambda line: {**line, "rows": 12.0}, "'12.0' is not a whole number", "rows"),
        (lambda line: {**line, "rows": float("nan")}, "'NaN' is not a whole number", "rows"),
        (lambda line: {**line, "rows": [24]}, "'[24]' is not a whole number", "rows"),
        (lambda line: {**line, "rowz": 12}, "unknown key 'rowz'", "rowz"),
        (lambda line: {key: line[key] for key in line if key != "rows"}, "missing keys: rows", ""),
        (lambda line: {**line, "deps": [0.5]}, "'0.5' is not a whole number", "deps"),
        (lambda line: {**line, "deps": {"a": 1}}, "is not a whole number", "deps"),
        (lambda line: {**line, "kind": None}, "unknown kind ''", "kind"),
        (lambda line: [1, 2], "not a JSON object", ""),
    ],
)
def test_bad_json_line_is_told(change: Line, message: str, key: str, tmp_path: Path) -> None:
    line = json.loads(written(lower(tiny(), output_tokens=1), tmp_path, ".jsonl").open().readline())
    found = problems(tmp_path, "\n" + json.dumps(change(line)), ".jsonl")[0]
    assert message in found.message
    assert (found.line, found.key) == (2, key)


def test_cut_off_json_line_is_told_with_its_column(tmp_path: Path) -> None:
    (only,) = problems(tmp_path, '{"id": 0, "name"', ".jsonl")
    assert (only.message, only.line, only.column) == ("not well-formed JSON", 1, 17)


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    path = tmp_path / "binary.csv"
    path.write_bytes(HEADER.encode() + b"\n\xff\xff\n")
    with pytest.raises(InputError, match="not UTF-8 text"):
        read_trace(path)

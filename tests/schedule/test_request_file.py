"""Request files: both forms, and what is said about wrong ones."""

from pathlib import Path

import pytest

from pimsim.errors import InputError
from pimsim.schedule.kv import KvSpace
from pimsim.schedule.request import Request
from pimsim.schedule.request_file import check_fit, longest, read_requests
from tests.schedule.conftest import LAYOUT

TIMED = "arrival,input_tokens,output_tokens\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "requests.csv"
    path.write_text(text)
    return path


def complaints(folder: Path, text: str, **options: object) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_requests(write(folder, text), **options)  # type: ignore[arg-type]
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def test_arrivals_are_seconds_or_have_a_unit(tmp_path: Path) -> None:
    requests = read_requests(write(tmp_path, TIMED + "0,3,4\n1e-3,5,6\n1.5 ms,7,8\n"))
    assert requests == (Request(0, 0, 3, 4), Request(1, 10**12, 5, 6), Request(2, 15 * 10**11, 7, 8))


def test_columns_may_come_in_any_order(tmp_path: Path) -> None:
    assert read_requests(write(tmp_path, "output_tokens,arrival,input_tokens\n4,2,3\n")) == (Request(0, 2 * 10**15, 3, 4),)


def test_a_ready_batch_is_there_from_the_beginning(tmp_path: Path) -> None:
    assert read_requests(write(tmp_path, "seq_len\n512\n33\n")) == (Request(0, 0, 512, 1), Request(1, 0, 33, 1))


def test_a_ready_batch_may_name_channels_and_generate_more(tmp_path: Path) -> None:
    path = write(tmp_path, "seq_len,ch_idx\n2048,26\n")
    assert read_requests(path, channels=32, output_tokens=9) == (Request(0, 0, 2048, 9, 26),)


def test_requests_over_time_may_name_channels(tmp_path: Path) -> None:
    path = write(tmp_path, "arrival,input_tokens,output_tokens,ch_idx\n1 ms,20,3,5\n")
    assert [(r.channel, r.input_tokens) for r in read_requests(path, channels=32)] == [(5, 20)]


def test_a_column_of_the_other_form_is_not_proposed(tmp_path: Path) -> None:
    assert complaints(tmp_path, "seq_len,arrival\n5,0\n") == ["requests.csv:1: unknown column 'arrival'; known: ch_idx, seq_len"]


def test_empty_lines_and_a_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    assert len(read_requests(write(tmp_path, "\ufeff\nseq_len\n\n5\n\n"))) == 1


def test_arrivals_that_go_back_are_refused(tmp_path: Path) -> None:
    assert complaints(tmp_path, TIMED + "2,1,1\n1,1,1\n") == [
        "requests.csv:3:1: arrival: '1' goes back in time; the row before arrives at 2 s"]


@pytest.mark.parametrize(("row", "words"), [
    ("0,0,1", "2:3: input_tokens: 0 is too small; at least 1"),
    ("0,1,-1", "2:5: output_tokens: -1 is too small; 1 to 2147483647"),
    ("0,x,1", "2:3: input_tokens: 'x' is not a whole number; 1 to 2147483647"),
    ("0,99999999999,1", "2:3: input_tokens: 99999999999 is too large; 1 to 2147483647"),
    ("-1,1,1", "2:1: arrival: '-1' is below zero; 0 to 2.5 hours"),
    ("1e9,1,1", "2:1: arrival: '1e9' is too large; 0 to 2.5 hours"),
    ("nan,1,1", "2:1: arrival: 'nan' is not a time; seconds, or a number and a unit, for example '1.5 ms'"),
    ("1 KiB,1,1", "2:1: arrival: 'KiB' is not a unit of time; one of: fs, ps, ns, us, µs, ms, s"),
    ("0,1", "2: 2 fields; 3 are needed: arrival,input_tokens,output_tokens"),
])
def test_a_wrong_row_is_named_by_line_column_and_key(tmp_path: Path, row: str, words: str) -> None:
    assert complaints(tmp_path, TIMED + row + "\n") == [f"requests.csv:{words}"]


def test_all_wrong_rows_are_named_at_once(tmp_path: Path) -> None:
    assert len(complaints(tmp_path, TIMED + "0,0,0\n0,1,1\n0,1,0\n")) == 3


def test_no_more_than_twenty_are_named(tmp_path: Path) -> None:
    assert len(complaints(tmp_path, TIMED + "0,0,0\n" * 50)) == 20


@pytest.mark.parametrize(("text", "words"), [
    ("", "requests.csv: is empty"),
    (TIMED, "requests.csv: has no requests; one row each"),
    ("arrival,input_tokens\n", "requests.csv:1: no column 'output_tokens'; the first line is "
     "'arrival,input_tokens,output_tokens' or 'seq_len' or 'seq_len,ch_idx'"),
    ("seq_len,ch_id\n", "requests.csv:1: unknown column 'ch_id'; did you mean 'ch_idx'?"),
    ("seq_len,seq_len\n", "requests.csv:1: column 'seq_len' twice; each column once"),
])
def test_a_file_that_is_no_request_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    assert complaints(tmp_path, text) == [words]


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_requests(tmp_path / "none.csv")


def test_a_channel_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert complaints(tmp_path, "seq_len,ch_idx\n5,4\n", channels=4) == ["requests.csv:2:3: ch_idx: 4 is too large; 0 to 3"]


def test_a_request_longer_than_the_kv_space_is_refused(tmp_path: Path) -> None:
    kv = KvSpace.empty(LAYOUT, channels=2, rows=5)
    assert complaints(tmp_path, TIMED + "0,3,4\n0,4,4\n", kv=kv) == [
        "requests.csv:3:3: input_tokens: 7 tokens need 6 rows of KV space, a channel has 5; at most 6 tokens in the cache"]


def test_requests_from_elsewhere_are_checked_too() -> None:
    kv = KvSpace.empty(LAYOUT, channels=2, rows=5)
    check_fit([Request(0, 0, 3, 4)], kv)
    with pytest.raises(InputError, match="workload.requests: request 7: 7 tokens need 6 rows"):
        check_fit([Request(0, 0, 3, 4), Request(7, 0, 4, 4)], kv)


@pytest.mark.parametrize("rows", [0, 1, 2, 5, 6, 97])
def test_the_longest_request_is_the_last_that_fits(rows: int) -> None:
    kv = KvSpace.empty(LAYOUT, channels=1, rows=rows)
    tokens = longest(kv)
    assert (kv.fits(tokens) or tokens == 0) and not kv.fits(tokens + 1)

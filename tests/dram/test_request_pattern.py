"""Synthetic requests, against the inputs that the reference simulators ran on (``pimsim/validate/reference/requests``)."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from pimsim.dram import request_trace
from pimsim.dram.request_pattern import KINDS, generate
from pimsim.dram.request_trace import BANK, BANKGROUP, COLUMN, RANK, ROW, SID, WRITE, Requests
from pimsim.dram.spec import Organization
from pimsim.errors import InputError

REQUESTS = Path(str(files("pimsim.validate.reference"))) / "requests"
GDDR6 = Organization(1, 1, 4, 4, 16384, 64, 32)
HBM2 = Organization(2, 1, 4, 4, 32768, 32, 32)
HBM3 = Organization(2, 2, 4, 4, 16384, 32, 32)
ADDRESS = [RANK, SID, BANKGROUP, BANK, ROW, COLUMN]


def reference(name: str, organization: Organization) -> Requests:
    return Requests(np.concatenate([c.rows for c in request_trace.read(REQUESTS / f"{name}.csv.gz", organization)]))


@pytest.mark.parametrize(("kind", "count", "last"), [
    ("seq_read", 2048, (0, 3, 3, 101, 63)),
    ("bgint_read", 4096, (0, 3, 3, 103, 63)),
    ("allbank_read", 4096, (0, 3, 3, 203, 63)),
    ("bank_conflict", 768, (0, 1, 2, 767 * 37 % 16384, 767 * 3 % 64)),
    ("bank_conflict_w", 512, (1, 1, 2, 511 * 37 % 16384, 511 * 3 % 64)),
    ("write_stream", 1024, (1, 3, 3, 300, 63)),
])
def test_patterns_without_chance_end_as_the_reference_inputs_do(kind: str, count: int, last: tuple[int, ...]) -> None:
    found = generate(kind, GDDR6)
    assert len(found) == count
    assert tuple(found.rows[-1, [WRITE, BANKGROUP, BANK, ROW, COLUMN]]) == last


def test_bank_group_interleaving_moves_on_to_the_next_bank_group_each_time() -> None:
    assert generate("bgint_read", GDDR6, count=6).rows[:, [BANKGROUP, COLUMN]].tolist() == [
        [0, 0], [1, 0], [2, 0], [3, 0], [0, 1], [1, 1]]


@pytest.mark.parametrize("kind", ["rand_read", "pc_rand_read", "mixed_rw", "refresh_paced"])
def test_patterns_with_chance_depend_on_their_seed_only(kind: str) -> None:
    first = generate(kind, HBM3, seed=3).rows
    assert np.array_equal(first, generate(kind, HBM3, seed=3).rows)
    assert not np.array_equal(first, generate(kind, HBM3, seed=4).rows)


@pytest.mark.parametrize("kind", ["rand_read", "pc_rand_read", "mixed_rw", "refresh_paced"])
def test_no_address_comes_twice(kind: str) -> None:
    rows = generate(kind, HBM3, seed=1).rows[:, ADDRESS]
    assert len(np.unique(rows, axis=0)) == len(rows)


@pytest.mark.parametrize(("name", "organization"), [
    ("gddr6__mixed_rw", GDDR6), ("hbm2__mixed_rw", HBM2), ("gddr6__refresh_paced", GDDR6), ("hbm2__pc_rand_read", HBM2),
    ("hbm3__pc_rand_read", HBM3),
])
def test_draws_are_distributed_as_the_reference_inputs_are(name: str, organization: Organization) -> None:
    theirs = reference(name, organization)
    ours = generate(name.split("__")[1], organization, count=len(theirs), seed=7)
    assert ours.rows[:, ADDRESS].max(axis=0).tolist() == theirs.rows[:, ADDRESS].max(axis=0).tolist()
    assert ours.write.mean() == pytest.approx(theirs.write.mean(), abs=0.05)
    for column in (BANKGROUP, BANK, ROW, COLUMN):
        size = theirs.rows[:, column].max() + 1
        assert ours.rows[:, column].mean() == pytest.approx(theirs.rows[:, column].mean(), abs=0.05 * size)


@pytest.mark.parametrize(("name", "organization", "interval"), [("gddr6__refresh_paced", GDDR6, 3333),
                                                               ("hbm2__refresh_paced", HBM2, 3900)])
def test_paced_requests_arrive_when_the_references_do(name: str, organization: Organization, interval: int) -> None:
    ours = generate("refresh_paced", organization, refresh_interval=interval)
    assert np.array_equal(ours.arrival, reference(name, organization).arrival)


def test_arrivals_are_rounded_as_in_the_reference_input_of_hbm3() -> None:
    ours = generate("refresh_paced", HBM3, refresh_interval=12480).arrival
    assert ours[[1, 124, 125, 126, 1199]].tolist() == [65, 8124, 8189, 8255, 78558]  # hbm3__refresh_paced.csv


def test_mixed_runs_are_as_long_as_the_references() -> None:
    def runs(requests: Requests) -> float:
        rows = requests.rows
        same = (rows[1:, [WRITE, BANKGROUP, BANK, ROW]] == rows[:-1, [WRITE, BANKGROUP, BANK, ROW]]).all(axis=1)
        return len(rows) / (len(rows) - same.sum())

    assert runs(generate("mixed_rw", GDDR6, seed=5)) == pytest.approx(runs(reference("gddr6__mixed_rw", GDDR6)), rel=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_patterns_stay_inside_the_part(kind: str) -> None:
    small = Organization(1, 1, 2, 2, 512, 16, 32)
    rows = generate(kind, small, count=200, refresh_interval=100).rows
    assert (rows[:, ADDRESS] >= 0).all()
    assert (rows[:, ADDRESS] < [1, 1, 2, 2, 512, 16]).all()


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'seq_read'"):
        generate("seq_reads", GDDR6)


def test_more_distinct_addresses_than_there_are_is_an_error() -> None:
    with pytest.raises(InputError, match="mixed_rw has no 100 different addresses"):
        generate("mixed_rw", Organization(1, 1, 1, 1, 128, 1, 32), count=100)


def test_a_part_with_too_few_rows_is_an_error() -> None:
    with pytest.raises(InputError, match="allbank_read needs 201 rows; the part has 64"):
        generate("allbank_read", Organization(1, 1, 4, 4, 64, 64, 32), count=16)

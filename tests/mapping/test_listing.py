"""Programs as text: what a line becomes, that writing and reading give the program back, and what is wrong with a line."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.config import load_dram
from pimsim.dram.compile import Compiled
from pimsim.dram.spec import COLUMN_EFFECTS
from pimsim.errors import InputError
from pimsim.kernels.program import BANK, BOUNDARY, COLUMN, COUNT, FLAGS, LENGTH, LOOP, OP, ROW, WIDE
from pimsim.mapping.listing import Listing, format_program, operands, read_listing, write_listing
from pimsim.mapping.program import ProgramBuilder
from pimsim.sim.memory import compile_memory

Read = Callable[..., Listing]


@cache
def compiled(part: str = "gddr6-pim", *overrides: str) -> Compiled:
    config = load_dram(part, overrides)
    return compile_memory(config.memory, config.controller, config.pim)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read the lines of a program for a part with so many channels."""

    def read_lines(*lines: str, channels: int = 4, part: Compiled | None = None) -> Listing:
        path = tmp_path / "p.prog"
        path.write_text("".join(f"{line}\n" for line in lines))
        return read_listing(path, part or compiled(), channels)

    return read_lines


def problems(read: Read, *lines: str) -> list[str]:
    with pytest.raises(InputError) as error:
        read(*lines)
    return [str(p).partition("p.prog:")[2] for p in error.value.problems]


def only(listing: Listing) -> np.ndarray:
    ((_, program),) = listing.programs
    return program


def test_an_instruction(read: Read) -> None:
    expected = [compiled().command("RD"), 5, 3, 2, 4, 0, BOUNDARY, 0]
    assert only(read("RD bank=5 row=3 col=2 count=4 boundary")).tolist() == [expected]


def test_what_is_not_said(read: Read) -> None:
    assert only(read("MAC16 row=0x10")).tolist() == [[compiled().command("MAC16"), 0, 16, 0, 1, 0, 0, 0]]


def test_a_loop(read: Read) -> None:
    program = only(read("LOOP 3 row+1 col-2 {", "MAC16 row=3 col=63 # from the last column on", "}", "RDMAC16"))
    assert program[0].tolist() == [LOOP, 0, 1, -2, 3, 0, WIDE, 1]
    assert program[:, OP].tolist() == [LOOP, compiled().command("MAC16"), compiled().command("RDMAC16")]


def test_loops_in_loops(read: Read) -> None:
    program = only(read("LOOP 2 row+8 {", "LOOP 3 row+1 {", "MAC16 row=0", "}", "PREab", "}"))
    assert program[:2, LENGTH].tolist() == [3, 1]


def test_a_loop_over_one_bank_is_not_wide(read: Read) -> None:
    assert only(read("LOOP 2 row+1 {", "WR bank=1 row=0", "}"))[0, FLAGS] == 0


def test_a_loop_whose_rows_are_opened_by_bank_groups_is_not_wide(read: Read) -> None:
    part = compiled("gddr6-pim", "pim.all_bank_act=faw")
    assert only(read("LOOP 2 row+1 {", "MAC16 row=0", "}", part=part))[0, FLAGS] == 0


def test_a_rank_of_several_is_named_by_a_bank_of_it(read: Read) -> None:
    part = compiled("hbm2-4gb-2000")
    assert only(read("PREab bank=16", part=part))[0, BANK] == 16


def test_without_channels_all_do_the_same(read: Read) -> None:
    assert read("PREab").programs[0][0] == (0, 1, 2, 3)


def test_a_channel_runs_the_sections_that_name_it(read: Read) -> None:
    listing = read("WRGB", "CHANNELS 1-2, 3", "MAC16 row=1", "CHANNELS 3", "RDMAC16", "CHANNELS all", "PREab")
    names = {members: [compiled().command_names[c] for c in program[:, OP]] for members, program in listing.programs}
    assert names == {(0,): ["WRGB", "PREab"], (1, 2): ["WRGB", "MAC16", "PREab"], (3,): ["WRGB", "MAC16", "RDMAC16", "PREab"]}


def test_channels_that_nothing_names_have_no_program(read: Read) -> None:
    assert [members for members, _ in read("CHANNELS 2", "PREab").programs] == [(2,)]


def test_gzip_is_read(tmp_path: Path) -> None:
    path = tmp_path / "p.gz"
    path.write_bytes(gzip.compress(b"PREab\n"))
    assert len(only(read_listing(path, compiled(), 1))) == 1


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["MAC61 row=1"], "1: unknown 'MAC61'; did you mean 'MAC16'?"),
        (["", "MAC16 rwo=1"], "2: MAC16 has no operand 'rwo=1'; did you mean 'row'?"),
        (["MAC16 row=1 bank=2"], "1: MAC16 has no operand 'bank=2'; known: boundary, col, count, row"),
        (["MAC16"], "1: MAC16 needs a row; row=N"),
        (["MAC16 row=x"], "1: row: 'x' is not a whole number; decimal or 0x hexadecimal"),
        (["MAC16 row=1 count=0"], "1: count: 0 is too small; at least 1"),
        (["MAC16 row=-1"], "1: row: -1 is too small; at least 0"),
        (["MAC16 row=16384"], "1: row: reaches 16384; 0 .. 16383"),
        (["MAC16 row=1 col=60 count=5"], "1: col: reaches 64; 0 .. 63"),
        (["RD bank=16 row=1"], "1: bank: reaches 16; 0 .. 15"),
        (["REFab"], "1: REFab is issued by the controller; see controller.refresh"),
        (["LOOP 11 row+10 {", "MAC16 row=16300", "}"], "2: row: reaches 16400; 0 .. 16383"),
        (["LOOP 3 row-1 {", "MAC16 row=1", "}"], "2: row: reaches -1; 0 .. 16383"),
        (["LOOP 3 {", "PREab"], "1: a loop that is not closed; } on a line of its own"),
        (["PREab", "}"], "2: } without a loop"),
        (["LOOP 3", "PREab", "}"], "1: a loop without {; LOOP times row+N col+N {"),
        (["LOOP x {", "PREab", "}"], "1: LOOP: 'x' is not a whole number; decimal or 0x hexadecimal"),
        (["LOOP {", "PREab", "}"], "1: LOOP: '' is not a whole number; decimal or 0x hexadecimal"),
        (["LOOP 2 row*2 {", "PREab", "}"], "1: 'row*2' is no step of a loop; row+N, row-N, col+N, col-N"),
        (["LOOP 2 {"] * 5 + ["}"] * 5, "5: more than 4 loops inside one another; write the innermost one out"),
        (["CHANNELS 4", "PREab"], "1: CHANNELS: channels 4; of 0 .. 3, or all"),
        (["CHANNELS 2-1", "PREab"], "1: CHANNELS: channels 2-1; of 0 .. 3, or all"),
        (["CHANNELS a", "PREab"], "1: CHANNELS: 'a' is not a whole number; decimal or 0x hexadecimal"),
        (["LOOP 2 {", "CHANNELS 1", "}"], "2: CHANNELS inside a loop; close the loop of line 1 first"),
        (["# nothing"], " is empty"),
        (["CHANNELS 1"], "1: no instruction"),
    ],
)
def test_a_wrong_line_is_named(lines: list[str], said: str, read: Read) -> None:
    assert problems(read, *lines) == [said]


def test_all_problems_come_at_once(read: Read) -> None:
    found = problems(read, "MAC61", "}", "LOOP 2 {", "WR row=1 bank=99")
    assert [p.partition(":")[0] for p in found] == ["1", "2", "4", "3"]


def test_reading_stops_behind_many_problems(read: Read) -> None:
    assert len(problems(read, *["bad"] * 100)) == 20


def test_an_empty_file_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("\n")
    with pytest.raises(InputError, match="is empty"):
        read_listing(tmp_path / "p", compiled(), 4)


def test_a_program_of_a_mapping_reads_well() -> None:
    builder = ProgramBuilder()
    code = compiled().command
    builder.command(code("WRGB"), count=64)
    with builder.loop(38, row_step=1, wide=True):
        builder.command(code("MAC16"), row=100, count=64)
        with builder.loop(2, column_step=4, wide=False):
            builder.command(code("WR"), bank=3, row=7, column=1, boundary=True)
    builder.command(code("RDMAC16"))
    assert list(format_program(builder.array(), compiled())) == [
        "WRGB count=64",
        "LOOP 38 row+1 {",
        "    MAC16 row=100 count=64",
        "    LOOP 2 col+4 {",
        "        WR bank=3 row=7 col=1 boundary",
        "    }",
        "}",
        "RDMAC16",
    ]


def _instruction(name: str) -> st.SearchStrategy[list[list[int]]]:
    command = compiled().standard.commands[compiled().command(name)]
    allowed = operands(command, compiled().organization)
    last = 50 if command.effect in COLUMN_EFFECTS else 0
    return st.tuples(
        st.integers(0, 15 if "bank" in allowed else 0), st.integers(0, 1000 if "row" in allowed else 0),
        st.integers(0, last), st.integers(1, 8 if "count" in allowed else 1), st.booleans(),
    ).map(lambda v: [[compiled().command(name), v[0], v[1], v[2], v[3], 0, int(v[4]), 0]])  # fmt: skip


def _loop(body: st.SearchStrategy[list[list[int]]]) -> st.SearchStrategy[list[list[int]]]:
    def wrap(value: tuple[int, int, list[list[list[int]]]]) -> list[list[int]]:
        times, step, parts = value
        rows = [row for part in parts for row in part]
        narrow = {compiled().command(n) for n in ("ACT", "WR")}
        return [[LOOP, 0, step, 0, times, 0, 0 if narrow & {r[OP] for r in rows} else WIDE, len(rows)], *rows]

    return st.tuples(st.integers(0, 5), st.integers(0, 3), st.lists(body, max_size=3)).map(wrap)


INSTRUCTIONS = st.sampled_from(["ACT", "ACT16", "PREab", "MAC16", "WRGB", "RDMAC16", "WR"]).flatmap(_instruction)
PROGRAMS = st.lists(INSTRUCTIONS | _loop(INSTRUCTIONS | _loop(INSTRUCTIONS)), min_size=1, max_size=6).map(
    lambda parts: np.array([row for part in parts for row in part], np.int64))


@settings(max_examples=60, deadline=None)
@given(first=PROGRAMS, second=PROGRAMS)
def test_what_is_written_reads_back(first: np.ndarray, second: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("listing") / "p.prog"
    write_listing(path, [((0, 2), first), ((1,), second)], compiled())
    found = {m: program for members, program in read_listing(path, compiled(), 3).programs for m in members}
    assert np.array_equal(found[0], first)
    assert np.array_equal(found[2], first)
    assert np.array_equal(found[1], second)


def test_columns_are_named_as_the_kernel_has_them(read: Read) -> None:
    assert only(read("RD bank=5 row=3 col=2 count=4"))[0, [ROW, COLUMN, COUNT]].tolist() == [3, 2, 4]

"""What each command does to cells, buffer and accumulators; which rows are open; what a program may not do."""

import numpy as np
import pytest

from pimsim.kernels.program import LOOP
from pimsim.mapping.functional.memory import FunctionalChannel, FunctionalError, add_tree
from pimsim.mapping.program import ProgramBuilder

from .conftest import compiled

LANES, COLUMNS, BANKS = 16, 64, 4
NOTHING = np.zeros((0, LANES), np.float32)


def channel(**options: bool) -> FunctionalChannel:
    return FunctionalChannel(compiled(), **options)


def program(*commands: tuple[object, ...]) -> np.ndarray:
    """Commands as (name, bank, row, column, count), what is left out being 0, 0, 0 and 1."""
    builder = ProgramBuilder()
    for name, *place in commands:
        bank, row, column, count = (*place, *(0, 0, 0, 1)[len(place) :])
        builder.command(compiled().command(str(name)), bank=bank, row=row, column=column, count=count)
    return builder.array()


def bursts(*values: float) -> np.ndarray:
    """A burst of equal lanes for each value."""
    return np.repeat(np.array(values, np.float32)[:, None], LANES, axis=1)


def filled(row: int = 0) -> FunctionalChannel:
    """A channel whose cells of one row count up."""
    made = channel()
    made.row(row)[:] = np.arange(BANKS * COLUMNS * LANES).reshape(BANKS, COLUMNS, LANES) % 251
    return made


def test_write_then_read_gives_the_burst_back():
    data = bursts(3, 4)
    run = program(("WR", 2, 7, 5, 2), ("RD", 2, 7, 5, 2))
    np.testing.assert_array_equal(channel().run(run, data), data)


def test_write_reaches_its_place_only():
    made = channel()
    made.run(program(("WR", 2, 7, 5)), bursts(3))
    wanted = np.full((BANKS, COLUMNS, LANES), np.nan)
    wanted[2, 5] = 3
    np.testing.assert_array_equal(made.row(7), wanted)
    assert list(made.cells) == [7]


def test_nan_masks_a_lane():
    made = filled()
    before = made.row(0)[1, 2].copy()
    burst = np.full((1, LANES), np.nan, np.float32)
    burst[0, 3] = 99
    made.run(program(("WR", 1, 0, 2)), burst)
    before[3] = 99
    np.testing.assert_array_equal(made.row(0)[1, 2], before)


def test_mac_multiplies_equal_columns_of_buffer_and_bank():
    made = filled()
    out = made.run(program(("WRGB", 0, 0, 8, 2), ("MAC16", 0, 0, 8, 2), ("RDMAC16",)), bursts(1, 10))
    cells = made.row(0)
    np.testing.assert_array_equal(out[0], cells[:, 8].sum(-1) + 10 * cells[:, 9].sum(-1))


def test_mac_accumulates_until_results_are_read():
    made = filled()
    once = program(("WRGB",), ("MAC16",), ("RDMAC16",))
    twice = program(("WRGB",), ("MAC16",), ("MAC16",), ("RDMAC16",))
    np.testing.assert_array_equal(2 * made.run(once, bursts(1))[0], made.run(twice, bursts(1))[0])


def test_result_read_clears_the_accumulators():
    made = filled()
    out = made.run(program(("WRGB",), ("MAC16",), ("RDMAC16",), ("RDMAC16",)), bursts(1))
    np.testing.assert_array_equal(out[1], 0)


def test_accumulators_and_buffer_are_empty_when_a_program_begins():
    made = filled()
    made.run(program(("WRGB",), ("MAC16",)), bursts(1))
    assert np.isnan(made.run(program(("MAC16",), ("RDMAC16",)), NOTHING)[0]).all()


def test_cells_never_written_are_not_a_number():
    out = channel().run(program(("WRGB",), ("MAC16",), ("RDMAC16",)), bursts(1))
    assert np.isnan(out[0]).all()


def test_lanes_are_summed_by_a_tree():
    made = channel()
    lanes = np.zeros(LANES, np.float32)
    lanes[[0, 1, 8]] = 2.0**24, 1, -(2.0**24)  # in lane order, the 1 would be lost
    made.row(0)[:, 0] = lanes
    np.testing.assert_array_equal(made.run(program(("WRGB",), ("MAC16",), ("RDMAC16",)), bursts(1))[0], 1)


def test_columns_are_accumulated_in_order():
    made = channel()
    made.row(0)[:, :3] = 0
    made.row(0)[:, 0, 0], made.row(0)[:, 1, 0], made.row(0)[:, 2, 0] = 2.0**24, 1, -(2.0**24)
    run = program(("WRGB", 0, 0, 0, 3), ("MAC16", 0, 0, 0, 3), ("RDMAC16",))
    np.testing.assert_array_equal(made.run(run, bursts(1, 1, 1))[0], 0)  # the 1 is lost
    made.row(0)[:, 1, 0], made.row(0)[:, 2, 0] = -(2.0**24), 1
    np.testing.assert_array_equal(made.run(run, bursts(1, 1, 1))[0], 1)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 16, 17])
def test_adder_tree_adds_everything_once(n):
    np.testing.assert_array_equal(add_tree(np.arange(2 * n, dtype=np.float32).reshape(2, n)),
                                  np.arange(2 * n).reshape(2, n).sum(-1))


def test_loops_step_rows_and_columns():
    made = channel()
    for row in range(6):
        made.row(row)[:] = row
        made.row(row)[:, 1:] = 10 * row
    builder = ProgramBuilder()
    codes = {name: compiled().command(name) for name in ("RD",)}
    with builder.loop(2, row_step=3, wide=False), builder.loop(2, row_step=1, column_step=1, wide=False):
        builder.command(codes["RD"], row=1)
    assert builder.array()[0, 0] == LOOP
    out = made.run(builder.array(), NOTHING)
    assert [burst[0] for burst in out] == [1, 20, 4, 50]


def test_row_and_column_base_are_added():
    made = filled(row=9)
    out = made.run(program(("RD", 1, 4, 2)), NOTHING, row=5, column=3)
    np.testing.assert_array_equal(out[0], made.row(9)[1, 5])


def test_scope_of_a_bank_group():
    groups = FunctionalChannel(compiled(2, 16), implicit_rows=False)
    code = compiled(2, 16).command
    builder = ProgramBuilder()
    builder.command(code("ACT4"), bank=4, row=3)
    groups.run(builder.array(), NOTHING)
    assert groups.open_rows == [-1] * 4 + [3] * 4 + [-1] * 8


def test_controller_opens_the_row_that_a_column_command_names():
    made = filled()
    made.run(program(("RD", 1, 0), ("RD", 1, 0), ("RD", 2, 0)), NOTHING)
    assert made.open_rows == [-1, 0, 0, -1] and made.implicit_activations == 2


def test_activated_rows_are_not_opened_again():
    made = filled()
    made.run(program(("ACT16", 0, 0), ("WRGB",), ("MAC16",)), bursts(1))
    assert made.implicit_activations == 0


@pytest.mark.parametrize("before", [(), (("ACT", 1, 0),), (("ACT", 0, 5),), (("ACT", 0, 0), ("PRE",)),
                                    (("ACT16", 0, 0), ("PREab",))])  # fmt: skip
def test_strict_channel_reads_no_closed_or_wrong_row(before):
    with pytest.raises(FunctionalError, match="RD: row 0 of bank 0 is not open"):
        channel(implicit_rows=False).run(program(*before, ("RD", 0, 0)), NOTHING)


def test_read_with_precharge_closes_its_row():
    with pytest.raises(FunctionalError, match="not open"):
        channel(implicit_rows=False).run(program(("ACT", 0, 0), ("RDA", 0, 0), ("RD", 0, 0)), NOTHING)


@pytest.mark.parametrize(("command", "message"), [
    (("RD", 4), "RD: bank 4 of 4"),
    (("RD", 0, 0, 63, 2), "RD: columns 63 to 64 of 64"),
    (("WRGB", 0, 0, 64), "WRGB: columns 64 to 64 of 64"),
    (("RD", 0, 16384), "RD: row 16384 of 16384"),
    (("ACT", 0, -1), "ACT: row -1 of 16384"),
    (("WR", 0, 0, 0, 2), "WR: the program takes more than 1 bursts"),
    (("RD", 0), "the program takes 0 of 1 bursts"),
])  # fmt: skip
def test_what_a_program_may_not_do(command, message):
    with pytest.raises(FunctionalError, match=message):
        channel().run(program(command), bursts(1))


def test_journal_keeps_rows_as_they_were():
    made = filled()
    before = made.row(0).copy()
    made.journal = {}
    made.run(program(("WR", 0, 0), ("WR", 1, 0), ("RD", 0, 1)), bursts(1, 2))
    assert list(made.journal) == [0]
    np.testing.assert_array_equal(made.journal[0], before)

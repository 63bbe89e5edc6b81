"""Mode switches in programs: each right before the first command that needs the other mode, in every iteration."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pimsim.kernels.program import COLUMN, COUNT, LENGTH, LOOP, OP, ROW
from pimsim.mapping.mode import switched
from pimsim.mapping.program import ProgramBuilder

NORMAL, REGISTER, SWITCH = 0, 1, 2

Done = list[tuple[int, int, int]]
"""What a channel does, one after another: (command, row, column)."""


def run(program: np.ndarray, row: int = 0, column: int = 0) -> Done:
    """What a program does, loops written out."""
    out: Done = []
    at = 0
    rows = program.tolist()
    while at < len(rows):
        r = rows[at]
        if r[OP] == LOOP:
            body = program[at + 1 : at + 1 + r[LENGTH]]
            for n in range(r[COUNT]):
                out += run(body, row + n * r[ROW], column + n * r[COLUMN])
            at += r[LENGTH]
        else:
            out.append((r[OP], r[ROW] + row, r[COLUMN] + column))
        at += 1
    return out


def as_needed(done: Done) -> Done:
    """With a switch before every command that needs the other mode."""
    out: Done = []
    mode = NORMAL
    for command, row, column in done:
        if command == SWITCH:
            mode = 1 - mode
        elif command != mode:
            out.append((SWITCH, -1, -1))
            mode = command
        out.append((command, row, column))
    return out


def plain(done: Done) -> Done:
    """Without the place of a switch, which has none."""
    return [(c, -1, -1) if c == SWITCH else (c, r, col) for c, r, col in done]


def check(program: np.ndarray) -> np.ndarray:
    out = switched(program, SWITCH, {REGISTER})
    assert plain(run(out)) == plain(as_needed(run(program)))
    return out


def builder(*commands: int) -> np.ndarray:
    made = ProgramBuilder()
    for command in commands:
        made.command(command)
    return made.array()


def test_a_program_that_stays_in_its_mode_is_left_as_it_is() -> None:
    program = builder(NORMAL, NORMAL)
    assert np.array_equal(switched(program, SWITCH, {REGISTER}), program)


def test_a_switch_comes_right_before_its_need() -> None:
    assert check(builder(NORMAL, REGISTER, REGISTER, NORMAL))[:, OP].tolist() == [
        NORMAL, SWITCH, REGISTER, REGISTER, SWITCH, NORMAL]


def test_switches_of_the_program_count() -> None:
    assert check(builder(SWITCH, REGISTER, SWITCH, NORMAL))[:, OP].tolist() == [SWITCH, REGISTER, SWITCH, NORMAL]


def test_a_loop_that_needs_a_switch_each_time_has_it_inside() -> None:
    made = ProgramBuilder()
    with made.loop(3, row_step=1, wide=True):
        made.command(REGISTER)
        made.command(NORMAL, row=5)
    assert check(made.array())[:, OP].tolist() == [LOOP, SWITCH, REGISTER, SWITCH, NORMAL]


def test_a_loop_whose_first_iteration_differs_is_taken_apart() -> None:
    made = ProgramBuilder()
    with made.loop(3, row_step=1, column_step=2, wide=True):
        made.command(NORMAL, row=5)
        made.command(REGISTER)
    out = check(made.array())
    assert out[:, OP].tolist() == [NORMAL, SWITCH, REGISTER, LOOP, SWITCH, NORMAL, SWITCH, REGISTER]
    assert out[3, COUNT] == 2


def test_a_loop_that_runs_once_keeps_its_first_iteration() -> None:
    made = ProgramBuilder()
    with made.loop(1, wide=True):
        made.command(NORMAL)
        made.command(REGISTER)
    assert check(made.array())[:, OP].tolist() == [LOOP, NORMAL, SWITCH, REGISTER]


def test_an_empty_program() -> None:
    assert len(switched(np.zeros((0, 8), np.int64), SWITCH, {REGISTER})) == 0


Node = int | tuple[int, int, int, list["Node"]]
NODES = st.recursive(
    st.lists(st.integers(0, 2), max_size=4),
    lambda inner: st.lists(
        st.integers(0, 2) | st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 3), inner), max_size=4),
    max_leaves=12,
)


def write(made: ProgramBuilder, nodes: list[Node]) -> None:
    for node in nodes:
        if isinstance(node, int):
            made.command(node, row=7, column=1)
        else:
            with made.loop(node[0], row_step=node[1], column_step=node[2], wide=True):
                write(made, node[3])


@given(nodes=NODES)
def test_every_command_meets_its_mode_and_no_switch_is_wasted(nodes: list[Node]) -> None:
    made = ProgramBuilder()
    write(made, nodes)
    check(made.array())

"""Register mode: put the command that switches a channel's mode (AiM's TMOD) where a program needs it.

A program names what a channel does; whether a command needs the register mode is known from the command set. So the switches are
put in before a program runs, each right before the first command that needs the other mode. A program that has its own keeps them.
"""

from __future__ import annotations

from collections.abc import Set

import numpy as np

from pimsim.kernels.program import COLUMN, COUNT, FIELDS, FLAGS, LENGTH, LOOP, OP, ROW

Row = list[int]
Node = tuple[Row, "list[Node]"]
"""An instruction, and the body of a loop."""


def switched(program: np.ndarray, switch: int, register: Set[int]) -> np.ndarray:
    """``program`` (int64 [n, 8]) with mode switches, for a channel that begins in the normal mode.

    Args:
        switch: the command that switches the mode.
        register: the commands that need the register mode; all others need the normal one.
    """
    nodes, _ = _walk(_nested(program.tolist()), False, switch, register)
    return np.array(_flat(nodes), np.int64).reshape(-1, FIELDS)


def _nested(rows: list[Row]) -> list[Node]:
    nodes: list[Node] = []
    at = 0
    while at < len(rows):
        row = rows[at]
        body = rows[at + 1 : at + 1 + row[LENGTH]] if row[OP] == LOOP else []
        nodes.append((row, _nested(body)))
        at += 1 + len(body)
    return nodes


def _flat(nodes: list[Node]) -> list[Row]:
    rows: list[Row] = []
    for row, body in nodes:
        inner = _flat(body)
        rows += [row[:LENGTH] + [len(inner)] if row[OP] == LOOP else row, *inner]
    return rows


def _walk(nodes: list[Node], mode: bool, switch: int, register: Set[int]) -> tuple[list[Node], bool]:
    """``nodes`` with switches, begun in ``mode``, and the mode at their end."""
    out: list[Node] = []
    for row, body in nodes:
        if row[OP] == switch:
            mode = not mode
        elif row[OP] != LOOP:
            if (row[OP] in register) != mode:
                mode = not mode
                out.append(([switch, 0, 0, 0, 1, 0, 0, 0], []))
        elif row[COUNT]:
            first, after = _walk(body, mode, switch, register)
            later, _ = _walk(body, after, switch, register)
            if later == first or row[COUNT] == 1:
                out.append((row, first))
                # of a body that does nothing but switch, what counts is how often
                mode = after if after == mode or not _only_switches(body, switch) else mode ^ bool(row[COUNT] % 2)
            else:
                out += [*first, (_counted(row, row[COUNT] - 1), [_moved(n, row[ROW], row[COLUMN]) for n in later])]
                mode = after
            continue
        out.append((row, body))
    return out, mode


def _only_switches(nodes: list[Node], switch: int) -> bool:
    return all(_only_switches(body, switch) if row[OP] == LOOP else row[OP] == switch for row, body in nodes)


def _counted(row: Row, times: int) -> Row:
    return row[:COUNT] + [times] + row[COUNT + 1 :]


def _moved(node: Node, rows: int, columns: int) -> Node:
    """An instruction, or all in a loop, so many rows and columns on."""
    row, body = node
    if row[OP] == LOOP:
        return row, [_moved(n, rows, columns) for n in body]
    return [row[OP], row[1], row[ROW] + rows, row[COLUMN] + columns, *row[COUNT:FLAGS], *row[FLAGS:]], body

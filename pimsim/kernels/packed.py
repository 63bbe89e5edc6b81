"""A :class:`~pimsim.kernels.table.Table` as one int64 vector, the form in which the PIM kernels take it.

A tuple of forty arrays costs a reference count for each at every call, which is a hundred times the work of issuing a command.
Everything about one command stands together in one record, which names what the command has to look at (*checks*: a level's
look-up table each, from a bank to where the ready times of its node begin in the state) and what it moves (*groups*: such a table
and the rules of one level). So issuing a command touches nothing that does not concern it.
"""

from __future__ import annotations

import numpy as np

from pimsim.kernels.table import BUS, CAUSES, Table

# Header.
(
    H_BANKS,
    H_RANKS,
    H_BANKS_PER_RANK,
    H_REFRESH,
    H_PRECHARGE_ALL,
    H_INTERVAL,
    H_ACTIVATE_OVER_OPEN,
    H_ALIGN,  # all commands' edges repeat after so many ticks
    H_AT_ROW,
    H_AT_DUE,
    H_AT_NARROW,
    H_AT_COUNTERS,  # behind the state: ticks by cause,
    H_AT_COUNTS,  # commands by kind,
    H_AT_ACTIVE,  # ticks with a bank open
    H_VECTOR,  # state and counters
    H_WINDOW,  # windows: (look-up table from a bank to where its node's history begins in the state, size, ticks)
    H_SIBLING,  # sibling rules: (banks of a node, of its parent, earlier command, later command, ticks, where its history begins)
    H_SIBLING_END,
) = range(18)
HEADER = 24

# Command record.
(
    C_EFFECT,
    C_BUS,  # where the state keeps the first free tick of its bus
    C_BUS_CYCLES,
    C_LATENCY,  # issue to last data (a refresh has none)
    C_OPENER,  # the command that opens the row it needs (itself, if it is one)
    C_CLOSER,
    C_ACTIVATIONS,
    C_PERIOD,
    C_PHASE,
    C_CAUSE,
    C_CADENCE,
    C_OCCUPANCY,
    C_BANKS,  # banks in its scope
    C_COLUMN,  # 1 if it accesses a column of an open row
    C_NEEDS,  # how it must find its bank: ANYHOW, ROW_OPEN, CLOSED, OPEN, or LOOK where one glance does not tell
    C_ROWS,  # what it does to the rows of its scope: OPENS, CLOSES or 0
    C_WIDE,  # it and the row commands it may need move nothing below the rank level
    C_CHECK,  # checks: first ...
    C_CHECK_END,  # ... and end
    C_GROUP,  # groups: (look-up table of the level, first rule, end of the rules); a rule: (command held back, ticks)
    C_GROUP_END,
    C_ENTERS,  # bit w: enters window w
    C_WAITS,  # bit w: waits for window w
    C_BEFORE_SIBLING,  # takes part in a sibling rule as the earlier command
    C_AFTER_SIBLING,  # ... as the later one
    C_SLOT,  # where its ready time stands among those of a node: commands that the same rules hold back share one
    C_SEES_MORE,  # more than checks hold it back: windows, siblings, edges of a clock
    C_MOVES_MORE,  # it moves more than ready times: windows, siblings
) = range(28)
COMMAND = 28
GROUP = 3
RULE = 2
WINDOW = 3
SIBLING = 6
OPENS, CLOSES = 1, -1
ANYHOW, ROW_OPEN, CLOSED, OPEN, LOOK = range(5)

_ROWS = {0: OPENS, 1: CLOSES, 4: CLOSES, 5: CLOSES}
"""ACTIVATE, PRECHARGE, READ_PRECHARGE, WRITE_PRECHARGE of ``pimsim.dram.spec.Effect``."""
_ACTIVATE, _PRECHARGE, _REFRESH = 0, 1, 6
_COLUMN_EFFECTS = (2, 3, 4, 5, 7)
"""READ, WRITE, READ_PRECHARGE, WRITE_PRECHARGE, COMPUTE."""
RANK = 1


def pack(table: Table) -> np.ndarray:
    """The packed form of a table: int64, one dimension."""
    count, levels = table.commands, len(table.node_base)
    node = HEADER + count * COMMAND
    window = node + levels * table.banks
    history = window + len(table.window_level) * WINDOW
    sibling = history + len(table.window_level) * table.banks
    lists = sibling + len(table.sibling_level) * SIBLING
    banks = np.arange(table.banks)
    nodes = [table.at_ready + (table.node_base[v] + banks // table.node_banks[v]) * count for v in range(levels)]
    windows = [history + np.arange(len(table.window_level)) * table.banks, table.window_size, table.window_value]
    histories = [place + banks // table.node_banks[v] * size
                 for v, size, place in zip(table.window_level, table.window_size, table.window_at, strict=True)]
    siblings = [table.node_banks[table.sibling_level], table.node_banks[table.sibling_level - 1],
                table.sibling_before, table.sibling_after, table.sibling_value, table.sibling_at]  # fmt: skip
    header = np.zeros(HEADER, np.int64)
    places = {
        H_BANKS: table.banks, H_RANKS: table.ranks, H_BANKS_PER_RANK: table.node_banks[RANK], H_REFRESH: table.refresh,
        H_PRECHARGE_ALL: table.precharge_all, H_INTERVAL: table.refresh_interval,
        H_ACTIVATE_OVER_OPEN: table.activate_over_open, H_ALIGN: np.lcm.reduce(table.align_period),
        H_AT_ROW: table.at_row, H_AT_DUE: table.at_due, H_AT_NARROW: table.at_narrow, H_AT_COUNTERS: table.state_size,
        H_AT_COUNTS: table.state_size + CAUSES, H_AT_ACTIVE: table.state_size + CAUSES + count,
        H_VECTOR: counters(table).stop, H_WINDOW: window, H_SIBLING: sibling, H_SIBLING_END: lists,
    }  # fmt: skip
    for place, value in places.items():
        header[place] = value
    records, tail = _records(table, node, lists)
    parts = [header, records, np.array(nodes), np.stack(windows, axis=1), np.array(histories), np.stack(siblings, axis=1), np.array(tail)]
    return np.concatenate([p.ravel() for p in parts]).astype(np.int64)


def _records(table: Table, node: int, lists: int) -> tuple[np.ndarray, list[int]]:
    """The records of the commands, and the lists of checks, groups and rules that they refer to.

    ``node`` is where the look-up tables of the levels begin, ``lists`` where the lists will stand.
    """
    count, levels = table.commands, len(table.node_base)
    records = np.zeros((count, COMMAND), np.int64)
    columns = {
        C_EFFECT: table.effect, C_BUS: BUS + table.bus, C_BUS_CYCLES: table.bus_cycles,
        C_LATENCY: np.where(table.effect == _REFRESH, 0, table.latency),
        C_OPENER: np.where(table.effect == _ACTIVATE, np.arange(count), table.opener), C_CLOSER: table.closer,
        C_ACTIVATIONS: table.activations, C_PERIOD: table.align_period, C_PHASE: table.align_phase,
        C_CAUSE: table.cause, C_CADENCE: table.cadence, C_OCCUPANCY: table.occupancy,
        C_BANKS: table.node_banks[table.scope], C_COLUMN: np.isin(table.effect, _COLUMN_EFFECTS),
    }  # fmt: skip
    for column, values in columns.items():
        records[:, column] = values
    for w in range(len(table.window_level)):
        records[:, C_ENTERS] |= table.window_before[w] << w
        records[:, C_WAITS] |= table.window_after[w] << w
    records[table.sibling_before, C_BEFORE_SIBLING] = 1
    records[table.sibling_after, C_AFTER_SIBLING] = 1

    records[:, C_SLOT] = slot = _slots(table)
    records[:, C_SEES_MORE] = records[:, C_WAITS] | records[:, C_AFTER_SIBLING] | (table.align_period > 1)
    records[:, C_MOVES_MORE] = records[:, C_ENTERS] | records[:, C_BEFORE_SIBLING]

    tail: list[int] = []
    for c in range(count):
        involved = [c, *(int(x) for x in (table.opener[c], table.closer[c]) if x >= 0)]
        records[c, C_WIDE] = all(table.scope[x] <= RANK for x in involved)
        records[c, C_ROWS] = _ROWS.get(int(table.effect[c]), 0)
        records[c, C_NEEDS] = _needs(table, c)
        records[c, C_CHECK] = lists + len(tail)
        tail += [node + v * table.banks for v in range(levels) if table.check_level[c, v]]
        records[c, C_CHECK_END] = records[c, C_GROUP] = lists + len(tail)
        rules = [k for k in range(table.rule_begin[c], table.rule_begin[c + 1]) if slot[table.rule_after[k]] == table.rule_after[k]]
        groups = {v: [k for k in rules if table.rule_level[k] == v] for v in range(levels)}
        groups = {v: found for v, found in groups.items() if found}
        records[c, C_GROUP_END] = at = lists + len(tail) + GROUP * len(groups)
        for v, found in groups.items():
            tail += [node + v * table.banks, at, at + RULE * len(found)]
            at += RULE * len(found)
        tail += [int(x) for found in groups.values() for k in found for x in (table.rule_after[k], table.rule_value[k])]
    return records, tail


def _needs(table: Table, command: int) -> int:
    """How a command must find its bank, if it has one bank (several may have the one row that they all need open)."""
    effect = int(table.effect[command])
    if effect in _COLUMN_EFFECTS:
        return ROW_OPEN
    if effect not in (_ACTIVATE, _PRECHARGE):
        return ANYHOW
    if table.node_banks[table.scope[command]] > 1 or table.node_banks[RANK] == 1:
        return LOOK
    return CLOSED if effect == _ACTIVATE else OPEN


def _slots(table: Table) -> list[int]:
    """For each command the first command that exactly the same rules hold back (RD and RDA, say): their ready times are the same."""
    held: list[set[tuple[int, ...]]] = [set() for _ in range(table.commands)]
    for before in range(table.commands):
        for k in range(table.rule_begin[before], table.rule_begin[before + 1]):
            held[table.rule_after[k]].add((before, int(table.rule_level[k]), int(table.rule_value[k])))
    return [held.index(rules) for rules in held]


def counters(table: Table) -> slice:
    """Where the counters stand in a channel's vector: ticks by cause, commands by kind, ticks with a bank open."""
    return slice(table.state_size, table.state_size + CAUSES + table.commands + 1)

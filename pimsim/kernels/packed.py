"""A :class:`~pimsim.kernels.table.Table` as one int64 vector, the form in which the PIM kernels take it.

A tuple of forty arrays costs a reference count for each at every call, which is a hundred times the work of issuing a command.
Everything about one command stands together in one record; a rule is a record too; and a look-up table gives, for
each level and bank, where the ready times of the node begin in the state.
"""

from __future__ import annotations

import numpy as np

from pimsim.kernels.table import CAUSES, Table

# Header.
(
    H_COMMANDS,
    H_BANKS,
    H_RANKS,
    H_BANKS_PER_RANK,
    H_REFRESH,
    H_PRECHARGE_ALL,
    H_INTERVAL,
    H_ACTIVATE_OVER_OPEN,
    H_AT_ROW,
    H_AT_DUE,
    H_AT_NARROW,
    H_AT_COUNTERS,  # behind the state: ticks by cause, commands by kind, ticks with a bank open
    H_VECTOR,  # state and counters
    H_NODE,  # [5 levels, banks] where the node's ready times begin in the state
    H_RULE,  # rules: (level, command held back, ticks)
    H_WINDOW,  # windows: (level, size, ticks, where the histories begin)
    H_WINDOWS,
    H_SIBLING,  # sibling rules: (level, earlier command, later command, ticks, where the history begins)
    H_SIBLINGS,
    H_LEVEL_BANKS,  # [5] banks below a node of a level
) = range(20)
HEADER = 24

# Command record.
(
    C_SCOPE,
    C_EFFECT,
    C_BUS,
    C_BUS_CYCLES,
    C_LATENCY,
    C_OPENER,
    C_CLOSER,
    C_ACTIVATIONS,
    C_PERIOD,
    C_PHASE,
    C_CAUSE,
    C_CADENCE,
    C_OCCUPANCY,
    C_LEVELS,  # bit l: a rule can hold the command back at level l
    C_RULE_BEGIN,
    C_RULE_END,
    C_ENTERS,  # bit w: enters window w
    C_WAITS,  # bit w: waits for window w
    C_BEFORE_SIBLING,  # takes part in a sibling rule as the earlier command
    C_AFTER_SIBLING,  # ... as the later one
    C_SCOPE_BANKS,  # banks in its scope
) = range(21)
COMMAND = 24
RULE = 3
WINDOW = 4
SIBLING = 5


def pack(table: Table) -> np.ndarray:
    """The packed form of a table: int64, one dimension."""
    count = table.commands
    levels = len(table.node_base)
    records = np.zeros((count, COMMAND), np.int64)
    columns = {
        C_SCOPE: table.scope, C_EFFECT: table.effect, C_BUS: table.bus, C_BUS_CYCLES: table.bus_cycles,
        C_LATENCY: table.latency, C_OPENER: table.opener, C_CLOSER: table.closer, C_ACTIVATIONS: table.activations,
        C_PERIOD: table.align_period, C_PHASE: table.align_phase, C_CAUSE: table.cause, C_CADENCE: table.cadence,
        C_OCCUPANCY: table.occupancy, C_RULE_BEGIN: table.rule_begin[:-1], C_RULE_END: table.rule_begin[1:],
        C_LEVELS: table.check_level @ (1 << np.arange(levels)),
        C_SCOPE_BANKS: table.node_banks[table.scope],
    }  # fmt: skip
    for column, values in columns.items():
        records[:, column] = values
    for w in range(len(table.window_level)):
        records[:, C_ENTERS] |= table.window_before[w] << w
        records[:, C_WAITS] |= table.window_after[w] << w
    records[table.sibling_before, C_BEFORE_SIBLING] = 1
    records[table.sibling_after, C_AFTER_SIBLING] = 1

    banks = np.arange(table.banks)
    nodes = [table.at_ready + (table.node_base[v] + banks // table.node_banks[v]) * count for v in range(levels)]
    rules = np.stack([table.rule_level, table.rule_after, table.rule_value], axis=1)
    windows = np.stack([table.window_level, table.window_size, table.window_value, table.window_at], axis=1)
    siblings = np.stack([table.sibling_level, table.sibling_before, table.sibling_after, table.sibling_value,
                         table.sibling_at], axis=1)  # fmt: skip
    parts = [records, np.array(nodes), rules, windows, siblings, table.node_banks]
    starts = HEADER + np.concatenate(([0], np.cumsum([p.size for p in parts])))
    header = np.zeros(HEADER, np.int64)
    header[H_COMMANDS], header[H_BANKS], header[H_RANKS] = count, table.banks, table.ranks
    header[H_BANKS_PER_RANK] = table.node_banks[1]
    header[H_REFRESH], header[H_PRECHARGE_ALL] = table.refresh, table.precharge_all
    header[H_INTERVAL], header[H_ACTIVATE_OVER_OPEN] = table.refresh_interval, table.activate_over_open
    header[H_AT_ROW], header[H_AT_DUE], header[H_AT_NARROW] = table.at_row, table.at_due, table.at_narrow
    header[H_AT_COUNTERS], header[H_VECTOR] = table.state_size, table.state_size + CAUSES + count + 1
    header[H_NODE], header[H_RULE], header[H_WINDOW], header[H_SIBLING], header[H_LEVEL_BANKS] = starts[1:6]
    header[H_WINDOWS], header[H_SIBLINGS] = len(windows), len(siblings)
    return np.concatenate([header, *(p.ravel() for p in parts)]).astype(np.int64)


def counters(table: Table) -> slice:
    """Where the counters stand in a channel's vector: ticks by cause, commands by kind, ticks with a bank open."""
    return slice(table.state_size, table.state_size + CAUSES + table.commands + 1)

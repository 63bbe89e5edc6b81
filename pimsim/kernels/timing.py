"""When may a command issue, and what does issuing it hold back: the two questions of a DRAM channel.

Both work on one channel's state vector (``pimsim.kernels.table``). The state keeps, for every node and command, the tick from
which the command is allowed ("ready"); a command looks at the nodes on the path from the channel to its target, and
issuing it moves the ready times of the nodes on that path. A run of ``count`` equal column commands at their cadence counts as
one: nothing but the last of them can hold a later command back, because every rule counts from the latest.
"""

from __future__ import annotations

from pimsim.kernels.jit import inline
from pimsim.kernels.table import BUS, LAST


@inline
def earliest(table, state, command, bank):
    """First tick at which ``command`` to flat bank ``bank`` breaks no rule, window, sibling rule or bus occupancy."""
    tick = state[BUS + table.bus[command]]
    at = table.at_ready
    for level in range(table.scope[command] + 1):
        if table.check_level[command, level]:
            node = table.node_base[level] + bank // table.node_banks[level]
            ready = state[at + node * table.commands + command]
            if ready > tick:
                tick = ready
    for w in range(table.window_level.size):
        if table.window_after[w, command]:
            size = table.window_size[w]
            level = table.window_level[w]
            history = table.window_at[w] + (bank // table.node_banks[level]) * size
            # a command of several activations needs that many places in the window
            weight = min(table.activations[command], size)
            ready = state[history + weight - 1] + table.window_value[w]
            if ready > tick:
                tick = ready
    for s in range(table.sibling_level.size):
        if table.sibling_after[s] == command:
            ready = _latest_sibling(table, state, s, bank) + table.sibling_value[s]
            if ready > tick:
                tick = ready
    period = table.align_period[command]
    if period > 1:
        tick += (table.align_phase[command] - tick) % period
    return tick


@inline
def _latest_sibling(table, state, s, bank):
    """Last tick of the earlier command of sibling rule ``s`` in the other nodes below the same parent."""
    level = table.sibling_level[s]
    own = bank // table.node_banks[level]
    per_parent = table.node_banks[level - 1] // table.node_banks[level]
    first = own // per_parent * per_parent
    latest = state[table.sibling_at[s] + first] if first != own else state[table.sibling_at[s] + own + 1]
    for node in range(first, first + per_parent):
        if node != own and state[table.sibling_at[s] + node] > latest:
            latest = state[table.sibling_at[s] + node]
    return latest


@inline
def issue(table, state, command, bank, tick):
    """Record that ``command`` issued at ``tick`` (the last of a counted run): everything it holds back moves."""
    state[LAST] = tick
    state[BUS + table.bus[command]] = tick + table.bus_cycles[command]
    at = table.at_ready
    for k in range(table.rule_begin[command], table.rule_begin[command + 1]):
        level = table.rule_level[k]
        node = table.node_base[level] + bank // table.node_banks[level]
        index = at + node * table.commands + table.rule_after[k]
        ready = tick + table.rule_value[k]
        if ready > state[index]:
            state[index] = ready
    for w in range(table.window_level.size):
        if table.window_before[w, command]:
            size = table.window_size[w]
            history = table.window_at[w] + (bank // table.node_banks[table.window_level[w]]) * size
            weight = min(table.activations[command], size)
            # oldest first: drop `weight` of them, append as many
            for i in range(size - weight):
                state[history + i] = state[history + i + weight]
            for i in range(size - weight, size):
                state[history + i] = tick
    for s in range(table.sibling_level.size):
        if table.sibling_before[s] == command:
            state[table.sibling_at[s] + bank // table.node_banks[table.sibling_level[s]]] = tick

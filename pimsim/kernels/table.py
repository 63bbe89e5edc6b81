"""The arrays that every kernel reads: a standard, a part and an organisation, compiled (see ``pimsim.dram.compile``).

A :class:`Table` is immutable and the same for all channels of a part. The mutable state of a channel is one int64 vector
whose layout is in the table too (``at_*`` are offsets into it), so that it is copied and compared in one go.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NEVER = -(1 << 40)
"""A tick long before any run: the ready time of a command that nothing holds back."""

CAUSES = 10
"""Number of causes cycles are charged to (``pimsim.dram.spec.Cause``)."""


class Table(NamedTuple):
    """Compiled constraint table and state layout. All arrays are int64 unless noted; C = commands, L = 5 levels.

    Constraints with window 1 are *rules*: issuing command c at tick t sets, for k in rule_begin[c] .. rule_begin[c+1],
    ``ready[node(rule_level[k]), rule_after[k]] = max(., t + rule_value[k])``. Rules are lifted: their level is never
    narrower than the scope of either command, so that only the path from the root to a command's node is ever touched.
    """

    commands: int
    banks: int  # banks per channel
    node_base: np.ndarray  # [L] first node of a level
    node_banks: np.ndarray  # [L] banks below one node of a level
    nodes: int
    # per command
    scope: np.ndarray  # [C] level
    effect: np.ndarray  # [C] Effect
    bus: np.ndarray  # [C] command bus, 0 or 1
    bus_cycles: np.ndarray  # [C]
    latency: np.ndarray  # [C] issue to completion
    opener: np.ndarray  # [C] command that opens the row it needs, or -1
    closer: np.ndarray  # [C] command that closes a wrong row, or -1
    row_buffer: np.ndarray  # [C]
    activations: np.ndarray  # [C]
    align_period: np.ndarray  # [C]
    align_phase: np.ndarray  # [C]
    cause: np.ndarray  # [C]
    cadence: np.ndarray  # [C] distance of equal commands to the same place; 0 where a window forbids counting
    occupancy: np.ndarray  # [C] ticks that belong to the command's own cause once it has issued
    check_level: np.ndarray  # [C, L] 1 where a rule can hold the command back at that level
    # rules by earlier command
    rule_begin: np.ndarray  # [C + 1]
    rule_level: np.ndarray
    rule_after: np.ndarray
    rule_value: np.ndarray
    # rules by later command and window (activation windows); history of a window holds its last issue ticks
    window_level: np.ndarray  # [W]
    window_size: np.ndarray  # [W]
    window_value: np.ndarray  # [W]
    window_before: np.ndarray  # [W, C] 1 if the command enters the window
    window_after: np.ndarray  # [W, C] 1 if the command waits for it
    window_at: np.ndarray  # [W] offset of its histories in the state
    # rules between sibling nodes
    sibling_level: np.ndarray  # [S]
    sibling_before: np.ndarray
    sibling_after: np.ndarray
    sibling_value: np.ndarray
    sibling_at: np.ndarray  # [S] offset: last issue tick of `before` per node of the level
    # refresh and row commands of a plain controller (-1: none)
    refresh: int
    precharge_all: int
    refresh_interval: int  # ticks; 0: no refresh
    activate_over_open: int  # 1: an all-bank activation may follow while some of the banks are open on its row
    activate_deadline: int  # ticks within which the second half of a two-command activation must come; 0: no such halves
    needs_clock: np.ndarray  # [C] command that starts the rank's data clock if it has stopped (LPDDR5 CAS), or -1
    keeps_clock: np.ndarray  # [C] ticks after its issue for which the data clock runs
    # state layout
    at_ready: int
    at_row: int  # [2 row buffers, banks] open row or -1
    at_due: int  # [ranks] next refresh due
    at_narrow: int  # first entry of the ready times below the rank level (so that wide-only loops compare less)
    state_size: int
    ranks: int


# Scalars at the front of a channel's state.
LAST = 0  # tick of the last command
BUS = 1  # [2] first free tick of each command bus
DONE = 3  # completion of the latest data of the current task
CHARGED = 4  # every tick before this one is charged to a cause
OWN_END = 5  # end of the ticks that belong to the last command's own cause ...
OWN_CAUSE = 6  # ... and that cause
REST_END = 7  # behind them, end of the ticks that belong to the cause of an earlier command that is still under way ...
REST_CAUSE = 8  # ... and that cause
OPEN = 9  # number of open banks (row buffer 0)
UNIFORM = 10  # the row that every bank has open (the row array then reads "closed"); -1: see the row array
OPEN_SINCE = 11  # from when on open banks have not been counted as active yet
REFRESHES = 12  # refreshes since the task began
DUE_LEAST = 13  # with any first due tick between these two, the task would have gone the same way
DUE_MOST = 14
SCALARS = 15

"""Where everything stands in the vectors of the contended channel (``pimsim.kernels.contend``).

``p`` (the plan, made by ``pimsim.dram.controller.contend_plan``) never changes: policy, commands, rules. ``s`` (the state) holds
everything that does, so that one copy or comparison is enough: the scalars below, ready times (of every node and command, with the
histories of activation windows behind them), two shadows of the ready times, counters, a record for each bank and a pool of waiting
requests.

A shadow is a second set of ready times that only commands of one kind of work have touched: what a command waited for there,
it would have waited for without the other kind. The rest of its wait is charged to the other kind.
"""

from __future__ import annotations

import numpy as np

from pimsim.kernels.table import CAUSES

FOREVER = 1 << 60
"""A tick after any run."""

FAR = 1 << 40
"""More slack than any run uses up."""

# Fields of a memory request.
Q_ARRIVAL, Q_WRITE, Q_BANK, Q_ROW, Q_COLUMN, Q_GROUP = range(6)
REQUEST_FIELDS = 6

# Fields of a PIM transaction, and its kinds: fill the vector buffer, announce a row, multiply (a composite).
T_KIND, T_ARRIVAL, T_BANK, T_ROW, T_COLUMN, T_COMPUTES, T_RESULTS, T_LAST, T_GROUP = range(9)
TRANSACTION_FIELDS = 9
FILL, ANNOUNCE, COMPUTE = range(3)

LOG_FIELDS = 7
"""tick, channel (0), command, flat bank, row, column, count."""

COMPLETION_FIELDS = 4
"""number within its kind, kind (0 read, 1 write, 2 PIM), accepted, done."""

# Fields of a group: requests and transactions that are waited for together.
G_LEFT, G_DONE = range(2)
GROUP_FIELDS = 2

UNTIL, DRAINED, FULL, GROUP = range(4)
"""Why the kernel returned: the tick was reached, there is no more work, the log is full, a group has finished."""

# Scalars of the state.
(
    BUS,  # first free tick of the command bus
    CLOCK,  # the next tick to decide
    NEXT_MEMORY,  # no command of memory traffic can go before this tick ...
    NEXT_PIM,  # ... nor can anything happen to the head of the PIM queue ...
    NEXT_REFRESH,  # ... nor a command of a refresh
    NEXT_MOVE,  # nothing can move into the queue of a bank or of PIM before this tick
    PIM_QUEUED,  # transactions in PIM's queue
    TURN,  # bank whose queue was served last
    REFRESH_DUE,
    REFRESH_RANK,
    SLACK,  # ticks to spare before the next refresh, as the controller remembers them
    LIVE,  # 1: the slack is REFRESH_DUE - tick - ESTIMATE for as long as the head of the PIM queue stays
    ESTIMATE,
    SERVING,  # PIM is being served: its slack binds memory traffic
    HOLD,  # PIM wants to open rows
    SKIP,  # PIM waits for the next refresh
    WAITING,  # there is work for PIM
    FILL_UNTIL,
    FILL_BANK,
    RESERVED,  # row that accesses are kept from, or -1
    UNIT,  # one row buffer: PIM has begun work that memory may not interrupt
    COMPUTED,  # one row buffer: COMPs of the head already issued
    FIRST_COMPUTE,
    RESULT,  # the last READRES of the sequencer
    DRAIN,  # writes still to be served before reads
    READS,  # requests accepted and not yet in a bank's queue ...
    WRITES,
    READ_HEAD,  # ... as lists
    READ_TAIL,
    WRITE_HEAD,
    WRITE_TAIL,
    QUEUED,  # requests in the queues of all banks
    FREE,  # first free entry
    ACCEPTED,  # requests accepted so far
    ANSWERED,  # PIM transactions done so far
    LOGGED,
    COMPLETED,
    FINISHED,  # a group has finished
    FORWARDED,  # reads answered by a waiting write
) = range(39)

VIEW = 6
PIM_VIEW, MEMORY_VIEW = np.int64(39), np.int64(39 + VIEW)
SCALARS = 39 + 2 * VIEW

# A view: every tick before V_CHARGED is charged to a cause; the ticks up to V_OWN belong to V_CAUSE, those behind them up to V_REST to
# V_REST_CAUSE. V_COUNTERS says where its counters are.
V_CHARGED, V_OWN, V_CAUSE, V_REST, V_REST_CAUSE, V_COUNTERS = range(VIEW)

# Plan.
(
    P_DUAL,
    P_ARBITER,
    P_BANKS,
    P_RANKS,
    P_RANK_BANKS,
    P_GROUP_BANKS,
    P_ACT,
    P_PRE,
    P_READ,
    P_WRITE,
    P_REFRESH,
    P_GWRITE,
    P_GACT,
    P_CLOSE,  # closes a row that was opened for PIM
    P_HEADER,
    P_COMPUTE,
    P_RESULT,
    P_COMPOSITE,
    P_INTERVAL,  # ticks between refreshes of the channel
    P_READ_QUEUE,
    P_WRITE_QUEUE,
    P_BANK_QUEUE,
    P_PIM_QUEUE,
    P_DRAIN_ABOVE,
    P_CAP,
    P_HEADER_SLACK,
    P_ROW_COST,
    P_ACTIVATE_SLACK,
    P_PRECHARGE_SLACK,
    P_IDLE_SLACK,
    P_LEAST,
    P_RESULT_AT_END,
    P_RESERVE_WORK,
    P_HOLD,
    P_TO_PRECHARGE,  # for estimates: closing a bank, tFAW, tRCD, tRP, distance of COMPs
    P_WINDOW,
    P_TO_COLUMN,
    P_TO_ACTIVATE,
    P_CADENCE,
    P_TREE,
    P_FILL,
    P_READ_TICKS,
    P_BURST,
    P_BEFORE_RESULT,  # [read, write] least distance to a READRES that comes
    P_BEFORE_RESULT_WRITE,
    P_AFTER_RESULT,  # [read, write] least distance behind a READRES
    P_AFTER_RESULT_WRITE,
    P_AT_BANK,
    P_AT_ENTRY,
    P_AT_COUNTERS,
    P_AT_OPEN,
    P_PIM_SHADOW,  # distance from the ready times to PIM's shadow of them, and to memory's
    P_MEMORY_SHADOW,
    P_INTERNAL_LOG,  # commands of the sequencer are logged
    P_COLUMNS,
    P_TO_REFRESHED,  # tRFC
    P_OUTSTANDING,  # requests accepted and not yet served
) = range(57)
P_NODES = 57
"""Five look-up tables, one a level: from a bank to where the ready times of its node begin in the state."""
P_COMMANDS = 64
"""Records of the commands; behind them those of the windows, and what both refer to."""

# A command's record.
(
    K_LEVELS,  # bit l: a rule can hold the command back at level l
    K_RULES,  # rules: (look-up table of the level, command held back, ticks)
    K_RULES_END,
    K_WINDOWS,  # places of the windows that it enters
    K_WINDOWS_END,
    K_SIBLINGS,  # rules: (banks of a node, of its parent, look-up table, command held back, ticks)
    K_SIBLINGS_END,
    K_WEIGHT,  # its activations
) = range(8)
COMMAND = 8
RULE = 3
SIBLING = 5

# A window's record; the list of what waits for it: (command, its activations).
W_LEVEL, W_BANKS, W_SIZE, W_TICKS, W_HISTORY, W_AFTER, W_AFTER_END = range(7)
WINDOW = 7

PIM_FIRST, MEMORY_FIRST, AGE = range(3)

# A bank's record.
(
    B_BOUND,  # no command of its queue can go before this tick
    B_HEAD,
    B_TAIL,
    B_COUNT,
    B_WRITES,  # writes to it that wait anywhere
    B_READS,  # reads to it that wait anywhere
    B_HITS,  # requests of the queue that hit the open row ...
    B_HIT_READ,  # ... the first read and the first write of them
    B_HIT_WRITE,
    B_SERVED,  # accesses since its row was opened
    B_ROW,  # row open in the memory row buffer (or the only one), or -1 ...
    B_PIM_ROW,  # ... and in the PIM row buffer
) = range(12)
BANK = 12

# An entry: a waiting request.
E_ROW, E_COLUMN, E_WRITE, E_GROUP, E_NUMBER, E_ARRIVAL, E_ACCEPTED, E_STAMP, E_BANK, E_NEXT, E_PREVIOUS = range(11)
ENTRY = 11

# Open rows, for each row buffer and rank: open banks, since when, ticks so far.
O_BANKS, O_SINCE, O_TICKS = range(3)
OPEN = 3

# Counters: PIM's causes, memory's causes, commands by number.
AT_PIM_CAUSES = 0
AT_MEMORY_CAUSES = CAUSES + 2
AT_COMMANDS = 2 * (CAUSES + 2)
CONTENTION = np.int64(CAUSES)  # the channel was taken by the other kind of work
DEADLINE = np.int64(CAUSES + 1)  # the next refresh was too near to begin

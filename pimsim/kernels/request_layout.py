"""Where everything stands in the two int64 vectors that the memory controller works on.

``p`` (the plan, made by ``pimsim.dram.controller.plan``) never changes: policy, command records, rules. ``s`` (the state) holds
everything that does: ready times, banks, waiting requests, candidates, counters. One vector each, because a call into a
kernel costs per argument, and because a state can then be copied and compared in one go.

The state is made of records: a bank's (``b``), a segment's (``g``: the banks of one rank and stack), a rank's (``r``), a
waiting request's (``e``). A record is named by its offset in ``s``, and records name one another so.

Ready times are kept in two forms: *wide* ones, which hold back a command anywhere in a segment, and *narrow* ones, which hold it
back at one bank. A command may issue when both have passed; issuing one moves the ready times of what it holds back.
They never move backwards.

A *candidate* is a command that some waiting request needs next. A bank has at most one for each of five slots; by the command
that it is, it belongs to one of the groups below. A segment has a mask a group, with a bit for each bank that has one.
"""

from __future__ import annotations

NEVER = -(1 << 40)
"""A tick long before any run."""

ALWAYS = 1 << 60
"""A tick after any run."""

FARTHEST = 1 << 18
"""Ticks: no rule reaches so far. Two such must fit into a key (``pimsim.kernels.request_choice``)."""

# Commands, as the kernel numbers them: those of a plain controller first.
ACT, ACT_SECOND, PRE, PRE_ALL, READ, WRITE, READ_CLOSE, WRITE_CLOSE, REFRESH, START_READ, START_WRITE = range(11)
COMMANDS = 24
"""At most so many commands."""

# ---- plan: header
(
    P_SEGMENTS,  # offset of the first segment, and behind the last
    P_SEGMENTS_END,
    P_RANKS,
    P_RANKS_END,
    P_BANKS,
    P_RANK_BANKS,  # banks of a rank
    # policy
    P_DUAL,  # commands of one tick: 0 one; 1 a column, then a row command; 2 two of different kinds, the oldest first
    P_UNIFIED,  # reads and writes wait in one queue
    P_READS,  # requests that may wait to be scheduled: reads (all, if unified) ...
    P_WRITES,  # ... and writes
    P_HOLD,  # requests accepted while they wait for a place in the queue
    P_AT_HOLD,  # ticks at which the last so many entered the queue, in the state
    P_WRITE_HIGH,  # write mode starts with at least so many writes waiting ...
    P_WRITE_LOW,  # ... and ends with at most so many
    P_GUARD,  # when a row may be closed for a waiting request: READY, OLDER or ANY below
    P_CAP,  # column accesses after which hits keep a row open no more; 0: never
    P_PROTECT,  # a request whose row was opened leaves the queue, goes first, and its row stays open for it
    P_CLOSED,  # an access closes its row unless another waiting request needs it
    P_FORWARD,  # a read of a waiting write is answered from the queue
    P_ORDERED,  # a write waits for older reads of its column
    P_POSTED,  # a write is done when accepted, not when issued
    P_REFRESH_BANKS,  # refresh bank by bank
    P_INTERVAL,  # ticks in which a rank has ...
    P_TURNS,  # ... so many refreshes
    P_POSTPONE,  # refreshes that may be owed while there is work
    P_BLOCKS,  # what a waiting refresh keeps from starting: CHANNEL, RANK or BANK below
    P_EACH,  # open banks are closed one by one before a refresh, not all at once
    P_HALVES,  # an activation takes two commands ...
    P_DEADLINE,  # ... so many ticks apart at most
    P_WINDOWS,  # offset of the window records
) = range(30)
P_RECORDS = 32
"""Offset of the command records."""

READY, OLDER, ANY = range(3)
"""Guards. READY: nothing guards a row. OLDER: a hit older than the request. ANY: any hit, and the request must be its bank's oldest."""
CHANNEL, RANK, BANK = range(3)

# ---- plan: command record. Its rules are (ticks, later command) pairs; they begin at K_RULES, each sort ends where it says
(
    K_BUS,
    K_CYCLES,
    K_LATENCY,
    K_PERIOD,
    K_PHASE,
    K_START,  # command that must start the data clock, or -1
    K_KEEP,  # ticks for which the data clock runs after it
    K_WINDOWS,  # bit w: enters window w
    K_RULES,
    K_SEGMENT,  # rules of the own segment
    K_GROUP,  # of the banks of the own bank group
    K_BANK,  # of the own bank
    K_RANK,  # of all segments of the own rank
    K_CHANNEL,  # of all segments
    K_STACKS,  # of the other segments of the own rank
    K_RANKS,  # of the segments of the other ranks
    K_GROUPS,  # of the banks of the other bank groups of the own segment
    K_BANKS,  # of the other banks of the own bank group
) = range(18)
COMMAND = 24

# ---- plan: window record
W_TICKS, W_SIZE, W_REACH, W_AFTER, W_AFTER_END = range(5)
WINDOW = 5
WINDOWS = 4
"""At most so many windows."""
OF_BANK, OF_GROUP, OF_SEGMENT, OF_RANK, OF_CHANNEL = range(5)
"""What a window reaches."""

# ---- state: scalars
(
    FLOOR,  # the next tick to decide
    WRITING,  # write mode
    READS,  # reads in the queue
    WRITES,
    ENTERED,  # tick at which the last request entered the queue
    SEQUENCE,  # requests taken so far
    FREE,  # first free entry
    OUTSTANDING,  # requests in the queue or with their row opened
    HALF_BANK,  # bank between the two halves of its activation, or -1
    HALF_ROW,
    HALF_DEADLINE,
    LOCK_BANK,  # bank whose column command follows the start of the data clock, or -1
    LOCK_GROUP,
    DUE,  # first refresh due of any rank
    OWED,  # refreshes owed and not yet queued, all ranks together
    QUEUED,  # refreshes in the queue
    LAST_COMMAND,
    LAST_COLUMN,
    LAST_DONE,
    ROW_HITS,
    ROW_MISSES,
    ROW_CONFLICTS,
    READ_LATENCY,  # sum over reads of ticks from accepted to done
    READS_DONE,
    WRITES_DONE,
    FORWARDED,
    LOGGED,
    COMPLETED,
    ACCEPTED,  # tick at which the last request was accepted
    BUS,  # [2] first free tick of the row bus (or the only one) and of the column bus
) = range(30)
COUNT = 32
"""Commands issued, by kind."""
HISTOGRAM = COUNT + COMMANDS
EXACT_BINS, OCTAVE_BINS, BINS = 64, 16, 64 + 16 * 40
"""Latency histogram: one bin a tick up to 64, then 16 bins an octave."""
FIFO = HISTOGRAM + BINS
"""Waiting refreshes: their ranks."""
RANKS = 32
"""At most so many ranks."""
SCALARS = FIFO + RANKS

# ---- groups of candidates
(
    COLUMN,
    COLUMN_WRITE,
    OPEN,
    OPEN_WRITE,
    CLOSE,
    CLOSE_WRITE,
    OPENED,  # the column command of a request whose row was opened for it
    OPENED_WRITE,
    MIXED,  # whatever else it needs
) = range(9)
GROUPS = 9
REFRESH_GROUP, HALF_GROUP = 9, 10
"""What is chosen besides candidates: a refresh; the second half of an activation."""

COLUMN_SLOT, ROW_SLOT, OPENED_SLOT = 0, 2, 4
"""A bank's candidates: column read and write, row command for a read (or either) and for a write, of the opened request."""

# ---- state: segment record: wide ready times by command, then
G_MASK = COMMANDS
G_RANK = G_MASK + GROUPS
G_FIRST = G_RANK + 1
"""First bank."""
G_BEST = G_FIRST + 1
"""What was found best in each group: (tick, age, bank, until), or bank -1. See ``pimsim.kernels.request_choice``."""
BEST = 4
BEST_TICK, BEST_AGE, BEST_BANK, BEST_UNTIL = range(4)
SEGMENT = G_BEST + GROUPS * BEST

# ---- state: rank record
(
    R_OPEN,  # open banks
    R_SINCE,
    R_OPEN_TICKS,  # ticks with a bank open
    R_DUE,
    R_OWED,
    R_QUEUED,
    R_NEXT,  # bank to refresh next, bank by bank
    R_CLOCK,  # tick until which the data clock runs
    R_WAITING,  # requests in the queue or with their row opened
    R_FIRST,  # first bank
    R_FALLEN,  # refreshes that have fallen due
) = range(11)
RANK_RECORD = 16

# ---- state: bank record: narrow ready times by command, then
(
    B_INDEX,
    B_SEGMENT,
    B_RANK,
    B_BIT,
    B_GROUP,  # first bank of the own bank group, and behind the last
    B_GROUP_END,
    B_ROW,
    B_SERVED,  # column accesses since the row was opened
    B_ACTIVE,
    B_HEAD,  # reads and writes: oldest, youngest, oldest that hits the open row
    B_HEAD_WRITE,
    B_TAIL,
    B_TAIL_WRITE,
    B_HIT,
    B_HIT_WRITE,
    B_SINCE,
    B_OPEN_TICKS,
) = range(COMMANDS, COMMANDS + 17)
B_RING = COMMANDS + 17
"""Where the windows that the bank's activations enter keep their history."""
B_CANDIDATE = B_RING + WINDOWS
"""(age, command, entry) of each candidate."""
BANK_RECORD = 64

C_AGE, C_COMMAND, C_ENTRY = range(3)
CANDIDATE = 3

# ---- state: entry record (a waiting request)
E_ROW, E_COLUMN, E_AGE, E_NEXT, E_PREVIOUS, E_ACCEPTED, E_FLAGS = range(7)
ENTRY = 8
WRITE_FLAG, TOUCHED_FLAG = 1, 2

# ---- requests, log and completions
Q_ARRIVAL, Q_WRITE, Q_BANK, Q_ROW, Q_COLUMN = range(5)
REQUEST_FIELDS = 5
LOG_FIELDS = 5
"""tick, command, bank, row, column."""
COMPLETION_FIELDS = 3
"""index, accepted, done."""

NEED, UNTIL, DRAINED, FULL = range(4)
"""Why the kernel returned: it needs requests; reached the tick asked for; has nothing left to do; a log is full."""

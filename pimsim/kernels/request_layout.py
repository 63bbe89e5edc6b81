"""Where everything stands in the two int64 vectors that the memory controller works on.

``p`` (the plan, made by ``pimsim.dram.controller.plan``) never changes: policy, organisation, command records, rules. ``s`` (the
state) holds everything that does: ready times, banks, waiting requests, candidates, counters. One vector each, because a
call into a kernel costs per argument, and because a state can then be copied and compared in one go.

Ready times are kept in two forms: *wide* ones, which hold back a command anywhere in a segment (the banks of one rank and
stack), and *narrow* ones, which hold it back at one bank. A command may issue when both have passed; issuing one moves
the ready times of what it holds back. They never move backwards.

A *candidate* is a command that some waiting request needs next. A bank has up to five, one of each group below; a group's mask
has a bit for each bank of a segment that has one.
"""

from __future__ import annotations

from typing import NamedTuple

from pimsim.kernels.jit import inline

NEVER = -(1 << 40)
"""A tick long before any run."""

ALWAYS = 1 << 60
"""A tick after any run."""

# ---- plan: header
(
    P_BANKS,
    P_COMMANDS,
    P_SEGMENTS,
    P_RANKS,
    P_SEGMENT_BANKS,
    P_RANK_BANKS,
    P_RANK_SEGMENTS,
    # policy
    P_DUAL,  # commands of one tick: 0 one; 1 a column, then a row command; 2 two of different kinds, the oldest first
    P_UNIFIED,  # reads and writes wait in one queue
    P_READS,  # requests that may wait to be scheduled: reads (all, if unified) ...
    P_WRITES,  # ... and writes
    P_HOLD,  # requests accepted while they wait for a place in the queue
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
    P_INTERVAL,  # ticks between the refreshes of a rank; 0: no refresh
    P_POSTPONE,  # refreshes that may be owed while there is work
    P_BLOCKS,  # what a waiting refresh keeps from starting: CHANNEL, RANK or BANK below
    P_EACH,  # open banks are closed one by one before a refresh, not all at once
    # commands of the controller
    P_ACT,
    P_ACT_SECOND,  # or -1
    P_DEADLINE,  # ticks from the first to the latest second half of an activation
    P_PRE,
    P_PRE_ALL,
    P_READ,
    P_WRITE,
    P_READ_CLOSE,
    P_WRITE_CLOSE,
    P_REFRESH,
    # sizes and offsets
    P_WINDOWS,
    P_AT_COMMAND,
    P_AT_BANK,
    P_AT_WINDOW,
    S_AT_WIDE,
    S_AT_NARROW,
    S_AT_BANK,
    S_AT_CANDIDATE,
    S_AT_MASK,
    S_AT_RANK,
    S_AT_ENTRY,
    S_AT_FIFO,
    S_AT_HOLD,
    S_AT_COUNT,
    S_AT_HISTOGRAM,
    S_SIZE,
) = range(52)
P_HEADER = 56

READY, OLDER, ANY = range(3)
"""Guards. READY: nothing guards a row. OLDER: a hit older than the request. ANY: any hit, and the request must be its bank's oldest."""
CHANNEL, RANK, BANK = range(3)

# ---- plan: command record; the rules of a command follow one another: (ticks, later command) pairs
(
    K_BUS,
    K_CYCLES,
    K_LATENCY,
    K_PERIOD,
    K_PHASE,
    K_CLOCK,  # command that must start the data clock, or -1
    K_KEEP,  # ticks for which the data clock runs after it
    K_WINDOWS,  # bit w: enters window w
    K_SEGMENT,  # rules of the own segment: end (they begin behind the record)
    K_RANK,  # ... of all segments of the own rank: end
    K_CHANNEL,  # ... of all segments: end
    K_STACKS,  # ... of the other segments of the own rank: end
    K_RANKS,  # ... of the other ranks: end
    K_GROUP,  # ... of the own bank group: end
    K_BANK,  # ... of the own bank: end
    K_GROUPS,  # ... of the other bank groups of the own segment: end
    K_BANKS,  # ... of the other banks of the own bank group: end
    K_RULES,  # where its rules begin
) = range(18)
COMMAND = 18

# ---- plan: bank record
B_SEGMENT, B_RANK, B_GROUP, B_GROUP_END = range(4)
PLACE = 4

# ---- plan: window record; a ring in the state is [next place, ticks of the last commands]
W_TICKS, W_SIZE, W_AT, W_NODE_BANKS, W_AFTER = range(5)
WINDOW = 5

# ---- state: scalars
(
    FLOOR,  # the next tick to decide
    WRITING,  # write mode
    READS,  # reads in the queue
    WRITES,
    ENTERED,  # tick at which the last request entered the queue
    SEQUENCE,  # requests taken so far
    FREE,  # first free entry
    OUTSTANDING,  # requests in the queue or active
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
    BUS,  # [2] first free tick
) = range(29)
SCALARS = 32

# ---- state: bank record
B_ROW, B_SERVED, B_ACTIVE, B_SINCE, B_OPEN_TICKS, B_HEAD, B_HEAD_WRITE, B_TAIL, B_TAIL_WRITE, B_HIT, B_HIT_WRITE = range(11)
BANK_STATE = 12

# ---- state: candidates
ACTIVE, COLUMN, COLUMN_WRITE, ROW, ROW_WRITE = range(5)
GROUPS = 5
REFRESH_GROUP, HALF_GROUP = 5, 6
"""What is chosen besides candidates: a refresh; the second half of an activation."""
C_AGE, C_COMMAND, C_ENTRY = range(3)
CANDIDATE = 4

# ---- state: rank record
R_OPEN, R_SINCE, R_OPEN_TICKS, R_DUE, R_OWED, R_QUEUED, R_NEXT_BANK, R_CLOCK, R_WAITING = range(9)
RANK_STATE = 10

# ---- state: entry record (a waiting request)
E_ROW, E_COLUMN, E_AGE, E_BANK, E_NEXT, E_PREVIOUS, E_ACCEPTED, E_FLAGS = range(8)
ENTRY = 8
WRITE_FLAG, TOUCHED_FLAG = 1, 2

# ---- requests, log and completions
Q_ARRIVAL, Q_WRITE, Q_BANK, Q_ROW, Q_COLUMN = range(5)
REQUEST_FIELDS = 5
LOG_FIELDS = 5
"""tick, command, bank, row, column."""
COMPLETION_FIELDS = 3
"""index, accepted, done."""

EXACT_BINS, OCTAVE_BINS, BINS = 64, 16, 64 + 16 * 40
"""Latency histogram: one bin a tick up to 64, then 16 bins an octave."""

NEED, UNTIL, DRAINED, FULL = range(4)
"""Why the kernel returned: it needs requests; reached the tick asked for; has nothing left to do; a log is full."""


class Layout(NamedTuple):
    """The offsets that the hot loop needs, kept in registers."""

    banks: int
    commands: int
    segments: int
    segment_banks: int
    command: int
    place: int
    wide: int
    narrow: int
    bank: int
    candidate: int
    mask: int
    rank: int
    entry: int


@inline
def layout(p):
    """The offsets of a plan."""
    return Layout(
        p[P_BANKS],
        p[P_COMMANDS],
        p[P_SEGMENTS],
        p[P_SEGMENT_BANKS],
        p[P_AT_COMMAND],
        p[P_AT_BANK],
        p[S_AT_WIDE],
        p[S_AT_NARROW],
        p[S_AT_BANK],
        p[S_AT_CANDIDATE],
        p[S_AT_MASK],
        p[S_AT_RANK],
        p[S_AT_ENTRY],
    )

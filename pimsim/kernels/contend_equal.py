"""What of a contended channel's state decides its future, as of a tick, so that channels can be compared.

Channels whose forms are equal do the same from then on, if they are given the same. Times that have passed are all alike; places of waiting
requests and counters of what was done do not matter. It is taken between two pieces of work: no read and no PIM transaction waits,
writes may; and everything has been charged up to that tick (``settle``).
"""

from __future__ import annotations

import numpy as np

from pimsim.kernels.contend_layout import (
    B_COUNT,
    B_HEAD,
    B_ROW,
    B_SERVED,
    BANK,
    BUS,
    COMPUTED,
    DRAIN,
    E_BANK,
    E_COLUMN,
    E_NEXT,
    E_ROW,
    E_WRITE,
    ESTIMATE,
    FILL_BANK,
    FILL_UNTIL,
    FIRST_COMPUTE,
    HOLD,
    LIVE,
    MEMORY_VIEW,
    NEXT_REFRESH,
    O_BANKS,
    OPEN,
    P_AT_BANK,
    P_AT_COUNTERS,
    P_AT_OPEN,
    P_BANKS,
    P_RANKS,
    PIM_QUEUED,
    PIM_VIEW,
    QUEUED,
    READ_HEAD,
    READS,
    REFRESH_DUE,
    REFRESH_RANK,
    RESERVED,
    RESULT,
    SCALARS,
    SERVING,
    SKIP,
    SLACK,
    TURN,
    UNIT,
    V_CAUSE,
    V_OWN,
    V_REST,
    V_REST_CAUSE,
    WAITING,
    WRITE_HEAD,
    WRITES,
)
from pimsim.kernels.jit import inline, jit
from pimsim.kernels.request_word import pointer

FORM_FIELDS, FORM_SCALARS = 4, 128
"""Of a form: fields of a waiting request, and room for all that is not a part of the state by itself."""

PAST = -1024
"""Ticks after which no distance between commands is felt any more."""

FIXED = np.array([PIM_QUEUED, TURN, REFRESH_RANK, LIVE, SERVING, HOLD, SKIP, WAITING, RESERVED, UNIT, COMPUTED, DRAIN, READS, WRITES,
                  QUEUED])  # fmt: skip
"""Scalars that are compared as they are."""


@inline
def _ahead(value, tick, least):
    """How far a tick lies ahead; ``least`` where it has passed."""
    return max(value - tick, least)


@jit
def form(plan, state, tick, out):
    """Write the form of a channel at ``tick`` into ``out``, int64, long enough; returns its length."""
    p, s = pointer(plan), pointer(state)
    n = 0
    for index in FIXED:
        out[n] = s[index]
        n += 1
    out[n] = s[REFRESH_DUE] - tick
    out[n + 1] = _ahead(s[BUS], tick, 0)
    out[n + 2] = _ahead(s[NEXT_REFRESH], tick, 0)
    out[n + 3] = _ahead(s[FILL_UNTIL], tick, 0)
    out[n + 4] = s[FILL_BANK] if s[FILL_UNTIL] > tick else -1
    out[n + 5] = _ahead(s[FIRST_COMPUTE], tick, PAST)
    out[n + 6] = _ahead(s[RESULT], tick, PAST)
    out[n + 7] = s[SLACK] if s[SERVING] else 0
    out[n + 8] = s[ESTIMATE] if s[LIVE] else 0
    n += 9
    for view in (PIM_VIEW, MEMORY_VIEW):
        for end, cause in ((V_OWN, V_CAUSE), (V_REST, V_REST_CAUSE)):
            out[n] = _ahead(s[view + end], tick, 0)
            out[n + 1] = s[view + cause] if s[view + end] > tick else -1
            n += 2
    for index in range(SCALARS, p[P_AT_COUNTERS]):
        out[n] = _ahead(s[index], tick, 0)
        n += 1
    for o in range(p[P_AT_OPEN], p[P_AT_OPEN] + 2 * p[P_RANKS] * OPEN, OPEN):
        out[n] = s[o + O_BANKS]
        n += 1
    for bank in range(-2, p[P_BANKS]):
        b = p[P_AT_BANK] + bank * BANK
        if bank >= 0:
            out[n] = s[b + B_ROW]
            out[n + 1] = s[b + B_ROW + 1]
            out[n + 2] = s[b + B_SERVED]
            out[n + 3] = s[b + B_COUNT]
            n += 4
        entry = s[b + B_HEAD] if bank >= 0 else s[READ_HEAD] if bank == -2 else s[WRITE_HEAD]
        while entry >= 0:
            for field in (E_ROW, E_COLUMN, E_WRITE, E_BANK):
                out[n] = s[entry + field]
                n += 1
            entry = s[entry + E_NEXT]
    return n

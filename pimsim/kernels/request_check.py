"""Whether requests lie in the part and in order: one pass over them, so that handing requests over stays cheap.

The memory-controller kernels index their state by bank without checking bounds; what is wrong must be refused before.
"""

from __future__ import annotations

from pimsim.kernels.jit import jit
from pimsim.kernels.request_layout import Q_ARRIVAL

FINE, WRONG_FIELD, WRONG_ORDER = range(3)


@jit
def first_wrong(requests, limits, ordered, latest):
    """The first request that cannot be served: (what is wrong, request, field).

    Args:
        requests: int64 [n, at least 5], as a channel takes them.
        limits: int64 [5], the values that each field has, from 0; 0: any that is not negative.
        ordered, latest: whether no request arrives before this tick, or before the one ahead of it.
    """
    for i in range(requests.shape[0]):
        for field in range(limits.size):
            value = requests[i, field]
            if value < 0 or (limits[field] > 0 and value >= limits[field]):
                return WRONG_FIELD, i, field
        if ordered and requests[i, Q_ARRIVAL] < latest:
            return WRONG_ORDER, i, Q_ARRIVAL
        latest = requests[i, Q_ARRIVAL]
    return FINE, -1, -1

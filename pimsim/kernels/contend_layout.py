"""Where everything stands in the vectors of the contended channel (``pimsim.kernels.contend``)."""

from __future__ import annotations

# Fields of a memory request.
Q_ARRIVAL, Q_BANK, Q_ROW, Q_COLUMN, Q_WRITE, Q_GROUP = range(6)
REQUEST_FIELDS = 6

# Fields of a PIM transaction, and its kinds.
T_KIND, T_ARRIVAL, T_BANK, T_ROW, T_COLUMN, T_COMPUTES, T_RESULTS, T_LAST, T_GROUP = range(9)
TRANSACTION_FIELDS = 9
FILL, ANNOUNCE, COMPUTE = range(3)

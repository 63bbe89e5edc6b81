"""The hot loops: numba over int64 arrays, nothing else. What they compute is defined by plain-Python oracles beside them."""

"""Work handed to a channel, checked: the kernels that serve it look up banks and rows without checking bounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pimsim.dram.spec import Organization
from pimsim.kernels.request_check import FINE, WRONG_FIELD, first_wrong

REQUEST = ("arrival", "write", "flat bank", "row", "column")
"""The fields of a request."""


def request_limits(organization: Organization) -> np.ndarray:
    """How many values each field of a request has, int64 [5]; 0: any that is not negative."""
    return np.array([0, 2, organization.banks_per_channel, organization.rows, organization.columns], np.int64)


def admitted(work: np.ndarray, width: int, limits: np.ndarray, names: Sequence[str], latest: int | None) -> np.ndarray:
    """``work`` as int64 [n, width] without gaps, if all of it lies in the part.

    Args:
        limits, names: of the first fields; see :func:`request_limits`.
        latest: nothing arrives before this tick or before what is ahead of it; None: the order does not matter.

    Raises:
        ValueError: another shape, numbers that are not whole, a field outside the part, an arrival that goes back.
    """
    work = np.asarray(work)
    if work.ndim != 2 or work.shape[1] != width:
        raise ValueError(f"an array of shape {work.shape}; (n, {width}) is needed: {', '.join(names)}, ...")
    if work.dtype.kind not in "iu":
        raise ValueError(f"an array of {work.dtype}; whole numbers are needed")
    rows = np.ascontiguousarray(work, np.int64)
    what, index, field = first_wrong(rows, limits, latest is not None, latest or 0)
    if what == FINE:
        return rows
    value = rows[index, field]
    if what == WRONG_FIELD:
        most = f" to {limits[field] - 1}" if limits[field] else " or more"
        raise ValueError(f"{names[field]} {value} (number {index}) is outside the part: 0{most}")
    raise ValueError(f"number {index} arrives at {value}, before what is ahead of it: work comes in the order of its arrival")

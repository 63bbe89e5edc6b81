"""Addresses of the NeuPIMs simulator's NPU (casys-kaist/NeuPIMs f299af3): ``compat.synthetic_addresses``, ``compat.unordered_requests``.

Whatever is loaded or stored, a counter goes round in a region of the low rows. The requests of an instruction then leave a hash set
(robin_hood's: MurmurHash3's finalizer, a power of two of slots, four fifths of them in use at most) in the order of its slots, so that
each channel gets them in an order of its own.
"""

from __future__ import annotations

import numpy as np

from pimsim.mapping.tensor import Geometry

FIRST, SECOND = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
"""MurmurHash3's fmix64 (Appleby, public domain)."""

SHIFT, SKIPPED = np.uint64(33), np.uint64(5)
LEAST_SLOTS = 8


def slots(addresses: np.ndarray, members: int) -> np.ndarray:
    """The slots of addresses in a set that holds so many."""
    x = addresses.astype(np.uint64)
    x = (x ^ (x >> SHIFT)) * FIRST
    x = (x ^ (x >> SHIFT)) * SECOND
    x ^= x >> SHIFT
    size = LEAST_SLOTS
    while size * 4 < members * 5:
        size *= 2
    return (x >> SKIPPED).astype(np.int64) & (size - 1)


def in_set_order(units: np.ndarray, counts: np.ndarray, channel: int, geometry: Geometry) -> np.ndarray:
    """The units of a channel in the order in which their instructions' sets are gone through.

    Args:
        units: within the channel. counts: how many of them each instruction has.
    """
    row, column = np.divmod(units, geometry.columns)
    address = (row * geometry.channels + channel) * geometry.columns + column
    instruction = np.repeat(np.arange(len(counts)), counts)
    most = int(counts.max(initial=0)) * geometry.channels
    return units[np.lexsort((slots(address * geometry.unit_bytes, most), instruction))]

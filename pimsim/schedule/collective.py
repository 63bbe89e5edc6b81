"""Time of the communication between devices: all-reduce inside a tensor-parallel group, transfers between pipeline stages.

Cost of a message: latency + bytes / bandwidth, of one direction of one link (Hockney's model). With p devices and n bytes:

* ring: each device is linked to the next. Reduce-scatter and all-gather take p - 1 steps each, in which every device passes on one
  shard of ceil(n / p) bytes: 2 (p - 1) (latency + shard / bandwidth). Least bytes for a link (Patarasuk and Yuan, JPDC 69(2), 2009;
  Thakur, Rabenseifner and Gropp, IJHPCA 19(1), 2005).
* direct: each device is linked to every other by a link of its own. The same two phases, but the p - 1 shards of a phase go out at the
  same time, one over each link (pairwise exchange in the latter paper, with all its steps at once): 2 (latency + shard / bandwidth).

A tensor-parallel decoder layer does two all-reduces of its activations, behind the projection and behind the FFN (Megatron-LM,
Shoeybi et al., arXiv 1909.08053, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pimsim.units import FS_PER_S

Topology = Literal["ring", "direct"]
ALL_REDUCES_PER_LAYER = 2


@dataclass(frozen=True, slots=True)
class Link:
    """One direction of a link between two devices."""

    bandwidth_bytes_per_s: int
    latency_fs: int

    def message_fs(self, size_bytes: int) -> int:
        """Time of one message, rounded up."""
        return self.latency_fs + -(-size_bytes * FS_PER_S // self.bandwidth_bytes_per_s)


def all_reduce_fs(topology: Topology, devices: int, size_bytes: int, link: Link) -> int:
    """Time until every device has the sum of ``size_bytes`` on each; 0 for one device or nothing to add."""
    if devices == 1 or size_bytes == 0:
        return 0
    steps = 2 * (devices - 1) if topology == "ring" else 2
    return steps * link.message_fs(-(-size_bytes // devices))


def all_reduce_link_bytes(devices: int, size_bytes: int, topology: Topology) -> int:
    """Bytes that one direction of one link carries in :func:`all_reduce_fs`."""
    if devices == 1:
        return 0
    shard = -(-size_bytes // devices)
    return 2 * (devices - 1) * shard if topology == "ring" else 2 * shard


def layer_fs(topology: Topology, devices: int, tokens: int, hidden: int, precision_bytes: int, link: Link) -> int:
    """Time of the all-reduces of one decoder layer for ``tokens`` tokens."""
    return ALL_REDUCES_PER_LAYER * all_reduce_fs(topology, devices, tokens * hidden * precision_bytes, link)


def transfer_fs(tokens: int, hidden: int, precision_bytes: int, link: Link) -> int:
    """Time to hand the activations of ``tokens`` tokens to the next pipeline stage."""
    return link.message_fs(tokens * hidden * precision_bytes)

"""How long the attention of a request takes in its channel: NeuPIMs' estimate (arXiv 2403.00579, algorithm 1).

A vector is copied to the channel's buffer (GWRITE), then a row of all banks is opened and multiplied at a time (a tile):

    q K^T:  ceil(E / page) * (gwrite + ceil(context / banks) * tile)                  E = heads * head_dim
    P V:    heads * ceil(context / page) * (gwrite + ceil(value_dim / banks) * tile)         value_dim = head_dim but for latent attention

The paper's figures are gwrite 100 and tile 184 cycles, page 512 elements and 32 banks (casys-kaist/NeuPIMs f299af3,
trace-generator/channel_load_balancing.py). That script divides E among the devices of a tensor-parallel group but not the heads of
P V; its simulator divides both. ``undivided_heads`` follows the script.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MhaEstimate:
    """The estimate's parameters.

    Attributes:
        heads, head_dim: of the model, as much of it as one device holds.
        gwrite_cycles: a copy to the buffer.
        tile_cycles: a row of all banks, opened and multiplied.
        page: elements of a row of one bank.
        banks: of a channel, all ranks together.
        undivided_heads: heads counted for P V; 0: ``heads``. value_dim: 0: ``head_dim``.
    """

    heads: int
    head_dim: int
    gwrite_cycles: int = 100
    tile_cycles: int = 184
    page: int = 512
    banks: int = 32
    undivided_heads: int = 0
    value_dim: int = 0

    def __post_init__(self) -> None:
        if not self.value_dim:
            object.__setattr__(self, "value_dim", self.head_dim)

    def logit_cycles(self, context: int) -> int:
        """q K^T of one request that attends to ``context`` tokens, one layer."""
        chunks = -(-self.heads * self.head_dim // self.page)
        return chunks * (self.gwrite_cycles + -(-context // self.banks) * self.tile_cycles)

    def attend_cycles(self, context: int) -> int:
        """P V of one request that attends to ``context`` tokens, one layer."""
        heads = self.undivided_heads or self.heads
        return heads * -(-context // self.page) * (self.gwrite_cycles + -(-self.value_dim // self.banks) * self.tile_cycles)

    def cycles(self, context: int) -> int:
        """Attention of one request, one layer."""
        return self.logit_cycles(context) + self.attend_cycles(context)

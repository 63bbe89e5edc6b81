"""Global attention over blocks, local attention within them (Block Transformer, Ho et al. 2024, arXiv 2406.02657).

The lower layers, the block decoder, run once for every block of tokens, on one vector a block, and attend to all blocks so far. The upper
layers, the token decoder, run for every token and attend to the tokens of its own block. The embedder and the projection of a
block's vector to the token decoder are small beside a layer and left out.
"""

from __future__ import annotations

from typing import NamedTuple


class Blocks(NamedTuple):
    """``tokens`` a block, and how many ``layers`` from the first on make up the block decoder; 0 tokens: plain decoding."""

    tokens: int = 0
    layers: int = 0

    def attended(self, layer: int, context: int) -> int:
        """What ``layer`` has seen at the ``context``-th token, the new one included: blocks or tokens; 0: it does not run."""
        if not self.tokens:
            return context
        block, token = divmod(context - 1, self.tokens)
        if layer >= self.layers:
            return token + 1
        return 0 if token else block + 1

    def scope(self, layer: int) -> str:
        """``global`` or ``local``; empty in plain decoding."""
        return ("global" if layer < self.layers else "local") if self.tokens else ""

"""Speculative decoding with a small and a large model (Big Little Decoder, Kim et al. 2023, arXiv 2302.07863).

Round by round, the small model drafts some tokens one after the other; then the large one computes all of them and the token behind
them. It accepts drafts up to the first that it would not have chosen, puts its own token there, and the next round begins behind it. Each
draft is accepted with the same probability, drawn from a seed. What was computed for rejected tokens is work, but gives no token.

The large model's tokens are token steps of their own: a memory that multiplies a matrix by one vector at a time reads it once a
token, whether the tokens are known beforehand or not. Devices that share the weights among tokens take those of a round
together (:mod:`pimsim.baseline.work`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple


class Turn(NamedTuple):
    """One token step: the number of tokens so far, what it counts as, and whether the small model takes it."""

    context: int
    phase: str  # prefill, decode, draft, rejected
    small: bool = False


class Speculation(NamedTuple):
    """``drafts`` tokens a round, each accepted with the probability ``acceptance``."""

    drafts: int
    acceptance: float
    seed: int = 0

    def turns(self, contexts: range, decode_from: int) -> Iterator[Turn]:
        """The token steps of a run whose plain steps have ``contexts``, those from ``decode_from`` on being decode."""
        for small in (True, False):
            yield from (Turn(context, "prefill", small) for context in range(contexts.start, decode_from))
        draw = random.Random(f"{self.seed}/acceptance")
        context, end = decode_from, contexts.stop
        while context < end:
            drafts = min(self.drafts, end - context - 1)  # the last token needs none
            accepted = 0
            while accepted < drafts and draw.random() < self.acceptance:
                accepted += 1
            yield from (Turn(context + i, "draft", small=True) for i in range(drafts))
            for i in range(drafts + 1):
                yield Turn(context + i, "decode" if i <= accepted else "rejected")
            if accepted == drafts and context + drafts + 1 < end:  # the small model has not seen its own last draft
                yield Turn(context + drafts, "draft", small=True)
            context += accepted + 1

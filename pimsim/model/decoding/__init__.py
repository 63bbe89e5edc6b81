"""Ways of decoding that change what a decoder reads and computes; one option a file, each after the paper it names.

An option rewrites the graph of a layer, decides which layers a token goes through and what they attend to, or decides which token steps
there are. At its neutral setting the trace is that of plain decoding.
"""

from __future__ import annotations

from pimsim.model.decoding.option import PLAIN, Decoding

__all__ = ["PLAIN", "Decoding"]

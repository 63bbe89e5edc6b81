"""Numbers of narrow formats, as bf16 numbers that they equal: integers of few bits, or fp8, times a power of two.

The scale is one for all that is narrowed together (a matrix, a vector of K or V, an operand); as a power of two it makes no rounding of its
own. fp8 is E4M3 (Micikevicius et al. 2022, arXiv 2209.05433).
"""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np

from pimsim.mapping.functional.memory import Array
from pimsim.model.dtype import BITS
from pimsim.units import BF16_BITS

LARGEST = {"int8": 127.0, "int4": 7.0, "fp8": 448.0}
"""The largest number of each format."""


def narrowed(x: Array, dtype: str) -> Array:
    """``x`` rounded to the nearest numbers of ``dtype`` times a power of two; as it is where the format has 16 bits or more."""
    if BITS[dtype] >= BF16_BITS:
        return x
    largest = float(np.abs(x).max(initial=0.0))
    if largest == 0:
        return x
    scale = 2.0 ** math.ceil(math.log2(largest / LARGEST[dtype]))
    steps = x / scale
    kept = steps.astype(ml_dtypes.float8_e4m3fn) if dtype == "fp8" else np.rint(steps)
    return (kept.astype(np.float32) * np.float32(scale)).astype(np.float32)

"""Functions made of additions and multiplications, as PIM-GPT's ASIC computes them (arXiv 2310.09385).

exp is a Taylor series behind a range reduction, the sigmoid and tanh go through exp, the reciprocal is Newton-Raphson
from a guess made by exponent manipulation, and 1/sqrt is the fast inverse square root of Quake III. ``docs/asic.md``
has the formulas, the counts and the measured errors.
"""

from __future__ import annotations

import math

from pimsim.asic.datapath import Datapath, V

EXP_LIMIT = 86.5
"""exp takes [-86.5, 86.5]: results and their reciprocals stay normal numbers; 86.5 is exact in bf16."""

RECIPROCAL_GUESS = 0x7EF311C3
"""Negating the exponent by integer subtraction; within 5.1 % of 1/x, the best that such a constant can do."""

INVSQRT_GUESS = 0x5F3759DF
"""The constant of the fast inverse square root (Lomont 2003); within 3.5 % of 1/sqrt(x)."""


def exp(d: Datapath[V], x: V) -> V:
    """e^x for x in [-EXP_LIMIT, EXP_LIMIT]; the caller clamps."""
    if d.spec.range_reduction == "split":
        n = d.round(d.multiply(x, 1 / math.log(2)))
        return d.scale_exponent(_taylor_exp(d, d.subtract(x, d.multiply(n, math.log(2)))), n)
    if d.spec.range_reduction == "halving":
        power = _taylor_exp(d, d.scale_exponent(x, -d.spec.halvings))
        for _ in range(d.spec.halvings):
            power = d.multiply(power, power)
        return power
    return _taylor_exp(d, x)


def _taylor_exp(d: Datapath[V], x: V) -> V:
    """Sum of x^i / i! for i < taylor_terms, by Horner's rule: a multiplication and an addition a term but the first."""
    highest = d.spec.taylor_terms - 1
    total = d.multiply(x, 1 / math.factorial(highest))
    for i in range(highest - 1, 0, -1):
        total = d.multiply(d.add(total, 1 / math.factorial(i)), x)
    return d.add(total, 1.0)


def reciprocal(d: Datapath[V], x: V) -> V:
    """1/x for 2^-126 <= |x| <= 2^125: y <- y (2 - x y), newton_steps times; each step squares the relative error."""
    y = d.bit_subtract(RECIPROCAL_GUESS, x, 0)
    for _ in range(d.spec.newton_steps):
        y = d.multiply(y, d.subtract(2.0, d.multiply(x, y)))
    return y


def inverse_sqrt(d: Datapath[V], x: V) -> V:
    """1/sqrt(x) for normal x > 0: y <- y (3/2 - x/2 y^2), invsqrt_newton_steps times."""
    half = d.scale_exponent(x, -1)
    y = d.bit_subtract(INVSQRT_GUESS, x, 1)
    for _ in range(d.spec.invsqrt_newton_steps):
        y = d.multiply(y, d.subtract(1.5, d.multiply(half, d.multiply(y, y))))
    return y


def tanh(d: Datapath[V], x: V) -> V:
    """tanh x = 1 - 2 / (e^2x + 1), any x."""
    power = exp(d, d.clamp(d.scale_exponent(x, 1), -EXP_LIMIT, EXP_LIMIT))
    return d.subtract(1.0, d.scale_exponent(reciprocal(d, d.add(power, 1.0)), 1))


def sigmoid(d: Datapath[V], x: V) -> V:
    """1 / (1 + e^-x), any x."""
    power = exp(d, d.clamp(d.subtract(0.0, x), -EXP_LIMIT, EXP_LIMIT))
    return reciprocal(d, d.add(power, 1.0))

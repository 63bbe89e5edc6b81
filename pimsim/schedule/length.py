"""Lengths of requests, drawn from a distribution fitted to the percentiles that are published of a data set.

Published are the mean, the median and the 90th and 99th percentile (NeuPIMs' trace generator, stats.tsv). The family is a
piecewise lognormal: ln(length) is a polygon over the standard normal score z, with corners at the three published percentiles,

    ln x(z) = ln median + low z               z <= 0
            = ln median + body z              0 <= z <= z90        body = ln(p90 / median) / z90
            = ln p90 + upper (z - z90)        z90 <= z <= z99      upper = ln(p99 / p90) / (z99 - z90)
            = ln p99 + tail (z - z99)         z99 <= z

so the three percentiles are met by construction. Nothing published fixes the two outer slopes by themselves; the mean is one
equation between them, and of its solutions the one is taken that bends the polygon least at its ends: the least
ln(low / body)^2 + ln(tail / upper)^2. There is no other parameter. Lengths are rounded to whole tokens, at least 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

from pimsim.errors import InputError, Problem

_NORMAL = NormalDist()
_Z90 = _NORMAL.inv_cdf(0.9)
_Z99 = _NORMAL.inv_cdf(0.99)
_FAR = 40.0
"""Normal scores beyond this have no probability that a float could hold."""
_STEEPEST = 6.0
"""Slopes are looked for up to this; a lognormal of that sigma has a mean e^18 times its median."""


@dataclass(frozen=True, slots=True)
class Published:
    """What is known of a data set's lengths, in tokens."""

    mean: float
    median: float
    p90: float
    p99: float


PUBLISHED = {
    ("alpaca", "input"): Published(12.1, 11, 17, 27),
    ("alpaca", "output"): Published(55.8, 40, 122, 248),
    ("sharegpt", "input"): Published(80.3, 17, 118, 1267),
    ("sharegpt", "output"): Published(295.0, 261, 576, 960),
}
"""Alpaca (52,002 requests) and ShareGPT (391,726): casys-kaist/NeuPIMs f299af3, trace-generator, stats.tsv."""

DATASETS = tuple(dict.fromkeys(name for name, _ in PUBLISHED))


@dataclass(frozen=True, slots=True)
class Lengths:
    """The fitted distribution: corners in tokens, slopes of ln(length) over the normal score."""

    median: float
    p90: float
    p99: float
    low: float
    body: float
    upper: float
    tail: float

    def at(self, probability: float) -> float:
        """The length that is not exceeded with ``probability`` (0 < probability < 1), before rounding."""
        z = _NORMAL.inv_cdf(probability)
        if z <= 0:
            return self.median * math.exp(self.low * z)
        if z <= _Z90:
            return self.median * math.exp(self.body * z)
        if z <= _Z99:
            return self.p90 * math.exp(self.upper * (z - _Z90))
        return self.p99 * math.exp(self.tail * (z - _Z99))

    def tokens(self, probability: float) -> int:
        """:meth:`at` in whole tokens, at least 1."""
        return max(1, round(self.at(probability)))

    @property
    def mean(self) -> float:
        """Expected length before rounding."""
        return (_partial(self.median, 0, self.low, -_FAR, 0) + _partial(self.median, 0, self.body, 0, _Z90)
                + _partial(self.p90, _Z90, self.upper, _Z90, _Z99) + _partial(self.p99, _Z99, self.tail, _Z99, _FAR))


def fit(published: Published) -> Lengths:
    """The piecewise lognormal with the published percentiles and mean (see the module's text).

    Raises:
        InputError: percentiles that do not rise, or a mean that no outer slopes give.
    """
    p = published
    if not 0 < p.median < p.p90 < p.p99:
        raise InputError(Problem(f"median {p.median:g}, p90 {p.p90:g}, p99 {p.p99:g} do not rise", "0 < median < p90 < p99"))
    body = math.log(p.p90 / p.median) / _Z90
    upper = math.log(p.p99 / p.p90) / (_Z99 - _Z90)
    inner = _partial(p.median, 0, body, 0, _Z90) + _partial(p.p90, _Z90, upper, _Z90, _Z99)

    def tail_for(low: float) -> float | None:
        if low > _STEEPEST:
            return None
        rest = p.mean - inner - _partial(p.median, 0, low, -_FAR, 0)
        return _root(lambda slope: _partial(p.p99, _Z99, slope, _Z99, _FAR) - rest)

    def bend(log_low: float) -> float:
        tail = tail_for(math.exp(log_low))
        return math.inf if tail is None else (log_low - math.log(body)) ** 2 + math.log(tail / upper) ** 2

    grid = [math.log(body) + step / 64 for step in range(-256, 257)]
    best = min(grid, key=bend)
    low = math.exp(_least(bend, best - 1 / 64, best + 1 / 64))
    if (tail := tail_for(low)) is None:
        raise InputError(Problem(f"no lengths have mean {p.mean:g} with median {p.median:g}, p90 {p.p90:g} and p99 {p.p99:g}"))
    return Lengths(p.median, p.p90, p.p99, low, body, upper, tail)


def published_lengths(dataset: str, which: str) -> Lengths:
    """The fit to one of :data:`PUBLISHED`; ``which`` is input or output."""
    return fit(PUBLISHED[dataset, which])


def _partial(corner: float, z: float, slope: float, begin: float, end: float) -> float:
    """The part of the mean between two normal scores of corner e^(slope (Z - z)): a lognormal's partial expectation."""
    mass = _NORMAL.cdf(end - slope) - _NORMAL.cdf(begin - slope)
    return corner * math.exp(slope * slope / 2 - slope * z) * mass


def _root(rising: Callable[[float], float]) -> float | None:
    """Where ``rising`` is 0 between slopes 0 and the steepest, by bisection to the last bit; None if it is not."""
    low, high = 1e-9, _STEEPEST
    if rising(low) > 0 or rising(high) < 0:
        return None
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return middle
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)


def _least(function: Callable[[float], float], low: float, high: float) -> float:
    """Where ``function`` is least in an interval with one minimum, by golden section."""
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(60):
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if function(left) <= function(right) else (left, high)
    return (low + high) / 2

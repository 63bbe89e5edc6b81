"""``approximate: iterations``: iterations that are not simulated stand between simulated ones.

Every iteration has an estimate of its time in closed form (:func:`estimate_ticks`): it is not used as a time, only to tell how far two
iterations are apart. Between two simulated ones of about as many new tokens and with estimates at most :data:`SPAN_PERCENT` apart, all
counts are interpolated; up to :data:`BEYOND_PERCENT` beyond two they are extrapolated, and within :data:`NEAR_PERCENT` of a single one
scaled; any other iteration is simulated. To know the error, some of those that need not be simulated are, and compared
(:attr:`Anchors.errors`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from pimsim.sim.serving.account import Account, between, scaled
from pimsim.sim.serving.estimate import Estimates
from pimsim.sim.serving.plan import Item

SPAN_PERCENT = 8
BEYOND_PERCENT = 2
NEAR_PERCENT = 1
TOKENS_PERCENT = 10
"""New tokens of iterations that are compared may differ by so much, half of it where there is only one."""
SAMPLES = 3
"""Iterations that are simulated although they need not be, to measure the error on."""
FIRST_SAMPLE = 4
"""Guesses before the first of them; every further one comes after four times as many."""


@dataclass(frozen=True, slots=True)
class Feature:
    """What iterations are compared by: their estimate, and their new tokens."""

    ticks: int
    tokens: int


def feature(items: Sequence[Item], estimates: Estimates) -> Feature:
    """Of an iteration."""
    ticks = sum(estimates.stage_ticks(item.work) * item.repeat for item in items)
    tokens = max((op.m for item in items for op in item.work.npu), default=len(items[0].work.pim))
    return Feature(max(1, ticks), max(1, tokens))


@dataclass(frozen=True, slots=True)
class Guess:
    """What an iteration takes without being simulated; no account: it has to be."""

    how: str = ""
    account: Account | None = None


@dataclass
class Anchors:
    """Simulated iterations, by their kind and in the order of their estimates. Groups with as many layers share them.

    ``errors``: relative errors of the time of iterations that were guessed and then simulated.
    """

    estimates: Estimates
    errors: list[float] = field(default_factory=list)
    simulated: int = 0
    guessed: int = 0
    _known: dict[tuple[object, ...], list[tuple[Feature, Account]]] = field(default_factory=dict)
    _sample: Account | None = None
    _next_sample: int = FIRST_SAMPLE

    def guess(self, items: Sequence[Item]) -> Guess:
        """What is known about an iteration with these stages."""
        made = self._guess(self._known.get(_kind(items), []), feature(items, self.estimates))
        if made.account is None:
            return made
        if len(self.errors) < SAMPLES and self.guessed >= self._next_sample:
            self._next_sample *= 4
            self._sample = made.account
            return Guess()
        self.guessed += 1
        return made

    def keep(self, items: Sequence[Item], account: Account) -> None:
        """An iteration was simulated."""
        self.simulated += 1
        if self._sample is not None:
            ticks = account[("ticks",)]
            self.errors.append((self._sample[("ticks",)] - ticks) / ticks)
            self._sample = None
        known, mine = self._known.setdefault(_kind(items), []), feature(items, self.estimates)
        known.insert(bisect_left(known, mine.ticks, key=lambda anchor: anchor[0].ticks), (mine, account))

    def _guess(self, known: Sequence[tuple[Feature, Account]], mine: Feature) -> Guess:
        like = [anchor for anchor in known if abs(anchor[0].tokens - mine.tokens) * 100 <= TOKENS_PERCENT * mine.tokens]
        ticks = [anchor[0].ticks for anchor in like]
        for one, account in like:
            if one == mine:
                return Guess("interpolated", account)
        at = bisect_left(ticks, mine.ticks)
        if 0 < at < len(like) and _apart(ticks[at - 1], ticks[at], SPAN_PERCENT):
            return Guess("interpolated", _between(like[at - 1], like[at], mine.ticks))
        near = min((i for i in (at - 1, at) if 0 <= i < len(like)), key=lambda i: abs(ticks[i] - mine.ticks), default=None)
        if near is None:
            return Guess()
        other = near - 1 if at == len(like) else near + 1
        if 0 <= other < len(like) and at in (0, len(like)) and _apart(ticks[near], mine.ticks, BEYOND_PERCENT):
            if not _apart(ticks[near], ticks[other], 1) and _apart(ticks[near], ticks[other], SPAN_PERCENT):
                return Guess("extrapolated", _between(like[other], like[near], mine.ticks))
        tokens = abs(like[near][0].tokens - mine.tokens) * 200 <= TOKENS_PERCENT * mine.tokens
        if tokens and _apart(ticks[near], mine.ticks, NEAR_PERCENT):
            return Guess("scaled", scaled(like[near][1], mine.ticks, ticks[near]))
        return Guess()


def _apart(one: int, other: int, percent: int) -> bool:
    """Whether two estimates are at most so far apart."""
    return abs(one - other) * 100 <= percent * min(one, other)


def _between(low: tuple[Feature, Account], high: tuple[Feature, Account], ticks: int) -> Account:
    """Counts on the line through two anchors."""
    span = high[0].ticks - low[0].ticks
    return between(low[1], high[1], ticks - low[0].ticks, span) if span else low[1]


def _kind(items: Sequence[Item]) -> tuple[object, ...]:
    """Iterations of different kinds are not compared: their stages, and whether they take in prompts."""
    prompts = any(op.kind == "attention" for item in items for op in item.work.npu)
    return (tuple((item.work.name, item.repeat) for item in items), prompts)

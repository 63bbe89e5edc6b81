"""``approximate: iterations``: iterations that are not simulated stand between simulated ones.

Every iteration has an estimate of its time in closed form (:func:`estimate_ticks`): it is not used as a time, only to tell how far two
iterations are apart. One whose estimate lies between those of two simulated ones at most :data:`SPAN` apart is interpolated, count
by count; one within :data:`NEAR` of a simulated one is that one, scaled; any other is simulated. To know the error, some of those that
need not be simulated are, and compared (:attr:`Anchors.errors`).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from pimsim.sim.serving.account import Account, between, scaled
from pimsim.sim.serving.estimate import Estimates
from pimsim.sim.serving.plan import Item

SPAN_PERCENT = 10
NEAR_PERCENT = 2
SAMPLES = 2
"""Iterations that are simulated although they need not be, to measure the error on."""
FIRST_SAMPLE = 4
"""Guesses before the first of them; every further one comes after four times as many."""


def estimate_ticks(items: Sequence[Item], estimates: Estimates) -> int:
    """Estimate of an iteration; at least 1."""
    return max(1, sum(estimates.stage_ticks(item.work) * item.repeat for item in items))


@dataclass(frozen=True, slots=True)
class Guess:
    """What an iteration takes without being simulated; no account: it has to be."""

    how: str = ""
    account: Account | None = None


@dataclass
class Anchors:
    """Simulated iterations, by their kind and estimate. Groups with as many layers share them.

    ``errors``: relative errors of the time of iterations that were guessed and then simulated.
    """

    estimates: Estimates
    errors: list[float] = field(default_factory=list)
    simulated: int = 0
    guessed: int = 0
    _known: dict[tuple[object, ...], tuple[list[int], list[Account]]] = field(default_factory=dict)
    _sample: Account | None = None
    _next_sample: int = FIRST_SAMPLE

    def guess(self, items: Sequence[Item]) -> Guess:
        """What is known about an iteration with these stages."""
        made = self._guess(_kind(items), estimate_ticks(items, self.estimates))
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
        estimates, accounts = self._known.setdefault(_kind(items), ([], []))
        estimate = estimate_ticks(items, self.estimates)
        at = bisect_left(estimates, estimate)
        if at < len(estimates) and estimates[at] == estimate:
            accounts[at] = account
        else:
            estimates.insert(at, estimate)
            accounts.insert(at, account)

    def _guess(self, kind: tuple[object, ...], estimate: int) -> Guess:
        estimates, accounts = self._known.get(kind, ([], []))
        at = bisect_left(estimates, estimate)
        if at < len(estimates) and estimates[at] == estimate:
            return Guess("interpolated", accounts[at])
        if 0 < at < len(estimates):
            low, high = estimates[at - 1], estimates[at]
            if (high - low) * 100 <= SPAN_PERCENT * low:
                return Guess("interpolated", between(accounts[at - 1], accounts[at], estimate - low, high - low))
        near = min((i for i in (at - 1, at) if 0 <= i < len(estimates)), key=lambda i: abs(estimates[i] - estimate), default=None)
        if near is not None and abs(estimates[near] - estimate) * 100 <= NEAR_PERCENT * estimates[near]:
            return Guess("scaled", scaled(accounts[near], estimate, estimates[near]))
        return Guess()


def _kind(items: Sequence[Item]) -> tuple[object, ...]:
    """Iterations of different kinds are not compared: stages, whether prompts are taken in, new tokens (by steps of 1/16 octave)."""
    prompts = any(op.kind == "attention" for item in items for op in item.work.npu)
    tokens = max((op.m for item in items for op in item.work.npu), default=len(items[0].work.pim))
    return (tuple((item.work.name, item.repeat) for item in items), prompts, round(16 * math.log2(max(tokens, 1))))

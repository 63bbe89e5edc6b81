"""A figure of the validation table: what somebody else says, what pimsim says, how far apart they may be, and the verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What comes of a figure. Only ``FAIL`` fails a validation."""

    OK = "ok"
    DIFFERS = "differs"  # outside of the tolerance, for a known reason and within known limits
    FAIL = "FAIL"
    REPORTED = "reported"  # beside a reference that cannot be held against it, for a stated reason


@dataclass(frozen=True, slots=True)
class Range:
    """Values from ``low`` to ``high``, both included, and how to say so."""

    low: float
    high: float
    text: str

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def within(reference: float, share: float) -> Range:
    """At most this share of the reference away from it."""
    margin = abs(reference) * share
    return Range(reference - margin, reference + margin, f"{100 * share:g} %")


def to_last_digit(printed: str) -> Range:
    """Anything that rounds to a number as printed, "0.124"."""
    decimals = len(printed.partition(".")[2])
    half = 0.5 * 10.0**-decimals
    return Range(float(printed) - half, float(printed) + half, "last digit")


def exactly(reference: float) -> Range:
    """The reference and nothing else."""
    return Range(reference, reference, "exact")


def between(low: float, high: float) -> Range:
    """From ``low`` to ``high``."""
    return Range(low, high, f"{low:g} to {high:g}")


def at_least(low: float) -> Range:
    """``low`` or more."""
    return Range(low, math.inf, "at least")


@dataclass(frozen=True)
class Figure:
    """One row of the validation table.

    Attributes:
        name: what is compared.
        source: where the reference comes from.
        ours: what pimsim says, in ``unit``.
        reference: the number to compare with, or a text where it is a range.
        accepted: the values of ours that agree with the reference; None if it is only reported.
        explained: values outside of that which are understood.
        reason: why ours may differ, or why the figure is only reported.
        command: prints ours.

    Raises:
        ValueError: a figure without a tolerance, or with an explained difference, gives no reason.
    """

    name: str
    source: str
    ours: float
    reference: float | str
    unit: str = ""
    accepted: Range | None = None
    explained: Range | None = None
    reason: str = ""
    command: str = ""

    def __post_init__(self) -> None:
        if not self.reason and (self.accepted is None or self.explained is not None):
            raise ValueError(f"figure '{self.name}' gives no reason")

    @property
    def verdict(self) -> Verdict:
        """What comes of it."""
        if not math.isfinite(self.ours):
            return Verdict.FAIL
        if self.accepted is None:
            return Verdict.REPORTED
        if self.ours in self.accepted:
            return Verdict.OK
        known = self.explained is not None and self.ours in self.explained
        return Verdict.DIFFERS if known else Verdict.FAIL

    @property
    def error(self) -> float | None:
        """Ours over the reference, less one; None where the reference is no number or zero."""
        return self.ours / self.reference - 1 if not isinstance(self.reference, str) and self.reference else None

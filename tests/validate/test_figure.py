"""Figures: tolerances and verdicts."""

from __future__ import annotations

import math

import pytest

from pimsim.validate.figure import Figure, Range, Verdict, at_least, between, exactly, to_last_digit, within


def figure(ours: float, accepted: Range | None = None, explained: Range | None = None, reason: str = "") -> Figure:
    return Figure("a figure", "a paper", ours, 100.0, "s", accepted, explained, reason)


@pytest.mark.parametrize(("ours", "verdict"), [(98.0, "ok"), (102.0, "ok"), (102.1, "FAIL"), (97.9, "FAIL")])
def test_tolerance_is_a_share_of_the_reference(ours: float, verdict: str) -> None:
    assert figure(ours, within(100.0, 0.02)).verdict == verdict


def test_tolerance_around_a_negative_reference_is_not_empty() -> None:
    assert -99.0 in within(-100.0, 0.02)


@pytest.mark.parametrize(("value", "accepted"), [(0.1235, True), (0.1244, True), (0.1234, False), (0.1246, False)])
def test_last_digit_means_rounding_to_what_is_printed(value: float, accepted: bool) -> None:
    assert (value in to_last_digit("0.124")) is accepted


def test_last_digit_of_a_whole_number_is_its_unit() -> None:
    assert 36.4 in to_last_digit("36")
    assert 36.6 not in to_last_digit("36")


def test_exact_is_exact() -> None:
    assert 7 in exactly(7)
    assert 8 not in exactly(7)


def test_at_least_has_no_upper_end() -> None:
    assert math.inf in at_least(1.0)
    assert 0.99 not in at_least(1.0)


def test_explained_difference_is_no_failure() -> None:
    assert figure(1.8, between(1.1, 1.7), between(1.7, 2.0), "a small model").verdict is Verdict.DIFFERS


def test_difference_beyond_what_is_explained_fails() -> None:
    assert figure(2.1, between(1.1, 1.7), between(1.7, 2.0), "a small model").verdict is Verdict.FAIL


def test_figure_within_its_tolerance_is_ok_whatever_could_explain_it() -> None:
    assert figure(1.2, between(1.1, 1.7), between(1.7, 2.0), "a small model").verdict is Verdict.OK


def test_figure_without_a_tolerance_is_reported() -> None:
    assert figure(5.0, reason="the paper does not say").verdict is Verdict.REPORTED


@pytest.mark.parametrize("accepted", [None, between(0.0, math.inf)])
@pytest.mark.parametrize("ours", [math.nan, math.inf])
def test_what_is_not_a_number_fails(ours: float, accepted: Range | None) -> None:
    assert figure(ours, accepted, reason="whatever").verdict is Verdict.FAIL


def test_no_tolerance_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="no reason"):
        figure(1.0)


def test_explained_difference_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="no reason"):
        figure(1.0, between(0.0, 1.0), between(1.0, 2.0))


def test_error_is_relative_to_the_reference() -> None:
    assert figure(101.0, within(100.0, 0.02)).error == pytest.approx(0.01)


@pytest.mark.parametrize("reference", ["110 to 259", 0.0])
def test_no_error_against_a_range_or_zero(reference: float | str) -> None:
    assert Figure("a figure", "a paper", 1.0, reference, reason="none").error is None

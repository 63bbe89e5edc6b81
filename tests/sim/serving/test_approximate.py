"""Which iterations are simulated, and what stands for the others."""

import pytest

from pimsim.devices.stage import NpuOp, StageWork
from pimsim.npu.spec import NpuSpec
from pimsim.schedule.estimate import MhaEstimate
from pimsim.sim.serving.account import Account
from pimsim.sim.serving.approximate import Anchors, feature
from pimsim.sim.serving.estimate import Estimates
from pimsim.sim.serving.plan import Item

ESTIMATES = Estimates(NpuSpec(), MhaEstimate(8, 128), 10**12, 10**12, 10**6)


def iteration(thousands: int, tokens: int = 64) -> list[Item]:
    """One whose estimate is about so many thousand ticks: a matrix of as many megabytes, read at a kilobyte a tick."""
    return [Item(StageWork("A", (NpuOp("g", "gemm", tokens, 1000, 500 * thousands),)), 1, ())]


def took(ticks: int) -> Account:
    return Account({("ticks",): ticks})


def known(*anchors: tuple[int, int]) -> Anchors:
    made = Anchors(ESTIMATES)
    for thousands, ticks in anchors:
        made.keep(iteration(thousands), took(ticks))
    return made


@pytest.mark.parametrize(("asked", "how"), [(1000, "interpolated"), (1009, "scaled"), (1030, ""), (500, "")])
def test_beside_one_anchor_only_what_is_close_is_known(asked: int, how: str) -> None:
    assert known((1000, 7000)).guess(iteration(asked)).how == how


def test_between_two_anchors_ticks_are_on_the_line() -> None:
    made = known((1000, 7000), (1060, 7600)).guess(iteration(1030))
    assert made.how == "interpolated" and made.account is not None
    assert made.account[("ticks",)] == pytest.approx(7300, abs=3)


def test_anchors_too_far_apart_say_nothing_about_the_middle() -> None:
    assert known((1000, 7000), (1200, 8000)).guess(iteration(1100)).account is None


def test_a_little_beyond_two_anchors_the_line_goes_on() -> None:
    made = known((1000, 7000), (1050, 7500)).guess(iteration(1065))
    assert made.how == "extrapolated" and made.account is not None
    assert made.account[("ticks",)] == pytest.approx(7650, abs=5)
    assert known((1000, 7000), (1050, 7500)).guess(iteration(1080)).account is None


def test_another_number_of_tokens_is_another_iteration() -> None:
    assert known((1000, 7000)).guess(iteration(1000, tokens=32)).account is None


def test_some_guesses_are_simulated_to_know_the_error() -> None:
    anchors = known((1000, 7000))
    asked = [anchors.guess(iteration(1000)).account for _ in range(5)]
    assert [account is not None for account in asked] == [True] * 4 + [False]
    anchors.keep(iteration(1000), took(7070))
    assert anchors.errors == [pytest.approx(-0.0099, abs=1e-4)]


def test_the_estimate_grows_with_the_matrix() -> None:
    assert feature(iteration(2000), ESTIMATES).ticks > 1.9 * feature(iteration(1000), ESTIMATES).ticks

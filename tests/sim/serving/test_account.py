"""Counts add up, repeat and are interpolated as integers, and the causes still sum to the ticks of all channels."""

from hypothesis import given
from hypothesis import strategies as st

from pimsim.devices.stage import OpRecord, StageRecord
from pimsim.sim.serving.account import Account, between, of_stage, scaled

RECORD = StageRecord(
    "B", 100, 160, (OpRecord("score", "score", "pim", 100, 130, 50, 8, 16, 4, 3, 2), OpRecord("score", "score", "pim", 130, 160, 5)),
    {"RD": 7}, {"pim": {"compute": 100, "idle": 20}, "memory": {"read": 120}}, {"pim": 40}, {"memory": 9, "pim": 3}, 64, 32)  # fmt: skip


def channels(ticks: int, first: int) -> Account:
    """An account of two channels."""
    return Account({("ticks",): ticks, ("cause", "pim", "compute"): first, ("cause", "pim", "idle"): 2 * ticks - first,
                    ("stage", "A", "count"): 3})  # fmt: skip


def test_a_stage_is_counted_once_and_its_operators_by_name() -> None:
    made = of_stage(RECORD)
    assert made[("ticks",)] == 60
    assert made.under("command") == {"RD": 7}
    assert made.under("macs") == {"pim": 55}
    assert made.table("op", ("count", "ticks")) == {"score": {"count": 2, "ticks": 60}}
    assert made.table("stage", ("count", "ticks")) == {"B": {"count": 1, "ticks": 60}}
    assert (made[("read",)], made[("written",)], made[("vector",)], made[("scratchpad",)]) == (64, 32, 3, 2)


def test_a_stage_that_stands_for_others_counts_as_often() -> None:
    made = Account()
    made.merge(of_stage(RECORD), 31)
    assert made[("ticks",)] == 60 * 31
    assert made[("stage", "B", "count")] == 31


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(-50, 150), st.integers(0, 10**6), st.integers(0, 10**6))
def test_interpolated_causes_sum_to_the_ticks_of_all_channels(a: int, b: int, part: int, x: int, y: int) -> None:
    low, high = channels(a, min(x, 2 * a)), channels(b, min(y, 2 * b))
    made = between(low, high, part, 100)
    assert sum(made.under("cause", "pim").values()) == 2 * made[("ticks",)]


def test_the_middle_is_half_way() -> None:
    assert between(channels(100, 40), channels(200, 60), 1, 2).counts == channels(150, 50).counts


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(90, 110))
def test_scaling_keeps_how_many_stages_there_are(ticks: int, x: int, part: int) -> None:
    made = scaled(channels(ticks, min(x, 2 * ticks)), part, 100)
    assert made[("stage", "A", "count")] == 3
    assert sum(made.under("cause", "pim").values()) == 2 * made[("ticks",)]

"""Placement policies."""

import pytest

from pimsim.errors import InputError
from pimsim.model import operators  # noqa: F401  (registers the kinds)
from pimsim.model.operator import KINDS, Operator
from pimsim.schedule.placement import CAN_RUN, FIXED, UNITS, Crossover, estimate_errors, policy
from tests.schedule.conftest import by_name


class Always:
    """Takes as long for everything."""

    def __init__(self, fs: int):
        self.fs = fs

    def estimate_fs(self, operator: Operator) -> int:
        return self.fs


def test_every_kind_of_operator_has_a_unit_that_can_run_it() -> None:
    assert set(FIXED) == set(KINDS)
    assert all(kind in CAN_RUN[unit] for kind, unit in FIXED.items())


def test_fixed_is_the_paper_s_division_of_labour() -> None:
    fixed = policy("fixed", {})
    ops = by_name()
    assert {name: fixed.unit(ops[name]) for name in ("qkv", "score", "softmax", "attend", "proj", "ffn1", "ffn2")} == {
        "qkv": "npu", "score": "pim", "softmax": "vector", "attend": "pim", "proj": "npu", "ffn1": "npu", "ffn2": "npu"}


def test_a_table_changes_what_it_names() -> None:
    mine = policy({"score": "npu"}, {})
    ops = by_name()
    assert (mine.unit(ops["score"]), mine.unit(ops["attend"])) == ("npu", "pim")


def test_crossover_takes_the_quickest_unit_that_can() -> None:
    crossover = policy("crossover", {"npu": Always(5), "pim": Always(3), "vector": Always(1)})
    ops = by_name()
    assert [crossover.unit(ops[name]) for name in ("qkv", "score", "softmax")] == ["pim", "pim", "vector"]


def test_crossover_keeps_the_fixed_unit_at_equal_estimates() -> None:
    crossover = Crossover({"pim": Always(3), "npu": Always(3)})
    ops = by_name()
    assert [crossover.unit(ops[name]) for name in ("qkv", "score")] == ["npu", "pim"]


def test_crossover_without_an_estimator_is_fixed() -> None:
    assert Crossover({}).unit(by_name()["attend"]) == "pim"


@pytest.mark.parametrize(("placement", "words"), [
    ("crosover", "placement: unknown policy 'crosover'; did you mean 'crossover'?"),
    ({"scores": "pim"}, "placement.scores: unknown operator 'scores'; did you mean 'score'?"),
    ({"score": "gpu"}, "placement.score: unknown unit 'gpu'; did you mean 'npu'?"),
    ({"softmax": "pim"}, "placement.softmax: pim cannot run softmax; one of: vector"),
])
def test_a_wrong_placement_is_named_by_key(placement: str | dict[str, str], words: str) -> None:
    with pytest.raises(InputError) as caught:
        policy(placement, {})
    assert str(caught.value) == words


def test_all_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        policy({"score": "gpu", "softmax": "npu"}, {})
    assert len(caught.value.problems) == 2


def test_errors_are_relative_to_the_simulated_time() -> None:
    errors = estimate_errors([("score", 90, 100), ("score", 130, 100), ("qkv", 50, 100)])
    assert (errors["score"].operators, errors["score"].worst) == (2, pytest.approx(0.3))
    assert errors["score"].mean == pytest.approx(0.1)
    assert errors["score"].mean_absolute == pytest.approx(0.2)
    assert errors["qkv"].mean == -0.5


def test_units_are_those_that_can_run_something() -> None:
    assert set(CAN_RUN) == set(UNITS)

"""How tokens choose experts."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim.errors import InputError
from pimsim.model.routing import make_routing

ALL = ("auto", "balanced", "uniform", "zipf:1.2")


@pytest.mark.parametrize("batch", [1, 3, 40])
@pytest.mark.parametrize("name", ALL)
def test_every_token_gets_its_experts(name: str, batch: int) -> None:
    routing = make_routing(name, experts=8, chosen=3, batch=batch)
    for step in range(4):
        loads = routing.loads(step, 5, batch)
        assert sum(tokens for _, tokens in loads) == 3 * batch
        assert all(0 <= expert < 8 and 1 <= tokens <= batch for expert, tokens in loads)


@pytest.mark.parametrize("name", ALL)
def test_experts_come_in_order_and_once(name: str) -> None:
    experts = [expert for expert, _ in make_routing(name, 16, 4, 9).loads(2, 3, 9)]
    assert experts == sorted(set(experts))


@pytest.mark.parametrize("name", ALL)
def test_one_token_activates_its_number_of_experts(name: str) -> None:
    routing = make_routing(name, 64, 6, batch=1)
    assert all(len(routing.loads(step, 0, 1)) == 6 for step in range(20))


@pytest.mark.parametrize("name", ALL)
def test_token_can_choose_all_experts(name: str) -> None:
    assert make_routing(name, 4, 4, 2).loads(0, 0, 2) == ((0, 2), (1, 2), (2, 2), (3, 2))


def test_balanced_batch_spreads_evenly() -> None:
    loads = make_routing("balanced", 8, 2, 10).loads(1, 0, 10)
    assert sorted(tokens for _, tokens in loads) == [2, 2, 2, 2, 3, 3, 3, 3]


def test_balanced_tokens_take_turns_over_steps() -> None:
    routing = make_routing("balanced", 6, 2, 1)
    assert [loads for step in range(4) for loads, _ in routing.loads(step, 0, 1)] == [0, 1, 2, 3, 4, 5, 0, 1]


def test_balanced_is_the_same_on_all_layers() -> None:
    routing = make_routing("balanced", 8, 2, 3)
    assert routing.loads(5, 0, 3) == routing.loads(5, 9, 3)


def test_auto_is_balanced_at_batch_one_and_uniform_above() -> None:
    assert make_routing("auto", 8, 2, 1).loads(3, 1, 1) == make_routing("balanced", 8, 2, 1).loads(3, 1, 1)
    assert make_routing("auto", 8, 2, 7).loads(3, 1, 7) == make_routing("uniform", 8, 2, 7).loads(3, 1, 7)


def test_draws_do_not_depend_on_the_order_of_asking() -> None:
    first, second = make_routing("uniform", 32, 4, 2), make_routing("uniform", 32, 4, 2)
    forwards = [first.loads(step, 1, 2) for step in range(5)]
    assert [second.loads(step, 1, 2) for step in reversed(range(5))] == forwards[::-1]


def test_seeds_differ() -> None:
    one, other = (make_routing("uniform", 64, 4, 1, seed=seed).loads(0, 0, 1) for seed in (0, 1))
    assert one != other


def test_uniform_activates_as_many_experts_as_chance_says() -> None:
    experts, chosen, batch, steps = 32, 2, 16, 400
    routing = make_routing("uniform", experts, chosen, batch)
    mean = sum(len(routing.loads(step, 0, batch)) for step in range(steps)) / steps
    assert mean == pytest.approx(experts * (1 - (1 - chosen / experts) ** batch), rel=0.02)


def test_zipf_activates_fewer_experts_than_uniform() -> None:
    def mean(name: str) -> float:
        routing = make_routing(name, 32, 2, 16)
        return sum(len(routing.loads(step, 0, 16)) for step in range(50)) / 50

    assert mean("zipf:1.5") < 0.8 * mean("uniform")


def test_zipf_of_zero_is_uniform() -> None:
    assert make_routing("zipf:0", 32, 2, 16).loads(4, 2, 16) == make_routing("uniform", 32, 2, 16).loads(4, 2, 16)


def test_zipf_makes_other_experts_popular_on_other_layers() -> None:
    routing = make_routing("zipf:5", 64, 1, 1)
    favourites = [max(set(picks), key=picks.count) for picks in
                  ([routing.loads(step, layer, 1)[0][0] for step in range(30)] for layer in range(4))]  # fmt: skip
    assert len(set(favourites)) > 1


@pytest.mark.parametrize("name", ["zipf:x", "zipf:-1", "zipf:nan", "zipf:"])
def test_bad_exponent_is_told(name: str) -> None:
    with pytest.raises(InputError, match="workload.routing: .* has no exponent"):
        make_routing(name, 8, 2, 1)


def test_unknown_routing_is_told_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'uniform'"):
        make_routing("unifrom", 8, 2, 1)


# ---- recorded


def recorded(tmp_path: Path, rows: str) -> str:
    path = tmp_path / "loads.csv"
    path.write_text("step,layer,expert,tokens\n" + rows)
    return str(path)


def test_recorded_loads_are_replayed_and_start_over(tmp_path: Path) -> None:
    routing = make_routing(recorded(tmp_path, "0,0,3,1\n0,0,1,1\n1,0,2,2\n"), 8, 2, 1)
    assert routing.loads(0, 0, 1) == ((1, 1), (3, 1))
    assert routing.loads(2, 0, 1) == routing.loads(0, 0, 1)


def test_recorded_loads_that_do_not_add_up_are_told(tmp_path: Path) -> None:
    routing = make_routing(recorded(tmp_path, "0,0,3,1\n"), 8, 2, 1)
    with pytest.raises(InputError, match="1 tokens at step 0, layer 0; batch x experts per token = 2"):
        routing.loads(0, 0, 1)


@pytest.mark.parametrize(
    ("rows", "message"),
    [("0,0,9,1\n", "9 of 8 experts"), ("0,0,1\n", "not four whole numbers"), ("0,0,-1,1\n", "not four whole numbers"),
     ("0,0,1,0\n", "without tokens"), ("0,0,1,1\n0,0,1,1\n", "an expert twice"), ("", "no rows")],
)  # fmt: skip
def test_bad_recording_is_told(rows: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        make_routing(recorded(tmp_path, rows), 8, 2, 1)


def test_missing_recording_is_told() -> None:
    with pytest.raises(InputError, match="nowhere.csv: No such file"):
        make_routing("nowhere.csv", 8, 2, 1)

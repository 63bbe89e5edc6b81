"""The scheduler, event by event. Times are bare numbers: the scheduler never computes with them."""

from collections.abc import Callable

import pytest

from pimsim.errors import InputError, SimulationError
from pimsim.schedule.event import Action, Admit, Arrive, Done, Drop, Emit, Event, Finish, Preempt, Reject, Run, Stop
from pimsim.schedule.iteration import State, step
from pimsim.schedule.request import Request

Small = Callable[..., State]


def after(state: State, *events: Event) -> tuple[State, tuple[Action, ...]]:
    """The state after ``events`` and the actions of the last."""
    actions: tuple[Action, ...] = ()
    for event in events:
        state, actions = step(state, event)
    return state, actions


def batch(actions: tuple[Action, ...]) -> list[tuple[int, int, int, bool]]:
    """Request, tokens, context, whether it generates, of the iteration that was started."""
    run = next(action for action in actions if isinstance(action, Run))
    return [(w.request, w.tokens, w.context, w.generates) for w in run.work]


def kinds(actions: tuple[Action, ...]) -> list[str]:
    return [type(action).__name__ for action in actions]


def test_a_request_is_admitted_and_runs_when_it_arrives(small: Small) -> None:
    state, actions = after(small(), Arrive(7, (Request(0, 7, 3, 2),)))
    assert actions[0] == Admit(7, 0, lane=0, channel=0, rows=3)
    assert batch(actions) == [(0, 1, 3, True)]
    assert (len(state.waiting), len(state.running), state.busy) == (0, 1, (True,))


def test_the_first_token_attends_to_the_input_and_each_one_more(small: Small) -> None:
    state = small()
    contexts = []
    for event in (Arrive(0, (Request(0, 0, 3, 3),)), Done(1), Done(2)):
        state, actions = step(state, event)
        contexts.append(batch(actions)[0][2])
    assert contexts == [3, 4, 5]


def test_a_request_finishes_with_its_last_token_and_its_rows_are_free(small: Small) -> None:
    state, actions = after(small(), Arrive(0, (Request(0, 0, 3, 2),)), Done(5), Done(9))
    assert actions == (Emit(9, 0, (0,)), Finish(9, 0, rows=3))
    assert (state.kv, state.running, state.busy) == (small().kv, (), (False,))


def test_requests_join_between_iterations(small: Small) -> None:
    state, actions = after(small(), Arrive(0, (Request(0, 0, 3, 8),)), Arrive(1, (Request(1, 1, 1, 1),)))
    assert actions == ()
    state, actions = step(state, Done(2))
    assert batch(actions) == [(0, 1, 4, True), (1, 1, 1, True)]


def test_no_more_run_than_the_batch_allows(small: Small) -> None:
    state, actions = after(small(max_batch=2), Arrive(0, tuple(Request(i, 0, 1, 1) for i in range(3))))
    assert [w[0] for w in batch(actions)] == [0, 1]
    state, actions = step(state, Done(1))
    assert kinds(actions) == ["Emit", "Finish", "Finish", "Admit", "Run"]


def test_none_overtakes_the_one_that_waits_for_space(small: Small) -> None:
    """The second needs 8 rows and waits for the first; the third would fit, but is behind it."""
    requests = (Request(0, 0, 5, 1), Request(1, 0, 10, 1), Request(2, 0, 1, 1))
    state, actions = after(small(channels=1), Arrive(0, requests))
    assert [w[0] for w in batch(actions)] == [0]
    _, actions = step(state, Done(1))
    assert [w[0] for w in batch(actions)] == [1]


def test_a_request_that_can_never_fit_is_rejected(small: Small) -> None:
    state, actions = after(small(rows=5), Arrive(0, (Request(0, 0, 3, 4), Request(1, 0, 3, 5))))
    assert Reject(0, 1, "longer than the KV space of a channel") in actions
    assert [w[0] for w in batch(actions)] == [0]


@pytest.mark.parametrize(("request_", "why"), [
    (Request(1, 0, 0, 1), "lengths below 1"), (Request(1, 0, 1, 0), "lengths below 1"),
    (Request(1, 0, 1, 1, channel=2), "channel 2 is not there"), (Request(0, 0, 1, 1), "its number is taken")])  # fmt: skip
def test_a_request_that_makes_no_sense_is_rejected(small: Small, request_: Request, why: str) -> None:
    _, actions = after(small(), Arrive(0, (Request(0, 0, 1, 9), request_)))
    assert Reject(0, request_.id, why) in actions


def test_inline_prefill_takes_a_prompt_in_at_once(small: Small) -> None:
    state, actions = after(small(prefill="inline"), Arrive(0, (Request(0, 0, 6, 2),)))
    assert batch(actions) == [(0, 6, 6, True)]
    _, actions = step(state, Done(1))
    assert actions[0] == Emit(1, 0, (0,))
    assert batch(actions) == [(0, 1, 7, True)]


def test_a_chunk_is_shared_by_prompts_in_order_and_decoding_goes_on(small: Small) -> None:
    state = small(prefill="inline", prefill_chunk=4)
    state, actions = after(state, Arrive(0, (Request(0, 0, 1, 9), Request(1, 0, 6, 1), Request(2, 0, 3, 1))))
    assert batch(actions) == [(0, 1, 1, True), (1, 4, 4, False)]
    state, actions = step(state, Done(1))
    assert batch(actions) == [(0, 1, 2, True), (1, 2, 6, True), (2, 2, 2, False)]
    state, actions = step(state, Done(2))
    assert actions[0] == Emit(2, 0, (0, 1))
    assert batch(actions) == [(0, 1, 3, True), (2, 1, 3, True)]


def test_reserved_space_is_for_all_tokens_that_will_come(small: Small) -> None:
    _, actions = after(small(admission="reserve"), Arrive(0, (Request(0, 0, 1, 10),)))
    assert actions[0] == Admit(0, 0, lane=0, channel=0, rows=8)


def test_on_demand_space_grows_with_the_tokens(small: Small) -> None:
    state, actions = after(small(), Arrive(0, (Request(0, 0, 2, 9),)))
    used = [state.kv.used]
    for t in range(1, 5):
        state, _ = step(state, Done(t))
        used.append(state.kv.used)
    assert used == [2, 3, 3, 5, 5]


def test_the_youngest_in_the_channel_makes_way(small: Small) -> None:
    """6 rows: 3 for the first and 2 for the second; the first grows to 5 with its third token."""
    state = small(channels=1, rows=6)
    state, actions = after(state, Arrive(0, (Request(0, 0, 4, 3), Request(1, 0, 1, 2))))
    state, actions = step(state, Done(1))
    assert actions == (Emit(1, 0, (0, 1)), Preempt(1, 1, rows=2), actions[-1])
    assert batch(actions) == [(0, 1, 5, True)]
    assert [(w.request.id, w.generated) for w in state.waiting] == [(1, 1)]


def test_a_preempted_request_comes_back_with_the_tokens_it_had(small: Small) -> None:
    state = small(channels=1, rows=6, prefill="inline")
    arrive = Arrive(0, (Request(0, 0, 4, 3), Request(1, 0, 1, 2)))
    state, actions = after(state, arrive, Done(1), Done(2), Done(3))
    assert actions[2] == Admit(3, 1, lane=0, channel=0, rows=2, recovers=1)
    assert batch(actions) == [(1, 2, 2, True)]
    _, actions = step(state, Done(4))
    assert actions == (Emit(4, 0, (1,)), Finish(4, 1, rows=2))


def test_a_preempted_request_has_its_old_place_in_the_queue(small: Small) -> None:
    state = small(channels=1, rows=6)
    state, _ = after(state, Arrive(0, (Request(0, 0, 4, 3), Request(1, 0, 1, 2))), Arrive(1, (Request(2, 1, 1, 1),)), Done(1))
    assert [w.request.id for w in state.waiting] == [1, 2]


@pytest.mark.parametrize("why", ["cancelled", "failed"])
def test_a_waiting_request_that_is_stopped_leaves_the_queue(small: Small, why: str) -> None:
    state, actions = after(small(max_batch=1), Arrive(0, (Request(0, 0, 1, 9), Request(1, 0, 1, 9))), Stop(1, 1, why))  # type: ignore[arg-type]
    assert (actions, state.waiting) == ((Drop(1, 1, why, rows=0),), ())


def test_a_running_request_that_is_stopped_ends_with_its_iteration_and_gives_no_token(small: Small) -> None:
    state, actions = after(small(), Arrive(0, (Request(0, 0, 3, 8),)), Stop(1, 0))
    assert (actions, state.kv.used) == ((), 3)
    state, actions = step(state, Done(2))
    assert (actions, state.kv.used) == ((Drop(2, 0, "cancelled", rows=3),), 0)


def test_a_prompt_that_waits_for_its_chunk_is_stopped_at_once(small: Small) -> None:
    state = small(prefill="inline", prefill_chunk=2)
    _, actions = after(state, Arrive(0, (Request(0, 0, 4, 1), Request(1, 0, 4, 1))), Stop(1, 1))
    assert actions == (Drop(1, 1, "cancelled", rows=3),)


def test_a_request_that_is_gone_or_stopped_already_is_not_stopped_again(small: Small) -> None:
    state, _ = after(small(), Arrive(0, (Request(0, 0, 1, 2),)), Stop(1, 0, "failed"))
    assert step(state, Stop(2, 0))[1] == step(state, Stop(2, 99))[1] == ()
    assert step(state, Done(3))[1] == (Drop(3, 0, "failed", rows=2),)


def test_space_that_is_given_back_admits_the_next_at_once(small: Small) -> None:
    state = small(channels=1)
    _, actions = after(state, Arrive(0, (Request(0, 0, 10, 1), Request(1, 0, 10, 1))), Stop(1, 0), Done(2))
    assert kinds(actions) == ["Drop", "Admit", "Run"]


def test_two_lanes_share_requests_evenly_and_run_on_their_own(small: Small) -> None:
    state, actions = after(small(lanes=2), Arrive(0, tuple(Request(i, 0, 1, 2) for i in range(4))))
    assert [[w.request for w in a.work] for a in actions if isinstance(a, Run)] == [[0, 1], [2, 3]]
    state, actions = step(state, Done(1, lane=1))
    assert actions[0] == Emit(1, 1, (2, 3))
    assert [a.lane for a in actions if isinstance(a, Run)] == [1]


def test_seats_are_divided_among_lanes(small: Small) -> None:
    _, actions = after(small(lanes=2, max_batch=3), Arrive(0, tuple(Request(i, 0, 1, 2) for i in range(6))))
    assert [len(a.work) for a in actions if isinstance(a, Run)] == [2, 1]


def test_fewer_seats_than_lanes_are_refused_by_key(small: Small) -> None:
    with pytest.raises(InputError, match="scheduler.max_batch: 1 is less than the 2 pipeline stages"):
        small(lanes=2, max_batch=1)


@pytest.mark.parametrize(("mode", "halves"), [("off", [3]), ("on", [2, 1]), ("auto", [2, 1])])
def test_a_batch_is_interleaved_as_set(small: Small, mode: str, halves: list[int]) -> None:
    state = small(sub_batches=mode, sub_batch_from=3)
    _, actions = after(state, Arrive(0, tuple(Request(i, 0, 1, 2) for i in range(3))))
    assert [len(half) for a in actions if isinstance(a, Run) for half in a.sub_batches] == halves


def test_time_that_goes_back_is_an_error(small: Small) -> None:
    state, _ = step(small(), Arrive(5, ()))
    with pytest.raises(SimulationError, match="time goes back"):
        step(state, Arrive(4, ()))


def test_the_end_of_an_iteration_that_is_not_in_flight_is_an_error(small: Small) -> None:
    with pytest.raises(SimulationError, match="no iteration of lane 0"):
        step(small(), Done(1))


def test_a_step_leaves_the_state_before_as_it_was(small: Small) -> None:
    before = small()
    step(before, Arrive(0, (Request(0, 0, 3, 2),)))
    assert before == small()

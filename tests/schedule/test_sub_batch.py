"""Sub-batch interleaving: how a batch is halved, and the stages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.schedule.event import Work
from pimsim.schedule.kv import Allocation
from pimsim.schedule.sub_batch import FFN, MHA, PARTS, QKV, Part, Stage, barrier_fs, interleaved, split, stages


def batch(*channels: int) -> list[Work]:
    return [Work(i, 1, 5, True, Allocation(channel, (), ())) for i, channel in enumerate(channels)]


def test_each_channel_is_halved() -> None:
    first, second = split(batch(0, 0, 0, 0, 1, 1))
    assert [[w.request for w in half] for half in (first, second)] == [[0, 1, 4], [2, 3, 5]]


def test_odd_ones_go_to_the_first_and_the_second_by_turns() -> None:
    first, second = split(batch(0, 1, 1, 1, 2, 3, 3))
    assert [[w.request for w in half] for half in (first, second)] == [[0, 1, 4, 5], [2, 3, 6]]


@given(st.lists(st.integers(0, 5), max_size=40))
def test_halves_hold_every_request_once_and_differ_by_at_most_one(channels: list[int]) -> None:
    work = batch(*channels)
    first, second = split(work)
    assert sorted(w.request for w in first + second) == list(range(len(work)))
    assert abs(len(first) - len(second)) <= 1
    for channel in set(channels):
        assert abs(sum(w.kv.channel == channel for w in first) - sum(w.kv.channel == channel for w in second)) <= 1


@pytest.mark.parametrize(("mode", "requests", "expected"), [
    ("off", 999, False), ("on", 2, True), ("on", 1, False), ("auto", 255, False), ("auto", 256, True)])  # fmt: skip
def test_auto_interleaves_large_batches(mode: str, requests: int, expected: bool) -> None:
    assert interleaved(mode, requests, 256) is expected  # type: ignore[arg-type]


def test_stages_of_two_layers_are_the_papers_six() -> None:
    def part(name: str, sub_batch: int, layer: int) -> Part:
        return Part(name, sub_batch, layer)

    assert stages(2, 2) == (
        Stage("A", (part(QKV, 0, 0),), ()),
        Stage("B", (part(QKV, 1, 0),), (part(MHA, 0, 0),)),
        Stage("C", (part(FFN, 0, 0), part(QKV, 0, 1)), (part(MHA, 1, 0),)),
        Stage("D", (part(FFN, 1, 0), part(QKV, 1, 1)), (part(MHA, 0, 1),)),
        Stage("E", (part(FFN, 0, 1),), (part(MHA, 1, 1),)),
        Stage("F", (part(FFN, 1, 1),), ()),
    )


def test_a_layer_more_is_another_c_and_d() -> None:
    assert "".join(stage.name for stage in stages(5, 2)) == "AB" + 4 * "CD" + "EF"


def test_one_batch_goes_through_a_b_e_layer_by_layer() -> None:
    assert [stage.name for stage in stages(2, 1)] == ["A", "B", "E", "A", "B", "E"]


@pytest.mark.parametrize("layers", [1, 2, 3, 32])
@pytest.mark.parametrize("sub_batches", [1, 2])
def test_every_part_is_done_once_after_what_it_needs(layers: int, sub_batches: int) -> None:
    done: list[Part] = []
    for stage in stages(layers, sub_batches):
        before = set(done)
        for unit in (stage.npu, stage.pim):
            finished = set(before)
            for part in unit:
                place = PARTS.index(part.name) + part.layer * len(PARTS)
                if place:
                    assert Part(PARTS[(place - 1) % 3], part.sub_batch, (place - 1) // 3) in finished
                finished.add(part)
        assert all(part.name != MHA for part in stage.npu) and all(part.name == MHA for part in stage.pim)
        done += stage.npu + stage.pim
    assert len(done) == len(set(done)) == layers * sub_batches * len(PARTS)


def test_a_layer_costs_c_and_d_in_the_steady_state() -> None:
    def time(part: Part) -> int:
        return {QKV: 30, MHA: 100, FFN: 80}[part.name] + part.sub_batch

    assert barrier_fs(stages(9, 2), time) - barrier_fs(stages(8, 2), time) == max(30 + 80, 101) + max(31 + 81, 100)


def test_interleaving_pays_when_the_parts_shrink_with_the_batch() -> None:
    def whole(part: Part) -> int:
        return {QKV: 30, MHA: 100, FFN: 80}[part.name]

    def half(part: Part) -> int:
        return whole(part) // 2

    assert barrier_fs(stages(32, 2), half) < barrier_fs(stages(32, 1), whole) == 32 * 210
    assert barrier_fs(stages(32, 2), whole) > 32 * 210  # weights read twice, nothing gained: why small batches do not pay

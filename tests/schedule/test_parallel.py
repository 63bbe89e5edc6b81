"""Tensor and pipeline parallel bookkeeping."""

import pytest

from pimsim.errors import InputError
from pimsim.model.importer import load_architecture
from pimsim.schedule.parallel import Parallel, device_part, flow_fs, parallel_for, stage_layers

# NeuPIMs (arXiv 2403.00579), configs/model_configs: layers, heads, hidden, tensor, pipeline
PAPER = [("gpt3-7b", 32, 32, 4096, 4, 1), ("gpt3-13b", 40, 40, 5120, 4, 1), ("gpt3-30b", 48, 56, 7168, 4, 2),
         ("gpt3-175b", 96, 96, 12288, 8, 4)]


@pytest.mark.parametrize(("model", "layers", "heads", "hidden", "tensor", "pipeline"), PAPER)
def test_the_paper_s_models_are_split_as_in_the_paper(
    model: str, layers: int, heads: int, hidden: int, tensor: int, pipeline: int
) -> None:
    parallel = parallel_for(model)
    part = device_part(load_architecture(model), parallel)
    assert parallel == Parallel(tensor, pipeline)
    assert (part.layers, part.heads, part.kv_heads) == (layers // pipeline, heads // tensor, heads // tensor)
    assert (part.hidden, part.head_dim, part.ffn) == (hidden, 128, 4 * hidden // tensor)


@pytest.mark.parametrize(("model", "layers", "heads", "hidden", "tensor", "pipeline"), PAPER)
def test_devices_together_hold_the_model(model: str, layers: int, heads: int, hidden: int, tensor: int, pipeline: int) -> None:
    whole = load_architecture(model)
    part = device_part(whole, Parallel(tensor, pipeline))
    assert part.parameters()["blocks"] * tensor * pipeline == whole.parameters()["blocks"]


def test_what_is_given_goes_before_the_paper() -> None:
    assert parallel_for("gpt3-30b", tensor=2) == Parallel(2, 2)
    assert parallel_for("gpt2-xl") == Parallel(1, 1)
    assert parallel_for("gpt3-175b").devices == 32


def test_heads_that_cannot_be_divided_are_refused_by_key() -> None:
    with pytest.raises(InputError) as caught:
        device_part(load_architecture("gpt2-xl"), Parallel(tensor=4))
    assert [str(problem) for problem in caught.value.problems] == [
        "parallel.tensor: gpt2-xl has 25 heads, which 4 devices cannot share evenly; a divisor of 25",
        "parallel.tensor: gpt2-xl has 25 key-value heads, which 4 devices cannot share evenly; a divisor of 25",
    ]


def test_more_stages_than_layers_are_refused_by_key() -> None:
    with pytest.raises(InputError, match="parallel.pipeline: 33 stages, but gpt3-7b has 32 layers; 1 to 32"):
        device_part(load_architecture("gpt3-7b"), Parallel(pipeline=33))


def test_few_key_value_heads_are_kept_by_several_devices() -> None:
    part = device_part(load_architecture("llama-2-70b"), Parallel(tensor=16))
    assert (part.heads, part.kv_heads) == (4, 1)


def test_first_stages_have_one_layer_more_where_they_do_not_divide() -> None:
    assert stage_layers(10, 4) == (3, 3, 2, 2)


def test_a_pipeline_fills_and_then_goes_at_the_slowest_stage() -> None:
    times = [[10, 30, 20]] * 4
    done, _ = flow_fs(times, [0, 0, 0], [0] * 4)
    assert done == [60, 90, 120, 150]


def test_a_token_needs_the_one_before_it() -> None:
    """One micro-batch cannot overlap with itself: two stages take twice as long as one."""
    done, free = flow_fs([[10, 10]], [0, 0], [0])
    assert flow_fs([[10, 10]], free, done)[0] == [40]


def test_as_many_micro_batches_as_stages_keep_every_stage_busy() -> None:
    times = [[10, 10]] * 2
    done, free = flow_fs(times, [0, 0], [0, 0])
    for _ in range(5):
        before = done
        done, free = flow_fs(times, free, done)
        assert [b - a for a, b in zip(before, done, strict=True)] == [20, 20]

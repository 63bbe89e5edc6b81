"""From the configuration to a scheduler."""

import pytest

from pimsim.config import load_system
from pimsim.config.scheduler import SchedulerConfig
from pimsim.errors import InputError
from pimsim.model.importer import load_architecture
from pimsim.schedule.kv import PimLayout
from pimsim.schedule.parallel import Parallel, device_part, parallel_for
from pimsim.schedule.setting import Space, kv_layout, prepare


def config(*overrides: str) -> SchedulerConfig:
    return load_system("pim-gpt", list(overrides)).scheduler


def test_a_device_of_gpt3_30b_holds_a_quarter_of_the_heads_and_half_of_the_layers() -> None:
    state = prepare(config(), load_architecture("gpt3-30b"), parallel_for("gpt3-30b"), Space(channels=32, rows=1000, first_row=7))
    assert state.kv.layout == PimLayout(layers=24, kv_heads=14, head_dim=128)
    assert (state.settings.lanes, state.settings.estimate.heads) == (2, 14)
    assert (state.kv.channels, state.kv.rows, state.kv.first_row) == (32, 1000, 7)


def test_every_key_arrives() -> None:
    scheduler = config("scheduler.max_batch=64", "scheduler.sub_batches=auto", "scheduler.sub_batch_from=32",
                       "scheduler.assignment=least-load", "scheduler.admission=reserve", "scheduler.prefill_chunk=128",
                       "scheduler.estimate.gwrite_cycles=96", "scheduler.estimate.tile_cycles=197",
                       "scheduler.estimate.undivided_heads=true")  # fmt: skip
    made = prepare(scheduler, load_architecture("gpt3-7b"), parallel_for("gpt3-7b"), Space(32, 1000), "inline").settings
    assert (made.max_batch, made.sub_batches, made.sub_batch_from) == (64, "auto", 32)
    assert (made.assignment, made.admission, made.prefill, made.prefill_chunk) == ("least-load", "reserve", "inline", 128)
    estimate = made.estimate
    assert (estimate.gwrite_cycles, estimate.tile_cycles, estimate.heads, estimate.undivided_heads) == (96, 197, 8, 32)


def test_the_defaults_are_the_paper_s() -> None:
    made = prepare(config(), load_architecture("gpt3-7b"), parallel_for("gpt3-7b"), Space(32, 1000)).settings
    assert (made.estimate.gwrite_cycles, made.estimate.tile_cycles, made.estimate.page, made.estimate.banks) == (100, 184, 512, 32)
    assert (made.sub_batch_from, made.prefill, made.prefill_chunk) == (256, "elsewhere", None)


@pytest.mark.parametrize(("override", "words"), [
    ("scheduler.max_batch=0", "scheduler.max_batch: 0 is zero; more than zero"),
    ("scheduler.assignment=estimat", "scheduler.assignment: 'estimat' is not a choice here; did you mean 'estimate'?"),
    ("scheduler.sub_batches=maybe", "scheduler.sub_batches: 'maybe' is not a choice here"),
    ("scheduler.max_bach=3", "scheduler.max_bach"),
    ("parallel.tensor=0", "parallel.tensor: 0 is zero"),
    ("parallel.topology=tree", "parallel.topology: 'tree' is not a choice here"),
])
def test_a_wrong_key_is_named(override: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        load_system("pim-gpt", [override])
    assert words in str(caught.value)


def test_links_have_units() -> None:
    parallel = load_system("pim-gpt", ["parallel.tensor=4", "parallel.link.bandwidth=300 GB/s", "parallel.link.latency=1 us"]).parallel
    assert parallel.link is not None
    assert (parallel.link.bandwidth, parallel.link.latency) == (300 * 10**9, 10**9)


@pytest.mark.parametrize(("transposed", "rows"), [(True, (27 * 2 * 2, 27 * 16)), (False, (27 * 2 * 2, 0))])
def test_a_latent_is_kept_as_key_and_where_the_memory_multiplies_as_value(transposed: bool, rows: tuple[int, int]) -> None:
    part = device_part(load_architecture("deepseek-v2-lite"), Parallel(2))
    assert kv_layout(part, Space(32, 1000, transposed=transposed)).rows(33) == rows


def test_the_estimate_of_latent_attention_has_keys_and_values_of_their_own_width() -> None:
    state = prepare(config(), load_architecture("deepseek-v2-lite"), Parallel(2), Space(32, 10_000))
    # eight heads of 576 and 512 elements: nine rows of keys, sixteen of values for each
    assert state.settings.estimate.cycles(33) == 9 * (100 + 2 * 184) + 8 * (100 + 16 * 184)

"""What a trace demands of the memory: rows of every tensor, and for how many tokens the KV space is reserved."""

from __future__ import annotations

from model.conftest import tiny

from pimsim.asic.spec import AsicSpec
from pimsim.mapping.geometry import Memory
from pimsim.mapping.pim_gpt_demand import demands
from pimsim.model.lowering import lower

MEMORY = Memory(channels=2, banks=4, lanes=16, columns=4)


def reserved(windows: tuple[int, ...], tokens: int = 300, **more: object) -> tuple[dict[tuple[int, str], int], int]:
    return demands(MEMORY, AsicSpec(), lower(tiny(windows=windows), output_tokens=tokens, **more))  # type: ignore[arg-type]


def test_space_is_reserved_for_the_last_token() -> None:
    assert reserved(())[1] == 300


def test_a_window_in_every_layer_bounds_the_space() -> None:
    rows, capacity = reserved((70, 70, 70))
    assert capacity == 70
    full, _ = reserved(())
    assert rows[0, "kv_append.k"] < full[0, "kv_append.k"]
    assert rows[0, "kv_append.v"] < full[0, "kv_append.v"]
    assert rows[0, "qkv"] == full[0, "qkv"]


def test_the_longest_window_counts() -> None:
    assert reserved((70, 90, 70))[1] == 90


def test_one_layer_without_a_window_needs_space_for_all_tokens() -> None:
    assert reserved((70, 0, 70))[1] == 300


def test_a_window_that_is_never_full_reserves_no_more_than_the_tokens() -> None:
    assert reserved((70, 70, 70), 20)[1] == 20


def test_a_filled_window_may_be_where_decoding_starts() -> None:
    assert reserved((70, 70, 70), 3, prompt_tokens=200, prefill="elsewhere")[1] == 70

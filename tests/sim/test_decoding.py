"""Ways of decoding on a small PIM-GPT: every law holds, neutral settings change nothing, commands follow closed forms."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

import pimsim
from pimsim.config import load_system, load_workload
from pimsim.errors import InputError
from pimsim.mapping.geometry import Values
from pimsim.sim.verify import verify

from .test_decoders import SCALED_DOWN

SMALL = ("memory.channels=4", "memory.banks=4", "memory.columns=8", "memory.rows=4096")
"""16 banks, rows of 128 elements."""
LLAMA = {"model_type": "llama", "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 8, "num_key_value_heads": 4,
         "intermediate_size": 256, "vocab_size": 203, "max_position_embeddings": 4096, "torch_dtype": "bfloat16"}  # fmt: skip
MACS, FILLS = "MAC16", "WRGB"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("llama") / "config.json"
    path.write_text(json.dumps(LLAMA))
    small = tmp_path_factory.mktemp("draft") / "config.json"
    small.write_text(json.dumps({**LLAMA, "num_hidden_layers": 1, "hidden_size": 64, "intermediate_size": 96}))
    return str(path)


@pytest.fixture(scope="module")
def draft(model: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("small") / "config.json"
    path.write_text(json.dumps({**LLAMA, "num_hidden_layers": 1, "hidden_size": 64, "num_attention_heads": 4,
                                "intermediate_size": 96}))  # fmt: skip
    return str(path)


def summary(model: str, *options: str, tokens: int = 6) -> dict[str, Any]:
    overrides = [*SMALL, f"workload.output_tokens={tokens}", *options]
    return pimsim.run("pim-gpt-large", model, overrides=overrides).summary()


def told(result: dict[str, Any]) -> dict[str, Any]:
    """A summary without what the host took."""
    return {key: value for key, value in result.items() if key != "host"}


OPTIONS = {
    "kv_budget": ["workload.decoding.kv_budget=9"],
    "blocks": ["workload.decoding.block_tokens=4"],
    "block_layers": ["workload.decoding.block_tokens=3", "workload.decoding.block_layers=1"],
    "nested": ["workload.decoding.ffn_width=0.5"],
    "mixed": ["workload.decoding.ffn_width=[1.0, 0.25]"],
    "sparse": ["workload.decoding.ffn_active=0.1"],
    "splits": ["workload.decoding.attention_splits=4"],
    "budget-and-splits": ["workload.decoding.attention_splits=4", "workload.decoding.kv_budget=9"],
    "int8": ["workload.weight_dtype=int8", "workload.kv_dtype=int8"],
    "int4": ["workload.weight_dtype=int4"],
    "fp8-kv": ["workload.kv_dtype=fp8"],
    "int8-scale": ["workload.weight_dtype=int8", "workload.kv_dtype=int8", "pim.narrow_macs=scale"],
    "int4-scale": ["workload.weight_dtype=int4", "workload.kv_dtype=int4", "pim.narrow_macs=scale"],
    "all": ["workload.decoding.kv_budget=9", "workload.decoding.ffn_active=0.2", "workload.decoding.attention_splits=2",
            "workload.weight_dtype=int4", "workload.kv_dtype=fp8"],
}  # fmt: skip


@pytest.mark.parametrize("overlap", ["none", "pipelined"])
@pytest.mark.parametrize("option", OPTIONS)
def test_every_law_holds(model: str, option: str, overlap: str) -> None:
    result = summary(model, *OPTIONS[option], f"system.overlap={overlap}", "workload.prompt_tokens=150", "workload.prefill=elsewhere")
    assert set(result["checks"].values()) == {True} and result["tokens"] == 6


@pytest.mark.parametrize("acceptance", [0, 0.5, 1])
def test_drafts_keep_every_law_and_give_the_tokens_asked_for(model: str, draft: str, acceptance: float) -> None:
    result = summary(model, f"workload.decoding.draft_model={draft}", f"workload.decoding.acceptance={acceptance}", tokens=9)
    assert set(result["checks"].values()) == {True} and result["tokens"] == 9


@pytest.mark.parametrize("neutral", [
    ["workload.decoding.ffn_width=1.0"], ["workload.decoding.ffn_active=1.0"], ["workload.decoding.attention_splits=1"],
    ["workload.decoding.kv_budget=null"], ["workload.decoding.block_tokens=null"], ["workload.decoding.draft_model=null"],
    ["workload.weight_dtype=bf16", "workload.kv_dtype=fp16"], ["pim.narrow_macs=scale"], ["workload.seed=7"],
])  # fmt: skip
def test_a_neutral_setting_changes_nothing(model: str, neutral: list[str]) -> None:
    assert told(summary(model, *neutral)) == told(summary(model))


def macs(result: dict[str, Any]) -> int:
    return int(result["commands"][MACS])


@pytest.mark.parametrize(("dtype", "narrow"), [("int8", 2), ("fp8", 2), ("int4", 4)])
def test_units_of_fixed_width_save_rows_and_activations_but_no_macs(model: str, dtype: str, narrow: int) -> None:
    part = ["workload.part=ffn"]
    plain, quantised = (summary(model, *part, *more) for more in ([], [f"workload.weight_dtype={dtype}"]))
    assert macs(quantised) == macs(plain) and quantised["commands"][FILLS] == plain["commands"][FILLS]
    assert plain["rows_used"] == 32 + 2 * 8 and quantised["rows_used"] == plain["rows_used"] // narrow
    assert quantised["row_hit_rate"] == pytest.approx(1 - (1 - plain["row_hit_rate"]) / narrow)
    assert quantised["time_s"] < plain["time_s"]


@pytest.mark.parametrize(("dtype", "narrow", "key_rows"), [("int8", 2, 32), ("int4", 4, 2 * 16)])
def test_a_narrow_cache_takes_fewer_rows(model: str, dtype: str, narrow: int, key_rows: int) -> None:
    part = ["workload.part=attention", "workload.prompt_tokens=1000", "workload.prefill=elsewhere"]
    plain, quantised = (summary(model, *part, *more) for more in ([], [f"workload.kv_dtype={dtype}"]))
    groups, chunks = -(-1005 // 16), -(-1005 // 128)
    assert plain["rows_used"] == groups + 4 * chunks  # 4 heads of 16: a column each; a head a channel, of 4 subs
    assert quantised["rows_used"] == key_rows + 4 // narrow * chunks  # int4: a head's key still takes a column, so 2 heads a row


@pytest.mark.parametrize(("dtype", "narrow"), [("int8", 2), ("int4", 4)])
def test_units_that_split_save_macs_and_operand_bursts(model: str, dtype: str, narrow: int) -> None:
    part = ["workload.part=ffn"]
    plain, quantised = (summary(model, *part, *more) for more in ([], [f"workload.weight_dtype={dtype}", "pim.narrow_macs=scale"]))
    assert macs(plain) == narrow * macs(quantised)
    assert plain["commands"][FILLS] == narrow * quantised["commands"][FILLS]
    assert quantised["bytes_conventional"] * narrow == plain["bytes_conventional"]


def test_a_sparse_ffn_reads_the_slots_and_columns_of_its_active_neurons(model: str) -> None:
    part, tokens = ["workload.part=ffn"], 6
    plain, sparse = (summary(model, *part, *more) for more in ([], ["workload.decoding.ffn_active=0.25"]))
    # 64 of 256 neurons on 4 channels: 16 slots a channel's worth of gate, 4 of up, 8 slots of down with 4 of 16 columns
    slots, columns = 256 // 16, 128 // 16
    assert macs(plain) == tokens * 4 * (2 * slots * columns + 8 * 16)
    assert macs(sparse) == tokens * 4 * (slots * columns + 4 * columns + 8 * 4)
    assert sparse["rows_used"] == plain["rows_used"]


def test_splits_spread_a_weighted_sum_over_channels(model: str) -> None:
    long = ["workload.prompt_tokens=3000", "workload.prefill=elsewhere", "workload.part=attention"]
    plain, split = (summary(model, *long, f"workload.decoding.attention_splits={n}", tokens=1) for n in (1, 4))
    assert split["time_by_op_s"]["score"] == plain["time_by_op_s"]["score"]
    assert macs(split) == pytest.approx(macs(plain), rel=0.01)


COMPUTED = ["kv_budget", "nested", "mixed", "sparse", "int8", "int4", "fp8-kv", "int8-scale", "int4-scale"]


@pytest.mark.parametrize("option", COMPUTED)
def test_what_the_functional_mode_has_computes(model: str, option: str) -> None:
    own = [text for text in OPTIONS[option] if text.startswith("workload.")]
    workload = load_workload(model, ["workload.output_tokens=70", *own])
    found = verify(load_system("pim-gpt-large", [*SMALL, *(text for text in OPTIONS[option] if text not in own)]), workload)
    assert found.ok and {check.place.context for check in found.operators} >= {1, 17, 70}


@pytest.mark.parametrize("rule", ["fixed", "scale"])
@pytest.mark.parametrize("name", ["gemma-2b", "deepseek-v2-lite"])
def test_pieces_of_heads_and_products_for_each_compute_with_narrow_numbers(name: str, rule: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(SCALED_DOWN[name]))
    options = ["workload.weight_dtype=int4", "workload.kv_dtype=int8", "workload.output_tokens=20"]
    workload = load_workload(tmp_path / "config.json", options)
    assert verify(load_system("pim-gpt-large", [*SMALL, f"pim.narrow_macs={rule}"]), workload).ok


def test_a_place_of_a_narrow_cache_that_is_off_is_found(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Values.slot_place

    def wrong(self: Values, slot: int) -> tuple[int, int]:
        return right(self, slot)[0], slot % self.memory.row_elements // self.memory.lanes  # twice as far as it should be

    monkeypatch.setattr(Values, "slot_place", wrong)
    workload = load_workload(model, ["workload.output_tokens=40", "workload.kv_dtype=int8"])
    found = verify(load_system("pim-gpt-large", SMALL), workload)
    assert {"kv_append", "attend"} <= {check.name for check in found.operators if not check.ok}


@pytest.mark.parametrize(("option", "key"), [
    ("blocks", "decoding.block_tokens"), ("splits", "decoding.attention_splits")])
def test_what_the_functional_mode_lacks_is_named(model: str, option: str, key: str) -> None:
    with pytest.raises(InputError) as caught:
        verify(load_system("pim-gpt-large", SMALL), load_workload(model, ["workload.output_tokens=5", *OPTIONS[option]]))
    assert f"workload.{key}" in {problem.key for problem in caught.value.problems}


# ---------------------------------------------------------------------- the tables of the documentation

DOCS = Path(__file__).parents[2] / "docs"


def table(file: str, first: str) -> list[list[str]]:
    """Cells of the rows of the table under the heading that begins with ``first``."""
    lines = (DOCS / file).read_text(encoding="utf-8").splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith(f"| {first}"))
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[begin + 2 :])
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows]


def test_the_table_of_ways_of_decoding() -> None:
    base = ["workload.prompt_tokens=2000", "workload.prefill=elsewhere", "workload.output_tokens=8"]
    plain: dict[str, Any] = {}
    for keys, rate, ratio, gmacs, gib, rows in table("decoding.md", "options"):
        options = [] if keys == "plain" else keys.split()
        found = pimsim.run("pim-gpt-large", "llama-3-8b", overrides=[*base, *options]).summary()
        plain = plain or found
        assert (rate, ratio, gmacs, gib, rows) == (
            f"{found['tokens_per_s']:,.0f}", f"{found['tokens_per_s'] / plain['tokens_per_s']:.2f}", f"{found['macs'] / 8e9:.2f}",
            f"{found['bytes_conventional'] / 8 / 2**30:.2f}", f"{found['rows_used']:,}"), keys  # fmt: skip


def test_the_table_of_models() -> None:
    for model, cycles, rate, bound, energy, rows in table("models.md", "model | cycles"):
        found = pimsim.run("pim-gpt-large", model, **{"workload.output_tokens": 64}).summary()
        assert (cycles, rate, bound, energy, rows) == (
            f"{found['cycles']:,}", f"{found['tokens_per_s']:,.0f}", f"{found['bound_s'] / found['time_s']:.2f}",
            f"{1e3 * found['energy_per_token_j']:.1f}", f"{found['rows_used']:,}"), model  # fmt: skip

"""pimsim verify: every kind of decoder, contexts, layers, and mappings that do not compute."""

import json
from collections.abc import Iterable
from dataclasses import replace

import pytest
from model.conftest import FAMILIES, tiny

from pimsim.config import SystemConfig, load, load_system
from pimsim.errors import InputError
from pimsim.mapping.functional.check import Check
from pimsim.mapping.geometry import Keys
from pimsim.model.architecture import Architecture
from pimsim.model.lowering import lower
from pimsim.model.trace import Trace
from pimsim.sim import verify_pim_gpt
from pimsim.sim.verify import Verification, verify
from pimsim.sim.verify_pim_gpt import contexts, parts

SMALL = ("memory.channels=2", "memory.banks=4", "memory.columns=4", "asic.sincos_table=true")
"""Rows of 64 elements, 8 tokens a group."""


def system(*more: str) -> SystemConfig:
    return load_system("pim-gpt", [*SMALL, *more])


def trace(architecture: Architecture = FAMILIES["gpt2"], tokens: int = 9, **options: object) -> Trace:
    return lower(architecture, output_tokens=tokens, **options)  # type: ignore[arg-type]


def found(run: Trace, *more: str) -> list[Check]:
    return list(verify_pim_gpt.run(system(*more), run, 0).checks)


def bad(checks: Iterable[Check]) -> list[Check]:
    return [check for check in checks if not check.ok]




@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_computes(family):
    checks = found(trace(FAMILIES[family], embedding=True, lm_head=True))
    assert not bad(checks)
    ran = {check.name for check in checks}
    assert {"kv_append", "score", "softmax", "attend", "proj", "embed", "lm_head"} <= ran


@pytest.mark.parametrize("channels", [1, 5, 8])
@pytest.mark.parametrize("family", ["llama", "gemma", "deepseek-v3"])
def test_heads_cut_into_pieces_compute(family, channels):
    assert not bad(found(trace(FAMILIES[family], tokens=18), f"memory.channels={channels}", "memory.banks=2",
                         "memory.bankgroups=2"))


def test_mixtures_choose_combine_and_absorb():
    kinds = {check.kind for check in found(trace(FAMILIES["deepseek-v3"]))}
    assert {"topk", "combine", "head_matvec"} <= kinds


def test_what_the_asic_cannot_run_is_named_with_the_key_that_helps():
    with pytest.raises(InputError, match=r"asic.sincos_table: operator 'rotary' \(rotary\)"):
        found(trace(FAMILIES["llama"]), "asic.sincos_table=false")


@pytest.mark.parametrize("part", ["block", "qkv", "attention", "ffn"])
def test_parts_of_a_layer_compute(part):
    checks = found(trace(part=part))
    assert checks and not bad(checks)


def test_a_filled_cache_is_where_decoding_starts():
    checks = found(trace(prompt_tokens=20, tokens=3, prefill="elsewhere"))
    assert not bad(checks) and {check.place.context for check in checks} == {20, 21, 22}


def test_a_filled_window_is_where_decoding_starts():
    checks = found(trace(tiny(windows=(5, 5, 5)), prompt_tokens=13, tokens=3, prefill="elsewhere"))
    assert not bad(checks) and {check.shape for check in checks if check.name == "score"} == {"30 x 4"}


@pytest.mark.parametrize("more", [(), ("asic.datapath=fp32",), ("pim.all_bank_act=faw",), ("memory.channels=3",)])
def test_other_systems_compute(more):
    assert not bad(found(trace(), *more))


def test_both_overlaps_are_run():
    checks = found(trace())
    by_variant = {v: [c.name for c in checks if c.place.variant == v] for v in ("overlap none", "overlap pipelined")}
    assert by_variant["overlap none"] == by_variant["overlap pipelined"] and len(checks) == 2 * len(by_variant["overlap none"])


def test_preloading_and_appending_give_the_same_checks(monkeypatch):
    appended = found(trace(tokens=40))
    monkeypatch.setattr(verify_pim_gpt, "APPENDED_ELEMENTS", 0)
    preloaded = found(trace(tokens=40))
    assert not bad(appended + preloaded)
    assert [(c.name, c.place) for c in appended] == [(c.name, c.place) for c in preloaded]


def test_every_token_of_a_small_model_is_appended(monkeypatch):
    slots: set[int] = set()
    bank = Keys.bank
    monkeypatch.setattr(Keys, "bank", lambda self, slot: slots.add(slot) or bank(self, slot))
    monkeypatch.setattr("pimsim.mapping.functional.layout.PimGptLayout.store_keys", lambda *a: None)
    found(trace(tokens=40))
    assert slots == set(range(40))


def test_the_last_layer_is_computed_for_all():
    assert [str(part) for part in parts(trace())] == ["layer 2, the same programs as of layers 0-1 on rows of its own"]
    assert {check.place.layer for check in found(trace())} == {2}


def test_layers_with_and_without_a_window_are_computed_both():
    assert [str(part) for part in parts(trace(FAMILIES["gpt-neo"]))] == [
        "layer 2, the same programs as of layer 0 on rows of its own", "layer 1"]


def test_embedding_and_head_are_parts():
    assert [str(part) for part in parts(trace(embedding=True, lm_head=True))][::2] == ["embed", "ln_f"]


def test_contexts_are_the_ends_and_around_the_sizes():
    assert contexts(1, 1024, [128, 1024]) == [1, 2, 3, 127, 128, 129, 130, 1023, 1024]


def test_contexts_of_a_long_run_reach_the_last_row():
    assert [c for c in contexts(1, 3000, [1024]) if c > 3] == [1023, 1024, 1025, 1026, 2047, 2048, 2049, 2050, 3000]


def test_contexts_lie_within_the_run():
    assert contexts(127, 128, [128]) == [127, 128]


def test_a_forgotten_bias_is_noticed(monkeypatch):
    # the ASIC adds nothing: what the memory gave is right, what became of it is not
    collect = verify_pim_gpt.PimGptFunctional.collect
    monkeypatch.setattr(verify_pim_gpt.PimGptFunctional, "collect",
                        lambda self, layer, op, sums: collect(self, layer, replace(op, bias=False), sums))
    failed = {check.name for check in bad(found(trace()))}
    assert failed == {"qkv_sum", "proj_sum", "ffn1_sum", "ffn2_sum"}


def test_a_cache_that_forgets_its_groups_is_noticed(monkeypatch):
    monkeypatch.setattr("pimsim.mapping.pim_gpt.cache_slot", lambda tokens, attended: min(tokens - 1, 7))
    failed = {check.name for check in bad(found(trace(tokens=9)))}
    assert {"kv_append", "score"} <= failed and not failed & {"qkv", "proj", "ffn1", "ffn2", "ln1"}


def test_a_poor_arithmetic_is_noticed():
    failed = {check.name for check in bad(found(trace(), "asic.datapath=fp32", "asic.newton_steps=0"))}
    assert "softmax" in failed and "qkv" not in failed


# ---------------------------------------------------------------------- the whole command


@pytest.fixture(scope="module")
def gpt2() -> Verification:
    return verify(*load("pim-gpt", "gpt2-small", ["workload.output_tokens=2"]))


def test_gpt2_small_computes(gpt2):
    assert gpt2.ok and 0 < gpt2.largest("memory", "max_rel_error") < 1e-6


def test_summary_is_json_with_the_keys_that_scripts_rely_on(gpt2):
    data = json.loads(json.dumps(gpt2.summary(), allow_nan=False))
    assert data["ok"] is True and {"operators", "max_abs_error", "max_rel_error"} <= data.keys()
    assert {"name", "kind", "shape", "max_abs_error", "max_rel_error", "ok"} <= data["operators"][0].keys()


def test_largest_errors_are_those_of_the_operators(gpt2):
    data = gpt2.summary()
    memory = [op["max_abs_error"] for op in data["operators"] if op["unit"] == "memory"]
    assert data["max_abs_error"] == max(memory)


def test_seed_changes_the_numbers(gpt2):
    other = verify(*load("pim-gpt", "gpt2-small", ["workload.output_tokens=2"]), seed=1)
    assert other.ok and other.largest("memory", "max_abs_error") != gpt2.largest("memory", "max_abs_error")


def test_progress_names_layer_and_overlap():
    lines: list[str] = []
    verify(*load("pim-gpt", "gpt2-small", [*SMALL, "memory.rows=32768", "memory.columns=64", "workload.output_tokens=1"]),
           progress=lines.append)  # fmt: skip
    assert lines == ["layer 11, overlap none", "layer 11, overlap pipelined"]


def test_a_run_without_checks_is_not_ok():
    assert not Verification("s", "w", 0, (), ()).ok


def test_a_mapping_without_functional_mode_is_named():
    config, workload = load("pim-gpt", "gpt2-small", ["mapping=pim-gtp"])
    with pytest.raises(InputError, match="mapping 'pim-gtp' has no functional mode; did you mean 'pim-gpt'"):
        verify(config, workload)

"""The result of a run: its numbers agree with one another and with what can be counted by hand."""

import pickle

import pytest

import pimsim
from pimsim.results.pim_gpt.time import CAUSE_NAMES


@pytest.fixture(scope="module", params=["none", "pipelined"])
def result(request: pytest.FixtureRequest, tiny: str) -> pimsim.Result:
    return pimsim.run("pim-gpt", tiny, overrides=[f"system.overlap={request.param}"])


def test_the_summary_has_the_keys_that_scripts_rely_on(result: pimsim.Result) -> None:
    keys = {"schema_version", "pimsim_version", "system", "workload", "time_s", "cycles", "tokens", "tokens_per_s", "layers_simulated",
            "folded", "energy_j", "power_w", "row_hit_rate", "commands", "macs", "bandwidth", "utilisation", "time_by_op_s",
            "cycles_by_cause", "bound_s", "checks", "host"}  # fmt: skip
    assert keys <= result.summary().keys()
    assert set(result.summary()["host"]) == {"wall_s", "cpu_s", "commands_per_s", "peak_rss_bytes"}


def test_the_summary_cannot_change_the_result(result: pimsim.Result) -> None:
    result.summary()["energy_j"]["total"] = -1
    assert result.energy_j["total"] > 0


def test_macs_are_those_of_the_model(result: pimsim.Result) -> None:
    # 3 layers; 12 h^2 of weights a token, and 2 h of scores and weighted sum a token of context (1 to 6)
    assert result.facts["macs"] == 3 * (6 * 12 * 192**2 + 2 * 192 * sum(range(1, 7)))


def test_energy_parts_sum_to_the_total(result: pimsim.Result) -> None:
    parts = dict(result.energy_j)
    assert sum(parts.values()) - parts["total"] == pytest.approx(parts.pop("total"))


def test_power_is_energy_over_time(result: pimsim.Result) -> None:
    assert result.power_w == pytest.approx(result.energy_j["total"] / result.time_s)


def test_time_is_cycles_of_half_a_nanosecond(result: pimsim.Result) -> None:
    assert result.time_s == result.cycles / 2e9


def test_causes_sum_to_the_cycles(result: pimsim.Result) -> None:
    assert sum(result.facts["cycles_by_cause"].values()) == pytest.approx(result.cycles)
    assert sum(result.facts["share_by_cause"].values()) == pytest.approx(1)


def test_operators_sum_to_the_run(result: pimsim.Result) -> None:
    rows = result.operator_rows
    assert sum(row["cycles"] for row in rows) == result.cycles
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert sum(row["macs"] for row in rows) == result.facts["macs"]
    assert sum(result.facts["time_by_op_s"].values()) == pytest.approx(result.time_s)


def test_causes_of_all_operators_sum_to_those_of_the_run(result: pimsim.Result) -> None:
    table = result.operators()
    assert table[[f"{cause}_cycles" for cause in CAUSE_NAMES]].to_numpy().sum() == pytest.approx(result.cycles)
    for cause in CAUSE_NAMES:
        assert table[f"{cause}_cycles"].sum() == pytest.approx(result.facts["cycles_by_cause"].get(cause, 0)), cause


def test_steps_follow_one_another(result: pimsim.Result) -> None:
    rows = result.token_rows
    assert rows[0]["begin_cycle"] == 0
    assert all(a["begin_cycle"] + a["cycles"] == b["begin_cycle"] for a, b in zip(rows, rows[1:], strict=False))
    assert rows[-1]["begin_cycle"] + rows[-1]["cycles"] == result.cycles


def test_contexts_grow_by_one_and_the_prompt_is_prefill(result: pimsim.Result) -> None:
    assert [(row["context"], row["phase"]) for row in result.token_rows] == \
        [(1, "prefill"), *((context, "decode") for context in range(2, 7))]


def test_the_row_hit_rate_follows_from_the_commands(result: pimsim.Result) -> None:
    c = result.commands
    accesses = 16 * c["MAC16"] + c["WR"] + c.get("RD", 0)
    assert result.row_hit_rate == 1 - (16 * c["ACT16"] + c["ACT"]) / accesses


def test_bytes_over_the_pins_follow_from_the_commands(result: pimsim.Result) -> None:
    c = result.commands
    assert result.facts["bytes_over_pins"] == 32 * (c["WRGB"] + c["RDMAC16"] + c["WR"] + c.get("RD", 0))
    assert result.facts["bytes_spilled"] == 0


def test_what_does_not_fit_into_the_asic_crosses_the_pins_and_costs_energy(result: pimsim.Result, tiny: str) -> None:
    small = pimsim.run("pim-gpt", tiny, overrides=[f"system.overlap={result.config['system']['overlap']}"], **{"asic.sram_bytes": "1 KiB"})
    spilled = small.facts["bytes_spilled"]
    assert spilled > 0
    assert small.facts["bytes_over_pins"] == result.facts["bytes_over_pins"] + spilled
    per_byte = result.energy_j["io"] / result.facts["bytes_over_pins"]
    assert small.energy_j["io"] == pytest.approx(per_byte * small.facts["bytes_over_pins"])
    assert small.cycles > result.cycles


def test_a_conventional_memory_moves_weights_keys_and_values(result: pimsim.Result) -> None:
    # bf16: all weights a token; K and V are read (context tokens) and appended (one token)
    weights, cache = 6 * 12 * 192**2, 2 * 192 * (sum(range(1, 7)) + 6)
    assert result.facts["bytes_conventional"] == 2 * 3 * (weights + cache)


def test_no_operator_is_faster_than_its_bound(result: pimsim.Result) -> None:
    if result.config["system"]["overlap"] == "none":
        assert all(row["time_s"] >= row["bound_s"] for row in result.operator_rows)
    assert result.time_s > 0


def test_tables_are_data_frames(result: pimsim.Result) -> None:
    assert list(result.operators()["operator"]) == [row["operator"] for row in result.operator_rows]
    assert result.tokens()["latency_s"].sum() == pytest.approx(result.time_s)


def test_unverified_numbers_are_those_whose_source_says_so(result: pimsim.Result) -> None:
    assert {"memory.timing.tRP", "memory.tCK"} & {source.path for source in result.unverified} == {"memory.timing.tRP"}


def test_currents_that_are_not_chosen_are_no_source(tiny: str) -> None:
    variant = {f"memory.currents_variants.same.{key}": value for key, value in (
        ("VDD", "1.35 V"), ("IDD0", "71 mA"), ("IDD2N", "60 mA"), ("IDD3N", "61 mA"), ("IDD4R", "248 mA"), ("IDD4W", "231 mA"),
        ("IDD5AB", "286 mA"))}  # fmt: skip
    result = pimsim.run("pim-gpt", tiny, **variant, **{"memory.currents_variant": "same"})
    named = {source.path for source in result.sources if "currents" in source.path}
    assert named == set(variant)


def test_a_result_can_be_sent_to_another_process(result: pimsim.Result) -> None:
    from dataclasses import replace

    assert pickle.loads(pickle.dumps(replace(result, run=None))) == result


def test_it_says_what_it_is(result: pimsim.Result) -> None:
    assert repr(result).startswith("<Result tiny on pim-gpt: 5 tokens in ")


def test_a_notebook_shows_a_table_of_every_operator(result: pimsim.Result) -> None:
    html = result._repr_html_()
    assert all(f"<td style='text-align:left'>{row['operator']}</td>" in html for row in result.operator_rows)
    assert html.count("<table") == html.count("</table>") == 3


def test_a_name_cannot_smuggle_markup_into_a_notebook(result: pimsim.Result) -> None:
    from dataclasses import replace

    named = replace(result, facts={**result.facts, "workload": "<script>"})
    assert "<script>" not in named._repr_html_()


def test_more_banks_share_the_work(tiny: str) -> None:
    few, many = (pimsim.run("pim-gpt", tiny, **{"memory.banks": banks}) for banks in (8, 16))
    assert few.facts["energy_j"]["activate"] == pytest.approx(many.facts["energy_j"]["activate"], rel=0.5)
    assert few.cycles > many.cycles


def test_without_output_tokens_nothing_is_counted_by_token(tiny: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    from pimsim.config import load_workload
    from pimsim.model.lowering import lower_workload
    from pimsim.model.tracefile import write_trace

    write_trace(lower_workload(load_workload(tiny)), tmp_path / "t.csv")
    text = (tmp_path / "t.csv").read_text().replace(",decode,", ",prefill,")
    (tmp_path / "t.csv").write_text(text)
    result = pimsim.run("pim-gpt", trace=tmp_path / "t.csv")
    assert (result.tokens_generated, result.tokens_per_s, result.facts["energy_per_token_j"]) == (0, 0, None)
    assert "6 steps in" in result.report()

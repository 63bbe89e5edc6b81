"""The papers' tables, on plans that take milliseconds."""

from __future__ import annotations

import pytest

from pimsim.compare import papers
from pimsim.compare.paper import Claim, Line, Plan, Point, Setting, paper_json, paper_report, paper_table
from pimsim.compare.papers import PLANS
from pimsim.validate.reference import table

FAST, SLOW = Setting("gpu-h200", "as shipped"), Setting("gpu-t4", "eager")
AGAIN = Setting("gpu-t4", "recomputes", ("execution.kv_cache=false",))


@pytest.fixture
def plan(tiny: str, monkeypatch: pytest.MonkeyPatch) -> Plan:
    claims = tuple((FAST, Claim("speed-up", "T4", 2.0, 8.0), setting) for setting in (SLOW, AGAIN))
    made = Plan("H200 over T4", "nobody", FAST, (Point("a", tiny), Point("b", tiny, ("workload.output_tokens=20",))),
                (*claims, (FAST, Claim("energy efficiency", "T4", mean=3.0), SLOW)), ("a note",))  # fmt: skip
    monkeypatch.setitem(papers.PLANS, "mine", made)
    return made


def quiet(text: str) -> None:
    pass


def test_every_claim_is_held_against_its_setting(plan: Plan) -> None:
    lines = paper_table("mine", quiet).lines
    assert [(line.claim.what, line.setting) for line in lines] == [("speed-up", SLOW), ("speed-up", AGAIN), ("energy efficiency", SLOW)]
    assert all(set(line.ratios) == {"a", "b"} for line in lines)


def test_a_run_is_made_once(plan: Plan) -> None:
    said: list[str] = []
    paper_table("mine", said.append)
    assert len(said) == len(set(said)) == 3 * 2


def test_ranges_compare_lowest_and_highest_and_means_the_geometric_mean() -> None:
    line = Line(Claim("speed-up", "T4", 2.0, 8.0), SLOW, {"a": 1.0, "b": 4.0})
    assert line.pairs == (("lowest", 2.0, 1.0), ("highest", 8.0, 4.0))
    assert Line(Claim("speed-up", "T4", mean=3.0), SLOW, {"a": 1.0, "b": 4.0}).pairs == (("mean", 3.0, pytest.approx(2.0)),)


def test_json_has_paper_ours_and_difference(plan: Plan) -> None:
    figure = paper_json(paper_table("mine", quiet))["figures"][0]
    assert figure["paper"] == {"lowest": 2.0, "highest": 8.0}
    for name, ours in figure["ours"].items():
        assert figure["difference"][name] == pytest.approx(ours / figure["paper"][name] - 1)
    assert figure["assumption"] == "eager"


def test_report_shows_each_assumption_and_the_notes(plan: Plan) -> None:
    text = paper_report(paper_table("mine", quiet))
    assert "speed-up over T4, lowest" in text
    assert "recomputes" in text
    assert text.endswith("* a note\n")


def test_ranges_of_pim_gpt_are_those_of_the_reference_table() -> None:
    rows = {row["quantity"]: (float(row["low"]), float(row["high"])) for row in table("pim_gpt_paper")}
    found = {(claim.what, claim.over): (claim.low, claim.high) for _, claim, _ in PLANS["pim-gpt"].claims}
    assert found == {
        ("speed-up", "T4"): rows["speedup_t4"], ("energy efficiency", "T4"): rows["efficiency_t4"],
        ("speed-up", "Xeon Gold 6154"): rows["speedup_xeon_6154"], ("energy efficiency", "Xeon Gold 6154"): rows["efficiency_xeon_6154"],
    }  # fmt: skip


def test_every_system_and_workload_of_the_plans_ships() -> None:
    from pimsim.config import load_any_and_workload

    for plan in PLANS.values():
        for setting in {one for subject, _, other in plan.claims for one in (subject, other)}:
            for point in plan.workloads:
                more = point.baseline_overrides if setting.system.startswith(("gpu-", "cpu-")) else ()
                load_any_and_workload(setting.system, point.workload, (*setting.overrides, *point.overrides, *more))

"""The report: one screen, nothing cut, the numbers of the summary."""

import re

import pytest

import pimsim
from pimsim.results.label import amount


@pytest.fixture(scope="module")
def result(tiny: str) -> pimsim.Result:
    return pimsim.run("pim-gpt", tiny)


@pytest.fixture(scope="module")
def blamed(tiny: str) -> pimsim.Result:
    return pimsim.run("pim-gpt", tiny, blame=True)


@pytest.mark.parametrize("width", [76, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_screen(blamed: pimsim.Result, width: int) -> None:
    assert max(len(line) for line in blamed.report(width).splitlines()) <= width


def test_it_fits_on_one_screen(result: pimsim.Result) -> None:
    assert len(result.report(100).splitlines()) <= 50


def test_every_operator_and_its_share_is_shown(result: pimsim.Result) -> None:
    lines = result.report().splitlines()
    for row in result.operator_rows:
        line = next(line for line in lines if line.startswith(f"  {row['operator']} "))
        assert f"{100 * row['share']:.1f} %" in line


def test_shares_of_causes_and_energy_sum_to_all(result: pimsim.Result) -> None:
    totals = [line for line in result.report().splitlines() if re.search(r"\btotal\b", line)]
    assert sum(line.count("100.0 %") for line in totals) == 2


def test_every_cause_and_every_component_has_a_line(result: pimsim.Result) -> None:
    text = result.report()
    begin, end = text.index("Cycles of a channel by cause"), text.index("\nUse\n")
    shown = text[begin:end].count("%") - 2
    assert shown == len(result.facts["share_by_cause"]) + sum(v > 0 for k, v in result.energy_j.items() if k != "total")


def test_unverified_numbers_are_counted_and_listed_on_request(result: pimsim.Result) -> None:
    count = len(result.unverified)
    assert f"{count} of the {len(result.sources)} numbers behind" in " ".join(result.report().split())
    assert "tRP" not in result.report()
    listed = result.report(verbose=True).split("Unverified numbers\n")[1].splitlines()
    assert len(listed) == count
    assert any(line.startswith("  memory.timing.tRP = 12 ns   unverified") for line in listed)


def test_what_was_folded_is_said(result: pimsim.Result, tiny: str) -> None:
    assert "Folded" in result.report()
    assert "Folded" not in pimsim.run("pim-gpt", tiny, fold=False).report()


def test_blame_shows_the_rules_that_held_most_commands(blamed: pimsim.Result) -> None:
    lines = blamed.report().splitlines()
    first = blamed.facts["blame"]["held_back"][0]
    assert lines[lines.index("Held back by, step 0") + 1].startswith(f"  {first['command']:<9}{first['rule']}"[:60])


@pytest.mark.parametrize(("value", "shown"), [(1.1, "1.10 J"), (30.0, "30.0 J"), (0.2, "200 mJ"), (1.0, "1.00 J"), (0, "0 J"),
                                              (123.4, "123 J"), (0.01234, "12.3 mJ")])  # fmt: skip
def test_amounts_have_three_digits(value: float, shown: str) -> None:
    assert amount(value, "J") == shown


def test_an_operator_that_is_quicker_than_its_bound_was_hidden(tiny: str) -> None:
    lines = pimsim.run("pim-gpt", tiny, overrides=["system.overlap=pipelined"]).report().splitlines()
    assert any(line.startswith("Time not hidden") for line in lines)
    assert any(line.startswith("  gelu ") and line.endswith(" hidden") for line in lines)

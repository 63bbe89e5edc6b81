"""The tables of docs/validation.md show what committed code measures."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim.validate.closed_form import CAUSES
from pimsim.validate.pim_gpt_run import Measured, measure, predicted

DOCUMENT = Path(__file__).parents[2] / "docs" / "validation.md"
MODELS = ("gpt2-small", "gpt2-medium", "gpt2-large", "gpt2-xl", "gpt3-large", "gpt3-xl")
LABELS = dict(zip(("weights: MACs and rows", "attention scores", "attention output", "buffer fill", "result reads", "K append", "V append",
                   "refresh", "waiting for the ASIC", "idle"),
                  ("weights", "scores", "attention", "buffer_fill", "result_read", "k_append", "v_append", "refresh", "asic", "idle"),
                  strict=True))  # fmt: skip


def rows(heading: str) -> dict[str, list[str]]:
    """Label -> cells of the table whose first line begins with ``heading``."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith(f"| {heading}"))
    found = {}
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        label, *cells = (cell.strip().replace("*", "") for cell in line.strip("|").split("|"))
        found[label] = cells
    return found


def ms(ours: Measured, cause: str) -> float:
    return ours.ticks[cause] * ours.time_s / ours.ticks["total"] * 1e3


@pytest.mark.parametrize(("column", "model"), list(enumerate(MODELS)))
def test_times_by_cause(column: int, model: str) -> None:
    ours, expected, table = measure(model), predicted(model), rows("simulated, ms")
    assert sorted(LABELS.values()) == sorted(CAUSES)
    for label, cause in (*LABELS.items(), ("1,024 tokens", "total")):
        time, error = table[label][column].split(" ", 1)
        assert time == f"{ms(ours, cause):.1f}", label
        if error != "exact":
            assert float(error.rstrip(" %")) == pytest.approx(100 * (ours.ticks[cause] / expected[cause] - 1), abs=0.0051), label
        else:
            assert ours.ticks[cause] == expected[cause], label


@pytest.mark.parametrize(("column", "model"), list(enumerate(MODELS)))
def test_the_way_from_the_bound_adds_up(column: int, model: str) -> None:
    cells = [float(row[column]) for row in rows("| GPT-2 small | medium | large | XL | GPT-3 large | XL |").values()]
    *parts, total, ratio = cells
    assert sum(parts) == pytest.approx(total, abs=0.5)
    assert total == pytest.approx(1e3 * measure(model).time_s, abs=0.05)
    assert ratio == pytest.approx(total / parts[0], abs=0.0051)


@pytest.mark.parametrize(("column", "model"), list(enumerate(MODELS)))
def test_figures_beside_the_paper(column: int, model: str) -> None:
    facts = measure(model).facts
    table = [row[column] for row in rows("| GPT-2 small | medium | large | XL | GPT-3 large | XL | paper |").values()]
    assert table == [f"{100 * facts['row_hit_rate']:.1f} %", f"{facts['power_w']:.1f}", f"{facts['data_movement_reduction']:.0f}"]

"""A result in a notebook: the headline and small tables, as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from pimsim.results.label import amount, label, percent
from pimsim.results.report import causes, energy_shares, headline

if TYPE_CHECKING:
    from pimsim.results.result import Result


def html(result: Result) -> str:
    """The headline, and a table each of operators, causes and energy, the largest first."""
    s = result.facts
    tables = []
    rows = sorted(result.tables.get("operators", ()), key=lambda r: -r["time_s"])
    if rows:
        total = sum(r["time_s"] for r in rows) or 1
        tables.append(_table(("operator", "time", "share", "bound"), [
            (r["operator"], amount(r["time_s"], "s"), percent(r.get("share", r["time_s"] / total)),
             "" if r.get("bound_s") is None else amount(r["bound_s"], "s")) for r in rows]))  # fmt: skip
    for title, shares in causes(s).items():
        tables.append(_table((title, "share"), [(label(k), percent(v)) for k, v in sorted(shares.items(), key=lambda i: -i[1])]))
    if s.get("energy_j"):
        parts = sorted(energy_shares(s).items(), key=lambda i: -i[1])
        tables.append(_table(("energy", "", "share"), [(label(k), amount(s["energy_j"][k], "J"), percent(v)) for k, v in parts]))
    return f"<p><b>{escape(headline(result))}</b></p>" + "".join(tables)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = "".join(f"<th style='text-align:left'>{escape(h)}</th>" for h in head)
    body = "".join("<tr>" + "".join(f"<td style='text-align:left'>{escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    return (f"<table style='display:inline-table;vertical-align:top;margin-right:2em'><thead><tr>{cells}</tr></thead>"
            f"<tbody>{body}</tbody></table>")  # fmt: skip

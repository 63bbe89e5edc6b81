"""The report of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pimsim.config.document import dotted, leaves
from pimsim.plot import run_pictures
from pimsim.report.page import Cell, Page, Section, Table, cell, drawings
from pimsim.results.label import amount, label, percent, rate
from pimsim.results.report import causes, energy_shares, headline, serving
from pimsim.results.result import Result, Row
from pimsim.validate.figure import Figure

SHOWN_ROWS = 200
"""Rows of a table of steps or requests that are shown: the first and the last, the others are in the run folder."""
SUMMARISED = ("operators", "cycles_by_cause", "activity")
"""Tables that have a section of their own or are drawn."""


def run_page(result: Result, figures: Sequence[tuple[str, Figure]] = ()) -> str:
    """A run as HTML.

    Args:
        figures: (group, figure) of the validation table to show with it.
    """
    sections = [Section("Pictures", drawings=drawings(run_pictures(result))), Section("Summary", tables=[_summary(result)])]
    if result.tables.get("operators"):
        sections.append(Section("Operators", tables=_operators(result.tables["operators"])))
    sections += [Section(title, tables=[_shares(shares, "cause")]) for title, shares in causes(result.facts).items()]
    if result.facts.get("energy_j"):
        sections.append(Section("Energy by component", tables=[_shares(energy_shares(result.facts), "component", result.energy_j)]))
    if result.facts.get("commands"):
        sections.append(Section("Commands", "Issued on all channels; an all-bank command counts once a channel.", tables=[
            Table(("command", "count"), [(cell(name), cell(count)) for name, count in result.commands.items()])]))  # fmt: skip
    sections.append(_checks(result))
    sections += [_cut(name, rows) for name, rows in result.tables.items() if name not in SUMMARISED and rows]
    sections += validation(figures)
    sections.append(_unverified(result))
    sections.append(Section("Configuration", "The system, as it was resolved; every number with its source.",
                            tables=[_configuration(result)]))  # fmt: skip
    if result.workload is not None:
        sections.append(Section("Workload", tables=[_settings(result.workload)]))
    return Page(headline(result), _facts(result), sections).render()


def validation(figures: Iterable[tuple[str, Figure]]) -> list[Section]:
    """The validation table, if there are figures."""
    rows = [
        (cell(group), cell(figure.name, note=figure.command), cell(figure.source), cell(figure.reference), cell(figure.ours),
         cell(figure.unit), cell(figure.error, None if figure.error is None else f"{100 * figure.error:+.2f} %"),
         cell(figure.accepted.text if figure.accepted else None), cell(str(figure.verdict)), cell(figure.reason))
        for group, figure in figures
    ]  # fmt: skip
    if not rows:
        return []
    counts: dict[str, int] = {}
    for row in rows:
        counts[row[8].text] = counts.get(row[8].text, 0) + 1
    said = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
    headings = ("group", "figure", "source", "reference", "ours", "unit", "error", "tolerance", "verdict", "reason")
    return [Section("Validation", f"Figures of others beside those of pimsim: {said}.", tables=[Table(headings, rows)])]


def _operators(rows: Sequence[Row]) -> list[Table]:
    """What operators did, and their cycles by cause in a table of its own."""
    causes = [key for key in rows[0] if key.endswith("_cycles") and any(row[key] for row in rows)]
    tables = [records([{key: value for key, value in row.items() if not key.endswith("_cycles")} for row in rows])]
    if causes:
        spent = [[cell(row["operator"]), *(cell(row[key], f"{row[key]:,.0f}") for key in causes)] for row in rows]
        tables.append(Table(["cycles of", *(label(key.removesuffix("_cycles")) for key in causes)], spent))
    return tables


def records(rows: Sequence[Row]) -> Table:
    """Rows of a result's table, with times and energies for people."""
    headings = list(dict.fromkeys(key for row in rows for key in row))
    return Table([_heading(heading) for heading in headings], [[_amount(key, row.get(key)) for key in headings] for row in rows])


def _heading(key: str) -> str:
    """A column's name without the unit that its cells show; paths of the configuration stay as they are."""
    if "." in key and not key.startswith("energy_j."):
        return key
    for ending in ("_bytes_per_s", "_s", "_j", "_w"):
        if key.split(".")[0].endswith(ending) and (ending == "_bytes_per_s" or not key.endswith("_per_s")):
            key = key.replace(ending, "", 1)
    return key.replace("_per_s", "/s").replace("_", " ").replace(".", ": ")


def _amount(key: str, value: Any) -> Cell:
    """A value, shown as its column's name says."""
    if value is None or isinstance(value, str | bool):
        return cell(value)
    if key == "share" or key.endswith("_utilisation"):
        return cell(value, percent(value))
    for ending, unit in (("_bytes_per_s", "B/s"), ("_s", "s"), ("_j", "J"), ("_w", "W")):
        if key.split(".")[0].endswith(ending) and (ending == "_bytes_per_s" or not key.endswith("_per_s")):
            return cell(value, amount(value, unit))
    return cell(value, f"{value:,.1f}".removesuffix(".0") if isinstance(value, float) and abs(value) >= 100 else None)


def _facts(result: Result) -> list[tuple[str, str]]:
    s = result.facts
    known = [("time", "time_s", lambda v: amount(v, "s")), ("tokens/s", "tokens_per_s", rate), ("cycles", "cycles", lambda v: f"{v:,}"),
             ("energy", "energy_j", lambda v: amount(v["total"], "J")), ("energy a token", "energy_per_token_j", lambda v: amount(v, "J")),
             ("power", "power_w", lambda v: amount(v, "W")), ("row-hit rate", "row_hit_rate", percent)]  # fmt: skip
    facts = [(name, text(s[key])) for name, key, text in known if s.get(key)]
    if s.get("bound_s") is not None:
        facts.append(("roofline bound", f"{percent(s['bound_s'] / s['time_s'])} of the time"))
    return facts


def _summary(result: Result) -> Table:
    """Every single number of the summary."""
    skipped = ("energy_j", "commands", "cycles_by_cause", "cycles_by_cause_of", "share_by_cause", "time_by_op_s", "bound_by_op_s", "checks",
               "blame", "serving", "host")  # fmt: skip
    rows = [(cell(dotted(path)), cell(value)) for path, value in leaves(dict(result.facts)) if path[0] not in skipped]
    rows += [(cell(f"serving.{key}"), cell(text)) for key, text in serving(result.facts)]
    return Table(("key", "value"), rows)


def _shares(shares: Mapping[str, float], what: str, joules: Mapping[str, float] | None = None) -> Table:
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    if joules is None:
        return Table((what, "share"), [(cell(label(key)), cell(share, percent(share))) for key, share in ordered])
    return Table((what, "energy", "share"), [(cell(label(key)), cell(joules[key], amount(joules[key], "J")), cell(share, percent(share)))
                                             for key, share in ordered])  # fmt: skip


def _checks(result: Result) -> Section:
    rows = [(cell(name), cell("holds" if verdict is True else str(verdict))) for name, verdict in result.checks.items()]
    return Section("Checks", "Laws that the run keeps; a broken one would have failed it.", tables=[Table(("law", "verdict"), rows)])


def _cut(name: str, rows: Sequence[Row]) -> Section:
    shown = list(rows) if len(rows) <= SHOWN_ROWS else [*rows[: SHOWN_ROWS // 2], *rows[-SHOWN_ROWS // 2 :]]
    text = "" if len(shown) == len(rows) else f"The first and the last {SHOWN_ROWS // 2} of {len(rows):,} rows; all are in {name}.csv."
    return Section(label(name).capitalize(), text, tables=[records(shown)])


def _unverified(result: Result) -> Section:
    rows = [(cell(s.path), cell(s.value), cell(s.source)) for s in result.unverified]
    text = f"{len(rows)} of the {len(result.sources)} numbers behind this result are assumed, or not checked against their origin."
    return Section("Unverified numbers", text, tables=[Table(("number", "value", "source"), rows)])


def _configuration(result: Result) -> Table:
    sources = {source.path: source for source in result.sources}
    rows = []
    for path, value in leaves(dict(result.config)):
        source = sources.get(dotted(path))
        rows.append((cell(dotted(path)), cell(source.value if source else value), cell(source.source if source else None)))
    return Table(("key", "value", "source"), rows)


def _settings(settings: Mapping[str, Any]) -> Table:
    return Table(("key", "value"), [(cell(dotted(path)), cell(value)) for path, value in leaves(dict(settings))])

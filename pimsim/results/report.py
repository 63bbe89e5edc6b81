"""The report of a run: one screen of plain text, the same on a terminal, in a file and in a notebook.

Lines that begin without a space are headings.
"""

from __future__ import annotations

import html as markup
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pimsim.units import human

if TYPE_CHECKING:
    from pimsim.results.result import Result

LABELS = {
    "activate": "activate/precharge", "buffer_fill": "buffer fill", "result_read": "result read", "v_append": "V append",
    "asic": "ASIC", "mode": "mode register", "read": "read", "write": "write", "mac": "MAC", "io": "pin I/O",
    "active_standby": "standby, rows open", "precharged_standby": "standby, closed", "pim": "PIM", "npu": "NPU",
}  # fmt: skip
"""Names of summary keys for people; others are shown as they are."""

MOST_ROWS = 12
SPARKS = "▁▂▃▄▅▆▇█"
PARTS_OF_A_BLOCK = " ▏▎▍▌▋▊▉"


def amount(value: float, unit: str) -> str:
    """Three digits and a prefix, zeros kept so that columns line up: "1.10 J"."""
    number, unit = human(value, unit).split(" ", 1)
    if value and len(number) < 3:
        number += "."
    return f"{number:0<4} {unit}" if "." in number else f"{number} {unit}"


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def headline(result: Result) -> str:
    """One line: what ran on what, how long it took, how fast, at what power."""
    s = result.facts
    done = f"{s['tokens']:,} tokens" if s["tokens"] else f"{s['steps']:,} steps"
    return (f"{s['workload']} on {s['system']}: {done} in {amount(s['time_s'], 's')}, {_rate(s['tokens_per_s'])} tokens/s, "
            f"{amount(s['power_w'], 'W')}")


def report(result: Result, width: int = 100, *, verbose: bool = False) -> str:
    """The whole report, no line longer than ``width`` (at least 76); ``verbose`` lists the unverified numbers."""
    width = max(width, 76)
    s = result.facts
    bar = (width - 74) // 2  # what is left of two tables with a gap
    left = 31 + bar
    lines = _head(s, left) + _operators(result, width)
    lines += _beside(_shares("Cycles of a channel by cause", s["share_by_cause"], bar),
                     _shares("Energy by component", _fractions(s["energy_j"]), bar, s["energy_j"]), left)
    lines += ["Use", *_wrapped(_use(result), width, 17)]
    if "blame" in s:
        lines += _blame(s["blame"], width)
    lines += ["", *_wrapped(_facts(result), width, 12)]
    if verbose:
        lines += ["", "Unverified numbers"]
        lines += [_cut(f"  {x.path} = {x.value}   {x.source}", width) for x in result.unverified]
    return "\n".join(lines) + "\n"


def _head(s: Mapping[str, Any], column: int) -> list[str]:
    done = f"{s['tokens']:,} tokens" if s["tokens"] else f"{s['steps']:,} steps"
    bound = f"{amount(s['bound_s'], 's')} ({_percent(s['bound_s'] / s['time_s'])} of the time)"
    each = amount(s["energy_per_token_j"], "J") if s["energy_per_token_j"] is not None else "-"
    hits = _percent(s["row_hit_rate"]) if s["row_hit_rate"] is not None else "-"
    left = [("time", amount(s["time_s"], "s")), ("tokens/s", _rate(s['tokens_per_s'])), ("cycles", f"{s['cycles']:,}")]
    right = [("energy a token", each), ("power", amount(s["power_w"], "W")), ("row-hit rate", hits)]
    lines = [f"{s['workload']} on {s['system']}: {done} in {amount(s['time_s'], 's')}"]
    for (a, x), (b, y) in zip(left, right, strict=True):
        lines.append(f"  {a:<14}{x:<{column - 12}}{b:<16}{y}")
    return [*lines, f"  {'roofline':<14}{bound}", ""]


def _operators(result: Result, width: int) -> list[str]:
    rows = sorted(result.operator_rows, key=lambda row: -row["time_s"])
    if len(rows) > MOST_ROWS:
        rest = rows[MOST_ROWS - 1:]
        rows = [*rows[:MOST_ROWS - 1],
                {"operator": f"{len(rest)} others"} | {k: sum(r[k] for r in rest) for k in ("time_s", "share", "bound_s")}]
    title = "Time by operator" if result.config["system"]["overlap"] == "none" else "Time not hidden"
    name = max([len(row["operator"]) for row in rows] + [16])
    bar = max(width - name - 44, 8)
    lines = [f"{title:<{name + 2}}{'time':>10}{'share':>9}  {'':{bar}}{'bound':>10}{'of time':>9}"]
    most = max(row["share"] for row in rows)
    for row in rows:
        reached = _percent(row["bound_s"] / row["time_s"]) if row["bound_s"] <= row["time_s"] > 0 else "hidden"
        lines.append(f"  {row['operator']:<{name}}{amount(row['time_s'], 's'):>10}{_percent(row['share']):>9}  "
                     f"{_bar(row['share'], most, bar):{bar}}{amount(row['bound_s'], 's'):>10}{reached:>9}")
    return [*lines, ""]


def _shares(title: str, shares: Mapping[str, float], bar: int, values: Mapping[str, float] | None = None) -> list[str]:
    """A table of shares, the largest first, with their sum and bars of up to ``bar`` cells; ``values``: joules to show beside them."""
    rows = sorted(((k, v) for k, v in shares.items() if v), key=lambda item: -item[1])
    lines = [title]
    for key, share in [*rows, ("total", sum(shares.values()))]:
        value = f"{amount(values[key], 'J'):>10}" if values else ""
        drawn = "" if key == "total" else _bar(share, rows[0][1], bar)
        lines.append(f"  {LABELS.get(key, key):<19}{value}{_percent(share):>8}  {drawn}".rstrip())
    return lines


def _use(result: Result) -> list[tuple[str, str]]:
    """How busy the units were and what was moved, as (name, sentence)."""
    s = result.facts
    width = s["bandwidth"]
    busy = [f"{LABELS.get(unit, unit)} {_percent(share)}" for unit, share in s["utilisation"].items()]
    inside, outside = (f"{amount(width[f'{side}_bytes_per_s'], 'B/s')}, {_percent(width[f'{side}_utilisation'])} of the peak"
                       for side in ("internal", "external"))
    if s["data_movement_reduction"]:
        outside += (f"; {amount(s['bytes_over_pins'], 'B')} in all, where a conventional memory would move "
                    f"{amount(s['bytes_conventional'], 'B')}: {s['data_movement_reduction']:.3g} x less")
    return [("  units busy", f"{', '.join(busy)}, pins {_percent(width['external_utilisation'])}"),
            ("  in the banks", inside), ("  over the pins", outside), ("  a token takes", _latency(result))]


def _latency(result: Result) -> str:
    """Time of a token over the context: a few points and a curve from the least to the most."""
    rows = result.token_rows
    picked = [rows[i] for i in sorted({0, len(rows) // 2, len(rows) - 1})]
    points = ", ".join(f"{amount(r['latency_s'], 's')} at {r['context']:,}" for r in picked)
    if len(rows) < 3:
        return f"{points} tokens of context"
    cells = [rows[i * (len(rows) - 1) // 23]["latency_s"] for i in range(24)] if len(rows) > 24 else [r["latency_s"] for r in rows]
    low, span = min(cells), max(cells) - min(cells)
    curve = "".join(SPARKS[int((v - low) / span * 7.999)] if span else SPARKS[0] for v in cells)
    return f"{points} tokens of context  {curve}"


def _blame(blame: Mapping[str, Any], width: int) -> list[str]:
    rows = blame["held_back"]
    first, last = blame["steps"]
    where = f"step {first}" if first == last else f"steps {first} to {last}"
    lines = ["", f"Held back by, {where}"]
    for row in rows[:8]:
        what = _cut(f"{row['command']:<9}{row['rule']}", width - 30)
        lines.append(f"  {what:<{width - 30}}{row['cycles']:>16,.0f}{_percent(row['share']):>9}")
    if len(rows) > 8:
        rest = rows[8:]
        lines.append(f"  {f'{len(rest)} others':<{width - 30}}{sum(r['cycles'] for r in rest):>16,.0f}"
                     f"{_percent(sum(r['share'] for r in rest)):>9}")
    return lines


def _facts(result: Result) -> list[tuple[str, str]]:
    """What else to know, as (name, sentence)."""
    s, host = result.facts, result.facts["host"]
    held = [name for name, verdict in s["checks"].items() if verdict is True]
    waived = [f"{name} ({verdict})" for name, verdict in s["checks"].items() if verdict is not True]
    facts = [("Checks", f"{len(held)} of {len(s['checks'])} hold: {', '.join(held + waived)}")]
    if s["folded"]:
        facts.append(("Folded", "; ".join(s["folded"])))
    doubtful = len(result.unverified)
    facts.append(("Unverified", f"{doubtful} of the {len(result.sources)} numbers behind this result are unverified or assumed "
                                "(-v lists them)"))
    facts.append(("Simulated", f"in {amount(host['wall_s'], 's')}, {amount(host['commands_per_s'], 'commands/s')}, "
                               f"{host['peak_rss_bytes'] / 2**20:,.0f} MiB"))
    return facts


def _wrapped(facts: Sequence[tuple[str, str]], width: int, indent: int) -> list[str]:
    lines = []
    for name, text in facts:
        lines += textwrap.wrap(text, width, initial_indent=f"{name:<{indent}}", subsequent_indent=" " * indent)
    return lines


def _beside(left: list[str], right: list[str], column: int) -> list[str]:
    """Two tables side by side."""
    rows = max(len(left), len(right))
    padded = [column + [""] * (rows - len(column)) for column in (left, right)]
    return [*(f"{a:<{column}}  {b}".rstrip() for a, b in zip(*padded, strict=True)), ""]


def _fractions(energy_j: Mapping[str, float]) -> dict[str, float]:
    total = energy_j["total"]
    return {name: joules / total if total else 0.0 for name, joules in energy_j.items() if name != "total"}


def _bar(value: float, most: float, width: int) -> str:
    """A bar of eighths of a cell; ``most`` fills the width."""
    eighths = round(value / most * width * 8) if most > 0 else 0
    return "█" * (eighths // 8) + PARTS_OF_A_BLOCK[eighths % 8].strip()


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.995 or share > 0.9999 else f"{100 * share:.2f} %"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def html(result: Result) -> str:
    """The result for a notebook: the headline and two small tables."""
    s = result.facts

    def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        cells = "".join(f"<th style='text-align:left'>{markup.escape(h)}</th>" for h in head)
        body = "".join("<tr>" + "".join(f"<td style='text-align:left'>{markup.escape(c)}</td>" for c in row) + "</tr>"
                       for row in rows)
        return (f"<table style='display:inline-table;vertical-align:top;margin-right:2em'><thead><tr>{cells}</tr></thead>"
                f"<tbody>{body}</tbody></table>")

    operators = [(r["operator"], amount(r["time_s"], "s"), _percent(r["share"]), amount(r["bound_s"], "s"))
                 for r in sorted(result.operator_rows, key=lambda r: -r["time_s"])]
    causes = [(LABELS.get(k, k), _percent(v)) for k, v in sorted(s["share_by_cause"].items(), key=lambda i: -i[1])]
    parts = [(LABELS.get(k, k), amount(s["energy_j"][k], "J"), _percent(v))
             for k, v in sorted(_fractions(s["energy_j"]).items(), key=lambda i: -i[1])]
    return (f"<p><b>{markup.escape(headline(result))}</b></p>" + table(("operator", "time", "share", "bound"), operators)
            + table(("cycles by cause", "share"), causes) + table(("energy", "", "share"), parts))

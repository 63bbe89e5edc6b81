"""The report of a run: one screen of plain text, the same on a terminal and in a file, for every kind of system.

Lines that begin without a space are headings.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pimsim.results.label import amount, label, percent, rate

if TYPE_CHECKING:
    from pimsim.results.result import Result

MOST_ROWS = 12
SPARKS = "▁▂▃▄▅▆▇█"
PARTS_OF_A_BLOCK = " ▏▎▍▌▋▊▉"


def headline(result: Result) -> str:
    """One line: what ran on what, how long it took, how fast, at what power."""
    s = result.facts
    said = [f"{s['workload']} on {s['system']}: {_done(s)} in {amount(s['time_s'], 's')}"]
    said += [f"{rate(s['tokens_per_s'])} tokens/s"] if s.get("tokens_per_s") is not None else []
    said += [amount(s["power_w"], "W")] if s.get("power_w") is not None else []
    return ", ".join(said)


def report(result: Result, width: int = 100, *, verbose: bool = False) -> str:
    """The whole report, no line longer than ``width`` (at least 76); ``verbose`` lists the unverified numbers.

    What a kind of system has no number for is left out.
    """
    width = max(width, 76)
    s = result.facts
    bar = (width - 74) // 2  # what is left of two tables with a gap
    left = 31 + bar
    lines = _head(s, left) + _operators(result, width)
    tables = [_shares(title, shares, bar) for title, shares in causes(s).items()]
    if s.get("energy_j"):
        tables.append(_shares("Energy by component", energy_shares(s), bar, s["energy_j"]))
    for pair in range(0, len(tables), 2):
        lines += _beside(tables[pair], tables[pair + 1] if pair + 1 < len(tables) else [], left)
    lines += _section("Use", _use(result), width, 17)
    lines += _section("Serving", [(f"  {label(key.removesuffix('_s'))}", text) for key, text in serving(s)], width, 17)
    if "blame" in s:
        lines += _blame(s["blame"], width)
    lines += ["", *_wrapped(_facts(result), width, 12)]
    if verbose and result.unverified:
        lines += ["", "Unverified numbers"]
        lines += [_cut(f"  {x.path} = {x.value}   {x.source}", width) for x in result.unverified]
    return "\n".join(lines) + "\n"


def causes(s: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Title -> share of every cause: one table, or one a view where a summary has several (memory and PIM side, say)."""
    views = {f"Cycles of a channel, {label(view)}": cycles for view, cycles in (s.get("cycles_by_cause_of") or {}).items()}
    if not views and s.get("cycles_by_cause"):
        views = {"Cycles of a channel by cause": s["cycles_by_cause"]}
    if s.get("time_by_limit_s"):
        views["Time by what limits it"] = s["time_by_limit_s"]
    return {title: {cause: cycles / (sum(view.values()) or 1) for cause, cycles in view.items()} for title, view in views.items()}


def serving(s: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a scheduler says of requests, as (key, text): a line an entry of the section ``serving``."""
    return [(key, ", ".join(f"{label(k)} {_plain(k, v, key)}" for k, v in value.items()) if isinstance(value, Mapping)
             else _plain(key, value)) for key, value in (s.get("serving") or {}).items()]  # fmt: skip


def _plain(key: str, value: Any, section: str = "") -> str:
    """A value with the unit that its key, or its section's, ends in."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return str(value)
    for ending, unit in (("_s", "s"), ("_j", "J"), ("_bytes", "B"), ("_w", "W")):
        named = next((name for name in (key, section) if name.endswith(ending) and not name.endswith("_per_s")), None)
        if named and not (named == section and isinstance(value, int)):
            return amount(value, unit)
    return f"{value:,}" if isinstance(value, int) else rate(value)


def _section(title: str, facts: Sequence[tuple[str, str]], width: int, indent: int) -> list[str]:
    return [title, *_wrapped(facts, width, indent)] if facts else []


def _done(s: Mapping[str, Any]) -> str:
    return f"{s['tokens']:,} tokens" if s.get("tokens") else f"{s.get('steps', 0):,} steps"


def _head(s: Mapping[str, Any], column: int) -> list[str]:
    facts = [("time", amount(s["time_s"], "s")), ("energy a token", _known(s, "energy_per_token_j", lambda v: amount(v, "J"))),
             ("tokens/s", _known(s, "tokens_per_s", rate)), ("power", _known(s, "power_w", lambda v: amount(v, "W"))),
             ("cycles", _known(s, "cycles", lambda v: f"{v:,}")), ("row-hit rate", _known(s, "row_hit_rate", percent))]  # fmt: skip
    lines = [f"{s['workload']} on {s['system']}: {_done(s)} in {amount(s['time_s'], 's')}"]
    for (a, x), (b, y) in zip(facts[::2], facts[1::2], strict=True):
        lines.append(f"  {a:<14}{x:<{column - 12}}{b:<16}{y}")
    if s.get("bound_s") is not None:
        lines.append(f"  {'roofline':<14}{amount(s['bound_s'], 's')} ({percent(s['bound_s'] / s['time_s'])} of the time)")
    return [*lines, ""]


def _known(s: Mapping[str, Any], key: str, text: Callable[[Any], str]) -> str:
    return "-" if s.get(key) is None else text(s[key])


def _operators(result: Result, width: int) -> list[str]:
    total = sum(row["time_s"] for row in result.tables.get("operators", ())) or 1
    rows = [{"operator": row["operator"], "time_s": row["time_s"], "share": row.get("share", row["time_s"] / total),
             "bound_s": row.get("bound_s")} for row in result.tables.get("operators", ())]  # fmt: skip
    rows.sort(key=lambda row: -row["time_s"])
    if not rows:
        return []
    if len(rows) > MOST_ROWS:
        rest = rows[MOST_ROWS - 1:]
        rows = [*rows[:MOST_ROWS - 1],
                {"operator": f"{len(rest)} others"} | {k: sum(r[k] or 0 for r in rest) for k in ("time_s", "share", "bound_s")}]
    title = "Time by operator" if result.config.get("system", {}).get("overlap", "none") == "none" else "Time not hidden"
    name = max([len(row["operator"]) for row in rows] + [16])
    bar = max(width - name - 44, 8)
    lines = [f"{title:<{name + 2}}{'time':>10}{'share':>9}  {'':{bar}}{'bound':>10}{'of time':>9}"]
    most = max(row["share"] for row in rows)
    for row in rows:
        bound = row["bound_s"]
        reached = "" if bound is None else percent(bound / row["time_s"]) if bound <= row["time_s"] > 0 else "hidden"
        lines.append(f"  {row['operator']:<{name}}{amount(row['time_s'], 's'):>10}{percent(row['share']):>9}  "
                     f"{_bar(row['share'], most, bar):{bar}}{'' if bound is None else amount(bound, 's'):>10}{reached:>9}".rstrip())
    return [*lines, ""]


def _shares(title: str, shares: Mapping[str, float], bar: int, values: Mapping[str, float] | None = None) -> list[str]:
    """A table of shares, the largest first, with their sum and bars of up to ``bar`` cells; ``values``: joules to show beside them."""
    rows = sorted(((k, v) for k, v in shares.items() if v), key=lambda item: -item[1])
    lines = [title]
    for key, share in [*rows, ("total", sum(shares.values()))]:
        value = f"{amount(values[key], 'J'):>10}" if values else ""
        drawn = "" if key == "total" else _bar(share, rows[0][1], bar)
        lines.append(f"  {label(key):<19}{value}{percent(share):>8}  {drawn}".rstrip())
    return lines


def _use(result: Result) -> list[tuple[str, str]]:
    """How busy the units were and what was moved, as (name, sentence)."""
    s = result.facts
    width = s.get("bandwidth") or {}
    facts = []
    busy = [f"{label(unit)} {percent(share)}" for unit, share in (s.get("utilisation") or {}).items() if share is not None]
    busy += [f"pins {percent(width['external_utilisation'])}"] if width.get("external_utilisation") is not None else []
    if busy:
        facts.append(("  units busy", ", ".join(busy)))
    for side in ("internal", "external"):
        moved, share = width.get(f"{side}_bytes_per_s"), width.get(f"{side}_utilisation")
        if moved is None:
            continue
        text = amount(moved, "B/s") + (f", {percent(share)} of the peak" if share is not None else "")
        if side == "external" and s.get("data_movement_reduction"):
            text += (f"; {amount(s['bytes_over_pins'], 'B')} in all, where a conventional memory would move "
                     f"{amount(s['bytes_conventional'], 'B')}: {s['data_movement_reduction']:.3g} x less")
        facts.append((f"  {label(side)}", text))
    rows = [row for row in result.tables.get("tokens", ()) if row.get("context") is not None and row.get("latency_s") is not None]
    return facts + ([("  a token takes", _latency(rows))] if rows else [])


def _latency(rows: Sequence[Mapping[str, Any]]) -> str:
    """Time of a token over the context: a few points and a curve from the least to the most."""
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
        lines.append(f"  {what:<{width - 30}}{row['cycles']:>16,.0f}{percent(row['share']):>9}")
    if len(rows) > 8:
        rest = rows[8:]
        lines.append(f"  {f'{len(rest)} others':<{width - 30}}{sum(r['cycles'] for r in rest):>16,.0f}"
                     f"{percent(sum(r['share'] for r in rest)):>9}")
    return lines


def _facts(result: Result) -> list[tuple[str, str]]:
    """What else to know, as (name, sentence)."""
    s, host, facts = result.facts, result.facts.get("host") or {}, []
    if s.get("checks"):
        held = [name for name, verdict in s["checks"].items() if verdict is True]
        waived = [f"{name} ({verdict})" for name, verdict in s["checks"].items() if verdict is not True]
        facts.append(("Checks", f"{len(held)} of {len(s['checks'])} hold: {', '.join(held + waived)}"))
    if s.get("folded"):
        facts.append(("Folded", "; ".join(s["folded"])))
    for what, found in (s.get("approximation") or {}).items():
        known = f"error {percent(found['worst'])} ({found['sample']})" if found["worst"] is not None else "error not measured"
        facts.append(("Approximate", f"{what}: {known}"))
    if result.sources:
        doubtful = len(result.unverified)
        facts.append(("Unverified", f"{doubtful} of the {len(result.sources)} numbers behind this result are unverified or assumed "
                                    "(-v lists them)"))
    if host.get("wall_s") is not None:
        speed = [amount(host["commands_per_s"], "commands/s")] if host.get("commands_per_s") else []
        size = [f"{host['peak_rss_bytes'] / 2**20:,.0f} MiB"] if host.get("peak_rss_bytes") else []
        facts.append(("Simulated", ", ".join([f"in {amount(host['wall_s'], 's')}", *speed, *size])))
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


def energy_shares(s: Mapping[str, Any]) -> dict[str, float]:
    """Every component's share of the energy."""
    total = s["energy_j"]["total"]
    return {name: joules / total if total else 0.0 for name, joules in s["energy_j"].items() if name != "total"}


def _bar(value: float, most: float, width: int) -> str:
    """A bar of eighths of a cell; ``most`` fills the width."""
    eighths = round(value / most * width * 8) if most > 0 else 0
    return "█" * (eighths // 8) + PARTS_OF_A_BLOCK[eighths % 8].strip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"

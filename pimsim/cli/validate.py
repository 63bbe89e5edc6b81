"""``pimsim validate``: the figures of others beside ours, and a verdict on each."""

from __future__ import annotations

from collections import Counter
from math import isfinite
from typing import TYPE_CHECKING, Any

import click

from pimsim.cli.option import emit_json, json_option

if TYPE_CHECKING:
    from pimsim.validate.figure import Figure

NAME_WIDTH = 62


@click.command
@click.option("--only", "only", multiple=True, metavar="GROUP", help="Only this group of figures (repeatable); --list names them.")
@click.option("--list", "as_list", is_flag=True, help="List the groups and stop.")
@click.option("--commands", is_flag=True, help="Print below each figure the command that makes ours.")
@json_option
def command(only: tuple[str, ...], as_list: bool, commands: bool, as_json: bool) -> int:
    """Check pimsim against figures that others have published or measured, and against closed forms.

    Each figure is ok, differs for a stated reason, FAILs, or is only reported beside a reference that cannot be held against it.
    Exits with 1 if one FAILs.
    """
    from pimsim.validate.figure import Verdict
    from pimsim.validate.group import GROUPS, check_names, figures

    names = check_names(only)
    if as_list:
        if as_json:
            emit_json({"groups": {name: GROUPS[name] for name in names}})
        else:
            click.echo("\n".join(f"{name:<10}{GROUPS[name]}" for name in names))
        return 0
    verdicts: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    for group in names:
        if not as_json:
            click.echo(click.style(f"{group}: {GROUPS[group]}", bold=True))
            click.echo(_line("figure", "reference", "ours", "error", "tolerance", "verdict"))
        for figure in figures(group, _say):
            verdicts[figure.verdict] += 1
            if as_json:
                rows.append(_json(group, figure))
            else:
                _print(figure, commands)
    failed = verdicts[Verdict.FAIL]
    if as_json:
        emit_json({"ok": not failed, "verdicts": {str(v): verdicts[v] for v in Verdict}, "figures": rows})
    else:
        click.echo(", ".join(f"{verdicts[v]} {v}" for v in Verdict if verdicts[v]))
    return 1 if failed else 0


def _say(text: str) -> None:
    click.echo(text, err=True)


def _print(figure: Figure, commands: bool) -> None:
    tolerance = figure.accepted.text if figure.accepted is not None else "-"
    click.echo(_line(figure.name, _number(figure.reference, figure.unit), _number(figure.ours, figure.unit), _error(figure), tolerance,
                     figure.verdict))
    if figure.verdict in ("differs", "reported"):
        click.echo(f"      {figure.reason}")
    if commands:
        click.echo(f"      {figure.command}")


def _line(name: str, reference: str, ours: str, error: str, tolerance: str, verdict: str) -> str:
    return f"  {name:<{NAME_WIDTH}} {reference:>17} {ours:>17} {error:>9}  {tolerance:<10} {verdict}"


def _number(value: float | str, unit: str) -> str:
    if isinstance(value, str):
        return f"{value} {unit}".rstrip() if value != "-" else value
    if abs(value) >= 1e6:
        return f"{value / 1e6:,.2f} M {unit}".rstrip()
    text = f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"
    return f"{text} {unit}".rstrip()


def _error(figure: Figure) -> str:
    return "-" if figure.error is None else f"{100 * figure.error:+.2f} %"


def _json(group: str, figure: Figure) -> dict[str, Any]:
    return {
        "group": group,
        "figure": figure.name,
        "source": figure.source,
        "reference": figure.reference,
        "ours": figure.ours if isfinite(figure.ours) else None,
        "unit": figure.unit,
        "error": figure.error if figure.error is not None and isfinite(figure.error) else None,
        "tolerance": figure.accepted.text if figure.accepted is not None else None,
        "verdict": str(figure.verdict),
        "reason": figure.reason,
        "command": figure.command,
    }

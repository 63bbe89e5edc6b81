"""``pimsim diff A B``: where two command logs first part, with the lines around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pimsim.cli.option import emit_json, json_option

if TYPE_CHECKING:
    from pimsim.dram.commandlog import CommandLog


@click.command
@click.argument("a", type=click.Path(dir_okay=False))
@click.argument("b", type=click.Path(dir_okay=False))
@click.option("--context", default=3, show_default=True, type=click.IntRange(0), help="Rows to show around the difference.")
@json_option
def command(a: str, b: str, context: int, as_json: bool) -> int:
    """Show the first row in which the command logs A and B (CSV, plain or .gz, files or pipes) differ, and in which columns.

    Exit code: 0 the same, 1 they differ, 2 bad input.
    """
    from pimsim.dram import commandlog

    left, right = commandlog.alike(commandlog.read(a), commandlog.read(b))
    at = commandlog.first_difference(left, right)
    differ = [] if at is None else commandlog.differing_columns(left, right, at)
    if as_json:
        emit_json({"same": at is None, "rows": [len(left), len(right)], "row": at, "columns": differ, "a": _row(left, at),
                   "b": _row(right, at)})
    elif at is None:
        click.echo(f"the same {len(left)} rows")
    else:
        what = f": {', '.join(differ)}" if differ else ""
        click.echo(f"first difference in row {at + 1} (of {len(left)} and {len(right)}){what}")
        for index in range(max(at - context, 0), at):
            click.echo(f"  {left.text(index)}")
        for sign, log in (("<", left), (">", right)):
            for index in range(at, min(at + 1 + context, len(log))):
                click.echo(f"{sign} {log.text(index)}")
            if at >= len(log):
                click.echo(f"{sign} (end)")
    return 0 if at is None else 1


def _row(log: CommandLog, index: int | None) -> dict[str, object] | None:
    if index is None or index >= len(log):
        return None
    return {"line": int(log.rows[index, -1]), "text": log.text(index)}

"""``pimsim verify SYSTEM WORKLOAD``: the programs that are timed, on real numbers, against numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pimsim import config
from pimsim.cli.main import DONE, FAILED
from pimsim.cli.option import emit_json, json_option, set_option

if TYPE_CHECKING:
    from rich.table import Table

    from pimsim.mapping.functional.check import Check
    from pimsim.sim.verify import Verification

SHOWN = 20
"""Failed checks that are printed one by one."""


@click.command
@click.argument("system", default="pim-gpt")
@click.argument("workload", default="gpt2-xl")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of the random numbers.")
@set_option
@json_option
def command(system: str, workload: str, seed: int, overrides: tuple[str, ...], as_json: bool) -> int:
    """Compute WORKLOAD's decoder in the simulated memory of SYSTEM, with random bf16 numbers, and compare with numpy.

    Sums from the memory must equal numpy's in the same order to the last bit; errors are against binary64 and have derived
    bounds. Exits with 1 if an operator fails.
    """
    from pimsim.sim.verify import verify

    machine, used = config.load(system, workload, overrides)
    with machine.located(), used.located():
        found = verify(machine, used, seed=seed, progress=lambda line: click.echo(line, err=True))
    if as_json:
        emit_json(found.summary())
    else:
        _report(found)
    return DONE if found.ok else FAILED


def _report(found: Verification) -> None:
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    console.print(_table(found))
    for line in found.covers:
        console.print(f"computed: {line}")
    failed = [check for check in found.operators if not check.ok]
    for check in failed[:SHOWN]:
        place = check.place
        console.print(f"{check.name} ({check.shape}), layer {place.layer}, {place.variant}, context {place.context}: "
                      f"{check.fault}", style="red")  # fmt: skip
    verdict = f"{len(failed)} of {len(found.operators)} checks failed" if failed else "ok"
    console.print(f"{found.system} computes {found.workload}: {verdict}")


def _table(found: Verification) -> Table:
    """A line an operator: the worst over all contexts and overlaps."""
    from rich import box
    from rich.table import Table

    groups: dict[tuple[str, str], list[Check]] = {}
    for check in found.operators:
        groups.setdefault((check.name, check.unit), []).append(check)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True, title="Worst of all contexts and overlaps")
    for heading in ("operator", "unit", "shape", "contexts", "abs err", "rel err", "bound", "equal", ""):
        table.add_column(heading, justify="left" if heading in ("operator", "unit") else "right", no_wrap=True)
    for (name, unit), checks in groups.items():
        contexts = {check.place.context for check in checks}
        equal = [check.equal for check in checks if check.equal is not None]
        table.add_row(
            name, unit, checks[-1].shape, str(len(contexts)), _worst(checks, "max_abs_error", ".1e"),
            _worst(checks, "max_rel_error", ".1e"), _worst(checks, "tolerance_used", ".0%"),
            ("yes" if all(equal) else "no") if equal else "", "ok" if all(c.ok for c in checks) else "failed",
        )  # fmt: skip
    return table


def _worst(checks: list[Check], what: str, form: str) -> str:
    found = [value for check in checks if (value := getattr(check, what)) is not None]
    return format(max(found), form) if found else ""

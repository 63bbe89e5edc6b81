"""``pimsim report RUN|SWEEP``: everything about a run or a sweep in one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pimsim.errors import InputError, Problem

if TYPE_CHECKING:
    from pimsim.validate.figure import Figure


@click.command
@click.argument("folder", type=click.Path(path_type=Path), metavar="RUN|SWEEP")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="The file (default: report.html in the folder).")
@click.option("--validate", "groups", multiple=True, metavar="GROUP",
              help="Validate this group of figures now and show its verdicts; repeatable (pimsim validate --list names them).")
def command(folder: Path, output: Path | None, groups: tuple[str, ...]) -> None:
    """Write RUN (a folder of pimsim run --out) or SWEEP (one of pimsim sweep --out) as one HTML file that opens offline."""
    target = output or folder / "report.html"
    if target.suffix not in (".html", ".htm") or target.is_dir():
        raise InputError(Problem(f"a report cannot be called '{target.name}'", "a name that ends in .html", file=str(target)))
    if not target.absolute().parent.is_dir():
        raise InputError(Problem(f"there is no folder '{target.parent}'", "a folder that exists", file=str(target)))
    _write(target, _page(folder, groups))
    click.echo(f"wrote {target}", err=True)


def _page(folder: Path, groups: tuple[str, ...]) -> str:
    from pimsim.results.folder import SUMMARY, load

    if (folder / SUMMARY).is_file() or not folder.is_dir():
        from pimsim.report import run_page

        run = load(folder)
        return run_page(run, _figures(groups))
    from pimsim.plot import table
    from pimsim.report import sweep_page
    from pimsim.sweep.table import PLAN

    sweep, plan = table.load(folder), folder / PLAN
    return sweep_page(sweep, failed=table.failed(folder), plan=plan.read_text(encoding="utf-8") if plan.is_file() else "",
                      figures=_figures(groups))  # fmt: skip


def _figures(groups: tuple[str, ...]) -> list[tuple[str, Figure]]:
    if not groups:
        return []
    from pimsim.validate.group import check_names, figures

    return [(group, figure) for group in check_names(groups) for figure in figures(group, lambda text: click.echo(text, err=True))]


def _write(target: Path, text: str) -> None:
    """Write a file that appears only once it is complete."""
    unfinished = target.with_name(f".{target.name}.new")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)

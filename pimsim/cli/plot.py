"""``pimsim plot RUN|SWEEP``: pictures of a run folder or a sweep's folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pimsim.errors import InputError, Problem

if TYPE_CHECKING:
    from pimsim.plot.picture import Picture
    from pimsim.plot.table import Choice


@click.command
@click.argument("folder", type=click.Path(path_type=Path), metavar="RUN|SWEEP")
@click.option("--kind", metavar="KIND", help="One picture: time, energy, causes, utilisation, latency, roofline, bandwidth of a run; line, "
                                             "bar, heatmap, pareto, tornado of a sweep (default: all that there is data for).")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE",
              help="File of one picture, .svg, .pdf or .png, or folder for all of them (default: plots/ in the folder). The data are "
                   "written as CSV beside it.")
@click.option("--x", metavar="COLUMN", help="Sweep: column along the horizontal axis.")
@click.option("--y", metavar="COLUMN", help="Sweep: the metric.")
@click.option("--by", metavar="COLUMN", help="Sweep: column that tells lines, bars or rows apart.")
@click.option("--baseline", metavar="COLUMN=VALUE", help="Sweep: the points that bars and tornado compare others with.")
@click.option("--where", multiple=True, metavar="COLUMN=VALUE", help="Sweep: only points with this value; repeatable.")
def command(folder: Path, kind: str | None, output: Path | None, x: str | None, y: str | None, by: str | None, baseline: str | None,
            where: tuple[str, ...]) -> None:  # fmt: skip
    """Draw RUN (a folder of pimsim run --out) or SWEEP (one of pimsim sweep --out)."""
    from pimsim.plot.table import Choice

    choice = Choice(x, y, by, _pair(baseline, "--baseline") if baseline else None, dict(_pair(text, "--where") for text in where))
    for picture, path in _placed(folder, kind, output, choice):
        drawn, data = picture.save(path)
        click.echo(f"wrote {drawn} and {data.name}", err=True)


def _placed(folder: Path, kind: str | None, output: Path | None, choice: Choice) -> list[tuple[Picture, Path]]:
    """The pictures and their files."""
    pictures = _pictures(folder, kind, choice)
    if kind is not None and output is not None:
        return [(pictures[kind], output)]
    if output is not None and output.suffix:
        raise InputError(Problem("one file for several pictures", "a folder, or --kind KIND", file=str(output)))
    target = output or folder / "plots"
    target.mkdir(parents=True, exist_ok=True)
    return [(picture, target / f"{name}.svg") for name, picture in pictures.items()]


def _pictures(folder: Path, kind: str | None, choice: Choice) -> dict[str, Picture]:
    from pimsim import plot
    from pimsim.plot import table
    from pimsim.results.folder import SUMMARY, load

    if (folder / SUMMARY).is_file() or not folder.is_dir():
        run = load(folder)
        pictures = {kind: plot.draw_run(run, kind)} if kind else plot.run_pictures(run)
    else:
        sweep = table.load(folder)
        pictures = {kind: plot.draw_sweep(sweep, kind, choice)} if kind else plot.sweep_pictures(sweep, choice)
    if not pictures:
        raise InputError(Problem("has no data for any picture", file=str(folder)))
    return pictures


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(Problem(f"'{text}' is not COLUMN=VALUE", "for example system=pim-gpt", file=option))
    return name, value

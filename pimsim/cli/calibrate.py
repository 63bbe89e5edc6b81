"""``pimsim calibrate gpu``: measure the GPU of this machine and write it as a baseline."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pimsim.cli.option import emit_json, json_option
from pimsim.errors import InputError, Problem, SimulationError

if TYPE_CHECKING:
    from pimsim.baseline.bench import Session


@click.command
@click.argument("what", type=click.Choice(["gpu"]))
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.yaml",
              help="Write the baseline there and the measurements beside it as FILE.csv (default: print the baseline).")
@click.option("--rows", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE.csv",
              help="Fit measurements that were written before, instead of measuring.")
@json_option
def command(what: str, output: Path | None, rows: Path | None, as_json: bool) -> None:
    """Measure how the NVIDIA GPU of this machine decodes, and write it as a system that pimsim run and pimsim compare take.

    Needs PyTorch with CUDA (pip install 'pimsim[gpu]') and takes a minute or two. Measured are kernels of decoders by themselves and
    whole decoders; every second one is fitted and the others are held against the fit.
    """
    if output is not None and not output.absolute().parent.is_dir():
        raise click.UsageError(f"there is no folder '{output.parent}'")
    session = _read(rows) if rows is not None else _measured()
    from pimsim.baseline.calibrate import calibrate

    done = calibrate(session, output.stem if output is not None else "gpu")
    for found, (number, median, worst) in done.errors.items():
        _say(f"{found}: {number}, median error {100 * median:.1f} %, largest {100 * worst:.1f} %")
    if output is not None:
        output.write_text(done.yaml, encoding="utf-8")
        output.with_suffix(".csv").write_text(done.rows, encoding="utf-8")
        _say(f"wrote {output} and {output.with_suffix('.csv')}")
    if as_json:
        emit_json({"errors": {name: dict(zip(("number", "median", "largest"), found, strict=True)) for name, found in done.errors.items()},
                   "baseline": done.yaml})
    elif output is None:
        click.echo(done.yaml, nl=False)


def _measured() -> Session:
    from pimsim.baseline.torch_bench import torch_bench

    bench = torch_bench()
    from pimsim.baseline.calibrate import record

    try:
        return record(bench, datetime.date.today().isoformat(), _say)
    except RuntimeError as error:  # what CUDA and PyTorch raise, out of memory included
        raise SimulationError(f"measuring failed: {error}") from None


def _read(rows: Path) -> Session:
    from pimsim.baseline.bench import from_csv

    try:
        return from_csv(rows.read_text(encoding="utf-8"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(Problem(f"is not what pimsim calibrate gpu measured: {error}", "the FILE.csv beside its FILE.yaml",
                                 file=str(rows))) from None  # fmt: skip


def _say(text: str) -> None:
    click.echo(text, err=True)

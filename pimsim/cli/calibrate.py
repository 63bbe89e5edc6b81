"""``pimsim calibrate gpu``: measure the GPU of this machine and write it as a baseline."""

from __future__ import annotations

import datetime
from pathlib import Path

import click

from pimsim.cli.option import emit_json, json_option


@click.command
@click.argument("what", type=click.Choice(["gpu"]))
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.yaml",
              help="Write the baseline there and the measurements beside it as FILE.csv (default: print the baseline).")
@json_option
def command(what: str, output: Path | None, as_json: bool) -> None:
    """Measure how the NVIDIA GPU of this machine decodes, and write it as a system that pimsim run and pimsim compare take.

    Needs PyTorch with CUDA (pip install 'pimsim[gpu]') and takes a minute or two. Measured are single kernels of decoders, of which
    every second one is fitted and the others are held against the fit, and whole decoders.
    """
    from pimsim.baseline.torch_bench import torch_bench

    if output is not None and not output.absolute().parent.is_dir():
        raise click.UsageError(f"there is no folder '{output.parent}'")
    bench = torch_bench()
    from pimsim.baseline.calibrate import calibrate

    done = calibrate(bench, output.stem if output is not None else "gpu", datetime.date.today().isoformat(), _say)
    if output is not None:
        output.write_text(done.yaml, encoding="utf-8")
        output.with_suffix(".csv").write_text(done.rows, encoding="utf-8")
        _say(f"wrote {output} and {output.with_suffix('.csv')}")
    if as_json:
        emit_json({"errors": {name: dict(zip(("number", "median", "largest"), found, strict=True)) for name, found in done.errors.items()},
                   "baseline": done.yaml})
    elif output is None:
        click.echo(done.yaml, nl=False)


def _say(text: str) -> None:
    click.echo(text, err=True)

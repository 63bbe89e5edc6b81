"""``pimsim lower WORKLOAD``: the operator trace of a workload, to read, edit and run with ``pimsim run --trace``."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from pimsim import config
from pimsim.cli.option import emit_json, json_option, set_option
from pimsim.model.lowering import lower_workload
from pimsim.model.tracefile import stream_trace, write_trace


@click.command
@click.argument("workload", default="gpt2-xl")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE",
              help="Write to FILE, .csv or .jsonl (default: CSV on stdout).")  # fmt: skip
@set_option
@json_option
def command(workload: str, output: Path | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Write the operator trace of WORKLOAD: one row an operator, with shapes, bytes, MACs and dependencies.

    WORKLOAD is a shipped workload or model, a workload YAML, or a Hugging Face config.json. With --json, the totals are
    printed instead of the rows.
    """
    loaded = config.load_workload(workload, overrides)
    with loaded.located():
        trace = lower_workload(loaded)
    if output is not None:
        write_trace(trace, output)
    elif not as_json:
        stream_trace(trace, sys.stdout)
        return
    totals = asdict(trace.totals())
    if as_json:
        facts = {"workload": workload, "file": None if output is None else str(output)}
        emit_json(facts | {"steps": trace.n_steps, "tokens": trace.n_tokens} | totals)
    else:
        click.echo(f"{output}: {totals['operators']:,} operators in {trace.n_steps:,} steps", err=True)

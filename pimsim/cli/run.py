"""``pimsim run [SYSTEM] [WORKLOAD]``: simulate, and say on one screen what came out."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pimsim.cli.option import emit_json, json_option, set_option

if TYPE_CHECKING:
    from pimsim.sim.record import Progress

EVERY_S = 5.0
"""Seconds between lines of progress where there is no terminal."""


class _Steps(click.ParamType):
    """``A:B`` (steps A to B - 1, as Python's slices, either may be left out) or one step ``A``."""

    name = "A:B"

    def convert(self, value: str | slice, param: click.Parameter | None, ctx: click.Context | None) -> slice:
        if isinstance(value, slice):
            return value
        try:
            begin, colon, end = value.partition(":")
            first = int(begin) if begin.strip() else None
            if not colon:
                if first is None:
                    raise ValueError
                return slice(first, first + 1 or None)
            return slice(first, int(end) if end.strip() else None)
        except ValueError:
            self.fail(f"'{value}' is neither a step nor A:B; for example 0:4, or -1 for the last step", param, ctx)


@click.command
@click.argument("system", default="pim-gpt")
@click.argument("workload", required=False)
@set_option
@click.option("--trace", type=click.Path(path_type=Path), metavar="FILE",
              help="Run an operator trace (CSV or JSON lines; pimsim lower writes them) instead of WORKLOAD.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR",
              help="Write a run folder: summary, tables, configuration with sources, report.")
@click.option("--commands", type=click.Path(path_type=Path), metavar="FILE", help="Write the command log, FILE.csv or FILE.csv.gz.")
@click.option("--timeline", type=click.Path(path_type=Path), metavar="FILE",
              help="Write a timeline for ui.perfetto.dev, FILE.json or FILE.json.gz.")
@click.option("--blame", is_flag=True, help="Find out which timing rules held commands back.")
@click.option("--steps", type=_Steps(), metavar="A:B",
              help="Token steps that --commands, --timeline and --blame look into (default: all for --commands, the first for "
                   "the others).")
@click.option("--no-fast-forward", is_flag=True, help="Simulate every iteration of every loop: the same numbers, slower.")
@click.option("--no-fold", is_flag=True, help="Simulate identical work every time: the same numbers, slower.")
@click.option("-v", "--verbose", is_flag=True, help="List the unverified numbers behind the result.")
@json_option
def command(system: str, workload: str | None, overrides: tuple[str, ...], trace: Path | None, out: Path | None,
            commands: Path | None, timeline: Path | None, blame: bool, steps: slice | None, no_fast_forward: bool, no_fold: bool,
            verbose: bool, as_json: bool) -> None:  # fmt: skip
    """Simulate WORKLOAD (default: gpt2-xl) on SYSTEM (default: pim-gpt), command by command.

    Both are a shipped name (see pimsim list) or a YAML file; WORKLOAD may also be a Hugging Face config.json. Values are changed
    with --set, for example --set memory.channels=4 --set workload.output_tokens=128.
    """
    if steps is not None and not (commands or timeline or blame):
        raise click.UsageError("--steps goes with --commands, --timeline or --blame")
    with _progress(quiet=as_json) as progress:
        from pimsim.api import run
        from pimsim.kernels.jit import is_compiled

        if not is_compiled("run_segment") and not (as_json and not sys.stderr.isatty()):
            click.echo("compiling the simulation kernels, once for this installation (half a minute) ...", err=True)
        result = run(system, workload, trace=trace, overrides=overrides, out=out, commands=commands, timeline=timeline, blame=blame,
                     steps=steps, fast_forward=not no_fast_forward, fold=not no_fold, progress=progress, notify=_say)  # fmt: skip
    if as_json:
        emit_json(result.summary())
        return
    width = shutil.get_terminal_size((100, 24)).columns
    _print(result.report(min(width, 120), verbose=verbose))
    for path in (out, commands, timeline):
        if path is not None:
            _say(f"wrote {path}")


def _say(text: str) -> None:
    click.echo(text, err=True)


def _print(report: str) -> None:
    """The report, headings bold on a terminal; characters that the terminal lacks become question marks."""
    encoding = sys.stdout.encoding or "utf-8"
    text = report.encode(encoding, "replace").decode(encoding)
    for line in text.splitlines():
        click.echo(click.style(line, bold=True) if line[:1].strip() else line)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress | None]:
    """Progress on stderr: a bar on a terminal, a line now and then elsewhere, nothing there if ``quiet``."""
    if sys.stderr.isatty():
        yield from _bar()
    elif quiet:
        yield None
    else:
        yield _Lines()


def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    with Bar(TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TextColumn("steps"),
             TextColumn("{task.fields[rate]}"), TimeRemainingColumn(), TextColumn("left"),
             console=Console(stderr=True), transient=True) as bar:  # fmt: skip
        task = bar.add_task("", total=None, rate="")

        def progress(done: int, total: int) -> None:
            speed = bar.tasks[task].speed
            bar.update(task, completed=done, total=total, rate=f"{speed:,.0f} steps/s" if speed else "")

        yield progress


class _Lines:
    """Progress as lines: when it begins, every few seconds, and when it is done."""

    def __init__(self) -> None:
        self._begin = self._said = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done == total:
            _say(f"simulated {total:,} steps in {now - self._begin:.1f} s")
        elif now - self._said >= EVERY_S:
            self._said = now
            rate = done / (now - self._begin)
            _say(f"step {done:,} of {total:,}, {rate:,.0f} steps/s, {(total - done) / rate:.0f} s left")

"""``pimsim run [SYSTEM] [WORKLOAD]``: simulate, and say on one screen what came out."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from pimsim.cli.option import emit_json, json_option, set_option

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

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
    with _interruptible() as check, _observer(quiet=as_json) as observer:
        from pimsim.api import run
        from pimsim.kernels.jit import is_compiled

        if not is_compiled("run_segment"):
            observer.prepare("compiling the simulation kernels, once for this installation (half a minute)")

        def progress(done: int, total: int) -> None:
            check()
            observer.progress(done, total)

        result = run(system, workload, trace=trace, overrides=overrides, out=out, commands=commands, timeline=timeline, blame=blame,
                     steps=steps, fast_forward=not no_fast_forward, fold=not no_fold, progress=progress, notify=observer.say)
    if as_json:
        emit_json(result.summary())
        return
    width = shutil.get_terminal_size((100, 24)).columns
    _print(result.report(min(width, 120), verbose=verbose))
    for path in (out, commands, timeline):
        if path is not None:
            click.echo(f"wrote {path}", err=True)


def _print(report: str) -> None:
    """The report, headings bold on a terminal; characters that the terminal lacks become question marks."""
    encoding = sys.stdout.encoding or "utf-8"
    text = report.encode(encoding, "replace").decode(encoding)
    for line in text.splitlines():
        click.echo(click.style(line, bold=True) if line[:1].strip() else line)


@contextmanager
def _interruptible() -> Iterator[Callable[[], None]]:
    """Make sure that Ctrl-C ends what is done inside; yields a check to call now and then.

    A KeyboardInterrupt that comes while LLVM calls numba back is lost, and the compilation may fail for it later.
    """
    came = False
    before = signal.getsignal(signal.SIGINT)

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        raise KeyboardInterrupt

    def check() -> None:
        if came:
            raise KeyboardInterrupt

    if before is not signal.default_int_handler:  # whoever runs this has something else in mind
        yield check
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield check
    except Exception:
        check()
        raise
    finally:
        signal.signal(signal.SIGINT, before)


class _Quiet:
    """Tells people on stderr what they should know, and not how far the run is."""

    def prepare(self, text: str) -> None:
        """The run cannot begin before this is done."""

    def say(self, text: str) -> None:
        """Something else to know."""
        click.echo(text, err=True)

    def progress(self, done: int, total: int) -> None:
        """So many token steps are done."""


class _Lines(_Quiet):
    """Progress as lines: what is done before the run, a line every few seconds, and one when it is done."""

    def __init__(self) -> None:
        self._begin = self._said = time.monotonic()
        self._first: tuple[int, float] | None = None  # steps and time when the first was done: kernels are compiled before

    def prepare(self, text: str) -> None:
        self.say(f"{text} ...")

    def progress(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done == total:
            self.say(f"simulated {total:,} steps in {now - self._begin:.1f} s")
        elif self._first is None:
            self._first, self._said = (done, now), now
        elif now - self._said >= EVERY_S:
            self._said = now
            rate = (done - self._first[0]) / (now - self._first[1])
            self.say(f"step {done:,} of {total:,}, {rate:,.3g} steps/s, {(total - done) / rate:,.0f} s left")


class _Bar(_Quiet):
    """Progress as a bar on a terminal; it pulses until the run begins."""

    def __init__(self, bar: Bar):
        self._bar = bar
        self._task = bar.add_task("simulating", total=None, rate="")

    def prepare(self, text: str) -> None:
        self._bar.update(self._task, description=text)

    def say(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False)

    def progress(self, done: int, total: int) -> None:
        speed = self._bar.tasks[self._task].speed
        self._bar.update(self._task, description="simulating", completed=done, total=total,
                         rate=f"{done:,} of {total:,} steps" + (f", {speed:,.0f} steps/s" if speed else ""))


@contextmanager
def _observer(*, quiet: bool) -> Iterator[_Quiet]:
    """A bar on stderr if that is a terminal, a line now and then elsewhere, nothing there if ``quiet``."""
    if not sys.stderr.isatty():
        yield _Quiet() if quiet else _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    with Bar(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
             console=Console(stderr=True), transient=True) as bar:  # fmt: skip
        yield _Bar(bar)

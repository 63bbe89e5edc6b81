"""``pimsim sweep SWEEP.yaml``: run every point of a design space, or look for its best ones."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from pimsim.cli.option import emit_json, json_option
from pimsim.cli.progress import duration, points

if TYPE_CHECKING:
    from pimsim.config.sweep import SweepConfig
    from pimsim.sweep.run import Done, Options

MOST_ROWS = 20
"""Rows of a table on the screen."""


@click.command
@click.argument("sweep")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Write the table (results.csv) and what belongs to it.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Worker processes (default: the cores of this machine).")
@click.option("--scheduler", metavar="ADDRESS|FILE", help="Run on the workers of a dask.distributed scheduler.")
@click.option("--cache", type=click.Path(path_type=Path), metavar="DIR",
              help="Keep finished points here (default: PIMSIM_CACHE_DIR, or the user's cache folder).")
@click.option("--dry-run", is_flag=True, help="Say how many points there are, which are finished, how long the rest takes; run nothing.")
@click.option("--yes", is_flag=True, help="Run more than 1,000 points.")
@click.option("--search", type=click.IntRange(min=1), metavar="N",
              help="Look for the Pareto front with N designs instead of running all (needs Optuna).")
@click.option("--unverified", is_flag=True, help="Vary every unverified number behind the baseline; say how much each moves the results.")
@click.option("--range", "share", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.2, show_default=True,
              help="How far --unverified varies a number, as a share of it.")
@json_option
def command(sweep: str, out: Path | None, jobs: int | None, scheduler: str | None, cache: Path | None, dry_run: bool, yes: bool,
            search: int | None, unverified: bool, share: float, as_json: bool) -> None:  # fmt: skip
    """Run SWEEP, a shipped sweep (pimsim list sweep) or a YAML file (pimsim schema sweep).

    Finished points are kept in a cache: a sweep that was interrupted goes on where it was when it is started again.
    A point that cannot run does not stop the rest; the exit status is 1 if none can.
    """
    if search is not None and unverified:
        raise click.UsageError("--search and --unverified are two different things")
    from pimsim.config.sweep import load_sweep
    from pimsim.sweep.run import Options

    config = load_sweep(sweep)
    options = Options(out, jobs, scheduler, cache, yes, search, share if unverified else None)
    if dry_run:
        _say_preview(config, options, as_json)
        return
    done = _run(config, options, as_json)
    if as_json:
        emit_json(_facts(done, out))
    else:
        _print(done, config)
        if out is not None:
            click.echo(f"wrote {out}", err=True)
    if done.table.failed == len(done.table.rows):
        raise SystemExit(1)


def _run(config: SweepConfig, options: Options, quiet: bool) -> Done:
    from dataclasses import replace

    from pimsim.errors import InputError
    from pimsim.sweep.cache import Cache
    from pimsim.sweep.run import run
    from pimsim.sweep.session import Progress

    reached = Progress(0, 0, 0, 0)
    with points(quiet=quiet) as (report, say):
        others = Cache(options.cache).others()
        if others:
            say(f"the cache also holds runs of {len(others)} other version{'s' * (len(others) > 1)} of pimsim; they are kept, not used")

        def progress(now: Progress) -> None:
            nonlocal reached
            reached = now
            report(now.done, now.total, now.failed, now.cached)

        before = signal.signal(signal.SIGTERM, _interrupt)  # batch systems end a job so
        try:
            return run(config, replace(options, progress=progress, notify=say))
        except InputError:
            raise
        except (KeyboardInterrupt, OSError):
            if reached.done:
                say(f"{reached.done:,} of {reached.total:,} points are kept; the same command goes on from there")
            raise
        finally:
            signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say_preview(config: SweepConfig, options: Options, as_json: bool) -> None:
    from pimsim.sweep.run import LIMIT, preview

    seen = preview(config, options)
    reasons = Counter(one.reason for one in seen.excluded)
    if as_json:
        emit_json({"points": seen.points, "cached": seen.cached, "refused": seen.refused, "excluded": dict(reasons),
                   "seconds": seen.seconds})  # fmt: skip
        return
    left = seen.points - seen.cached - seen.refused
    click.echo(f"{seen.points:,} points: {seen.cached:,} from the cache, {left:,} to run"
               + (f", {seen.refused:,} whose configuration is refused" if seen.refused else ""))  # fmt: skip
    for reason, count in Counter(seen.reasons).most_common(MOST_ROWS):
        click.echo(f"  {count:,} refused: {reason}")
    for reason, count in reasons.most_common():
        click.echo(f"  {count:,} combinations left out: {reason}")
    if left:
        estimate = "not known, as nothing has run yet" if seen.seconds is None else f"about {duration(seen.seconds)}"
        click.echo(f"time: {estimate}")
    if seen.points > LIMIT and not options.yes:
        click.echo(f"more than {LIMIT:,} points: --yes runs them")


def _facts(done: Done, out: Path | None) -> dict[str, Any]:
    table = done.table
    return {"points": len(table.rows), "failed": table.failed, "excluded": len(table.excluded), "out": str(out) if out else None,
            "pareto": table.pareto, **done.extra}  # fmt: skip


def _print(done: Done, config: SweepConfig) -> None:
    table = done.table
    for name, rows in done.extra.items():
        columns = [column for column in (rows[0] if rows else ()) if not column.endswith(("_least", "_most")) and column != "source"]
        _print_rows(name.removesuffix(".csv"), rows, columns)
    varied = [name for name in table.axes if len({str(row[name]) for row in table.rows}) > 1]
    shown = [*varied, *config.objectives, *(["speedup"] if config.baseline is not None else [])]
    if not done.extra:
        _print_rows(f"Pareto front of {', '.join(config.objectives)}", table.pareto, shown)
    failed = [row for row in table.rows if row["error"]] if "unverified.csv" not in done.extra else []
    for row in failed[:MOST_ROWS]:
        click.echo(f"failed: {', '.join(f'{name}={row[name]}' for name in varied)}: {row['error']}", err=True)
    if len(failed) > MOST_ROWS:
        click.echo(f"and {len(failed) - MOST_ROWS:,} more failed", err=True)
    said = [f"{len(table.rows):,} points"]
    said += [f"{table.failed:,} failed"] if table.failed else []
    said += [f"{len(table.excluded):,} combinations left out"] if table.excluded else []
    click.echo(", ".join(said))


def _print_rows(title: str, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    cells = [[_shown(name, row.get(name)) for name in names] for row in rows[:MOST_ROWS]]
    widths = [max(len(line[i]) for line in [list(names), *cells]) for i in range(len(names))]
    click.echo(click.style(title, bold=True))
    for line in [list(names), *cells]:
        click.echo("  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())
    if len(rows) > MOST_ROWS:
        click.echo(f"  and {len(rows) - MOST_ROWS:,} more")
    click.echo()


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name.endswith("_swing"):
        return f"{100 * value:.1f} %"
    return f"{value:.4g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)

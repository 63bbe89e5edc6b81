"""How far something is, on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

EVERY_S = 5.0
"""Seconds between lines where there is no terminal."""


class Rate:
    """Points a second since the first that was not there already, and the seconds that the rest will take."""

    def __init__(self) -> None:
        self._begin: tuple[int, float] | None = None

    def left(self, done: int, cached: int, total: int) -> tuple[float, float] | None:
        """(points a second, seconds left), None while it cannot be known."""
        now = time.monotonic()
        fresh = done - cached
        if self._begin is None:
            if fresh:
                self._begin = fresh, now
            return None
        passed = now - self._begin[1]
        rate = (fresh - self._begin[0]) / passed if passed > 0 else 0.0
        return (rate, (total - done) / rate) if rate > 0 else None


def words(done: int, total: int, failed: int, cached: int, pace: tuple[float, float] | None) -> str:
    """``12 of 64 points, 3 from the cache, 1 failed, 2.1 points/s, 25 s left``."""
    said = [f"{done:,} of {total:,} points"]
    if cached:
        said.append(f"{cached:,} from the cache")
    if failed:
        said.append(f"{failed:,} failed")
    if pace is not None and done < total:
        said += [f"{pace[0]:.3g} points/s", f"{duration(pace[1])} left"]
    return ", ".join(said)


def duration(seconds: float) -> str:
    """``45 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if whole or not seconds else f"{seconds:.1f} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


Report = Callable[[int, int, int, int], None]
"""Told (done, total, failed, cached)."""


@contextmanager
def points(*, quiet: bool) -> Iterator[tuple[Report, Callable[[str], None]]]:
    """A report of points, and a way to say something beside it. ``quiet``: no lines where there is no terminal."""
    rate = Rate()
    if not sys.stderr.isatty():
        said = [time.monotonic()]

        def line(done: int, total: int, failed: int, cached: int) -> None:
            pace = rate.left(done, cached, total)
            now = time.monotonic()
            if not quiet and done > cached and (done == total or now - said[0] >= EVERY_S):
                said[0] = now
                click.echo(words(done, total, failed, cached, pace), err=True)

        yield line, lambda text: click.echo(text, err=True)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    with Progress(TextColumn("sweep"), BarColumn(), TextColumn("{task.fields[said]}"), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sweep", total=None, said="")

        def move(done: int, total: int, failed: int, cached: int) -> None:
            bar.update(task, completed=done, total=total, said=words(done, total, failed, cached, rate.left(done, cached, total)))

        yield move, lambda text: bar.console.print(text, markup=False, highlight=False)

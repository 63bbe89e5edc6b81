"""Where points run: processes of this machine, this very process, or whatever a dask.distributed scheduler has."""

from __future__ import annotations

import base64
import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection, forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any, Protocol

from pimsim.errors import InputError, Problem
from pimsim.sweep import warm
from pimsim.sweep.worker import Outcome, Task, simulate

CONNECT_S = 10.0
"""Seconds to wait for a scheduler."""


class Workers(Protocol):
    """Something that runs points. ``local``: on this machine, so that it can write where the cache is."""

    local: bool

    @property
    def most(self) -> int:
        """Points to hand out at once, so that no worker waits."""
        ...

    def submit(self, task: Task) -> Future[Outcome]:
        """Hand out a point."""
        ...

    def restart(self) -> None:
        """Begin again with new workers, after one died."""
        ...

    def stop(self, *, now: bool) -> None:
        """Let the workers go; ``now``: leave what they are at."""
        ...


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Inline:
    """This process, one point at a time."""

    local = True
    most = 1

    def submit(self, task: Task) -> Future[Outcome]:
        """Run a point; the future is done."""
        future: Future[Outcome] = Future()
        future.set_result(simulate(task))
        return future

    def restart(self) -> None:
        """Nothing to do."""

    def stop(self, *, now: bool) -> None:
        """Nothing to do."""


class _HiddenMain(ForkServerProcess):
    """A worker that does not run the caller's script again: nothing that it needs is defined there."""

    def start(self) -> None:
        main = sys.modules.get("__main__")
        kept = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
        try:
            for name in kept:
                setattr(main, name, None)
            super().start()
        finally:
            for name, value in kept.items():
                setattr(main, name, value)


class _Context(ForkServerContext):
    Process = _HiddenMain


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


class Processes:
    """Processes of this machine, forked from a server that has loaded and compiled everything once."""

    local = True

    def __init__(self, jobs: int, first: Sequence[tuple[Any, Any]] = ()):
        """``first``: systems with short workloads that the server runs once, so that every kernel is loaded."""
        self._jobs = jobs
        self._context = _Context()
        self._context.set_forkserver_preload([warm.__name__])
        os.environ[warm.VARIABLE] = base64.b64encode(pickle.dumps(list(first))).decode()
        try:
            forkserver.ensure_running()
        finally:
            del os.environ[warm.VARIABLE]
        self._pool = self._made()

    def _made(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self._jobs, self._context, _begin_worker)

    @property
    def most(self) -> int:
        """One at work and one waiting for each process."""
        return 2 * self._jobs

    def submit(self, task: Task) -> Future[Outcome]:
        """Hand out a point."""
        return self._pool.submit(simulate, task)

    def restart(self) -> None:
        """New processes in place of those that died together."""
        self.stop(now=True)
        self._pool = self._made()

    def stop(self, *, now: bool) -> None:
        """End the processes."""
        processes = list((self._pool._processes or {}).values()) if now else []
        for process in processes:
            with contextlib.suppress(OSError, ValueError):
                process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)


class Dask:
    """The workers of a dask.distributed scheduler, as many as there are at any time."""

    local = False

    def __init__(self, scheduler: str):
        """Connect to an address (``tcp://host:8786``) or to the scheduler that a scheduler file names.

        Raises:
            InputError: dask.distributed is not installed, or no scheduler answers there.
        """
        try:
            from distributed import Client
        except ImportError:
            raise InputError(Problem("dask.distributed is not installed", "pip install 'pimsim[dask]'", file="--scheduler")) from None
        options: dict[str, Any] = {"scheduler_file": scheduler} if Path(scheduler).is_file() else {"address": scheduler}
        try:
            self._client = Client(timeout=CONNECT_S, set_as_default=False, **options)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(Problem(f"no scheduler answers at '{scheduler}': {_first_line(error)}",
                                     "its address (tcp://host:8786) or its scheduler file", file="--scheduler")) from None
        self._executor: Executor = self._client.get_executor(pure=False, retries=3)

    @property
    def most(self) -> int:
        """Two for every thread of every worker that is there now."""
        threads = sum(worker["nthreads"] for worker in self._client.scheduler_info(n_workers=-1)["workers"].values())
        return 2 * max(threads, 1)

    def submit(self, task: Task) -> Future[Outcome]:
        """Hand out a point; Dask runs it again elsewhere if its worker dies."""
        return self._executor.submit(simulate, task)

    def restart(self) -> None:
        """Nothing to do: workers come and go."""

    def stop(self, *, now: bool) -> None:
        """Take back what is not done, and leave the scheduler and its workers to others."""
        self._executor.shutdown(wait=not now)  # without waiting it takes back what is out
        self._client.close()


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


@contextmanager
def workers(jobs: int | None, scheduler: str | None, points: int, first: Callable[[], Sequence[tuple[Any, Any]]]) -> Iterator[Workers]:
    """What runs ``points`` points: a scheduler's workers if one is named, else ``jobs`` processes (the cores of this machine).

    One job, or one point, runs in this process. ``first`` gives short runs that load every kernel, and is asked only if processes begin.
    """
    made: Workers
    if scheduler is not None:
        made = Dask(scheduler)
    else:
        count = min(jobs or cores(), points)
        made = Processes(count, first()) if count > 1 else Inline()
    now = True
    try:
        yield made
        now = False
    finally:
        made.stop(now=now)

"""Keeps workers busy with points until all are done, whatever happens to the workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool

from pimsim.sweep.executor import Workers
from pimsim.sweep.worker import Outcome, Task

POLL_S = 0.5
"""Seconds after which an interrupt is noticed, whatever the workers do."""


def run_tasks(tasks: Sequence[Task], workers: Workers, done: Callable[[Outcome], None]) -> None:
    """Run every task once; ``done`` is called with each outcome as it comes, in no particular order.

    A worker process that dies takes its pool with it: the tasks that were out are then run one at a time, and the one whose worker
    dies again is recorded as failed.

    Raises whatever ``done`` raises, and KeyboardInterrupt; tasks that are out are then lost, and only they.
    """
    waiting = deque(tasks)
    suspects: deque[Task] = deque()
    out: dict[Future[Outcome], Task] = {}
    while waiting or suspects or out:
        if not out:
            alone = bool(suspects)
        while len(out) < (1 if alone else workers.most) and (suspects if alone else waiting):
            task = (suspects if alone else waiting).popleft()
            try:
                out[workers.submit(task)] = task
            except BrokenProcessPool:  # a worker died between two points, or with those that are out
                waiting.appendleft(task)
                if not out:
                    workers.restart()
                break
        finished, _ = wait(out, POLL_S, FIRST_COMPLETED)
        died = False
        for future in [one for one in out if one in finished]:
            outcome = _outcome(future, out[future].key)
            died |= outcome is None
            if outcome is not None:
                del out[future]
                done(outcome)
        if died:
            lost = list(out.values())
            out.clear()
            workers.restart()
            if alone:
                done(Outcome(lost[0].key, error="its worker process died (out of memory?)"))
            else:
                suspects.extend(lost)


def _outcome(future: Future[Outcome], key: str) -> Outcome | None:
    """What came of a task; None if its worker died."""
    try:
        return future.result()
    except BrokenProcessPool:
        return None
    except CancelledError:
        return Outcome(key, error="the scheduler took it back")
    except Exception as error:  # noqa: BLE001 - a worker that cannot even begin a point must not end the sweep
        return Outcome(key, error=f"{type(error).__name__}: {error}".splitlines()[0])

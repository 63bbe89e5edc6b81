"""Every task is run once, whatever its worker does."""

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import pytest

from pimsim.sweep.runner import run_tasks
from pimsim.sweep.worker import Outcome, Task


class Flaky:
    """Workers of which those that get a deadly task die, and with them all that the pool has."""

    local = True
    most = 4

    def __init__(self, deadly: set[str] = frozenset(), once: set[str] = frozenset(), odd: set[str] = frozenset()):  # type: ignore[assignment]
        self.deadly, self.once, self.odd = set(deadly), set(once), set(odd)
        self.restarts = 0
        self.ran: list[str] = []
        self.out: list[tuple[Task, Future[Outcome]]] = []
        self.broken = False

    def submit(self, task: Task) -> Future[Outcome]:
        if self.broken:
            raise BrokenProcessPool
        future: Future[Outcome] = Future()
        self.out.append((task, future))
        if len(self.out) == self.most or task.key in self.deadly | self.once | self.odd or task.key == "last":
            self._work()
        return future

    def _work(self) -> None:
        kills = [task.key for task, _ in self.out if task.key in self.deadly | self.once]
        self.once -= set(kills)
        for task, future in self.out:
            if kills:
                future.set_exception(BrokenProcessPool())
            elif task.key in self.odd:
                future.set_exception(ValueError("odd\nindeed"))
            else:
                self.ran.append(task.key)
                future.set_result(Outcome(task.key, {"f": b""}))
        self.broken = bool(kills)
        self.out = []

    def restart(self) -> None:
        self.restarts += 1
        self.broken = False
        if self.restarts:
            self.most = 1

    def stop(self, *, now: bool) -> None:
        """Nothing to do."""


def run(keys: list[str], workers: Flaky) -> dict[str, str]:
    done: dict[str, str] = {}

    def take(outcome: Outcome) -> None:
        assert outcome.key not in done
        done[outcome.key] = outcome.error

    run_tasks([Task(key, "", b"") for key in keys], workers, take)
    return done


KEYS = [str(number) for number in range(7)]


def test_all_tasks_are_run() -> None:
    assert run([*KEYS, "last"], Flaky()) == dict.fromkeys([*KEYS, "last"], "")


def test_a_worker_that_dies_once_costs_nothing() -> None:
    workers = Flaky(once={"2"})
    assert run(KEYS, workers) == dict.fromkeys(KEYS, "")
    assert workers.restarts == 1


def test_a_task_whose_worker_dies_again_when_alone_is_recorded() -> None:
    said = run(KEYS, Flaky(deadly={"2"}))
    assert said.pop("2") == "its worker process died (out of memory?)"
    assert set(said.values()) == {""}


def test_every_deadly_task_is_found() -> None:
    said = run(KEYS, Flaky(deadly={"0", "1", "5"}))
    assert {key for key, error in said.items() if error} == {"0", "1", "5"}


def test_what_a_worker_raises_is_recorded_in_one_line() -> None:
    assert run(["3", "last"], Flaky(odd={"3"})) == {"3": "ValueError: odd", "last": ""}


def test_what_storing_raises_ends_the_run() -> None:
    def full(outcome: Outcome) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        run_tasks([Task("last", "", b"")], Flaky(), full)


def test_no_tasks_is_done_at_once() -> None:
    assert run([], Flaky()) == {}

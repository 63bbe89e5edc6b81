"""What runs one point, wherever that is: in this process, in a worker process, on a Dask worker of another machine.

It takes and gives back bytes only, so that nothing but pimsim itself must be there. On the machine of the process that asked, the result
is a folder beside the cache instead, and what comes back is less than a pipe takes at once: a worker that is killed while it answers
leaves no half of an answer that others would wait for.
"""

from __future__ import annotations

import json
import pickle
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pimsim.errors import InputError, Problem, SimulationError
from pimsim.sweep.cache import ERROR, write_files
from pimsim.sweep.version import code_identity

MOST_CHARACTERS = 1000
"""Of an error that comes back: less than a pipe takes at once."""

_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Task:
    """A point to run: its key, the identity of the code that must run it, and the pickled system and workload.

    ``staging``: folder in which the result is left; empty: it comes back as bytes.
    """

    key: str
    code: str
    config: bytes
    staging: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of a point: a run folder, or a folder that says why the point cannot be run.

    Attributes:
        files, folder: that folder, as the bytes of its files or as a path. Neither if the point may run another time.
        error: what went wrong, if it may go right another time.
        unwritten: (errno, text, file) if the folder could not be written.
    """

    key: str
    files: dict[str, bytes] = field(default_factory=dict)
    folder: str = ""
    error: str = ""
    unwritten: tuple[int, str, str] | None = None


def simulate(task: Task) -> Outcome:
    """Run a point. Only an interrupt and the like come out of this as exceptions."""
    if task.code != code_identity():
        return Outcome(task.key, error=f"its worker has other code ({code_identity()}, not {task.code}); if pimsim was edited, start again")
    try:
        with _ONE_AT_A_TIME:
            files = _run(task)
    except InputError as error:
        files = _refused("InputError", error.problems)
    except SimulationError as error:
        files = _refused("SimulationError", [Problem(str(error))])
    except Exception as error:  # noqa: BLE001 - a point that fails must not end the sweep; the error is recorded
        return Outcome(task.key, error=f"{type(error).__name__}: {error}"[:MOST_CHARACTERS])
    if not task.staging:
        return Outcome(task.key, files)
    try:
        return Outcome(task.key, folder=str(write_files(Path(task.staging), task.key, files)))
    except OSError as error:
        return Outcome(task.key, unwritten=(error.errno or 0, error.strerror or str(error), str(error.filename or task.staging)))


def _run(task: Task) -> dict[str, bytes]:
    from pimsim.kinds import kind
    from pimsim.kinds.job import Job
    from pimsim.results.folder import files

    config, workload = pickle.loads(task.config)
    return files(kind(config.kind).run(Job(config, workload)))


def _refused(kind: str, problems: tuple[Problem, ...] | list[Problem]) -> dict[str, bytes]:
    said = {"type": kind, "problems": [asdict(problem) for problem in problems]}
    return {ERROR: json.dumps(said, indent=2, ensure_ascii=False).encode() + b"\n"}

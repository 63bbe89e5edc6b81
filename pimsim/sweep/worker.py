"""What runs one point, wherever that is: in this process, in a worker process, on a Dask worker of another machine.

It takes and gives back bytes only, so that nothing but pimsim itself must be there, and the process that asked stores the result.
"""

from __future__ import annotations

import json
import pickle
import threading
import time
from dataclasses import asdict, dataclass, field

from pimsim.errors import InputError, Problem, SimulationError
from pimsim.sweep.cache import ERROR
from pimsim.sweep.version import code_identity

_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Task:
    """A point to run: its key, the identity of the code that must run it, and the pickled system and workload."""

    key: str
    code: str
    config: bytes


@dataclass(frozen=True)
class Outcome:
    """What came of a point.

    Attributes:
        files: what to store under the key: a run folder, or why the point cannot be run. Empty if that may be another time.
        error: what went wrong, if it may go right another time.
        wall_s: seconds that the point took here.
    """

    key: str
    files: dict[str, bytes] = field(default_factory=dict)
    error: str = ""
    wall_s: float = 0.0


def simulate(task: Task) -> Outcome:
    """Run a point. Only an interrupt and the like come out of this as exceptions."""
    begin = time.perf_counter()
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
        return Outcome(task.key, error=f"{type(error).__name__}: {error}", wall_s=time.perf_counter() - begin)
    return Outcome(task.key, files, wall_s=time.perf_counter() - begin)


def _run(task: Task) -> dict[str, bytes]:
    from pimsim.kinds import kind
    from pimsim.kinds.job import Job
    from pimsim.results.folder import files

    config, workload = pickle.loads(task.config)
    return files(kind(config.kind).run(Job(config, workload)))


def _refused(kind: str, problems: tuple[Problem, ...] | list[Problem]) -> dict[str, bytes]:
    said = {"type": kind, "problems": [asdict(problem) for problem in problems]}
    return {ERROR: json.dumps(said, indent=2, ensure_ascii=False).encode() + b"\n"}

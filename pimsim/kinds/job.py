"""A job: everything that a run is given, the same for every kind of system."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pimsim.config import WorkloadConfig
from pimsim.errors import InputError, Problem
from pimsim.model.trace import Trace

Progress = Callable[[int, int], None]
Notify = Callable[[str], None]


@dataclass(frozen=True)
class Views:
    """Looks into a run beside its result: files to write, and the token steps (or iterations) that they show.

    Attributes:
        commands: file for the command log. timeline: file for a timeline. blame: find out what held commands back.
        steps: steps looked into; None: all for the command log, the first for the others.
    """

    commands: Path | None = None
    timeline: Path | None = None
    blame: bool = False
    steps: slice | None = None

    @property
    def wanted(self) -> bool:
        """Whether anything is to be looked into."""
        return bool(self.commands or self.timeline or self.blame)

    def check(self) -> list[Problem]:
        """What is wrong with the files."""
        found: list[Problem] = []
        for path, endings in ((self.commands, (".csv", ".csv.gz")), (self.timeline, (".json", ".json.gz"))):
            if path is None:
                continue
            if not path.name.endswith(endings):
                found.append(Problem(f"a file of this kind cannot be called '{path.name}'", f"a name that ends in {' or '.join(endings)}",
                                     file=str(path)))  # fmt: skip
            if path.is_dir():
                found.append(Problem("is a folder", "a file", file=str(path)))
            elif not path.absolute().parent.is_dir():
                found.append(Problem(f"there is no folder '{path.parent}'", "a folder that exists", file=str(path)))
        return found

    def windows(self, count: int) -> tuple[range, range]:
        """Of a run of ``count`` steps: those whose commands are kept, and those that timeline and blame look into.

        Raises InputError if ``steps`` chooses none, or names one that there is not.
        """
        if not self.wanted:
            return range(0), range(0)
        if self.steps is not None:
            chosen = range(count)[self.steps]
            if not chosen:
                raise InputError(Problem("no step is chosen", f"steps 0 to {count - 1}", file="--steps"))
            beyond = [n for n in (self.steps.start, self.steps.stop) if n is not None and not -count <= n <= count]
            if beyond:
                raise InputError(Problem(f"there is no step {beyond[0]}", f"steps 0 to {count - 1}", file="--steps"))
            return chosen, chosen
        return range(count if self.commands else 1), range(1)


@dataclass(frozen=True)
class Job:
    """What to run, and how.

    Attributes:
        config: of the class that the kind has: a SystemConfig, or one of :mod:`pimsim.config.baseline`.
        workload: None if a trace is run. trace: an operator trace that was read instead, else None; a kind lowers the workload itself.
        fast_forward, fold: exact short cuts; switching them off gives the same numbers.
        progress: called with (steps done, steps in all) after every step.
        notify: called with sentences for people.
    """

    config: Any
    workload: WorkloadConfig | None
    trace: Trace | None = None
    views: Views = field(default_factory=Views)
    fast_forward: bool = True
    fold: bool = True
    progress: Progress | None = None
    notify: Notify | None = None

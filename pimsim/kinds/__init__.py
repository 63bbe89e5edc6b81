"""Kinds of systems: what ``kind:`` in a system's YAML names, one module a kind.

A kind is a module with a function ``run(job) -> Result`` (:mod:`pimsim.kinds.job`): it builds the system, simulates the workload and
derives the result. A new one is a module of its own and a line in :data:`KINDS`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from pimsim.errors import InputError, Problem, nearest
from pimsim.kinds.job import Job
from pimsim.results.result import Result

KINDS = {"pim-gpt": "pim_gpt", "neupims": "neupims", "gpu": "baseline", "cpu": "baseline", "ideal-non-pim": "ideal_non_pim"}
"""Kind -> module of this package. Nothing of a kind is loaded before it is used."""


class Kind(Protocol):
    """What a kind's module has."""

    def run(self, job: Job) -> Result:
        """Build the system, run the workload, derive and check the result.

        Raises:
            InputError: the system cannot be built or cannot run the workload; the problems' keys are paths of the configuration.
            SimulationError: a law is broken.
        """
        ...


def kind(name: str) -> Kind:
    """The module of a kind.

    Raises:
        InputError: no such kind.
    """
    if name not in KINDS:
        raise InputError(Problem(f"unknown kind of system '{name}'", nearest(name, list(KINDS)), key="kind"))
    return cast(Kind, import_module(f"pimsim.kinds.{KINDS[name]}"))


__all__ = ["KINDS", "Job", "Kind", "kind"]

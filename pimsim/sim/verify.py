"""Does the mapping compute? Runs the programs that are timed on real numbers and compares with numpy, operator by operator.

A mapping takes part by registering a function in :data:`COMPANIONS`: it runs a workload's programs in its own functional mode and
finds a :class:`~pimsim.mapping.functional.check.Check` for every operator that it ran.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pimsim.config import SystemConfig, WorkloadConfig
from pimsim.errors import InputError, Problem, nearest
from pimsim.mapping.functional.check import Check, Findings
from pimsim.model.lowering import lower_workload
from pimsim.sim import verify_neupims, verify_pim_gpt

Progress = Callable[[str], None]
Companion = Callable[[SystemConfig, WorkloadConfig, int], Findings]


def _pim_gpt(system: SystemConfig, workload: WorkloadConfig, seed: int) -> Findings:
    return verify_pim_gpt.run(system, lower_workload(workload), seed)


COMPANIONS: dict[str, Companion] = {"pim-gpt": _pim_gpt, "neupims": verify_neupims.run}
"""Functional modes by the name of the mapping (``mapping:`` of a system)."""


@dataclass(frozen=True)
class Verification:
    """The outcome of :func:`verify`.

    Attributes:
        operators: every check, in the order in which they ran.
        covers: which layers were computed, and which of the others they stand for.
    """

    system: str
    workload: str
    seed: int
    operators: tuple[Check, ...]
    covers: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every check was passed; a run that checked nothing is not ok."""
        return bool(self.operators) and all(check.ok for check in self.operators)

    def largest(self, unit: str, error: str) -> float:
        """The largest ``max_abs_error`` or ``max_rel_error`` of a unit's operators."""
        found = (getattr(check, error) for check in self.operators if check.unit == unit)
        return max((value for value in found if value is not None), default=0.0)

    def summary(self) -> dict[str, Any]:
        """What ``pimsim verify --json`` prints.

        ``max_abs_error`` and ``max_rel_error`` are those of the memory's sums; the ASIC's approximations have keys of their own.
        """
        return {
            "system": self.system,
            "workload": self.workload,
            "seed": self.seed,
            "ok": self.ok,
            "max_abs_error": self.largest("memory", "max_abs_error"),
            "max_rel_error": self.largest("memory", "max_rel_error"),
            "asic_max_abs_error": self.largest("asic", "max_abs_error"),
            "asic_max_rel_error": self.largest("asic", "max_rel_error"),
            "layer_max_abs_error": self.largest("layer", "max_abs_error"),
            "layer_max_rel_error": self.largest("layer", "max_rel_error"),
            "covers": list(self.covers),
            "operators": [_fields(check) for check in self.operators],
        }


def _fields(check: Check) -> dict[str, Any]:
    place = check.place
    return {
        "name": check.name, "kind": check.kind, "unit": check.unit, "shape": check.shape, "layer": place.layer,
        "context": place.context, "variant": place.variant, "max_abs_error": check.max_abs_error,
        "max_rel_error": check.max_rel_error, "tolerance": check.tolerance, "tolerance_used": check.tolerance_used,
        "equal": check.equal, "ok": check.ok, "fault": check.fault,
    }  # fmt: skip


def verify(system: SystemConfig, workload: WorkloadConfig, *, seed: int = 0,
           progress: Progress = lambda line: None) -> Verification:
    """Compute a workload's decoder in the simulated memory and compare with numpy.

    Args:
        seed: of the random weights, inputs and caches.
        progress: told, in words, what is being computed.

    Raises:
        InputError: the system's mapping has no functional mode, or cannot run an operator (named).
    """
    if system.mapping not in COMPANIONS:
        raise InputError(Problem(f"mapping '{system.mapping}' has no functional mode",
                                 nearest(system.mapping, list(COMPANIONS)), key="mapping"))  # fmt: skip
    findings = COMPANIONS[system.mapping](system, workload, seed)
    operators: list[Check] = []
    for check in findings.checks:
        place = check.place
        if not operators or (operators[-1].place.layer, operators[-1].place.variant) != (place.layer, place.variant):
            progress(f"{'layer ' + str(place.layer) if place.layer >= 0 else check.name}, {place.variant}")
        operators.append(check)
    return Verification(system.name, workload.name, seed, tuple(operators), findings.covers)

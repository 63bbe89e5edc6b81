"""Which unit runs which operator: a policy.

``fixed`` is the paper's division of labour (NeuPIMs, arXiv 2403.00579, section 5): what reuses weights runs on the NPU, attention's
matrix-vector products where the keys and values lie, the rest on the vector units. ``crossover`` asks an estimator of each unit
and takes the quickest, operator by operator; the estimates are held against simulated times afterwards by
:func:`estimate_errors`. Placement by a table in the configuration is ``fixed`` with changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pimsim.errors import InputError, Problem, nearest
from pimsim.model.operator import Operator

NPU, PIM, VECTOR = "npu", "pim", "vector"
UNITS = (NPU, PIM, VECTOR)
POLICIES = ("fixed", "crossover")

FIXED: Mapping[str, str] = {
    "matvec": NPU, "head_matvec": NPU, "score": PIM, "attend": PIM, "kv_append": NPU, "embed": NPU,
    "softmax": VECTOR, "layernorm": VECTOR, "rmsnorm": VECTOR, "rotary": VECTOR, "add": VECTOR, "gelu": VECTOR, "relu": VECTOR,
    "silu": VECTOR, "swiglu": VECTOR, "geglu": VECTOR, "topk": VECTOR, "combine": VECTOR, "evict": VECTOR,
    "merge": VECTOR,
}
"""Kind of operator -> unit. What only moves data (kv_append, embed) is the business of the NPU's DMA."""

CAN_RUN: Mapping[str, frozenset[str]] = {
    NPU: frozenset({"matvec", "head_matvec", "score", "attend", "kv_append", "embed"}),
    PIM: frozenset({"matvec", "score", "attend"}),
    VECTOR: frozenset(kind for kind, unit in FIXED.items() if unit == VECTOR),
}
"""Kinds that a unit can run at all."""


class Estimator(Protocol):
    """How long a unit would take for an operator."""

    def estimate_fs(self, operator: Operator) -> int:
        """Femtoseconds for ``operator``, which is of a kind that the unit can run, on its whole batch."""
        ...


class Policy(Protocol):
    """Chooses units."""

    def unit(self, operator: Operator) -> str:
        """The unit that runs ``operator``."""
        ...


@dataclass(frozen=True)
class Fixed:
    """Always the same unit for a kind of operator."""

    table: Mapping[str, str]

    def unit(self, operator: Operator) -> str:
        """The unit that runs ``operator``."""
        return self.table[operator.kind]


@dataclass(frozen=True)
class Crossover:
    """The unit with the least estimate among those that can run the operator; at equal ones, the fixed choice."""

    estimators: Mapping[str, Estimator]

    def estimates_fs(self, operator: Operator) -> dict[str, int]:
        """The estimate of every unit that can run ``operator`` and has an estimator."""
        return {unit: estimator.estimate_fs(operator) for unit, estimator in self.estimators.items()
                if operator.kind in CAN_RUN[unit]}

    def unit(self, operator: Operator) -> str:
        """The unit that runs ``operator``."""
        usual = FIXED[operator.kind]
        estimates = self.estimates_fs(operator)
        return min(estimates, key=lambda unit: (estimates[unit], unit != usual), default=usual)


def policy(placement: str | Mapping[str, str], estimators: Mapping[str, Estimator]) -> Policy:
    """The policy that ``placement:`` of a configuration names: fixed, crossover, or kinds of operators with units.

    Raises:
        InputError: an unknown policy, kind or unit, or a unit that cannot run the kind, all at once.
    """
    if isinstance(placement, str):
        if placement not in POLICIES:
            raise InputError(Problem(f"unknown policy '{placement}'", nearest(placement, POLICIES), key="placement"))
        return Fixed(FIXED) if placement == "fixed" else Crossover(estimators)
    problems = []
    for kind, unit in placement.items():
        able = [u for u in UNITS if kind in CAN_RUN[u]]
        if kind not in FIXED:
            problems.append(Problem(f"unknown operator '{kind}'", nearest(kind, list(FIXED)), key=f"placement.{kind}"))
        elif unit not in UNITS:
            problems.append(Problem(f"unknown unit '{unit}'", nearest(unit, UNITS), key=f"placement.{kind}"))
        elif unit not in able:
            problems.append(Problem(f"{unit} cannot run {kind}", "one of: " + ", ".join(able), key=f"placement.{kind}"))
    if problems:
        raise InputError(problems)
    return Fixed({**FIXED, **placement})


@dataclass(frozen=True, slots=True)
class EstimateError:
    """How far estimates are from simulated times: relative errors, (estimate - simulated) / simulated."""

    operators: int
    mean: float
    mean_absolute: float
    worst: float


def estimate_errors(pairs: Iterable[tuple[str, int, int]]) -> dict[str, EstimateError]:
    """The error of estimates, class by class.

    Args:
        pairs: (class, estimate in fs, simulated time in fs, above zero) of each operator.
    """
    errors: dict[str, list[float]] = {}
    for name, estimate_fs, simulated_fs in pairs:
        errors.setdefault(name, []).append((estimate_fs - simulated_fs) / simulated_fs)
    return {name: EstimateError(len(e), sum(e) / len(e), sum(map(abs, e)) / len(e), max(e, key=abs)) for name, e in errors.items()}

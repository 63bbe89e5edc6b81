"""The DRAM standards, one file each. A file that defines a :class:`~pimsim.dram.spec.Standard` is found by its name."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import replace
from functools import cache

from pimsim.dram.spec import Standard
from pimsim.errors import InputError, Problem, nearest


@cache
def all_standards() -> dict[str, Standard]:
    """Every standard in this folder, by name."""
    found: dict[str, Standard] = {}
    for module_info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{module_info.name}")
        found.update({v.name: v for v in vars(module).values() if isinstance(v, Standard)})
    return found


def standard(name: str) -> Standard:
    """The standard called ``name``.

    Raises:
        InputError: there is none; names the nearest.
    """
    known = all_standards()
    if name not in known:
        raise InputError(Problem(f"unknown DRAM standard '{name}'", nearest(name, list(known)), key="memory.standard"))
    return known[name]


def variant(base: Standard, rules: str) -> Standard:
    """``base`` with the pairwise rules of another simulator: the standard called ``<base>-<rules>``.

    Raises:
        InputError: that simulator does not have the standard; names those that it has.
    """
    known = sorted(name for name in all_standards() if name.endswith(f"-{rules}"))
    name = f"{base.name}-{rules}"
    if name not in known:
        raise InputError(Problem(f"{rules} has no rules for {base.name}",
                                 f"standards with rules of {rules}: {', '.join(n.removesuffix(f'-{rules}') for n in known)}",
                                 key="controller.policy"))
    return all_standards()[name]


def for_policy(base: Standard, policy: str) -> Standard:
    """``base`` with the rules that a controller policy carries: DRAMsim3's for ``dramsim3-fr32``, its own for all others.

    Raises:
        InputError: DRAMsim3 does not have the standard.
    """
    simulator = policy.split("-")[0]
    return variant(base, simulator) if simulator == "dramsim3" else base


def always_clocked(base: Standard) -> Standard:
    """``base`` where the data clock never stops (LPDDR5's WCK), so that no access has to start it."""
    return replace(base, commands=tuple(replace(c, needs_clock="") for c in base.commands))

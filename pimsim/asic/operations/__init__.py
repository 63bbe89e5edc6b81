"""ASIC operations, one file each family; a file dropped in here is registered by being here."""

from __future__ import annotations

import importlib
import pkgutil

from pimsim.asic.operation import OPERATIONS, Operation
from pimsim.errors import InputError, Problem, nearest

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def find(kind: str) -> Operation:
    """The operation ``kind``. Raises :class:`InputError` with the nearest known one."""
    if kind not in OPERATIONS:
        raise InputError(Problem(f"the ASIC has no operation '{kind}'", nearest(kind, list(OPERATIONS))))
    return OPERATIONS[kind]

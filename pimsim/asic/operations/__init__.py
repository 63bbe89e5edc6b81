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
    name, _, count = kind.partition(":")
    if name not in OPERATIONS or bool(OPERATIONS[name].counted) != (count.isdecimal() and int(count) > 0):
        raise InputError(Problem(f"the ASIC has no operation '{kind}'", nearest(kind, [_spelled(o) for o in OPERATIONS.values()])))
    return OPERATIONS[name].times(int(count)) if count else OPERATIONS[name]


def _spelled(operation: Operation) -> str:
    return f"{operation.kind}:<count>" if operation.counted else operation.kind

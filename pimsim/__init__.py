"""pimsim: a cycle-accurate, event-driven simulator of accelerators that compute inside DRAM.

Importing this package is cheap: nothing heavy is loaded until it is used. ``pimsim.run`` and ``pimsim.load`` are in
``pimsim.api``; ``pimsim.sweep`` is a package that can be called.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pimsim.api import Result, load, memory, run
    from pimsim.errors import InputError, SimulationError
    from pimsim.sweep.run import sweep

__version__ = "0.1.0"
__all__ = ["InputError", "Result", "SimulationError", "__version__", "load", "memory", "run", "sweep"]

_HOME = {"Result": "api", "load": "api", "memory": "api", "run": "api", "InputError": "errors", "SimulationError": "errors"}


def __getattr__(name: str) -> Any:
    if name == "sweep":
        return import_module("pimsim.sweep")
    if name not in _HOME:
        raise AttributeError(f"module 'pimsim' has no attribute '{name}'")
    return getattr(import_module(f"pimsim.{_HOME[name]}"), name)

"""Design-space sweeps: which points there are (space, plan), where they run (executor, runner), what is kept (cache), what comes of
them (table, pareto), and two ways to spend points where they matter (search, unverified).

Calling the package runs a sweep, ``pimsim.sweep("sweeps/small.yaml")``: see :func:`pimsim.sweep.run.sweep`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pimsim.sweep.frame import SweepFrame


class _Callable(ModuleType):
    """A package that can be called: ``pimsim.sweep`` is the package and, for people, the function."""

    def __call__(self, *args: Any, **options: Any) -> SweepFrame:
        from pimsim.sweep.run import sweep

        return sweep(*args, **options)


sys.modules[__name__].__class__ = _Callable

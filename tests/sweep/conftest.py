"""A sweep of a workload so small that a point takes milliseconds, and a cache that no other test uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pimsim.config.sweep import load_sweep
from pimsim.sweep.run import Done, Options, run

Spec = dict[str, Any]


@pytest.fixture
def spec(tiny: str) -> Spec:
    """Six points: channels and adders."""
    return {"workload": tiny, "axes": {"memory.channels": [1, 2, 4], "asic.adders": [64, 256]}}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A folder for a cache, not there yet."""
    return tmp_path / "cache"


def done(spec: Spec, cache: Path, **options: Any) -> Done:
    """Run a sweep, in this process unless told otherwise."""
    return run(load_sweep(spec), Options(cache=cache, **({"jobs": 1} | options)))

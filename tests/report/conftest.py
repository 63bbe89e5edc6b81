"""A report of a run and one of a sweep, each with a few verdicts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import pimsim
from pimsim.plot.table import make
from pimsim.report import run_page, sweep_page
from pimsim.validate.figure import Figure, within

FIGURES = [("models", Figure("parameters", "a paper", 101.0, 100.0, "M", within(100, 0.02))),
           ("models", Figure("layers & <heads>", "a paper", 200.0, 100.0, "", within(100, 0.02)))]  # fmt: skip


@pytest.fixture(scope="session")
def run(tiny: str) -> pimsim.Result:
    return pimsim.run("pim-gpt", tiny)


@pytest.fixture(scope="session")
def run_file(run: pimsim.Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("report") / "run.html"
    path.write_text(run_page(run, FIGURES), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def sweep_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frame = pd.DataFrame([{"workload": w, "memory.channels": c, "time_s": 8 / c, "energy_j.total": c + 1.0, "error": None}
                          for w in ("a", "b") for c in (2, 4, 16)])  # fmt: skip
    path: Path = tmp_path_factory.mktemp("report") / "sweep.html"
    failed = [{"memory.channels": 64, "error": "does not fit"}]
    path.write_text(sweep_page(make("s", frame), failed=failed, plan="axes: {memory.channels: [2, 4, 16]}\n"), encoding="utf-8")
    return path

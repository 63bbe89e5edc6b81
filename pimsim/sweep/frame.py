"""A sweep as a pandas DataFrame that knows where it comes from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pimsim.errors import InputError, Problem
from pimsim.results import folder as run_folder
from pimsim.results.result import Result
from pimsim.sweep import table
from pimsim.sweep.table import Table, as_csv

_TEXT = {"error": str, "status": str, "system": str, "workload": str}


class SweepFrame(pd.DataFrame):
    """The table of a sweep, one row a point: a DataFrame, and where its points' runs are.

    Attributes:
        varied: columns that were varied. objectives: metric -> min or max. folders: run folder by point.
    """

    _metadata = ["varied", "objectives", "folders"]

    varied: Sequence[str]
    objectives: dict[str, str]
    folders: dict[int, str]

    @property
    def _constructor(self) -> type[SweepFrame]:
        return SweepFrame

    def table(self) -> pd.DataFrame:
        """The same as a plain DataFrame."""
        return pd.DataFrame(self)

    def pareto(self) -> SweepFrame:
        """The points on the Pareto front."""
        return self[self["pareto"]]

    def run(self, point: int) -> Result:
        """The run of a point, read from the cache.

        Raises:
            InputError: the point failed, or its run is no longer in the cache.
        """
        path = self.folders.get(point, "")
        if not path:
            raise InputError(Problem(f"point {point} has no run", "a point of the table that did not fail"))
        return run_folder.load(path)


def frame_of(made: Table, folders: dict[int, str]) -> SweepFrame:
    """The DataFrame of a table, with the types that it has when it is read from its file."""
    from io import StringIO

    text = as_csv(made.rows, list(made.rows[0]) if made.rows else ["point"])
    return _known(pd.read_csv(StringIO(text), dtype=_TEXT, keep_default_na=True), made.axes, dict(made.sweep.objectives), folders)


def _known(frame: pd.DataFrame, axes: Sequence[str], objectives: dict[str, str], folders: dict[int, str]) -> SweepFrame:
    made = SweepFrame(frame)
    made.varied, made.objectives, made.folders = tuple(axes), objectives, folders
    return made


def load(path: str | Path) -> SweepFrame:
    """Read a sweep's folder back.

    Raises:
        InputError: it is no sweep's folder, is of another version, or a file is missing or damaged.
    """
    folder = Path(path)
    try:
        facts: dict[str, Any] = json.loads((folder / table.FACTS).read_text(encoding="utf-8"))
        if facts["schema_version"] != table.SCHEMA_VERSION:
            raise InputError(Problem(f"is of schema version {facts['schema_version']}", f"version {table.SCHEMA_VERSION}", file=str(path)))
        frame = pd.read_csv(folder / table.RESULTS, dtype=_TEXT)
        places = pd.read_csv(folder / "points.csv", dtype=str, keep_default_na=False)
        folders = {int(point): path for point, path in zip(places["point"], places["folder"], strict=True) if path}
        return _known(frame, facts["axes"], facts["objectives"], folders)
    except OSError as error:
        raise InputError(Problem(error.strerror or str(error), file=str(error.filename or path))) from None
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(Problem(f"is damaged: {error}", file=str(path))) from None

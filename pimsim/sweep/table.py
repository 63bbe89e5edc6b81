"""The table of a sweep: one tidy row a point, the same to the last byte however and wherever the points ran.

``results.csv`` has no wall times and no paths; ``points.csv`` says where each point's run folder is and how long it took; ``sweep.yaml``
is the sweep with its axes written out, and runs again; ``excluded.csv``, ``pareto.csv`` and ``sweep.json`` are what they say.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pimsim import __version__
from pimsim.config.sweep import SweepConfig
from pimsim.errors import InputError, Problem, nearest
from pimsim.results.folder import as_yaml
from pimsim.sweep.cache import write_whole
from pimsim.sweep.pareto import front
from pimsim.sweep.plan import Point, shown
from pimsim.sweep.space import Excluded

SCHEMA_VERSION = 1
RESULTS, FACTS, PLAN = "results.csv", "sweep.json", "sweep.yaml"
OK, FAILED = "ok", "failed"

_NOT_METRICS = ("schema_version", "pimsim_version", "system", "workload", "host", "checks", "folded", "blame")
Row = dict[str, Any]


@dataclass(frozen=True)
class Finished:
    """A point and what came of it: the summary, or why there is none."""

    point: Point
    facts: Mapping[str, Any] | None = None
    error: str = ""
    cached: bool = False


@dataclass(frozen=True)
class Table:
    """A sweep's rows, and what it left out.

    Attributes:
        axes: columns that were varied, system and workload first. rows: in the order of the points.
        complete: whether every point is there.
    """

    sweep: SweepConfig
    axes: tuple[str, ...]
    rows: tuple[Row, ...]
    finished: tuple[Finished, ...]
    excluded: tuple[Excluded, ...]
    complete: bool

    @property
    def failed(self) -> int:
        """Points that could not be run."""
        return sum(row["status"] == FAILED for row in self.rows)

    @property
    def pareto(self) -> list[Row]:
        """The rows on the Pareto front, in order."""
        return [row for row in self.rows if row["pareto"]]


def flat(facts: Mapping[str, Any], above: str = "") -> Row:
    """The numbers of a summary by dotted key; texts, lists and what is about the host are left out."""
    found: Row = {}
    for key, value in facts.items():
        if not above and key in _NOT_METRICS:
            continue
        if isinstance(value, Mapping):
            found |= flat(value, f"{above}{key}.")
        elif value is None or isinstance(value, (int, float)):
            found[f"{above}{key}"] = value
    return found


def make_table(sweep: SweepConfig, axes: Sequence[str], finished: Iterable[Finished], excluded: Sequence[Excluded], *,
               complete: bool) -> Table:  # fmt: skip
    """The table of finished points, which may come in any order.

    Raises:
        InputError: a metric or objective that is named is in no result.
    """
    ordered = sorted(finished, key=lambda one: one.point.number)
    metrics = [flat(one.facts) if one.facts is not None else {} for one in ordered]
    names = _chosen(sweep, _columns(metrics))
    rows: list[Row] = []
    for one, row in zip(ordered, metrics, strict=True):
        status = FAILED if one.error else OK
        rows.append({"point": one.point.number, **shown(one.point.values), "status": status} | {name: row.get(name) for name in names})
    if sweep.baseline is not None:
        _compare(rows, metrics, axes, shown(sweep.baseline))
    for row, on in zip(rows, front([a | b for a, b in zip(rows, metrics, strict=True)], sweep.objectives, context(axes)), strict=True):
        row["pareto"] = on
    for row, one in zip(rows, ordered, strict=True):
        row["error"] = one.error
    return Table(sweep, tuple(axes), tuple(rows), tuple(ordered), tuple(excluded), complete)


def _columns(metrics: Iterable[Row]) -> list[str]:
    """Every metric that a row has; one that is divided (area by unit) is a column only by its parts, though other rows have none at all."""
    there = list(dict.fromkeys(name for row in metrics for name in row))
    divided = {name[:place] for name in there for place, letter in enumerate(name) if letter == "."}
    return [name for name in there if name not in divided]


def context(axes: Iterable[str]) -> list[str]:
    """The axes that say what is run, not on what: points are weighed against one another only where these are equal."""
    return [name for name in axes if name == "workload" or name.startswith("workload.")]


def missing(sweep: SweepConfig, facts: Mapping[str, Any]) -> list[Problem]:
    """The metrics and objectives that a summary lacks, each at its place in the sweep's file."""
    return _unknown(sweep, _columns([flat(facts)]))


def _unknown(sweep: SweepConfig, there: list[str]) -> list[Problem]:
    document = sweep._document
    found = []
    for name in dict.fromkeys((*sweep.metrics, *sweep.objectives)):
        if name not in there and not any(one.startswith(f"{name}.") for one in there):
            path = ("objectives", name) if name in sweep.objectives else ("metrics",)
            problem = Problem(f"no result has '{name}'", nearest(name, there))
            found.append(document.place(path).problem(path, problem.message, problem.allowed, at_key=True) if document else problem)
    return found


def _chosen(sweep: SweepConfig, there: list[str]) -> list[str]:
    """The metrics that the table has, of those that are ``there``."""
    if not there:
        return []
    found = _unknown(sweep, there)
    if found:
        raise InputError(found)
    if not sweep.metrics:
        return there
    wanted = (*sweep.metrics, *sweep.objectives)
    return [one for one in there if any(one == name or one.startswith(f"{name}.") for name in wanted)]


def _compare(rows: list[Row], metrics: Sequence[Row], axes: Sequence[str], baseline: Mapping[str, Any]) -> None:
    """Add how much faster and how much thriftier each point is than that of the baseline with all other axes equal."""
    by_values = {tuple(map(str, (row[name] for name in axes))): facts for row, facts in zip(rows, metrics, strict=True)}
    for row, facts in zip(rows, metrics, strict=True):
        base = by_values.get(tuple(str(baseline.get(name, row[name])) for name in axes), {})
        row["speedup"] = _ratio(facts.get("tokens_per_s"), base.get("tokens_per_s")) or _ratio(base.get("time_s"), facts.get("time_s"))
        row["energy_gain"] = _ratio(base.get("energy_per_token_j"), facts.get("energy_per_token_j"))


def _ratio(a: Any, b: Any) -> float | None:
    return a / b if a and b else None


def write(table: Table, out: Path, folders: Mapping[str, Path], extra: Mapping[str, Sequence[Row]] | None = None) -> None:
    """Write a sweep's folder, each file whole or not at all.

    Args:
        folders: run folder of a point by its key.
        extra: other tables by the file's name.

    Raises:
        OSError: a file could not be written; what was there before still is.
    """
    out.mkdir(parents=True, exist_ok=True)
    points = [{"point": one.point.number, "key": one.point.key, "folder": str(folders.get(one.point.key, "")),
               "wall_s": one.facts["host"]["wall_s"] if one.facts and "host" in one.facts else None} for one in table.finished]  # fmt: skip
    left = [{**shown(one.values), "reason": one.reason} for one in table.excluded]
    tables: dict[str, Sequence[Row]] = {"points.csv": points, "excluded.csv": left, "pareto.csv": table.pareto, **(extra or {})}
    plan = {key: value for key, value in table.sweep.model_dump(mode="json").items() if value not in ([], {}, None, "")}
    facts = {
        "schema_version": SCHEMA_VERSION, "pimsim_version": __version__, "name": table.sweep.name, "axes": list(table.axes),
        "objectives": dict(table.sweep.objectives), "points": len(table.rows), "failed": table.failed,
        "excluded": len(table.excluded), "complete": table.complete,
    }  # fmt: skip
    for name, rows in tables.items():
        header = list(rows[0]) if rows else list(table.rows[0]) if table.rows and name == "pareto.csv" else ["point"]
        write_whole(out / name, as_csv(rows, header).encode())
    write_whole(out / PLAN, as_yaml("This sweep, its axes written out.", plan).encode())
    write_whole(out / RESULTS, as_csv(table.rows, list(table.rows[0]) if table.rows else ["point"]).encode())
    write_whole(out / FACTS, (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode())


def as_csv(rows: Iterable[Mapping[str, Any]], header: Sequence[str]) -> str:
    """Rows as CSV text; what a row lacks is empty, booleans are true and false."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(row.get(name)) for name in header] for row in rows)
    return file.getvalue()


def _cell(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def refuse(out: Path) -> None:
    """Refuse a folder that a sweep must not, or cannot, be written to.

    Raises:
        InputError: says why.
    """
    if out.exists() and not out.is_dir():
        raise InputError(Problem("is a file", "a new folder, or a sweep's folder to go on with", file=str(out)))
    if out.is_dir() and any(out.iterdir()) and not is_sweep(out) and any(not p.name.startswith(".") for p in out.iterdir()):
        raise InputError(Problem("holds something else than a sweep", "a new folder, or a sweep's folder to go on with", file=str(out)))
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".pimsim-can-write"
        write_whole(probe, b"")
        probe.unlink()
    except OSError as error:
        raise InputError(Problem(f"cannot be written to: {error.strerror or error}", "another folder", file=str(out))) from None


def is_sweep(folder: Path) -> bool:
    """Whether a folder was written by a sweep."""
    try:
        return "axes" in json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return (folder / PLAN).is_file() and (folder / "points.csv").is_file()

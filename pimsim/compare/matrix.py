"""Systems against one another on the same workloads: how many times faster, how many times more tokens a joule, and geometric means.

Geometric means, since ratios are compared: they do not depend on which system is the reference (Fleming and Wallace, CACM 29(3), 1986).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pimsim import api, assets
from pimsim.config import load_any_and_workload
from pimsim.config.document import dotted, leaves
from pimsim.errors import InputError, Problem, nearest, problems_of
from pimsim.results.folder import load

Notify = Callable[[str], None]


@dataclass(frozen=True)
class Cell:
    """What a system does on a workload: tokens a second, tokens a joule, seconds of the run; None where energy is not known."""

    system: str
    workload: str
    tokens_per_s: float
    tokens_per_j: float | None
    time_s: float
    power_w: float | None


def cell(facts: Mapping[str, Any], system: str = "", workload: str = "") -> Cell:
    """A cell from a run's summary; without tokens (a part of a model, say) runs count instead.

    Named as it was asked for, or as the run names itself.
    """
    done, total_j = facts["tokens"] or 1, (facts.get("energy_j") or {}).get("total")
    return Cell(system or facts["system"], workload or facts["workload"], done / facts["time_s"], done / total_j if total_j else None,
                facts["time_s"], facts.get("power_w"))  # fmt: skip


@dataclass(frozen=True)
class Matrix:
    """Cells by system and workload; not every system has run every workload.

    ``systems`` begins with the reference. ``over_others``: ratios are of the reference over each other system; else of each other
    system over the reference.
    """

    systems: tuple[str, ...]
    workloads: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]
    over_others: bool

    @property
    def reference(self) -> str:
        """The system that the others are compared with."""
        return self.systems[0]

    def ratio(self, what: str, other: str, workload: str) -> float | None:
        """Of ``tokens_per_s`` or ``tokens_per_j``; None where one of the two has none."""
        own, theirs = self.cells.get((self.reference, workload)), self.cells.get((other, workload))
        above, below = ((own, theirs) if self.over_others else (theirs, own))
        if above is None or below is None:
            return None
        top, bottom = getattr(above, what), getattr(below, what)
        return top / bottom if top is not None and bottom else None

    def mean(self, what: str, other: str) -> float | None:
        """The geometric mean of the ratios over all workloads that both have; None if there are none."""
        found = [ratio for w in self.workloads if (ratio := self.ratio(what, other, w)) is not None]
        return math.exp(sum(map(math.log, found)) / len(found)) if found else None


def compare(things: Sequence[str], workloads: Sequence[str], baseline: str | None, overrides: Sequence[str], notify: Notify) -> Matrix:
    """Run or read ``things`` (names or files of systems, and run folders) and compare them.

    Args:
        workloads: for the systems; those of the folders, as they ran them, if none are named. baseline: which of ``things`` the others are
            compared with; none: the first one is compared with the others.

    Raises:
        InputError: everything that is wrong with the input.
    """
    systems_that_ship = assets.list_assets("system")
    folders = [thing for thing in things if thing not in systems_that_ship and Path(thing).is_dir()]
    if baseline is not None and baseline not in things:
        raise InputError(Problem(f"'{baseline}' is not compared", nearest(baseline, list(things)), file="--baseline"))
    if len(things) < 2:
        raise InputError(Problem("one thing alone cannot be compared", "two or more systems or run folders"))
    if len(set(things)) < len(things):
        raise InputError(Problem("the same thing twice", "each system or run folder once"))
    results = {folder: load(folder) for folder in folders}
    read = {folder: cell(result.summary()) for folder, result in results.items()}
    names = _names(things, read)
    files = {word: word for word in workloads} or _own_files(read) or {api.DEFAULT_WORKLOAD: api.DEFAULT_WORKLOAD}
    todo = [(thing, workload) for thing in things if thing not in read for workload in files]
    if found := [problem for thing, workload in todo
                 for problem in problems_of(partial(load_any_and_workload, thing, files[workload], overrides))]:
        raise InputError(dict.fromkeys(found))
    cells = {(names[folder], one.workload): one for folder, one in read.items()}
    used = {(names[folder], one.workload): results[folder].workload for folder, one in read.items()}
    for system, workload in todo:
        notify(f"{system}: {workload}")
        try:
            result = api.run(system, files[workload], overrides=overrides)
        except InputError as error:
            found += error.problems
            continue
        cells[names[system], workload] = cell(result.summary(), system, workload)
        used[names[system], workload] = result.workload
    if found:
        raise InputError(dict.fromkeys(found))
    for line in differences(used):
        notify(line)
    systems = list(dict.fromkeys(names[thing] for thing in things))
    first = names[baseline] if baseline is not None else systems[0]
    shown = dict.fromkeys([*files, *(workload for _, workload in cells)])
    return Matrix((first, *(name for name in systems if name != first)), tuple(shown), cells, baseline is None)


def _own_files(read: Mapping[str, Cell]) -> dict[str, str]:
    """Workloads of run folders by name, each as the first folder that ran it keeps it."""
    files: dict[str, str] = {}
    for folder, one in read.items():
        own = Path(folder) / "workload.yaml"
        files.setdefault(one.workload, str(own) if own.is_file() else one.workload)
    return files


def differences(used: Mapping[tuple[str, str], Mapping[str, Any] | None]) -> Iterator[str]:
    """A sentence for each value in which the workloads (by system and name) of one name differ from the first one's."""
    first: dict[str, tuple[str, dict[str, Any]]] = {}
    for (system, workload), data in used.items():
        values = {dotted(path): value for path, value in leaves(data or {}) if path[0] not in ("name", "description")}
        reference, known = first.setdefault(workload, (system, values))
        for key in dict.fromkeys((*known, *values)):
            if values.get(key) != known.get(key):
                yield f"note: {workload} is not the same: {key} is {values.get(key)} for {system}, {known.get(key)} for {reference}"


def _names(things: Iterable[str], read: Mapping[str, Cell]) -> dict[str, str]:
    """What each thing is called: a folder by its system, unless two folders have run the same workload on it."""
    taken: dict[tuple[str, str], int] = {}
    for found in read.values():
        taken[found.system, found.workload] = taken.get((found.system, found.workload), 0) + 1
    alone = {folder for folder, found in read.items() if taken[found.system, found.workload] == 1 and found.system not in things}
    return {thing: read[thing].system if thing in alone else thing for thing in things}


def as_json(matrix: Matrix) -> dict[str, Any]:
    """What ``--json`` prints: a row for each system and workload, ratios and their geometric means."""
    others = matrix.systems[1:]
    keys = {"speedup": "tokens_per_s", "energy_efficiency": "tokens_per_j"}
    return {
        "reference": matrix.reference,
        "ratios": "reference over others" if matrix.over_others else "others over reference",
        "runs": [vars(found) for found in matrix.cells.values()],
        **{name: {other: {w: matrix.ratio(key, other, w) for w in matrix.workloads} for other in others} for name, key in keys.items()},
        "geometric_mean": {name: {other: matrix.mean(key, other) for other in others} for name, key in keys.items()},
    }


def report(matrix: Matrix) -> str:
    """The tables as text."""
    lines = _absolute(matrix)
    for title, what in (("Speed-up", "tokens_per_s"), ("Energy efficiency (tokens a joule)", "tokens_per_j")):
        of = f"{matrix.reference} over" if matrix.over_others else f"over {matrix.reference}"
        lines += ["", *grid(f"{title}: {of}", matrix.systems[1:],
                            [(w, [times(matrix.ratio(what, other, w)) for other in matrix.systems[1:]]) for w in matrix.workloads]
                            + [("geometric mean", [times(matrix.mean(what, other)) for other in matrix.systems[1:]])])]
    return "\n".join(lines) + "\n"


def _absolute(matrix: Matrix) -> list[str]:
    rows = []
    for workload in matrix.workloads:
        found = [matrix.cells.get((system, workload)) for system in matrix.systems]
        rows.append((workload, [f"{c.tokens_per_s:,.4g} /s, {c.power_w:.3g} W" if c is not None and c.power_w is not None
                                else "-" if c is None else f"{c.tokens_per_s:,.4g} /s" for c in found]))  # fmt: skip
    return grid("Tokens a second, power", matrix.systems, rows)


def grid(title: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """A table: the title over the row names, cells to the right."""
    left = max([len(title), *(len(name) + 2 for name, _ in rows)])
    widths = [max([len(column), *(len(cells[i]) for _, cells in rows)]) for i, column in enumerate(columns)]
    lines = [f"{title:<{left}}" + "".join(f"  {column:>{width}}" for column, width in zip(columns, widths, strict=True))]
    lines += [f"{'  ' + name:<{left}}" + "".join(f"  {text:>{width}}" for text, width in zip(cells, widths, strict=True))
              for name, cells in rows]  # fmt: skip
    return lines


def times(ratio: float | None) -> str:
    """A ratio for people: three digits."""
    if ratio is None:
        return "-"
    return f"{ratio:,.0f} x" if ratio >= 100 else f"{ratio:.3g} x"

"""The headline figures of the PIM-GPT and NeuPIMs papers beside ours: what they say, what comes out here, and on what it depends.

A figure of a paper is a ratio of two systems over a set of workloads, printed as a range or as a mean. What the paper does not say of its
baselines is an assumption here; where it matters, the table has a line for each that is plausible. Nothing is fitted to the paper.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pimsim import api
from pimsim.compare.matrix import Cell, cell, grid, times

Notify = Callable[[str], None]
NOTE_WIDTH = 110
KEYS = {"speed-up": "tokens_per_s", "energy efficiency": "tokens_per_j"}


@dataclass(frozen=True)
class Setting:
    """A system as it is compared: overrides, and the assumption that they stand for."""

    system: str
    assumption: str
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """A paper's figure: ``what`` (a key of :data:`KEYS`) of one system over another: from ``low`` to ``high``, or ``mean``."""

    what: str
    over: str
    low: float | None = None
    high: float | None = None
    mean: float | None = None


@dataclass(frozen=True)
class Line:
    """A claim beside ours under one assumption: the ratio on each workload."""

    claim: Claim
    setting: Setting
    ratios: Mapping[str, float]

    @property
    def mean(self) -> float:
        """The geometric mean of ours."""
        return math.exp(sum(map(math.log, self.ratios.values())) / len(self.ratios))

    @property
    def pairs(self) -> tuple[tuple[str, float, float], ...]:
        """(lowest, highest or mean; the paper's; ours) for what the paper gives."""
        ours = {"lowest": min(self.ratios.values()), "highest": max(self.ratios.values()), "mean": self.mean}
        theirs = {"lowest": self.claim.low, "highest": self.claim.high, "mean": self.claim.mean}
        return tuple((name, number, ours[name]) for name, number in theirs.items() if number is not None)


@dataclass(frozen=True)
class Table:
    """A paper's table: title, source, lines, and what to know of them."""

    title: str
    source: str
    subject: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Point:
    """A workload: its label, what is run, overrides for every system, and further ones for GPUs and CPUs."""

    label: str
    workload: str
    overrides: tuple[str, ...] = ()
    baseline_overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a table is made from: the paper's system, workloads, claims with the settings to hold each against, and notes."""

    title: str
    source: str
    subject: Setting
    workloads: tuple[Point, ...]
    claims: tuple[tuple[Setting, Claim, Setting], ...]
    notes: tuple[str, ...]


def paper_table(paper: str, notify: Notify) -> Table:
    """Run everything that the table of ``paper`` (pim-gpt, neupims) needs. ``notify``: told what is run."""
    from pimsim.compare.papers import PLANS

    plan = PLANS[paper]
    done: dict[tuple[Setting, str], Cell] = {}

    def run(setting: Setting, point: Point) -> Cell:
        if (setting, point.label) not in done:
            notify(f"{setting.system} ({setting.assumption}): {point.label}")
            more = point.baseline_overrides if setting.system.startswith(("gpu-", "cpu-")) else ()
            found = api.run(setting.system, point.workload, overrides=(*setting.overrides, *point.overrides, *more))
            done[setting, point.label] = cell(found.summary())
        return done[setting, point.label]

    lines = []
    for subject, claim, setting in plan.claims:
        ratios = {}
        for point in plan.workloads:
            ours, theirs = (getattr(run(one, point), KEYS[claim.what]) for one in (subject, setting))
            if ours is not None and theirs:
                ratios[point.label] = ours / theirs
        if ratios:
            lines.append(Line(claim, setting, ratios))
    return Table(plan.title, plan.source, plan.subject.system, tuple(lines), plan.notes)


def paper_json(table: Table) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "paper": table.title, "source": table.source,
        "figures": [
            {"figure": f"{line.claim.what} over {line.claim.over}", "assumption": line.setting.assumption,
             "system": line.setting.system, "overrides": list(line.setting.overrides),
             "paper": {name: theirs for name, theirs, _ in line.pairs}, "ours": {name: ours for name, _, ours in line.pairs},
             "difference": {name: ours / theirs - 1 for name, theirs, ours in line.pairs},
             "workloads": dict(line.ratios), "geometric_mean": line.mean}
            for line in table.lines
        ],
        "notes": list(table.notes),
    }  # fmt: skip


def paper_report(table: Table) -> str:
    """The table as text: each figure under each assumption, the ratios workload by workload, and notes."""
    rows = list(_rows(table))
    lines = [f"{table.title} ({table.source})", ""]
    lines += grid("figure", ("paper", "ours", "difference", "assumption"), rows)
    for what in dict.fromkeys(line.claim.what for line in table.lines):
        chosen = [line for line in table.lines if line.claim.what == what]
        columns = [f"{line.claim.over}, {line.setting.assumption}" for line in chosen]
        labels = dict.fromkeys(label for line in chosen for label in line.ratios)
        lines += ["", f"{table.subject}: {what} over"]
        lines += [f"  ({number + 1}) {column}" for number, column in enumerate(columns)]
        lines += grid("", [f"({number + 1})" for number in range(len(columns))],
                      [(label, [times(line.ratios.get(label)) for line in chosen]) for label in labels]
                      + [("geometric mean", [times(line.mean) for line in chosen])])  # fmt: skip
    notes = [textwrap.fill(note, NOTE_WIDTH, initial_indent="* ", subsequent_indent="  ") for note in table.notes]
    return "\n".join([*lines, "", *notes]) + "\n"


def _rows(table: Table) -> Iterator[tuple[str, tuple[str, ...]]]:
    for line in table.lines:
        for name, theirs, ours in line.pairs:
            yield (f"{line.claim.what} over {line.claim.over}, {name}",
                   (times(theirs), times(ours), f"{100 * (ours / theirs - 1):+.0f} %", line.setting.assumption))

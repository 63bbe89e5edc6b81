"""Runs of PIM-GPT that figures are taken from, each done once a session, and what they say in the terms of the closed forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from pimsim import api
from pimsim.config import load_system
from pimsim.dram.spec import Cause
from pimsim.model.architecture import Architecture
from pimsim.model.importer import load_architecture
from pimsim.sim.run import Run
from pimsim.validate.closed_form import CAUSES, closed_form

MODELS = ("gpt2-small", "gpt2-medium", "gpt2-large", "gpt2-xl", "gpt3-small", "gpt3-medium", "gpt3-large", "gpt3-xl")
"""The paper's eight."""

TOKENS = 1024

_OPERATORS = {
    "weights": ("qkv", "proj", "ffn1", "ffn2"),
    "scores": ("score",),
    "attention": ("attend",),
    "k_append": ("k_append",),
    "v_append": ("v_append",),
}
_WORK = (Cause.COMPUTE, Cause.ACTIVATE, Cause.WRITE)


@dataclass(frozen=True)
class Measured:
    """A run: its summary, and the ticks of a channel (the mean of all) by the causes of the closed forms."""

    facts: Mapping[str, Any]
    ticks: Mapping[str, float]

    @property
    def time_s(self) -> float:
        """Simulated time."""
        return float(self.facts["time_s"])


@cache
def measure(workload: str, *overrides: str) -> Measured:
    """Run a workload on PIM-GPT (once for each set of overrides)."""
    result = api.run("pim-gpt", workload, overrides=overrides)
    assert result.run is not None
    return Measured(result.summary(), by_closed_form_cause(result.run))


def command(workload: str, *overrides: str, key: str) -> str:
    """The command line that prints a number of the same run."""
    settings = "".join(f" --set '{text}'" if " " in text else f" --set {text}" for text in overrides)
    return f"pimsim run pim-gpt {workload}{settings} --json | jq {key}"


def by_closed_form_cause(run: Run) -> dict[str, float]:
    """Ticks of a channel (the mean of all), by the causes that the closed forms tell apart; they sum to ``total``."""
    package = run.system.package

    def ticks(causes: tuple[Cause, ...], *categories: str) -> float:
        rows = [package.by_category[run.categories[name]] for name in categories or run.categories if name in run.categories]
        return sum(int(row[cause]) for row in rows for cause in causes) / package.channels

    found = {name: ticks(_WORK, *_OPERATORS[name]) if name in _OPERATORS else ticks((Cause[name.upper()],)) for name in CAUSES}
    return {**found, "total": float(package.now)}


@cache
def _closed_form(arch: Architecture, overrides: tuple[str, ...], tokens: int) -> dict[str, float]:
    return closed_form(load_system("pim-gpt", overrides), arch, tokens)


def predicted(model: str, *overrides: str, tokens: int = TOKENS) -> dict[str, float]:
    """The closed forms of a model on PIM-GPT (once for each shape: GPT-2 and GPT-3 share two)."""
    return _closed_form(replace(load_architecture(model), name=""), overrides, tokens)

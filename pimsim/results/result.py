"""The result of a run: typed, of the same form for every kind of system, just simulated or read back from a run folder."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from pimsim.config import Source

if TYPE_CHECKING:
    import pandas

    from pimsim.plot.picture import Picture

SCHEMA_VERSION = 1
"""Of summary.json and the tables of a run folder."""

Row = dict[str, Any]


@dataclass(frozen=True, repr=False)
class Result:
    """A finished, checked run.

    Attributes:
        facts: the summary. Every kind of system has the keys of docs/results.md; one that has no meaning for it is None or empty.
        tables: rows by the table's name: ``operators``, ``tokens``, ``cycles_by_cause``, ``activity``, and what else a kind of
            system has.
        config, workload: the resolved configuration; no workload if a trace was run.
        sources: the numbers that the result rests on and where they come from.
        run: the simulation itself, as its kind of system keeps it; None if the result was read from a folder.
    """

    facts: Mapping[str, Any]
    tables: Mapping[str, tuple[Row, ...]]
    config: Mapping[str, Any]
    workload: Mapping[str, Any] | None
    sources: tuple[Source, ...]
    run: Any = field(default=None, compare=False)

    @property
    def operator_rows(self) -> tuple[Row, ...]:
        """Rows of the table ``operators``."""
        return self.tables["operators"]

    @property
    def token_rows(self) -> tuple[Row, ...]:
        """Rows of the table ``tokens``."""
        return self.tables["tokens"]

    def summary(self) -> dict[str, Any]:
        """What ``summary.json`` and ``--json`` hold."""
        return copy.deepcopy(dict(self.facts))

    @property
    def time_s(self) -> float:
        """Simulated time."""
        return float(self.facts["time_s"])

    @property
    def cycles(self) -> int:
        """Ticks of the memory's clock from begin to end."""
        return int(self.facts["cycles"])

    @property
    def tokens_generated(self) -> int:
        """Output tokens of all sequences."""
        return int(self.facts["tokens"])

    @property
    def tokens_per_s(self) -> float:
        """Output tokens a second."""
        return float(self.facts["tokens_per_s"])

    @property
    def energy_j(self) -> dict[str, float]:
        """Joules by component, and their ``total``."""
        return dict(self.facts["energy_j"])

    @property
    def power_w(self) -> float:
        """Average power."""
        return float(self.facts["power_w"])

    @property
    def row_hit_rate(self) -> float | None:
        """1 - row activations / column accesses, counted per bank."""
        rate = self.facts["row_hit_rate"]
        return None if rate is None else float(rate)

    @property
    def commands(self) -> dict[str, int]:
        """Commands issued on all channels. An all-bank command counts once a channel."""
        return dict(self.facts["commands"])

    @property
    def checks(self) -> dict[str, bool | str]:
        """Conservation laws; all hold (a broken one raises when the result is made) or are waived by a named key."""
        return dict(self.facts["checks"])

    @property
    def unverified(self) -> tuple[Source, ...]:
        """The numbers that the result rests on and that nobody has checked against their origin."""
        return tuple(source for source in self.sources if source.unverified)

    def table(self, name: str) -> pandas.DataFrame:
        """A table as a DataFrame.

        Raises:
            KeyError: the run has no such table; says which it has.
        """
        import pandas as pd

        if name not in self.tables:
            raise KeyError(f"no table '{name}'; there are {', '.join(self.tables)}")
        return pd.DataFrame(list(self.tables[name]))

    def operators(self) -> pandas.DataFrame:
        """One row a category of operators: how many, MACs, bytes, time, bound, and cycles of a channel by cause."""
        return self.table("operators")

    def tokens(self) -> pandas.DataFrame:
        """One row a token step: context, begin and latency."""
        return self.table("tokens")

    def report(self, width: int = 100, *, verbose: bool = False) -> str:
        """The report of ``pimsim run``, ``width`` columns wide; ``verbose`` lists the unverified numbers."""
        from pimsim.results.report import report

        return report(self, width, verbose=verbose)

    def plot(self, kind: str = "time") -> Picture:
        """A picture of the run (kinds: :data:`pimsim.plot.RUN_KINDS`); a notebook shows it, ``.save(path)`` writes it.

        Raises:
            InputError: there is no such picture, or the run has not what it shows.
        """
        # the one call that goes up: plot draws what results hold, and nothing here but this convenience knows of it
        return cast("Picture", import_module("pimsim.plot").draw_run(self, kind))

    def __repr__(self) -> str:
        from pimsim.results.report import headline

        return f"<Result {headline(self)}>"

    def _repr_html_(self) -> str:
        from pimsim.results.notebook import html

        return html(self)

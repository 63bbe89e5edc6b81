"""The result of a run: typed, the same whether it was just simulated or read back from a run folder."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pimsim.config import Source, resolved
from pimsim.results.check import check
from pimsim.results.energy import energy
from pimsim.results.source import sources
from pimsim.results.summary import summary
from pimsim.results.table import Row, operator_rows, token_rows
from pimsim.sim.run import Run

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, repr=False)
class Result:
    """A finished, checked run.

    Attributes:
        facts: the summary.
        operator_rows, token_rows: the tables (``pimsim.results.table``).
        config, workload: the resolved configuration; no workload if a trace was run.
        sources: the numbers that the result rests on and where they come from.
        run: the simulation itself; None if the result was read from a folder.
    """

    facts: Mapping[str, Any]
    operator_rows: tuple[Row, ...]
    token_rows: tuple[Row, ...]
    config: Mapping[str, Any]
    workload: Mapping[str, Any] | None
    sources: tuple[Source, ...]
    run: Run | None = field(default=None, compare=False)

    @classmethod
    def of(cls, run: Run, blame: Mapping[str, Any] | None = None) -> Result:
        """Derive energy and tables, and check every law. ``blame``: what held commands back, if that was looked at.

        Raises:
            SimulationError: a law is broken.
            InputError: the energies of the part contradict one another.
        """
        parts = energy(run)
        facts = summary(run, parts, dict(check(run, parts, sum(parts.values()))))
        if blame is not None:
            facts["blame"] = blame
        return cls(facts, tuple(operator_rows(run)), tuple(token_rows(run)), resolved(run.config),
                   resolved(run.workload) if run.workload else None, sources(run.config), run)

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

    def operators(self) -> pandas.DataFrame:
        """One row a category of operators: how many, MACs, bytes, time, bound, and cycles of a channel by cause."""
        import pandas as pd

        return pd.DataFrame(list(self.operator_rows))

    def tokens(self) -> pandas.DataFrame:
        """One row a token step: context, begin and latency."""
        import pandas as pd

        return pd.DataFrame(list(self.token_rows))

    def report(self, width: int = 100, *, verbose: bool = False) -> str:
        """The report of ``pimsim run``, ``width`` columns wide; ``verbose`` lists the unverified numbers."""
        from pimsim.results.report import report

        return report(self, width, verbose=verbose)

    def __repr__(self) -> str:
        from pimsim.results.report import headline

        return f"<Result {headline(self)}>"

    def _repr_html_(self) -> str:
        from pimsim.results.report import html

        return html(self)

"""What a GPU, a CPU and an ideal memory report alike."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pimsim import __version__
from pimsim.baseline.work import Table, Work
from pimsim.config import WorkloadConfig
from pimsim.errors import SimulationError
from pimsim.model.trace import Trace
from pimsim.results.result import SCHEMA_VERSION, Row


@dataclass(frozen=True)
class Clock:
    """When the run began, in wall and CPU time."""

    wall_s: float = field(default_factory=time.perf_counter)
    cpu_s: float = field(default_factory=time.process_time)

    def host(self) -> dict[str, Any]:
        """The summary's ``host``: a machine to compare with issues no commands."""
        return {"wall_s": time.perf_counter() - self.wall_s, "cpu_s": time.process_time() - self.cpu_s, "commands_per_s": None,
                "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}  # fmt: skip


def by_category(table: Table, values: np.ndarray) -> dict[str, float]:
    """Sums of a value of each row of ``table``, by category."""
    return dict(zip(table.categories, np.bincount(table.category, values, len(table.categories)).tolist(), strict=True))


def facts(system: str, workload: WorkloadConfig | None, trace: Trace, work: Work, time_s: float, energy_j: Mapping[str, float],
          time_by_op_s: Mapping[str, float], bound_by_op_s: Mapping[str, float], external: tuple[float, float],
          clock: Clock) -> dict[str, Any]:  # fmt: skip
    """The keys of a summary that every kind has. ``external``: bytes over the pins, and the peak's bytes a second."""
    total_j = sum(energy_j.values())
    moved, peak = external
    return {
        "schema_version": SCHEMA_VERSION,
        "pimsim_version": __version__,
        "system": system,
        "workload": workload.name if workload is not None else trace.name,
        "time_s": time_s,
        "cycles": None,
        "steps": len(work.passes),
        "tokens": trace.n_tokens,
        "tokens_per_s": trace.n_tokens / time_s,
        "layers_simulated": sum(b.repeat for s in trace.steps[-1:] for b in s.blocks if b.first_layer >= 0),
        "folded": [],
        "energy_j": {"total": total_j, **energy_j},
        "energy_per_token_j": total_j / trace.n_tokens if trace.n_tokens else None,
        "power_w": total_j / time_s,
        "row_hit_rate": None,
        "commands": {},
        "macs": int((work.table.macs * work.table.repeat).sum()),
        "bandwidth": {"internal_bytes_per_s": None, "internal_utilisation": None, "external_bytes_per_s": moved / time_s,
                      "external_utilisation": moved / time_s / peak},
        "peaks": {"internal_bytes_per_s": None, "external_bytes_per_s": peak},
        "area_mm2": None,
        "bytes_over_pins": int(moved),
        "bytes_spilled": None,
        "bytes_conventional": int((work.table.stored_bytes * work.table.repeat).sum()),
        "data_movement_reduction": None,
        "time_by_op_s": dict(time_by_op_s),
        "cycles_by_cause": {},
        "share_by_cause": {},
        "bound_s": sum(bound_by_op_s.values()),
        "bound_by_op_s": dict(bound_by_op_s),
        "rows_used": None,
        "host": clock.host(),
    }  # fmt: skip


def operator_rows(table: Table, spent_s: np.ndarray, bound_s: np.ndarray, total_s: float, more: Mapping[str, float]) -> tuple[Row, ...]:
    """Rows of the table ``operators``; ``more``: seconds that belong to no operator, by what they were for."""
    number = by_category(table, table.operators * table.repeat)
    macs, stored, moved = (by_category(table, column * table.repeat) for column in (table.macs, table.stored_bytes, table.moved_bytes))
    spent, bound = by_category(table, spent_s), by_category(table, bound_s)
    rows = [
        {"operator": name, "count": int(number[name]), "macs": int(macs[name]), "bytes": int(stored[name] + moved[name]),
         "stored_bytes": int(stored[name]), "time_s": spent[name], "share": spent[name] / total_s, "bound_s": bound[name]}
        for name in table.categories
    ]  # fmt: skip
    rows += [{"operator": name, "count": 0, "macs": 0, "bytes": 0, "stored_bytes": 0, "time_s": seconds, "share": seconds / total_s,
              "bound_s": 0.0} for name, seconds in more.items() if seconds]  # fmt: skip
    return tuple(rows)


def token_rows(work: Work, pass_s: np.ndarray) -> tuple[Row, ...]:
    """Rows of the table ``tokens``: a pass each."""
    begins = np.concatenate([[0.0], np.cumsum(pass_s)[:-1]])
    return tuple(
        {"step": number, "phase": done.phase, "context": done.context, "tokens": done.tokens, "begin_s": begin, "latency_s": seconds}
        for number, (done, begin, seconds) in enumerate(zip(work.passes, begins.tolist(), pass_s.tolist(), strict=True))
    )  # fmt: skip


def close(a: float, b: float) -> bool:
    """Whether two sums of the same numbers in another order agree."""
    return abs(a - b) <= 1e-9 * max(abs(a), abs(b))


def enforced(laws: Mapping[str, tuple[bool, str]]) -> dict[str, bool]:
    """The verdicts.

    Raises:
        SimulationError: names each law that is broken, with its numbers.
    """
    broken: Sequence[str] = [f"law '{name}' is broken: {why}" for name, (holds, why) in laws.items() if not holds]
    if broken:
        raise SimulationError("\n".join(broken))
    return {name: True for name in laws}

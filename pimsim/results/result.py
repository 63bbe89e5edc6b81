"""The result of a run: typed, with the summary that scripts rely on and tables for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pimsim import __version__, units
from pimsim.dram.spec import Effect
from pimsim.results.check import check
from pimsim.results.energy import OVER_PINS, energy
from pimsim.results.time import by_cause, by_operator
from pimsim.sim.run import Run

if TYPE_CHECKING:
    import pandas

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Result:
    """A finished, checked run.

    Attributes:
        run: everything that was recorded.
        energy_j: joules by component, and their ``total``.
        checks: conservation laws, all True (a broken one raises when the result is made).
    """

    run: Run
    energy_j: dict[str, float]
    checks: dict[str, bool | str]

    @classmethod
    def of(cls, run: Run) -> Result:
        """Derive energy and check every law.

        Raises:
            SimulationError: a law is broken.
            InputError: the energies of the part contradict one another.
        """
        parts = energy(run)
        total = sum(parts.values())
        return cls(run, {"total": total, **parts}, dict(check(run, parts, total)))

    @property
    def tick_s(self) -> float:
        """Length of a tick of the memory's clock."""
        return self.run.system.compiled.tick_fs / units.FS_PER_S

    @property
    def cycles(self) -> int:
        """Ticks of the memory's clock from begin to end."""
        return self.run.system.package.now

    @property
    def time_s(self) -> float:
        """Simulated time."""
        return self.cycles * self.tick_s

    @property
    def commands(self) -> dict[str, int]:
        """Commands issued on all channels. An all-bank command counts once a channel."""
        return self.run.system.package.counts()

    def column_bytes(self) -> tuple[int, int]:
        """Bytes of all column accesses inside the banks, and of all bursts over the pins."""
        memory = self.run.config.memory
        inside = outside = 0
        for command in self.run.system.compiled.standard.commands:
            moved = self.commands.get(command.name, 0) * memory.column_bytes
            if command.effect is Effect.COMPUTE:
                inside += moved * memory.banks
            elif command.effect in OVER_PINS:
                outside += moved
                inside += moved if command.effect in (Effect.READ, Effect.WRITE) else 0
        return inside, outside

    @property
    def row_hit_rate(self) -> float:
        """1 - row activations / column accesses, counted per bank."""
        memory = self.run.config.memory
        opened = accessed = 0
        for command in self.run.system.compiled.standard.commands:
            number = self.commands.get(command.name, 0)
            if command.effect is Effect.ACTIVATE:
                opened += number * command.activations
            elif command.effect is Effect.COMPUTE:
                accessed += number * memory.banks
            elif command.effect in (Effect.READ, Effect.WRITE):
                accessed += number
        return 1 - opened / accessed if accessed else 0.0

    def summary(self) -> dict[str, Any]:
        """What ``summary.json`` and ``--json`` hold."""
        run, memory = self.run, self.run.config.memory
        package, recorder = run.system.package, run.recorder
        inside, outside = self.column_bytes()
        inside_peak = memory.channels * memory.banks * memory.column_bytes / (
            run.system.compiled.timing["tMAC"] * memory.tCK / units.FS_PER_S)
        outside_peak = memory.external_bytes_per_s
        pim = run.system.compiled.timing["tMAC"] * self._macs_issued() / (self.cycles * memory.channels)
        asic = sum(recorder.asic_ticks.values()) / self.cycles
        stored = sum(w.count.stored_bytes for w in recorder.work.values())
        channel_ticks = self.cycles * memory.channels
        issued = sum(self.commands.values())
        return {
            "schema_version": SCHEMA_VERSION,
            "pimsim_version": __version__,
            "system": run.config.name,
            "workload": run.workload.name if run.workload else run.trace.name,
            "time_s": self.time_s,
            "cycles": self.cycles,
            "tokens": run.trace.n_tokens,
            "tokens_per_s": run.trace.n_tokens / self.time_s,
            "layers_simulated": sum(b.repeat for s in run.trace.steps[-1:] for b in s.blocks if b.first_layer >= 0),
            "folded": self._folded(),
            "energy_j": self.energy_j,
            "power_w": self.energy_j["total"] / self.time_s,
            "row_hit_rate": self.row_hit_rate,
            "commands": self.commands,
            "macs": sum(w.macs for w in recorder.work.values()),
            "bandwidth": {
                "internal_bytes_per_s": inside / self.time_s,
                "external_bytes_per_s": outside / self.time_s,
                "internal_utilisation": inside / self.time_s / inside_peak,
                "external_utilisation": outside / self.time_s / outside_peak,
            },
            "bytes_over_pins": outside,
            "bytes_conventional": stored,
            "data_movement_reduction": stored / outside if outside else 0.0,
            "utilisation": {"pim": pim, "asic": asic},
            "time_by_op_s": {k: v * self.tick_s for k, v in by_operator(recorder).items()},
            "cycles_by_cause": {k: v / memory.channels for k, v in by_cause(run).items()},
            "share_by_cause": {k: v / channel_ticks for k, v in by_cause(run).items()},
            "bound_s": sum(w.bound_ticks for w in recorder.work.values()) * self.tick_s,
            "bound_by_op_s": {k: w.bound_ticks * self.tick_s for k, w in recorder.work.items()},
            "rows_used": run.system.mapping.placement.rows_used,
            "checks": self.checks,
            "host": {
                "wall_s": run.host.wall_s,
                "cpu_s": run.host.cpu_s,
                "commands_per_s": issued / run.host.wall_s,
                "peak_rss_bytes": run.host.peak_rss_bytes,
            },
        }

    def _macs_issued(self) -> int:
        return sum(self.commands.get(c.name, 0) for c in self.run.system.compiled.standard.commands
                   if c.effect is Effect.COMPUTE)

    def _folded(self) -> list[str]:
        """What was simulated once for many; results are the same to the last bit without."""
        package, options = self.run.system.package, self.run.options
        if not options.fold or options.log:
            return []
        recalled, ran = (int(n) for n in package.memo.counts[2:4])
        said = [f"{recalled} of {recalled + ran} channel programs were equal to one simulated before"] if recalled else []
        if package.folded_channels:
            said.insert(0, f"channels in equal states share one simulation ({package.channels} channels, "
                           f"{package.channels - package.folded_channels} at the end)")
        return said

    def operators(self) -> pandas.DataFrame:
        """One row a category of operators: how many, MACs, bytes, time, bound, and cycles of a channel by cause."""
        import pandas as pd

        recorder, package = self.run.recorder, self.run.system.package
        times = by_operator(recorder)
        rows = []
        for name, work in recorder.work.items():
            rows.append({
                "operator": name, "count": work.operators, "macs": work.macs, "bytes_read": work.bytes_read,
                "bytes_written": work.bytes_written, "stored_bytes": work.count.stored_bytes,
                "time_s": times.get(name, 0) * self.tick_s, "share": times.get(name, 0) / package.now,
                "bound_s": work.bound_ticks * self.tick_s,
            })  # fmt: skip
        return pd.DataFrame(rows)

    def tokens(self) -> pandas.DataFrame:
        """One row a step: index, context, begin and latency in seconds."""
        import pandas as pd

        frame = pd.DataFrame(self.run.recorder.steps, columns=["step", "context", "begin", "end"])
        return pd.DataFrame({"step": frame["step"], "context": frame["context"], "begin_s": frame["begin"] * self.tick_s,
                             "latency_s": (frame["end"] - frame["begin"]) * self.tick_s})

    def __repr__(self) -> str:
        s = self.summary()
        return (f"<Result {s['workload']} on {s['system']}: {units.show(self.time_s, 's')}, "
                f"{s['tokens_per_s']:.0f} tokens/s, {units.show(s['power_w'], 'W')}>")

"""Conservation laws: checked in every run, at no cost to speak of. A broken one fails the run."""

from __future__ import annotations

from pimsim.errors import SimulationError
from pimsim.kernels.table import CAUSES
from pimsim.mapping.count import Count
from pimsim.results.pim_gpt.time import by_operator
from pimsim.sim.run import Run


def check(run: Run, energy_j: dict[str, float], total_j: float) -> dict[str, bool]:
    """Check every law.

    Raises:
        SimulationError: names each law that is broken and by how much.
    """
    package, recorder, mapping = run.system.package, run.recorder, run.system.mapping
    names = package.compiled.command_names
    commands = mapping.commands
    counts = package.counts()

    def issued(code: int) -> int:
        return counts.get(names[code], 0)

    expected = Count()
    macs = bound = 0
    for work in recorder.work.values():
        expected = expected + work.count
        macs += work.macs
    charged = package.by_channel[:, :CAUSES].sum(axis=1)
    begins = [begin for *_, begin, _ in recorder.steps]
    ends = [end for *_, end in recorder.steps]
    times = by_operator(run)
    bounds = {name: work.bound_ticks for name, work in recorder.work.items()}
    serial = run.config.system.overlap == "none"
    slower = [n for n, b in bounds.items() if serial and b > times.get(n, 0)]
    bound = max(sum(b for n, b in bounds.items() if recorder.work[n].macs),
                sum(b for n, b in bounds.items() if not recorder.work[n].macs and n != "kv_append"))
    totals = run.trace.totals()
    laws = {
        "macs": (macs == totals.macs and macs <= expected.products and issued(commands.mac_all) == expected.macs,
                 f"{macs} MACs of the graph, {issued(commands.mac_all)} commands, {expected.macs} expected"),
        "bytes": (issued(commands.buffer_write) == expected.fills and issued(commands.result_read) == expected.results
                  and issued(commands.write) == expected.writes and issued(commands.read) == expected.reads,
                  f"bursts {counts}, expected {expected}"),
        "operators": (sum(w.operators for w in recorder.work.values()) == totals.operators
                      and len(recorder.steps) == run.trace.n_steps, "an operator did not run exactly once"),
        "causes": (bool((charged == package.now).all()), f"charged {charged.tolist()} of {package.now} ticks"),
        "busy": (sum(recorder.asic_ticks.values()) <= package.now, "the ASIC was busy for longer than the run"),
        "time": (begins == sorted(begins) and all(b <= e for b, e in zip(begins, ends, strict=True))
                 and sum(recorder.ticks.values()) == package.now == ends[-1], "time went back or was lost"),
        "bounds": (not slower and bound <= package.now, f"faster than the roofline: {slower}"),
        "energy": (abs(sum(energy_j.values()) - total_j) <= 1e-12 * total_j and min(energy_j.values()) >= 0,
                   f"parts {energy_j} against {total_j}"),
    }  # fmt: skip
    broken = [f"law '{name}' is broken: {why}" for name, (holds, why) in laws.items() if not holds]
    if broken:
        raise SimulationError("\n".join(broken))
    return {name: True for name in laws}

"""Conservation laws of a serving run. A broken one fails the run; what a ``compat:`` key breaks is waived by its name."""

from __future__ import annotations

from pimsim.errors import SimulationError
from pimsim.model.architecture import Architecture
from pimsim.results.neupims.total import Totals
from pimsim.schedule.event import Arrive, Drop, Emit, Finish, Reject
from pimsim.schedule.report import timelines

Law = tuple[bool, str]


def check(totals: Totals, energy_j: dict[str, float], total_j: float) -> dict[str, bool | str]:
    """Check every law.

    Raises:
        SimulationError: names each law that is broken and by how much.
    """
    laws: dict[str, Law] = {
        "requests": _requests(totals),
        "tokens": _tokens(totals),
        "kv": _kv(totals),
        "macs": _macs(totals),
        "causes": _causes(totals),
        "busy": _busy(totals),
        "time": _time(totals),
        "bounds": (totals.busy[("bound",)] <= totals.busy[("ticks",)],
                   f"{totals.busy[('ticks',)]} ticks, faster than the bound of {totals.busy[('bound',)]}"),
        "energy": (abs(sum(energy_j.values()) - total_j) <= 1e-12 * total_j and min(energy_j.values()) >= 0,
                   f"parts {energy_j} against {total_j}"),
    }
    broken = [f"law '{name}' is broken: {why}" for name, (holds, why) in laws.items() if not holds]
    if broken:
        raise SimulationError("\n".join(broken))
    verdicts: dict[str, bool | str] = {name: True for name in laws}
    for law, verdict in totals.run.observed.checks.items():
        if verdicts.get(law, True) is True:
            verdicts[law] = verdict
    return verdicts


def _requests(totals: Totals) -> Law:
    """Everyone who came has left, or waits, or runs; nobody twice."""
    server = totals.run.server
    arrived = [r.id for record in server.log if isinstance(record.event, Arrive) for r in record.event.requests]
    actions = [action for record in server.log for action in record.actions]
    left = [a.request for a in actions if isinstance(a, (Finish, Drop, Reject))]
    here = [w.request.id for w in server.state.waiting] + [r.request.id for r in server.state.running]
    return sorted(left + here) == sorted(arrived), f"{len(arrived)} came, {len(left)} left, {len(here)} are there"


def _tokens(totals: Totals) -> Law:
    """Every iteration's tokens came out, once; nobody got more than asked for, and who finished got all."""
    server = totals.run.server
    emitted = [number for record in server.log for a in record.actions if isinstance(a, Emit) for number in a.requests]
    stopped = sum(isinstance(a, Drop) for record in server.log for a in record.actions)
    lines = timelines(server.log)
    wrong = [line.request for line in lines.values()
             if line.tokens > line.output_tokens or (line.end == "finished" and line.tokens != line.output_tokens)]
    made = totals.tokens
    return not wrong and made - stopped <= len(emitted) <= made, f"{made} generated, {len(emitted)} came out, wrong for requests {wrong}"


def _kv(totals: Totals) -> Law:
    """Rows in use are those of the requests that run: what was given to others came back."""
    state = totals.run.server.state
    held = sum(running.kv.rows for running in state.running)
    return state.kv.used == held, f"{state.kv.used} rows in use, {held} held by requests"


def _macs(totals: Totals) -> Law:
    """MACs of the iterations are those of the graph; all tokens of a prompt attend to its last one's context, masked as it is."""
    run = totals.run
    if run.workload.part in ("qkv", "attention", "ffn") or "iterations" in run.approximate:
        return True, ""
    expected = 0
    for iteration in run.server.iterations:
        for part in run.parts:
            expected += sum(work.tokens * _token_macs(part, work.context, run.workload.part == "block") for work in iteration.run.work)
    done = sum(totals.busy.under("macs").values())
    return done == expected, f"{done} MACs, the graph has {expected}"


def _token_macs(part: Architecture, context: int, block: bool) -> int:
    """MACs of a token on one device; of a block, those of one of its layers."""
    return part.macs_per_token(context) // (part.layers if block else 1)


def _causes(totals: Totals) -> Law:
    """Every tick of every channel is charged to one cause, in each view."""
    whole = totals.device_cycles * totals.channels
    sums = {view: sum(totals.all.under("cause", view).values()) for view in {n[1] for n in totals.all.counts if n[0] == "cause"}}
    return all(total == whole for total in sums.values()), f"charged {sums} of {whole} ticks"


def _busy(totals: Totals) -> Law:
    """No unit works for longer than there is time."""
    npu = totals.run.estimates.npu
    limits = {"npu": npu.arrays, "vector": npu.vector_units, "pim": totals.channels, "bus": totals.channels}
    most = totals.device_cycles
    worked = totals.all.under("busy")
    over = {unit: ticks for unit, ticks in worked.items() if ticks > limits.get(unit, 1) * most}
    return not over, f"busy for {over} of {most} ticks"


def _time(totals: Totals) -> Law:
    """Iterations of a lane follow one another, and none ends before it begins."""
    ends: dict[int, int] = {}
    for iteration in totals.run.server.iterations:
        begins_early = iteration.begin_fs < ends.get(iteration.run.lane, 0)
        if begins_early or iteration.end_fs < iteration.begin_fs:
            return False, f"iteration {iteration.run.iteration} begins before the one ahead of it has ended"
        ends[iteration.run.lane] = iteration.end_fs
    return True, ""

"""Conservation laws: checked in every run, at no cost to speak of. A broken one fails the run.

What is compared was arrived at by different ways: commands that the kernel issued against closed forms of the mapping's geometry and
against the sizes of the tensors; MACs of the operators against the architecture's own count; energy by component, from the
channels' counters, against energy by command, from the counters of what the work was for.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pimsim import units
from pimsim.asic.energy import energy_j as asic_energy_j
from pimsim.config.decoding import DecodingConfig
from pimsim.dram.energy import CommandEnergy
from pimsim.dram.spec import Command, Effect
from pimsim.errors import SimulationError
from pimsim.kernels.table import CAUSES
from pimsim.mapping.count import Count
from pimsim.results.pim_gpt.energy import OVER_PINS, READS, WRITES, per_command
from pimsim.results.pim_gpt.time import by_operator
from pimsim.sim.run import Run

Law = tuple[str, bool, str]
"""Name, whether it holds, and what was found."""


def check(run: Run, energy_j: dict[str, float]) -> dict[str, bool]:
    """Check every law.

    Args:
        energy_j: joules by component.

    Raises:
        SimulationError: names each law that is broken and by how much.
    """
    laws = [*_work(run), *_traffic(run), *_time(run), _bounds(run), _energy(run, energy_j)]
    broken = [f"law '{name}' is broken: {why}" for name, holds, why in laws if not holds]
    if broken:
        raise SimulationError("\n".join(broken))
    return {name: True for name, *_ in laws}


def _issued(run: Run, code: int) -> np.ndarray:
    """How many of a command each channel issued, int64 [channels]."""
    return run.system.package.by_channel[:, CAUSES + code]


def _work(run: Run) -> Iterator[Law]:
    """Every operator ran once, and the MACs are those of the graph, of the architecture and of the commands."""
    recorder, totals = run.recorder, run.trace.totals()
    expected = sum((work.count for work in recorder.work.values()), Count())
    macs = sum(work.macs for work in recorder.work.values())
    issued = int(_issued(run, run.system.mapping.commands.mac_all).sum())
    yield ("macs", macs == totals.macs and macs <= expected.products and issued == expected.macs,
           f"{macs} MACs of the graph, {issued} commands, {expected.macs} expected")
    closed = _architecture_macs(run)
    yield "model", closed is None or macs == closed, f"{macs} MACs, {closed} of the architecture"
    operators = sum(work.operators for work in recorder.work.values())
    yield ("operators", operators == totals.operators and len(recorder.steps) == run.trace.n_steps,
           f"{operators} operators of {totals.operators} ran, {len(recorder.steps)} steps of {run.trace.n_steps}")


def _architecture_macs(run: Run) -> int | None:
    """MACs of the run by the architecture's count of weights and heads; None where it decodes only a part, or in another way."""
    arch, workload = run.trace.architecture, run.workload
    if (arch is None or workload is None or workload.part != "all" or workload.decoding != DecodingConfig()
            or (workload.embedding and arch.embed_proj_dim)):  # fmt: skip
        return None
    weights = arch.macs_per_token()
    steps = run.recorder.steps
    if any(arch.window(layer) for layer in range(arch.layers)):
        macs = sum(arch.macs_per_token(context) for _, _, context, *_ in steps)
    else:
        attended = arch.macs_per_token(1) - weights
        macs = sum(weights + attended * context for _, _, context, *_ in steps)
    head = arch.macs_per_token(lm_head=True) - weights
    return macs + (head * sum(phase != "prefill" for _, phase, *_ in steps) if workload.lm_head else 0)


def _traffic(run: Run) -> Iterator[Law]:
    """The bursts are those of the geometry, and enough for the tensors; no unit did more than there was time for."""
    package, commands, memory = run.system.package, run.system.mapping.commands, run.config.memory
    works = run.recorder.work
    expected = sum((work.count for work in works.values()), Count())
    macs, fills, results, writes, reads = (
        _issued(run, code) for code in (commands.mac_all, commands.buffer_write, commands.result_read, commands.write, commands.read))
    yield ("bytes", [int(n.sum()) for n in (fills, results, writes, reads)] == [expected.fills, expected.results, expected.writes,
                                                                               expected.reads],
           f"bursts {package.counts()}, expected {expected}")  # fmt: skip
    products = [work for work in works.values() if work.macs]
    put_out = sum(work.bytes_written for work in products)
    taken = sum(work.bytes_read for work in products) - put_out  # biases, at most as large as what is put out, are the ASIC's
    appended = works["kv_append"].bytes_written if "kv_append" in works else 0
    column = memory.column_bytes
    there = ((int(macs.sum()) * memory.banks + int(fills.sum())) * column, int(results.sum()) * column, int(writes.sum()) * column)
    yield ("tensors", there[0] >= taken and there[1] >= put_out and there[2] >= appended,
           f"bytes moved {there}, of tensors {(taken, put_out, appended)}")
    timing, ticks = run.system.compiled.timing, run.system.compiled.standard.ticks_per_clock
    busy = max(int((macs * timing["tMAC"] * ticks).max()), int(((fills + results + writes + reads) * timing["BL"] * ticks).max()),
               sum(run.recorder.asic_ticks.values()))
    yield "busy", busy <= package.now, f"a unit was busy for {busy} of {package.now} ticks"


def _time(run: Run) -> Iterator[Law]:
    """Every tick of every channel has a cause, whichever way they are added up; time never goes back, and none is lost."""
    package, recorder = run.system.package, run.recorder
    charged = package.by_channel[:, :CAUSES].sum(axis=1)
    same = bool((package.by_channel.sum(axis=0) == package.by_category.sum(axis=0)).all())
    yield "causes", same and bool((charged == package.now).all()), f"charged {charged.tolist()} of {package.now} ticks"
    begins = [begin for *_, begin, _ in recorder.steps]
    ends = [end for *_, end in recorder.steps]
    forward = begins == sorted(begins) and all(b <= e for b, e in zip(begins, ends, strict=True)) and not recorder.backwards
    yield ("time", forward and sum(recorder.ticks.values()) == package.now == ends[-1],
           f"time went back or was lost: {recorder.backwards} tasks, {sum(recorder.ticks.values())} of {package.now} ticks")


def _bounds(run: Run) -> Law:
    """Nothing is faster than its roofline."""
    works, times = run.recorder.work, by_operator(run)
    bounds = {name: work.bound_ticks for name, work in works.items()}
    serial = run.config.system.overlap == "none"
    slower = [n for n, b in bounds.items() if serial and b > times.get(n, 0)]
    bound = max(sum(b for n, b in bounds.items() if works[n].macs),
                sum(b for n, b in bounds.items() if not works[n].macs and n != "kv_append"))
    return "bounds", not slower and bound <= run.system.package.now, f"faster than the roofline: {slower or run.system.package.now}"


def _energy(run: Run, energy_j: dict[str, float]) -> Law:
    """The components are not negative and sum to the energy of all commands, standby, pins and ASIC."""
    config, package, compiled = run.config, run.system.package, run.system.compiled
    each = per_command(config, compiled.timing)
    commands = compiled.standard.commands
    joules = np.array([_command_j(run, command, each) for command in commands])
    tick_s = compiled.tick_fs / units.FS_PER_S
    counters = package.by_category.sum(axis=0)[CAUSES:]
    active = int(counters[len(commands)])
    standby = (active * each.active_w + (package.now * config.memory.channels - active) * each.precharged_w) * tick_s
    busy = min(sum(run.recorder.asic_ticks.values()), package.now)  # more is a law of its own
    asic = asic_energy_j(run.system.mapping.asic, package.now * tick_s, busy * tick_s)
    spilled = run.recorder.spill_bytes * 8 * config.energy.io if config.energy else 0.0
    total = float(joules @ counters[: len(commands)]) + standby + asic + spilled
    parts = sum(energy_j.values())
    return ("energy", abs(parts - total) <= 1e-9 * total and min(energy_j.values()) >= 0,
            f"components {energy_j} against {total} J by command")


def _command_j(run: Run, command: Command, each: CommandEnergy) -> float:
    """Joules of one command: of the array, of the MAC units, and of the pins."""
    config, timing = run.config, run.system.compiled.timing
    memory, pim, pins = config.memory, config.pim, config.energy
    assert pim is not None and pins is not None  # per_command refuses their absence
    wide = command.scope in ("rank", "channel")
    over_pins = memory.column_bytes * 8 * pins.io if command.effect in OVER_PINS else 0.0
    if command.effect is Effect.ACTIVATE:
        return command.activations * each.activate
    if command.effect is Effect.PRECHARGE:
        return (memory.banks if wide else 1) * each.precharge
    if command.effect is Effect.REFRESH:
        return each.refresh if wide else each.refresh_bank
    if command.effect is Effect.COMPUTE:
        column = each.read * timing["tCCDS"] / timing["BL"]
        if pim.mac_energy != "unit-power":
            return int(pim.mac_energy[0]) * column
        return memory.banks * column + (pim.mac_power or 0.0) * timing["tCCDS"] * memory.tCK / units.FS_PER_S
    return over_pins + (each.read if command.effect in READS else each.write if command.effect in WRITES else 0.0)

"""The memory controller against Ramulator 2.1 and DRAMsim3: the same requests, command for command."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files

import numpy as np

from pimsim.config import load_dram
from pimsim.dram import commandlog, request_trace
from pimsim.dram.request_pattern import generate
from pimsim.dram.request_trace import Requests
from pimsim.sim.traffic import Traffic, run_requests
from pimsim.validate.figure import Figure, exactly, within
from pimsim.validate.group import Notify
from pimsim.validate.reference import table

PARTS = {
    "gddr6": "gddr6-8gb-x16-14000",
    "hbm2": "hbm2-4gb-2000",
    "hbm3": "hbm3-16gb-6400",
    "lpddr5": "lpddr5-8gb-x16-6400",
}
SIMULATORS = {"ram": "Ramulator 2.1 c5b1c3a", "ds3": "DRAMsim3 2981759"}
SETTINGS = {
    "ram_rowhit": (),
    "ram_noref": ("controller.refresh=none",),
    "ds3_fr32": ("controller.policy=dramsim3-fr32",),
}
"""Configurations of the reference runs as overrides of the parts."""
DRAWN = ("rand_read", "pc_rand_read", "mixed_rw", "refresh_paced")
"""Inputs that were drawn by chance and are carried along; the others are generated."""
LATENCY_SHARE = 0.03


@dataclass(frozen=True)
class Outcome:
    """Our run of a reference run's requests."""

    traffic: Traffic
    log: str  # digest of the command log, as in reference/dram_runs.csv
    commands: int


def requests_of(standard: str, workload: str) -> Requests:
    """The inputs of a reference run."""
    organization = load_dram(PARTS[standard]).memory.organization
    if workload not in DRAWN:
        return generate(workload, organization)
    with as_file(files("pimsim.validate.reference").joinpath("requests", f"{standard}__{workload}.csv.gz")) as path:
        return Requests(np.concatenate([chunk.rows for chunk in request_trace.read(path, organization)]))


def run(standard: str, config: str, workload: str) -> Outcome:
    """Run what a reference run ran."""
    part = load_dram(PARTS[standard], SETTINGS[config])
    rows: list[np.ndarray] = []
    traffic = run_requests(part, [requests_of(standard, workload)], commands=rows.append)
    compiled = traffic.plan.compiled
    log = commandlog.from_kernel(np.concatenate(rows), compiled.command_names, compiled.organization, compiled.table.scope)
    text = "\n".join(log.text(i) for i in range(len(log)))
    return Outcome(traffic, hashlib.sha256(text.encode()).hexdigest()[:16], len(log))


def figures(notify: Notify) -> Iterator[Figure]:
    """For each reference run: cycle of the last access, whole command log, latency, hits, refreshes."""
    for row in table("dram_runs"):
        standard, config, workload = row["standard"], row["config"], row["workload"]
        name = f"{standard} {config} {workload}"
        notify(name)
        outcome = run(standard, config, workload)
        summary = outcome.traffic.summary()
        source = SIMULATORS[config[:3]]
        command = " ".join(["pimsim dram", PARTS[standard], f"{workload}.csv", *(f"--set {s}" for s in SETTINGS[config])])

        def figure(what: str, ours: float, reference: str, share: float = 0.0, unit: str = "", *, name: str = name,
                   source: str = source, command: str = command) -> Figure:
            known = float(reference)
            return Figure(f"{name}: {what}", source, ours, known, unit, within(known, share) if share else exactly(known),
                          command=command)

        yield figure("last RD or WR", summary["last_rdwr_cycle"], row["last_rdwr_cycle"], unit="cycles")
        yield figure("commands that are the same", outcome.commands if outcome.log == row["log"] else 0, row["commands"])
        if row["row_hits"]:
            yield figure("row hits", summary["row_hits"], row["row_hits"])
            yield figure("row conflicts", summary["row_conflicts"], row["row_conflicts"])
        if row["avg_read_latency"]:
            yield figure("mean read latency", summary["avg_read_latency_cycles"], row["avg_read_latency"], LATENCY_SHARE, "cycles")
        yield figure("refreshes", summary["counts"].get("REFab", 0), row["refreshes"])

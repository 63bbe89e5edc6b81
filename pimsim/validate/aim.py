"""GDDR6-AiM against the AiM simulator: the same host instructions, command for command."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.resources import as_file, files

from pimsim.config import load_dram
from pimsim.sim.replay import Replay, replay
from pimsim.validate.figure import Figure, exactly
from pimsim.validate.group import Notify
from pimsim.validate.reference import table

PART = "gddr6-aim"
SOURCE = "aim_simulator 0f28a07"


def run(trace: str) -> Replay:
    """Replay a trace of the reference, keeping every command."""
    with as_file(files("pimsim.validate.reference").joinpath("aim", f"{trace}.trace.gz")) as path:
        return replay(load_dram(PART), path, log=True)


def digest(run: Replay, channel: int = -1) -> tuple[int, str]:
    """Number and SHA-256 of the lines of a command log, of one channel or of all (-1), as in reference/aim_runs.csv."""
    log = run.log(run.channels if channel < 0 else (channel,))
    lines = [f"{r[0]},{r[1]},{log.names[r[6]]},{r[4]},{r[5]},{r[7]},{r[8]}\n" for r in log.rows.tolist()]
    return len(lines), hashlib.sha256("".join(lines).encode()).hexdigest()


def figures(notify: Notify) -> Iterator[Figure]:
    """For each trace: cycles, and the whole command log where the simulator's is known."""
    for row in table("aim_runs"):
        trace = row["trace"]
        notify(trace)
        ours = run(trace)
        command = f"pimsim pim {PART} {trace}.trace.gz"
        cycles = int(row["cycles"])
        yield Figure(f"{trace}: cycles", SOURCE, ours.cycles, cycles, "cycles", exactly(cycles), command=command)
        if logged := int(row["logged"]):
            same = digest(ours, int(row["logged_channel"])) == (logged, row["sha256"])
            yield Figure(f"{trace}: commands that are the same", SOURCE, logged if same else 0, logged, "", exactly(logged),
                         command=f"{command} --commands FILE")

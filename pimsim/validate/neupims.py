"""NeuPIMs against its authors' simulator: single GEMVs, matrix products, attention, decoder blocks, stage C, with and without shortcuts."""

from __future__ import annotations

from collections.abc import Iterator

from pimsim.config import load_system
from pimsim.sim.contend import Gemv, run_gemv
from pimsim.validate.figure import Figure, exactly, within
from pimsim.validate.group import Notify
from pimsim.validate.neupims_run import Case, cycles
from pimsim.validate.reference import table

AUTHORS = "neupims-authors"
SOURCE = "casys-kaist/NeuPIMs f299af3"
SINGLE = ("memory.row_buffers=1",)

RIGHT = {"neupims-authors": "neupims", "npu-only-authors": "npu-only"}
"""The same system without shortcuts."""

REASON = "without the simulator's shortcuts; docs/neupims.md says what each of them is worth"


def figures(notify: Notify) -> Iterator[Figure]:
    """GEMVs must be identical; the rest within the share that the table states, and beside it what the same work really takes."""
    for row in table("neupims_gemv"):
        yield _gemv(row, notify)
    for row in table("neupims_runs"):
        case = case_of(row)
        name = name_of(case)
        notify(f"{case.system} {name}")
        known = int(row["cycles"])
        yield Figure(f"{case.system}, {name}", SOURCE, cycles(case), known, "cycles", within(known, float(row["share"])),
                     command=case.command)
        right = Case(RIGHT[case.system], case.part, case.overrides, case.shape, case.batch, case.context, case.channels)
        yield Figure(f"{right.system}, {name}", SOURCE, cycles(right), known, "cycles", reason=REASON, command=right.command)


def case_of(row: dict[str, str]) -> Case:
    """A row of reference/neupims_runs.csv as what is run."""
    shape = int(row["m"]), int(row["k"]), int(row["n"])
    overrides = SINGLE if row["row_buffers"] == "1" and row["system"] == AUTHORS else ()
    return Case(row["system"], row["part"], overrides, shape, int(row["batch"]), int(row["context"]), int(row["channels"]))


def name_of(case: Case) -> str:
    """What is run, in words."""
    if case.part == "gemm":
        return "gemm {} x {} x {}".format(*case.shape)
    buffers = ", one row buffer" if case.overrides else ""
    channels = f" on {case.channels} channels" if case.channels < 32 else ""
    return f"{case.part} {case.batch} x {case.context}{channels}{buffers}"


def _gemv(row: dict[str, str], notify: Notify) -> Figure:
    gemv = Gemv(row["op"], int(row["context"]), int(row["heads"]), int(row["head_dim"]), int(row["requests"]), int(row["channels"]))
    overrides = SINGLE if row["row_buffers"] == "1" else ()
    name = f"{gemv.op} {gemv.context} tokens, {gemv.heads} x {gemv.head_dim}, {gemv.requests} requests, {row['row_buffers']} row buffers"
    notify(name)
    run = run_gemv(load_system(AUTHORS, overrides), gemv)
    known = int(row["cycles"])
    command = (f"pimsim micro {AUTHORS} gemv --op {gemv.op} --context {gemv.context} --heads {gemv.heads} --head-dim {gemv.head_dim}"
               f" --requests-per-channel {gemv.requests}" + "".join(f" --set {text}" for text in overrides))
    return Figure(name, SOURCE, run.cycles, known, "cycles", exactly(known), command=command)

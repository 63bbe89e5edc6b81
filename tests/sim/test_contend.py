"""The contended channel against the NeuPIMs simulator: ``tests/reference/neupims``."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from pimsim.config import load_system
from pimsim.dram import commandlog
from pimsim.dram.checker import check
from pimsim.dram.spec import LEVELS
from pimsim.errors import InputError
from pimsim.pim.neupims import COMPAT
from pimsim.sim.contend import Gemv, GemvRun, contend_plan, kv_layout, run_gemv

REFERENCE = Path(__file__).parents[1] / "reference" / "neupims"
COUNTED = ("ACT", "PRE", "REFab", "GWRITE", "G_ACT", "COMP", "READRES", "PIM_PRECHARGE")


def rows(name: str) -> list[dict[str, str]]:
    with (REFERENCE / name).open() as file:
        return list(csv.DictReader(file))


def system(name: str, row_buffers: int = 2, *overrides: str):
    return load_system(name, [f"memory.row_buffers={row_buffers}", *overrides])


def authors(row_buffers: int, gemv: Gemv, *, log: bool = False) -> GemvRun:
    return run_gemv(system("neupims-authors", row_buffers), gemv, log=log)


@pytest.mark.parametrize("row", rows("isolated.csv"), ids=lambda r: "_".join(list(r.values())[:7]))
def test_isolated_gemvs_take_the_authors_cycles_and_commands(row: dict[str, str]) -> None:
    run = authors(int(row["row_buffers"]), Gemv(row["op"], int(row["context"]), int(row["heads"]), int(row["head_dim"]),
                                                int(row["requests"]), int(row["channels"])))
    counts = run.channel.counts()
    assert run.cycles == int(row["cycles"])
    assert [counts.get(name, 0) for name in COUNTED] == [int(row[name]) for name in COUNTED]


LOGS = {
    "dual_attend_L512_nh1_dk128": (2, Gemv("attend", 512, 1, 128)),
    "dual_logit_L256_nh8_dk128_refresh": (2, Gemv("logit", 256, 8, 128)),
    "dual_logit_L32_nh4_dk128": (2, Gemv("logit", 32, 4, 128)),
    "dual_logit_L64_nh8_dk128": (2, Gemv("logit", 64, 8, 128)),
    "single_attend_L64_nh1_dk128": (1, Gemv("attend", 64, 1, 128)),
    "single_logit_L32_nh4_dk128": (1, Gemv("logit", 32, 4, 128)),
    "single_logit_L64_nh8_dk128": (1, Gemv("logit", 64, 8, 128)),
}


def place(scope: int, row: dict[str, str]) -> tuple[int, ...]:
    """Rank, bank group and bank, as far as the command addresses them."""
    return tuple(int(row[level]) for level in ("rank", "bankgroup", "bank") if LEVELS.index(level) <= scope)


def reference_log(name: str, scopes: dict[str, int]) -> list[tuple]:
    return [(int(r["cycle"]), r["command"], *place(scopes[r["command"]], r)) for r in rows("commands.csv") if r["log"] == name]


def log_of(run: GemvRun, scopes: dict[str, int]) -> list[tuple]:
    compiled = run.channel.plan.compiled
    log = commandlog.from_kernel(run.log, compiled.command_names, compiled.organization, compiled.table.scope)
    fields = dict(zip(commandlog.FIELDS, range(len(commandlog.FIELDS)), strict=True))
    out = []
    for values in log.rows.tolist():
        name = compiled.command_names[values[fields["command"]]]
        where = {level: str(values[fields[level]]) for level in ("rank", "bankgroup", "bank")}
        out.append((values[fields["cycle"]], name, *place(scopes[name], where)))
    return out


def scopes_of(run: GemvRun) -> dict[str, int]:
    compiled = run.channel.plan.compiled
    return dict(zip(compiled.command_names, compiled.table.scope.tolist(), strict=True))


@pytest.mark.parametrize("name", LOGS)
def test_isolated_command_streams_are_those_of_the_authors(name: str) -> None:
    run = authors(*LOGS[name], log=True)
    assert log_of(run, scopes_of(run)) == reference_log(name, scopes_of(run))


def test_contended_command_stream_is_that_of_the_authors() -> None:
    run = authors(2, Gemv("logit", 64, 8, 128, reads=400), log=True)
    assert log_of(run, scopes_of(run)) == reference_log("dual_logit_L64_nh8_bgread400", scopes_of(run))


@pytest.mark.parametrize("row", rows("contended.csv"), ids=lambda r: f"{r['row_buffers']}_{r['reads']}")
def test_reads_beside_a_gemv_slow_it_as_in_the_authors_simulator(row: dict[str, str]) -> None:
    run = authors(int(row["row_buffers"]), Gemv("both", 512, 2, 128, reads=int(row["reads"])))
    assert run.cycles == pytest.approx(int(row["gemv_cycles"]), rel=0.001)
    assert run.read_cycles == pytest.approx(int(row["reads_cycles"] or 0), rel=0.002)


@pytest.mark.parametrize("row_buffers", [1, 2])
@pytest.mark.parametrize("reads", [0, 3000])
def test_without_shortcuts_every_command_is_legal(row_buffers: int, reads: int) -> None:
    run = run_gemv(system("neupims", row_buffers), Gemv("both", 512, 8, 128, reads=reads), log=True)
    compiled = run.channel.plan.compiled
    log = commandlog.from_kernel(run.log, compiled.command_names, compiled.organization, compiled.table.scope)
    assert check(compiled, log).violations == ()


@pytest.mark.parametrize("row_buffers", [1, 2])
def test_causes_of_both_views_sum_to_the_elapsed_ticks(row_buffers: int) -> None:
    run = run_gemv(system("neupims", row_buffers), Gemv("both", 512, 8, 128, reads=2000))
    elapsed = max(run.channel.now, run.cycles)
    assert {view: sum(causes.values()) for view, causes in run.channel.causes().items()} == {"pim": elapsed, "memory": elapsed}


def test_without_traffic_nothing_is_contention() -> None:
    run = run_gemv(system("neupims"), Gemv("both", 512, 8, 128))
    assert "contention" not in run.channel.causes()["pim"]


def test_one_row_buffer_never_computes_while_memory_is_served() -> None:
    run = run_gemv(system("neupims", 1), Gemv("both", 512, 2, 128, reads=1000), log=True)
    names = np.array(run.channel.plan.compiled.command_names)[run.log[:, 2]]
    assert np.flatnonzero(names == "RD").min() > np.flatnonzero(names == "READRES").max()


def test_two_row_buffers_serve_memory_between_pim_commands() -> None:
    run = run_gemv(system("neupims", 2), Gemv("both", 512, 2, 128, reads=1000), log=True)
    names = np.array(run.channel.plan.compiled.command_names)[run.log[:, 2]]
    assert np.flatnonzero(names == "RD").max() < np.flatnonzero(names == "READRES").max()


def test_the_last_composite_costs_its_multiplications() -> None:
    """neupims.md section 3.5: P V of 512 tokens takes 143 cycles a row in the authors' simulator, 64 COMP ticks more if they count."""
    right = run_gemv(system("neupims", 2, "controller.refresh=none"), Gemv("attend", 512, 1, 128)).cycles
    free = run_gemv(system("neupims", 2, "controller.refresh=none", "compat.free_last_composite=true",
                           "compat.response_at_issue=true"), Gemv("attend", 512, 1, 128)).cycles  # fmt: skip
    assert right - free == 4 * 64


def row_cycles(row_buffers: int) -> float:
    """Cycles of a row of q K^T, without refresh."""
    config = system("neupims", row_buffers, "controller.refresh=none")
    short, long = (run_gemv(config, Gemv("logit", tokens, 4, 128)).cycles for tokens in (128, 256))
    return (long - short) / 4


def test_a_row_takes_the_same_time_in_composites_and_single_computes() -> None:
    """A composite saves slots of the command bus, not time; the authors' takes 197 and 213 cycles."""
    assert row_cycles(2) == row_cycles(1) == 32 + 1 + 3 * 30 + 1 + 14 + 4 * 18 - 2 + 6


@pytest.mark.parametrize("key", COMPAT)
def test_every_shortcut_is_off_by_default(key: str) -> None:
    assert not system("neupims").compat.get(key)


@pytest.mark.parametrize("key", COMPAT)
def test_the_authors_system_takes_every_shortcut(key: str) -> None:
    assert system("neupims-authors").compat[key]


def test_unknown_shortcut_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(InputError, match="free_last_composite"):
        contend_plan(system("neupims", 2, "compat.free_last_composit=true"))


def test_per_bank_refresh_is_refused() -> None:
    with pytest.raises(InputError, match="per-bank"):
        contend_plan(system("neupims", 2, "controller.refresh=per-bank"))


def test_a_context_beyond_the_rows_is_refused() -> None:
    with pytest.raises(InputError, match="rows of every bank"):
        run_gemv(system("neupims"), Gemv("logit", 32 * 40000, 8, 128))


def test_layout_is_that_of_the_part() -> None:
    layout = kv_layout(system("neupims"), 8, 128)
    assert (layout.banks, layout.groups, layout.page, layout.lanes) == (32, 8, 512, 16)


# ---------------------------------------------------------------------- the table of shortcuts in the documentation

DOCUMENT = Path(__file__).parents[2] / "docs" / "shared-channel.md"
CASES = (
    (2, Gemv("logit", 512, 8, 128)),
    (2, Gemv("attend", 512, 8, 128)),
    (2, Gemv("attend", 32, 8, 128)),
    (2, Gemv("attend", 512, 8, 32)),
    (1, Gemv("attend", 32, 8, 128)),
    (2, Gemv("both", 512, 2, 128, reads=4000)),
)


def cycles(keys: tuple[str, ...]) -> list[int]:
    """Cycles of every case, and when the reads of the last are done."""
    runs = [run_gemv(system("neupims", buffers, *(f"compat.{k}=true" for k in keys)), gemv) for buffers, gemv in CASES]
    return [run.cycles for run in runs] + [runs[-1].read_cycles]


def effects() -> list[str]:
    """The rows of the table: by how many percent each key alone, and all together, change the cycles."""
    right = cycles(())
    named = [(f"`{key}`", (key,)) for key in COMPAT] + [("all", tuple(COMPAT))]
    changes = [(name, [100 * (ours / base - 1) for ours, base in zip(cycles(keys), right, strict=True)]) for name, keys in named]
    return [f"| {name} | " + " | ".join(f"{c:+.2f} %" if abs(c) >= 0.005 else "0" for c in row) + " |" for name, row in changes]


def test_the_documented_effects_of_the_shortcuts_are_the_measured_ones() -> None:
    text = DOCUMENT.read_text()
    assert [row for row in effects() if row not in text] == []


@pytest.mark.parametrize("key", COMPAT)
def test_every_shortcut_is_explained(key: str) -> None:
    assert f"* `{key}`: {COMPAT[key]}" in " ".join(DOCUMENT.read_text().split())

"""``pimsim pim PART PROGRAM``: replay a PIM program on a DRAM part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pimsim import units
from pimsim.cli.option import emit_json, json_option, refuse_outputs, say_if_compiling, set_option

if TYPE_CHECKING:
    from pimsim.sim.replay import Replay


@click.command
@click.argument("part")
@click.argument("program", type=click.Path(path_type=Path))
@set_option
@click.option("--commands", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write every command issued to FILE, CSV or .csv.gz.")  # fmt: skip
@click.option("--no-fold", is_flag=True, help="Simulate equal channels one by one (same numbers).")
@click.option("--no-fast-forward", is_flag=True, help="Run every iteration of a loop (same numbers).")
@json_option
def command(part: str, program: Path, overrides: tuple[str, ...], commands: Path | None, no_fold: bool,
            no_fast_forward: bool, as_json: bool) -> None:
    """Replay PROGRAM on the PIM commands of the DRAM PART: how many cycles, which commands.

    PROGRAM is an AiM host-instruction trace (AiM, R and W lines; needs a part with AiM's commands, gddr6-aim) or a program
    in pimsim's own form, one instruction a line (see docs/pim.md); both plain or gzip; - is standard input.
    """
    from pimsim.config import load_dram
    from pimsim.sim.replay import replay

    refuse_outputs({"--commands": commands}, {"PROGRAM": program})
    config = load_dram(part, overrides)
    with config.located():
        run = replay(config, program, fold=not no_fold, fast_forward=not no_fast_forward, log=commands is not None,
                     prepare=say_if_compiling)
    if run.ignored:
        click.echo(f"{program}: {run.ignored:,} instructions behind AiM EOC were not executed", err=True)
    if commands is not None:
        run.write_log(commands)
    facts = _facts(run, part, program, commands)
    if as_json:
        emit_json(facts)
    else:
        click.echo("\n".join(_lines(run, facts)))


def _facts(run: Replay, part: str, program: Path, commands: Path | None) -> dict[str, Any]:
    counts = run.counts()
    return {
        "part": part,
        "program": str(program),
        "form": run.form,
        "command_set": run.config.memory.command_set,
        "refresh": run.config.controller.refresh,
        "compat": [key for key, on in run.config.compat.items() if on],
        "cycles": run.cycles,
        "time_s": run.cycles * run.compiled.tick_fs / units.FS_PER_S,
        "counts": counts,
        "channels": [{"channels": list(m), "counts": run.counts(n)} for n, m in enumerate(run.members)],
        "cycles_by_cause": run.cycles_by_cause(),
        "answered_reads": run.answered_reads,
        "unserved_requests": run.unserved,
        "ignored_instructions": run.ignored,
        "folded": run.folded,
        "commands": None if commands is None else str(commands),
        "host": {
            "wall_s": run.host.wall_s,
            "cpu_s": run.host.cpu_s,
            "commands_per_s": sum(counts.values()) / run.host.wall_s,
            "peak_rss_bytes": run.host.peak_rss_bytes,
        },
    }


def _lines(run: Replay, facts: dict[str, Any]) -> list[str]:
    """The facts for people."""
    refresh = "no refresh" if facts["refresh"] == "none" else f"refresh {facts['refresh']}"
    lines = [f"{facts['program']} on {facts['part']}: {run.cycles:,} cycles, {facts['time_s'] * 1e6:,.3f} us ({refresh})"]
    lines += [f"  {name:10} {count:>14,}" for name, count in facts["counts"].items()]
    spent = sorted(facts["cycles_by_cause"].items(), key=lambda item: -item[1])
    lines.append("cycles: " + ", ".join(f"{cause} {ticks / run.cycles:.1%}" for cause, ticks in spent))
    if run.answered_reads:
        lines.append(f"{run.answered_reads:,} reads were answered by waiting writes and needed no command")
    if run.unserved:
        lines.append(f"{run.unserved:,} reads and writes were not served by the end (compat.opened_requests_leave_queue)")
    lines += run.folded
    rate = units.human(facts["host"]["commands_per_s"], "commands/s")
    lines.append(f"{facts['host']['wall_s'] * 1e3:,.1f} ms, {rate}")
    return lines

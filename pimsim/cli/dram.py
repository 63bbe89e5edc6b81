"""``pimsim dram PART REQUESTS``: memory requests through a controller and a DRAM part."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import click

from pimsim.cli.option import emit_json, json_option, refuse_outputs, say_if_compiling, set_option


@click.command
@click.argument("part")
@click.argument("requests", type=click.Path(dir_okay=False))
@set_option
@click.option("--commands", type=click.Path(dir_okay=False), help="Write every command issued (CSV, .gz allowed).")
@click.option("--completions", type=click.Path(dir_okay=False), help="Write when each request was accepted and done (CSV).")
@click.option("--blame", is_flag=True, help="Which rule held each command back, summed.")
@json_option
def command(part: str, requests: str, overrides: tuple[str, ...], commands: str | None, completions: str | None,
            blame: bool, as_json: bool) -> None:
    """Run the memory requests of the file REQUESTS on the DRAM PART.

    REQUESTS is a CSV with the columns idx,arrival,op,rank,sid,bankgroup,bank,row,col (and optionally channel), a Ramulator trace (LD/ST
    ADDRESS, or ADDRESS R|W) or a DRAMsim3 trace (ADDRESS READ|WRITE CYCLE), plain or .gz; - is standard input. The controller is the
    part's, changed with --set controller.policy=... and its other keys; docs/memory.md has them all.
    """
    from pimsim.config import load_dram
    from pimsim.dram import commandlog
    from pimsim.dram.table_file import RowWriter
    from pimsim.sim.memory import compile_memory
    from pimsim.sim.traffic import read_requests, run_requests
    from pimsim.trace.blame import MEMORY_OTHERS, Blame

    refuse_outputs({"--commands": commands, "--completions": completions}, {"REQUESTS": requests})
    config = load_dram(part, overrides)
    say_if_compiling("serve", *(["blame_channel"] if blame else []))
    sinks: list[Any] = []
    done = None
    with ExitStack() as files:
        with config.located():
            compiled = compile_memory(config.memory, config.controller, config.pim)
        if commands:
            log = files.enter_context(commandlog.writer(commands, compiled.command_names))
            scopes, names, org = compiled.table.scope, compiled.command_names, compiled.organization
            sinks.append(lambda rows: log.write(commandlog.from_kernel(rows, names, org, scopes).rows))
        if blame:
            blamed = Blame(compiled, config.memory.channels, MEMORY_OTHERS)
            sinks.append(blamed.add)
        if completions:
            done = files.enter_context(RowWriter(completions, ("idx", "accepted", "done"))).write
        traffic = run_requests(
            config, read_requests(config, requests),
            commands=(lambda rows: [sink(rows) for sink in sinks]) if sinks else None,  # type: ignore[arg-type]
            completions=done)
    summary = traffic.summary()
    if blame:
        summary["blame"] = blamed.finish()
    if as_json:
        emit_json(summary)
    else:
        click.echo("\n".join(_lines(summary)))


def _lines(s: dict[str, Any]) -> list[str]:
    """The summary for people."""
    from pimsim import units

    lines = [
        f"{s['requests']:,} requests on {s['part']} under {s['policy']}: {s['total_cycles']:,} cycles, "
        f"{units.human(s['time_s'], 's')}",
        f"  bandwidth     {units.human(s['bandwidth_bytes_per_s'], 'B/s')}, {100 * s['bandwidth_utilisation']:.1f} % of the peak",
        f"  read latency  {s['avg_read_latency_cycles']:.1f} cycles on average",
        f"  rows          {s['row_hits']:,} hits, {s['row_misses']:,} misses, {s['row_conflicts']:,} conflicts",
        "  commands      " + ", ".join(f"{name} {number:,}" for name, number in s["counts"].items()),
    ]
    if s["energy_j"]:
        parts = ", ".join(f"{name.replace('_', ' ')} {units.human(joules, 'J')}" for name, joules in s["energy_j"].items()
                          if name != "total" and joules)
        lines.append(f"  energy        {units.human(s['energy_j']['total'], 'J')}: {parts}")
    else:
        lines.append(f"  energy        not known: {s['energy_note']}")
    if s["read_latency_histogram"]:
        lines += ["", "Read latency (cycles, bars of equal ratios)", *_bars(s["read_latency_histogram"])]
    if "blame" in s:
        lines += ["", f"Held back by (shares of the {s['blame']['cycles']:,.0f} cycles from the first command to the last; the time",
                  "before a command is charged to the rule that let it go last)"]
        lines += [f"  {100 * row['share']:5.1f} %  {row['command']:6}  {row['rule']}" for row in s["blame"]["held_back"][:12]]
    host = s["host"]
    lines += ["", f"Simulated in {host['wall_s']:.2f} s, {host['requests_per_s'] / 1e6:.2f} M requests/s"]
    return lines


def _bars(histogram: list[list[int]], rows: int = 12) -> list[str]:
    """A histogram as at most ``rows`` bars whose spans have about the same ratio of end to begin; those without reads are left out."""
    from math import log

    least = max(histogram[0][0], 1)
    span = log((histogram[-1][1] + 1) / least)
    by_bar: dict[int, list[list[int]]] = {}
    for bin_ in histogram:
        by_bar.setdefault(min(int(rows * log(max(bin_[0], 1) / least) / span), rows - 1), []).append(bin_)
    groups = list(by_bar.values())
    sums = [sum(g[2] for g in group) for group in groups]
    widest = len(str(groups[-1][-1][1]))
    return [f"  {group[0][0]:>{widest}} to {group[-1][1]:>{widest}}  {'█' * max(round(40 * n / max(sums)), n > 0)} {n:,}"
            for group, n in zip(groups, sums, strict=True)]

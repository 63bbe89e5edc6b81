"""``pimsim micro SYSTEM gemv``: attention's matrix-vector products on PIM channels, with or without reads beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pimsim.cli.option import emit_json, json_option, refuse_outputs, say_if_compiling, set_option


@click.command
@click.option("--op", type=click.Choice(("logit", "attend", "both")), default="both", show_default=True,
              help="q K^T, P V, or one after the other.")  # fmt: skip
@click.option("--context", type=int, default=512, show_default=True, metavar="L", help="Tokens attended to.")
@click.option("--heads", type=int, default=8, show_default=True, metavar="H", help="Heads of a request.")
@click.option("--head-dim", type=int, default=128, show_default=True, metavar="D", help="Elements of a head.")
@click.option("--requests-per-channel", "requests", type=int, default=1, show_default=True, metavar="N",
              help="Requests that each channel serves, one after the other.")  # fmt: skip
@click.option("--channels", type=int, default=1, show_default=True, metavar="C", help="Channels, all with the same work.")
@click.option("--reads", type=int, default=0, show_default=True, metavar="N",
              help="Sequential reads beside them, one a cycle in every channel.")  # fmt: skip
@set_option
@click.option("--commands", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write every command of channel 0 to FILE, CSV or .csv.gz.")  # fmt: skip
@json_option
@click.pass_obj
def command(system: str, op: str, context: int, heads: int, head_dim: int, requests: int, channels: int, reads: int,
            overrides: tuple[str, ...], commands: Path | None, as_json: bool) -> None:
    """Matrix-vector products of attention: cycles from the first command handed over to the last answer.

    The channels have the same work, so that one of them is simulated: counts and causes are those of one channel.
    """
    from pimsim.config import load_system
    from pimsim.sim.contend import Gemv, run_gemv

    refuse_outputs({"--commands": commands}, {})
    config = load_system(system, overrides)
    say_if_compiling("run")
    with config.located():
        run = run_gemv(config, Gemv(op, context, heads, head_dim, requests, channels, reads), log=commands is not None)
    if commands is not None:
        run.write_log(commands)
    facts = {"system": config.name, **run.facts(), "commands": None if commands is None else str(commands)}
    if as_json:
        emit_json(facts)
    else:
        click.echo("\n".join(_lines(facts)))


def _lines(facts: dict[str, Any]) -> list[str]:
    """The facts for people."""
    lines = [f"{facts['op']} on {facts['system']}: {facts['cycles']:,} cycles, {facts['time_s'] * 1e6:,.3f} us"
             f" ({facts['macs_per_cycle']:.1f} of {facts['peak_macs_per_cycle']} MACs a cycle and channel)"]  # fmt: skip
    if facts["reads"]:
        lines.append(f"{facts['reads']:,} reads: done at {facts['reads_cycles']:,} cycles")
    lines += [f"  {name:14} {count:>12,}" for name, count in facts["counts"].items()]
    for view, causes in facts["cycles_by_cause"].items():
        lines.append(f"{view}: " + ", ".join(f"{name} {ticks:,}" for name, ticks in causes.items()))
    return lines

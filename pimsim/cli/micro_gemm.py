"""``pimsim micro SYSTEM gemm``: a matrix product on the NPU, its operands in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pimsim.cli.option import emit_json, json_option, refuse_outputs, set_option


@click.command
@click.option("--m", type=int, default=64, show_default=True, metavar="M", help="Rows of the activations: tokens.")
@click.option("--k", type=int, default=4096, show_default=True, metavar="K", help="Columns of the activations, rows of the weights.")
@click.option("--n", type=int, default=4096, show_default=True, metavar="N", help="Columns of the weights.")
@set_option
@click.option("--commands", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write every command of all channels to FILE, CSV or .csv.gz.")  # fmt: skip
@json_option
@click.pass_obj
def command(system: str, m: int, k: int, n: int, overrides: tuple[str, ...], commands: Path | None, as_json: bool) -> None:
    """The matrix product [M x K] x [K x N] with a bias: cycles from asking for the first operand to the last result in memory."""
    from pimsim.config import load_system
    from pimsim.sim.stage import Gemm, run_gemm

    refuse_outputs({"--commands": commands}, {})
    config = load_system(system, overrides)
    with config.located():
        run = run_gemm(config, Gemm(m, k, n), log=commands is not None)
    if commands is not None:
        run.write_log(commands)
    facts = {"system": config.name, **run.facts(), "commands": None if commands is None else str(commands)}
    if as_json:
        emit_json(facts)
    else:
        click.echo("\n".join(_lines(facts)))


def _lines(facts: dict[str, Any]) -> list[str]:
    """The facts for people."""
    lines = [f"{facts['m']} x {facts['k']} x {facts['n']} on {facts['system']}: {facts['cycles']:,} cycles, {facts['time_s'] * 1e6:,.3f} us"
             f" ({facts['macs_per_cycle']:,.0f} of {facts['peak_macs_per_cycle']:,} MACs a cycle)",
             f"without memory {facts['compute_only_cycles']:,} cycles, at least {facts['bound_cycles']:,}"]
    lines += [f"  {name:14} {count:>12,}" for name, count in facts["counts"].items()]
    for view, causes in facts["cycles_by_cause"].items():
        lines.append(f"{view}: " + ", ".join(f"{name} {ticks:,}" for name, ticks in causes.items()))
    lines += facts["folded"]
    return lines

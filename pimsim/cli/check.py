"""``pimsim check PART COMMANDS``: is a command log legal, and if not, which rule does it break first?"""

from __future__ import annotations

from dataclasses import asdict

import click

from pimsim.cli.option import emit_json, json_option, say_if_compiling, set_option

LIMIT = 100
"""Violations that ``--all`` shows."""


@click.command
@click.argument("part")
@click.argument("commands", type=click.Path(dir_okay=False))
@set_option
@click.option("--all", "show_all", is_flag=True, help=f"Show the first {LIMIT} violations instead of the first one.")
@json_option
def command(part: str, commands: str, overrides: tuple[str, ...], show_all: bool, as_json: bool) -> int:
    """Check the command log COMMANDS (CSV, plain or .gz; - is standard input) against the timing rules of the DRAM PART.

    Refreshes are expected unless controller.refresh=none; controller.policy=dramsim3-fr32 checks against DRAMsim3's rules.
    Exit code: 0 legal, 1 a rule is broken, 2 bad input.
    """
    from pimsim.config import load_dram
    from pimsim.dram import commandlog
    from pimsim.dram.checker import check
    from pimsim.sim.memory import compile_memory

    config = load_dram(part, overrides)
    say_if_compiling("check_channel")
    with config.located():
        compiled = compile_memory(config.memory, config.controller, config.pim)
    log = commandlog.read(commands, compiled.command_names)
    verdict = check(compiled, log, channels=config.memory.channels, limit=LIMIT if show_all else 1)
    if as_json:
        emit_json({
            "ok": verdict.ok,
            "part": config.memory.part,
            "standard": compiled.standard.name,
            "commands": verdict.commands,
            "channels": verdict.channels,
            "violations": [asdict(v) for v in verdict.violations],
        })
    elif verdict.ok:
        click.echo(f"{commands}: {verdict.commands} commands break no rule of {config.memory.part} ({compiled.standard.name})")
    else:
        for violation in verdict.violations:
            click.echo(f"{commands}:{violation.line}: {violation}")
    return 0 if verdict.ok else 1

"""``pimsim list [KIND]``: what ships."""

from __future__ import annotations

import click

from pimsim import assets
from pimsim.cli.option import emit_json, json_option


@click.command
@click.argument("kind", required=False)
@json_option
def command(kind: str | None, as_json: bool) -> None:
    """List what ships: systems, parts (DRAM, ASIC, NPU, area, efficiency), workloads, models and sweeps, or only one KIND of them."""
    kinds = assets.KINDS if kind is None else (kind,)
    found = {name: list(assets.list_assets(name)) for name in kinds}
    if as_json:
        emit_json(found)
        return
    for name, names in found.items():
        if kind is None:
            click.echo(f"{name}:" if names else f"{name}: none")
        for item in names:
            click.echo(item if kind else f"  {item}")

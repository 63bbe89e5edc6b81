"""``pimsim schema KIND``: the JSON Schema of a kind of YAML file, for editors and scripts."""

from __future__ import annotations

import click

from pimsim import config
from pimsim.cli.option import emit_json


@click.command
@click.argument("kind")
def command(kind: str) -> None:
    """Print the JSON Schema of the YAML files of a KIND: system, baseline (a GPU or CPU), ideal-non-pim, dram, asic, npu, efficiency,
    workload or sweep."""
    emit_json(config.schema(kind))

"""Options that several sub-commands share, and what ``--json`` prints."""

from __future__ import annotations

import json
from typing import Any

import click

set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Override a configuration value, for example memory.channels=4 or workload.batch=2; repeatable.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")


def emit_json(data: dict[str, Any]) -> None:
    """Print the one JSON object of ``--json``. Raises ValueError for NaN and infinity: JSON has neither."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))

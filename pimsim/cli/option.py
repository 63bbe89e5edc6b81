"""Options that several sub-commands share, and what ``--json`` prints."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
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


def refuse_outputs(outputs: Mapping[str, str | Path | None], inputs: Mapping[str, str | Path]) -> None:
    """Make sure, before anything runs, that files can be written and that none takes the place of another or of an input.

    Args:
        outputs: option -> the file that it names, None: it was not given. inputs: argument -> file.

    Raises:
        InputError: all that is wrong, by option.
    """
    from pimsim.errors import InputError, Problem

    problems, taken = [], [(name, path) for name, path in inputs.items() if str(path) != "-"]
    for option, path in outputs.items():
        if path is None:
            continue
        same = [name for name, other in taken if _same(path, other)]
        folder = Path(path).parent
        if same:
            problems.append(Problem(f"{path} is the file of {same[0]} too", "another file", key=option))
        elif not folder.is_dir():
            problems.append(Problem(f"{path}: there is no folder {folder}", "an existing folder", key=option))
        elif Path(path).exists() and not Path(path).is_file():
            problems.append(Problem(f"{path} is not a regular file", "a file", key=option))
        elif not os.access(folder, os.W_OK):
            problems.append(Problem(f"{path}: the folder {folder} cannot be written to", "another folder", key=option))
        taken.append((option, path))
    if problems:
        raise InputError(problems)


def _same(a: str | Path, b: str | Path) -> bool:
    """Whether two paths mean one file, which need not exist."""
    return os.path.realpath(a) == os.path.realpath(b) or (os.path.exists(a) and os.path.exists(b) and os.path.samefile(a, b))


def say_if_compiling(*kernels: str) -> None:
    """Tell on stderr that the kernels of these names have to be compiled first, if they do and a person is to read the output."""
    from pimsim.kernels.jit import is_compiled

    if click.get_current_context().params.get("as_json"):
        return
    if not all(is_compiled(name) for name in kernels):
        click.echo("compiling the simulation kernels, once for all runs to come: about half a minute", err=True)


def emit_json(data: dict[str, Any]) -> None:
    """Print the one JSON object of ``--json``. Raises ValueError for NaN and infinity: JSON has neither."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))

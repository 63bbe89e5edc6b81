"""The reference tables: CSV files, their source in the comment lines on top."""

from __future__ import annotations

import csv
from importlib.resources import files


def text(name: str) -> str:
    """``name``.csv as it is."""
    return files(__package__).joinpath(f"{name}.csv").read_text(encoding="utf-8")


def table(name: str) -> list[dict[str, str]]:
    """The rows of ``name``.csv."""
    return list(csv.DictReader(line for line in text(name).splitlines() if not line.startswith("#")))

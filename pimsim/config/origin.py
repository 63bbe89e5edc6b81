"""Where every number of a configuration comes from: the comment behind it in the YAML.

A comment that starts with "unverified" or "assumed" marks a number that nobody has checked against its origin; reports
show these. A number without a comment of its own has that of the section around it. Numbers that no file gives are
pimsim's defaults and say so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pimsim.config.base import Config, Described
from pimsim.config.document import Document, KeyPath, dotted, leaves
from pimsim.config.loader import resolved
from pimsim.units import is_quantity

_DOUBTFUL = re.compile(r"(?:unverified|assumed)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Source:
    """One number: its dotted path, its value with its unit, where it comes from, and whether that is unverified."""

    path: str
    value: str
    source: str
    unverified: bool


def is_number(value: Any) -> bool:
    """Whether a YAML leaf is a number or a quantity ("12 ns"), not a name that happens to hold digits."""
    if isinstance(value, str):
        return is_quantity(value)
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def provenance(config: Config) -> list[Source]:
    """The source of every number in a loaded configuration, in the order of its fields."""
    document = config._document if isinstance(config, Described) else None
    return [_source(path, value, document) for path, value in leaves(resolved(config)) if is_number(value)]


def _source(path: KeyPath, value: Any, document: Document | None) -> Source:
    place = document.places.get(path) if document else None
    if document is None or place is None:
        return Source(dotted(path), str(value), "default", False)
    source = "--set" if place.file.startswith("--set") else place.source
    return Source(dotted(path), str(document.value(path)), source, _DOUBTFUL.match(source) is not None)

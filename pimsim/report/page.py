"""A page: sections of tables, pictures, lists and code, rendered through the template of this package."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from pimsim import __version__
from pimsim.plot.picture import Picture


@dataclass(frozen=True)
class Cell:
    """What a cell shows, and what it is sorted by."""

    text: str
    value: float | str
    note: str = ""

    @property
    def number(self) -> bool:
        """Whether it is aligned and sorted as a number."""
        return not isinstance(self.value, str)


@dataclass(frozen=True)
class Table:
    """Rows under headings; every row has a cell a heading."""

    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Drawing:
    """A picture with its title for those who cannot see it."""

    title: str
    svg: Markup


@dataclass(frozen=True)
class Section:
    """A part of a page, with an anchor that the list of contents leads to."""

    title: str
    text: str = ""
    tables: Sequence[Table] = ()
    drawings: Sequence[Drawing] = ()
    code: str = ""

    @property
    def anchor(self) -> str:
        """The section's name in addresses."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True)
class Page:
    """A whole report: ``facts`` are the few numbers on top, as (name, text)."""

    title: str
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section] = field(default_factory=tuple)

    def render(self) -> str:
        """The page as HTML."""
        files = resources.files(__package__).joinpath("template")
        read = {name: files.joinpath(name).read_text(encoding="utf-8") for name in ("page.html", "style.css", "sort.js")}
        environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        return environment.from_string(read["page.html"]).render(page=self, style=Markup(read["style.css"]), script=Markup(read["sort.js"]),
                                                                 version=__version__)  # fmt: skip


def drawings(pictures: Mapping[str, Picture]) -> list[Drawing]:
    """Pictures to put into one page: the names inside each are made unique, so that they do not take each other's parts."""
    return [Drawing(picture.title, Markup(_own_names(picture.svg(), kind))) for kind, picture in pictures.items()]


def _own_names(svg: str, prefix: str) -> str:
    svg = re.sub(r'(\sid=")', rf"\g<1>{prefix}-", svg)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}-", svg)


def cell(value: Any, text: str | None = None, note: str = "") -> Cell:
    """A cell of a number, a text or nothing."""
    if value is None:
        return Cell("", "", note)
    if isinstance(value, bool):
        return Cell(text or ("yes" if value else "no"), str(value), note)
    if isinstance(value, int | float):
        return Cell(text or (f"{value:,}" if isinstance(value, int) else f"{value:.6g}"), value, note)
    return Cell(text or str(value), str(value), note)

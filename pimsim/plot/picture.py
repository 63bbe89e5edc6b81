"""A picture: a figure, and the rows that it shows."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pimsim.errors import InputError, Problem
from pimsim.plot.style import SETTINGS, styled
from pimsim.results.folder import write_csv
from pimsim.results.result import Row

FORMATS = ("svg", "pdf", "png")
_METADATA: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}
"""Nothing in a file tells when it was made: equal pictures are equal files."""


@dataclass(frozen=True)
class Picture:
    """A figure to look at.

    Attributes:
        kind: what it shows. title: for people.
        figure: to change before it is saved, if you like.
        rows: the numbers that are drawn, in base units.
    """

    kind: str
    title: str
    figure: Figure = field(repr=False)
    rows: Sequence[Row] = field(repr=False)

    def save(self, path: str | Path) -> tuple[Path, Path]:
        """Write the picture, and its rows as CSV beside it; each file appears only once it is complete.

        Returns: both paths.

        Raises:
            InputError: the name does not end in .svg, .pdf or .png, or its folder is missing.
            OSError: a file cannot be written.
        """
        path = Path(path)
        ending = path.suffix.removeprefix(".").lower()
        if ending not in FORMATS:
            raise InputError(Problem(f"a picture cannot be called '{path.name}'", "a name that ends in .svg, .pdf or .png", file=str(path)))
        if not path.absolute().parent.is_dir():
            raise InputError(Problem(f"there is no folder '{path.parent}'", "a folder that exists", file=str(path)))
        beside = path.with_suffix(".csv")
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.absolute().parent) as folder:
            drawn, written = Path(folder) / path.name, Path(folder) / beside.name
            drawn.write_bytes(self.render(ending))
            write_csv(written, self.rows, columns(self.rows))
            os.replace(drawn, path)
            os.replace(written, beside)
        return path, beside

    def render(self, ending: str, dpi: int | None = None) -> bytes:
        """The picture in a format: svg, pdf or png, that one with ``dpi`` dots an inch (200)."""
        buffer = io.BytesIO()
        with styled():
            self.figure.savefig(buffer, format=ending, metadata=_METADATA[ending], dpi=dpi or SETTINGS["savefig.dpi"])
        return buffer.getvalue()

    def svg(self) -> str:
        """The ``<svg>`` element, to put into a page."""
        text = self.render("svg").decode()
        return text[text.index("<svg"):]

    def _repr_png_(self) -> bytes:
        return self.render("png", dpi=90)


def columns(rows: Sequence[Row]) -> list[str]:
    """The columns of all rows, in order of appearance."""
    return list(dict.fromkeys(key for row in rows for key in row))

"""What all pictures share: colours and hatches that everybody tells apart, axes with units, and a deterministic file.

Palette: Okabe and Ito, "Color Universal Design" (2008), jfly.uni-koeln.de/color; told apart with any colour vision. Bars that touch
also differ by hatch and lines by marker and dash, for print in grey.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED, YELLOW, BLACK)
HATCHES = ("", "///", "xx", "\\\\\\", "++", "---", "|||", "//", "xxxx", "--")  # lines: a dot is forty times as large in a file
MARKERS = "os^Dv<>pP*"
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
GREY = "#777777"

SETTINGS: Any = {
    "font.family": "sans-serif", "font.size": 9, "axes.titlesize": 10, "axes.titlelocation": "left", "axes.titleweight": "bold",
    "axes.labelsize": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
    "axes.formatter.useoffset": False, "grid.color": "#dddddd", "grid.linewidth": 0.6, "legend.frameon": False, "legend.fontsize": 8,
    "xtick.labelsize": 8, "ytick.labelsize": 8, "lines.linewidth": 1.5, "lines.markersize": 5, "hatch.linewidth": 0.6,
    "hatch.color": "white", "figure.dpi": 100, "savefig.dpi": 200, "svg.fonttype": "none", "svg.hashsalt": "pimsim",
    "pdf.fonttype": 42,
}  # fmt: skip
"""matplotlib settings of every picture, in force only while it is made and saved."""

_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P"}


def styled() -> Any:
    """A context in which :data:`SETTINGS` are in force."""
    return mpl.rc_context(SETTINGS)


def blank(title: str, width: float = 6.4, height: float = 3.6) -> tuple[Figure, Axes]:
    """An empty picture, inches wide and high, with one pair of axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, wrap=True)
    return figure, axes


def from_zero(axes: Axes) -> None:
    """Let the vertical axis begin at zero and end a little above the largest value, so that no marker is cut."""
    axes.set_ylim(0, 1.06 * max(axes.dataLim.y1, 0) or 1)


def scale(values: Iterable[float], unit: str) -> tuple[float, str]:
    """(factor, unit with prefix) that brings the largest of values to between 1 and 1000: 0.002, "s" -> 1000.0, "ms"."""
    most = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    if not most or not unit:
        return 1.0, unit
    exponent = min(max(3 * math.floor(math.log10(most) / 3 + 1e-12), -15), 15)
    return 10.0**-exponent, f"{_PREFIXES[exponent]}{unit}"


def colour(index: int) -> str:
    """Colour of the index-th of several things; they repeat, markers and hatches with another period."""
    return COLOURS[index % len(COLOURS)]


def hatch(index: int) -> str:
    """Hatch of the index-th of several bars that touch."""
    return HATCHES[index % len(HATCHES)]


def line(index: int, points: int) -> dict[str, Any]:
    """Colour, dash and marker of the index-th of several lines; no more than about twenty markers a line."""
    return {"color": colour(index), "linestyle": DASHES[index % len(DASHES)], "marker": MARKERS[index % len(MARKERS)],
            "markevery": max(points // 20, 1)}  # fmt: skip


def note(axes: Axes, texts: Iterable[tuple[float, float, str]], gap: float = 3.0) -> None:
    """Small labels right of points (x, y, text)."""
    for x, y, text in texts:
        axes.annotate(text, (x, y), xytext=(gap, 0), textcoords="offset points", va="center", fontsize=8)


def room(axes: Axes, share: float = 0.18) -> None:
    """Leave room for labels right of the longest horizontal bar."""
    low, high = axes.get_xlim()
    axes.set_xlim(low, high + (high - low) * share)

"""A picture on disk: three formats, its data beside it, the same bytes every time."""

from __future__ import annotations

import csv
from pathlib import Path
from xml.etree import ElementTree

import pytest

import pimsim
from pimsim.errors import InputError
from pimsim.plot.style import COLOURS, scale

MAGIC = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}


@pytest.mark.parametrize("ending", MAGIC)
def test_it_is_what_its_name_says(run: pimsim.Result, ending: str, tmp_path: Path) -> None:
    path, _ = run.plot().save(tmp_path / f"time.{ending}")
    assert path.read_bytes().startswith(MAGIC[ending])


def test_the_data_lie_beside_it(run: pimsim.Result, tmp_path: Path) -> None:
    picture = run.plot()
    _, data = picture.save(tmp_path / "time.svg")
    with data.open() as file:
        assert [float(row["time_s"]) for row in csv.DictReader(file)] == [row["time_s"] for row in picture.rows]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["time.csv", "time.svg"]


@pytest.mark.parametrize("ending", MAGIC)
def test_equal_pictures_are_equal_files(run: pimsim.Result, ending: str) -> None:
    assert run.plot().render(ending) == run.plot().render(ending)


def test_an_svg_is_well_formed_and_its_words_are_text(run: pimsim.Result) -> None:
    root = ElementTree.fromstring(run.plot().svg())
    words = {"".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"qkv", "softmax"} <= words


def test_another_format_is_refused(run: pimsim.Result, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.svg, \.pdf or \.png"):
        run.plot().save(tmp_path / "time.gif")


def test_a_missing_folder_is_refused(run: pimsim.Result, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        run.plot().save(tmp_path / "nowhere" / "time.svg")


def test_settings_are_in_force_only_while_drawing(run: pimsim.Result) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    run.plot().render("svg")
    assert dict(mpl.rcParams) == before


def test_drawing_needs_no_pyplot(run: pimsim.Result) -> None:
    import subprocess
    import sys

    code = "import sys, pimsim.plot.time, pimsim.plot.heatmap, pimsim.plot.picture; print('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_colours_are_distinct_when_printed_in_grey() -> None:
    """The first four, which most pictures use, are at least 3 % of luminance apart (ITU-R BT.709)."""
    def grey(colour: str) -> float:
        red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    greys = sorted(grey(colour) for colour in COLOURS[:4])
    assert min(b - a for a, b in zip(greys, greys[1:], strict=False)) > 0.03


@pytest.mark.parametrize(("most", "expected"), [(0.002, (1e3, "ms")), (999.0, (1.0, "s")), (1000.0, (1e-3, "ks")), (0.0, (1.0, "s")),
                                                (1e-3, (1e3, "ms")), (9.99e-4, (1e6, "us"))])  # fmt: skip
def test_axes_have_the_prefix_of_their_largest_value(most: float, expected: tuple[float, str]) -> None:
    factor, unit = scale([0.0, most], "s")
    assert (pytest.approx(factor), unit) == expected

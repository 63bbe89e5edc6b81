"""A report is one well-formed file that needs nothing else and holds the numbers of the result."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

import pimsim
from pimsim.plot.table import make
from pimsim.report import run_page, sweep_page
from pimsim.report.page import Cell, Page, Section, Table

VOID = {"meta", "link", "br", "img", "hr", "input"}
OPTIONAL = {"path", "rect", "use", "stop", "image", "line", "polygon"}


class Reader(HTMLParser):
    """Checks that elements nest; keeps ids, addresses and the tables' cells."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name in ("src", "href", "xlink:href"):
                self.addresses.append(value or "")
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag == "h2":
            self.headings.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data
        elif self.open and self.open[-1] == "h2":
            self.headings[-1] += data


def read(file: Path) -> Reader:
    reader = Reader()
    reader.feed(file.read_text(encoding="utf-8"))
    assert reader.open == []
    return reader


@pytest.fixture(params=["run_file", "sweep_file"])
def page(request: pytest.FixtureRequest) -> Reader:
    return read(request.getfixturevalue(request.param))


def test_every_id_is_there_once(page: Reader) -> None:
    assert len(page.ids) == len(set(page.ids))


def test_nothing_is_loaded_from_elsewhere(page: Reader) -> None:
    assert all(address.startswith(("#", "data:")) for address in page.addresses)


def test_links_lead_somewhere(page: Reader) -> None:
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)


def test_pictures_keep_their_parts_apart(run_file: Path) -> None:
    used = set(re.findall(r"url\(#([^)]+)\)", run_file.read_text(encoding="utf-8")))
    assert used and used <= set(read(run_file).ids)


def test_rows_have_a_cell_a_heading(page: Reader) -> None:
    assert page.tables and all(len(row) == len(table[0]) for table in page.tables for row in table)


def test_a_runs_sections(run_file: Path) -> None:
    assert read(run_file).headings == [
        "Pictures", "Summary", "Operators", "Cycles of a channel by cause", "Energy by component", "Commands", "Checks", "Tokens",
        "Validation", "Unverified numbers", "Configuration", "Workload"]  # fmt: skip


def test_every_unverified_number_and_its_source_are_there(run_file: Path, run: pimsim.Result) -> None:
    table = next(table for table in read(run_file).tables if table[0] == ["number", "value", "source"])
    assert table[1:] == [[source.path, source.value, source.source] for source in run.unverified]


def test_every_check_is_there(run_file: Path, run: pimsim.Result) -> None:
    table = next(table for table in read(run_file).tables if table[0] == ["law", "verdict"])
    assert table[1:] == [[law, "holds"] for law in run.checks]


def test_verdicts_are_counted_and_named(run_file: Path) -> None:
    text = run_file.read_text(encoding="utf-8")
    assert "Figures of others beside those of pimsim: 1 ok, 1 FAIL." in text
    assert "layers &amp; &lt;heads&gt;" in text


def test_a_sweeps_sections(sweep_file: Path) -> None:
    assert read(sweep_file).headings == ["Pictures", "Best points", "Points", "Failed points", "Sweep"]


def test_a_sweep_names_its_best_points(sweep_file: Path) -> None:
    table = next(table for table in read(sweep_file).tables if table[0][:2] == ["objective", "value"])
    assert table[1] == ["least time", "0.5", "a", "16"]


def test_a_point_without_a_metric_is_not_the_best_of_it() -> None:
    frame = pd.DataFrame([{"system": "gpu", "time_s": 1.0, "area_mm2.total": None}, {"system": "pim", "time_s": 2.0, "area_mm2.total": 5.0},
                          {"system": "npu", "time_s": 3.0, "area_mm2.total": 4.0}])  # fmt: skip
    reader = Reader()
    reader.feed(sweep_page(make("x", frame, {"axes": ["system"], "objectives": {"area_mm2.total": "min"}})))
    assert [row[2] for row in reader.tables[0][1:]] == ["npu", "gpu"]


def test_equal_results_give_equal_files(run: pimsim.Result) -> None:
    assert run_page(run) == run_page(run)


def test_what_a_cell_says_cannot_become_markup() -> None:
    text = Page("<title>", [("a", "<b>")], [Section("<s>", tables=[Table(("<h>",), [[Cell("<td>", '"x')]])])]).render()
    assert "<td>&lt;td&gt;</td>" not in text and "&lt;td&gt;" in text and 'data-value="&#34;x"' in text

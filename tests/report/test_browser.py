"""The report in a real Chromium: no errors, tables sort, pictures show."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page without network that fails the test if it complains, or asks for anything."""
    context = browser.new_context(offline=True, viewport={"width": 1200, "height": 900})
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: complaints.append(request.url) if not request.url.startswith(("file:", "data:")) else None)
    yield opened
    context.close()
    assert complaints == []


@pytest.mark.parametrize("name", ["run_file", "sweep_file"])
def test_pictures_show(page: Any, name: str, request: pytest.FixtureRequest) -> None:
    page.goto(request.getfixturevalue(name).as_uri())
    boxes = [picture.bounding_box() for picture in page.query_selector_all("figure svg")]
    assert len(boxes) >= 3 and all(box["width"] > 200 and box["height"] > 100 for box in boxes)
    assert page.evaluate("[...document.querySelectorAll('figure svg text')].every(t => t.getBoundingClientRect().width > 0)")


def test_a_page_is_no_wider_than_the_window(page: Any, run_file: Path) -> None:
    page.goto(run_file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def column(page: Any, section: str, heading: str) -> list[str]:
    return page.evaluate("""([section, heading]) => {
        const table = document.querySelector(`#${section} table`);
        const index = [...table.tHead.rows[0].cells].findIndex((cell) => cell.innerText.startsWith(heading));
        return [...table.tBodies[0].rows].map((row) => row.cells[index].dataset.value);
    }""", [section, heading])  # type: ignore[no-any-return]


def press(page: Any, section: str, heading: str) -> None:
    page.locator(f"#{section} table").first.get_by_role("button", name=heading, exact=True).click()


def test_numbers_sort_by_size_both_ways(page: Any, run_file: Path) -> None:
    page.goto(run_file.as_uri())
    press(page, "operators", "time")
    values = [float(value) for value in column(page, "operators", "time")]
    assert values == sorted(values, reverse=True) and len(values) == 11
    press(page, "operators", "time")
    assert [float(value) for value in column(page, "operators", "time")] == values[::-1]


def test_names_sort_by_the_alphabet_and_rows_stay_together(page: Any, run_file: Path) -> None:
    page.goto(run_file.as_uri())
    before = dict(zip(column(page, "operators", "operator"), column(page, "operators", "macs"), strict=True))
    press(page, "operators", "operator")
    names = column(page, "operators", "operator")
    assert names == sorted(names)
    assert dict(zip(names, column(page, "operators", "macs"), strict=True)) == before


def test_what_is_sorted_is_said_to_those_who_cannot_see_it(page: Any, run_file: Path) -> None:
    page.goto(run_file.as_uri())
    press(page, "commands", "count")
    assert page.locator("#commands th[aria-sort='descending']").inner_text().startswith("count")

"""The pages that describe formats name everything that there is."""

from __future__ import annotations

import re

import pytest

import pimsim
from pimsim import plot
from pimsim.cli.main import COMMANDS
from tests.docs.page import ROOT


@pytest.fixture(scope="module")
def result(tiny: str) -> pimsim.Result:
    return pimsim.run("pim-gpt", tiny, blame=True)


@pytest.fixture(scope="module")
def named() -> set[str]:
    """What docs/results.md names in code font."""
    return set(re.findall(r"`([^`]+)`", (ROOT / "docs" / "results.md").read_text(encoding="utf-8")))


def test_every_key_of_the_summary_is_described(result: pimsim.Result, named: set[str]) -> None:
    assert result.facts.keys() <= named


def test_every_table_and_column_is_described(result: pimsim.Result, named: set[str]) -> None:
    assert result.tables.keys() <= named
    columns = {column for rows in result.tables.values() for column in rows[0]}
    assert {c for c in columns if not c.endswith(("_cycles", "_utilisation"))} <= named


def test_every_cause_is_described(result: pimsim.Result, named: set[str]) -> None:
    causes = {column.removesuffix("_cycles") for column in result.operator_rows[0] if column.endswith("_cycles")}
    assert causes | result.facts["cycles_by_cause"].keys() <= named


def test_no_key_is_described_that_a_run_does_not_have(result: pimsim.Result) -> None:
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    table = text.split("## The summary")[1].split("## Tables")[0]
    first = {name for row in re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)}
    assert first <= result.facts.keys()


def test_every_picture_has_a_module() -> None:
    kinds = {**plot.RUN_KINDS, **plot.SWEEP_KINDS}
    assert all((ROOT / "pimsim" / "plot" / f"{kind}.py").is_file() for kind in kinds)


def test_every_page_is_in_the_contents() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8").split()
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"} <= set(index)


def test_commands_carry_their_own_names() -> None:
    import click

    from pimsim.cli.main import cli

    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None and command.name == name and name in COMMANDS


def commands() -> list[tuple[str, str]]:
    """(page, command) of every line of a fenced block that calls pimsim, what is said behind it left out."""
    found = []
    for page in sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")]):
        for block in re.findall(r"^```(?:console)?[ \t]*\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                call = re.match(r"(?:\$ )?(pimsim [a-z].*?)(?:\s{2,}(?!-).*|\s#.*|;.*|)$", line)
                if call:
                    found.append((page.name, call[1]))
    return found


@pytest.mark.parametrize(("page", "command"), commands())
def test_every_command_on_a_page_has_the_options_that_it_names(page: str, command: str) -> None:
    """Examples (``console``) run elsewhere; those that are only listed, since they take long or need files, parse."""
    import shlex

    import click

    from pimsim.cli.main import cli

    _, name, *words = shlex.split(command)
    found = cli.get_command(click.Context(cli), name)
    assert found is not None, f"{page}: {command}"
    found.make_context(name, words)

"""Run folders: written whole or not at all, and read back equal."""

import csv
import json
from pathlib import Path

import pytest

import pimsim
from pimsim.config import load_system, load_workload
from pimsim.errors import InputError
from pimsim.results import folder

FILES = {"summary.json", "tables.json", "operators.csv", "tokens.csv", "cycles_by_cause.csv", "config.yaml", "workload.yaml",
         "provenance.csv", "report.txt", "activity.csv"}  # fmt: skip


@pytest.fixture(scope="module")
def written(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[pimsim.Result, Path]:
    path = tmp_path_factory.mktemp("runs") / "below" / "run"
    return pimsim.run("pim-gpt", tiny, out=path, blame=True), path


def test_a_run_folder_holds_its_files_and_nothing_else(written: tuple[pimsim.Result, Path]) -> None:
    _, path = written
    assert {file.name for file in path.iterdir()} == FILES
    assert [p.name for p in path.parent.iterdir()] == ["run"]


def test_the_summary_is_exactly_that_of_the_result(written: tuple[pimsim.Result, Path]) -> None:
    result, path = written
    assert json.loads((path / "summary.json").read_text()) == result.summary()


def test_what_is_read_back_equals_what_was_written(written: tuple[pimsim.Result, Path]) -> None:
    result, path = written
    assert pimsim.load(path) == result


def test_what_is_read_back_prints_the_same_report(written: tuple[pimsim.Result, Path]) -> None:
    result, path = written
    assert pimsim.load(path).report(verbose=True) == result.report(verbose=True) == (path / "report.txt").read_text()


def test_the_written_configuration_is_the_one_that_ran(written: tuple[pimsim.Result, Path], tiny: str) -> None:
    _, path = written
    ours, theirs = load_system(path / "config.yaml"), load_system("pim-gpt")
    assert ours.model_dump(exclude={"memory": {"part"}, "asic": {"part"}, "area": {"part"}}) == \
        theirs.model_dump(exclude={"memory": {"part"}, "asic": {"part"}, "area": {"part"}})
    assert load_workload(path / "workload.yaml").model_dump(exclude={"name", "model"}) == \
        load_workload(tiny).model_dump(exclude={"name", "model"})


def test_the_written_configuration_gives_the_same_run(written: tuple[pimsim.Result, Path]) -> None:
    result, path = written
    again = pimsim.run(path / "config.yaml", path / "workload.yaml")
    assert (again.cycles, again.energy_j) == (result.cycles, result.energy_j)


def test_every_number_of_the_written_configuration_keeps_its_source(written: tuple[pimsim.Result, Path]) -> None:
    result, path = written
    lines = (path / "config.yaml").read_text().splitlines()
    assert any(line == "    tRP: 12 ns  # unverified: PIM-GPT table as remembered" for line in lines)
    assert sum("# unverified" in line for line in lines) == sum("unverified" in source.source for source in result.unverified)


def test_the_provenance_names_every_number(written: tuple[pimsim.Result, Path]) -> None:
    result, path = written
    with (path / "provenance.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [source.path for source in result.sources]


def test_causes_sum_to_the_cycles_of_the_run(written: tuple[pimsim.Result, Path]) -> None:
    result, path = written
    with (path / "cycles_by_cause.csv").open() as file:
        assert sum(float(row["cycles"]) for row in csv.DictReader(file)) == pytest.approx(result.cycles, abs=1e-6)


def test_a_run_folder_is_replaced_by_another_run(written: tuple[pimsim.Result, Path], tmp_path: Path) -> None:
    result, _ = written
    folder.write(result, tmp_path / "run")
    (tmp_path / "run" / "leftover").touch()
    folder.write(result, tmp_path / "run")
    assert {file.name for file in (tmp_path / "run").iterdir()} == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_empty_folder_is_used(written: tuple[pimsim.Result, Path], tmp_path: Path) -> None:
    folder.write(written[0], tmp_path)
    assert (tmp_path / "summary.json").is_file()


def test_a_folder_with_something_else_is_refused_and_left_alone(written: tuple[pimsim.Result, Path], tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="holds something else than a run"):
        folder.write(written[0], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_summary_of_something_else_does_not_make_a_run_folder(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text('{"total": 3}')
    with pytest.raises(InputError, match="holds something else"):
        folder.refuse(tmp_path)


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(InputError, match="is a file"):
        folder.refuse(tmp_path / "x")
    with pytest.raises(InputError, match="cannot be made"):
        folder.refuse(tmp_path / "x" / "y")


def test_nothing_is_left_where_writing_fails(written: tuple[pimsim.Result, Path], tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    folder.write(written[0], tmp_path / "run")

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device", "report.txt")

    monkeypatch.setattr(folder, "as_yaml", full)
    with pytest.raises(OSError, match="No space"):
        folder.write(written[0], tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert {file.name for file in (tmp_path / "run").iterdir()} == FILES


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: (path / "summary.json").unlink(), "is no run folder"),
        (lambda path: (path / "summary.json").write_text('{"schema_version": 99}'), "schema version 99"),
        (lambda path: (path / "tokens.csv").unlink(), "No such file"),
        (lambda path: (path / "provenance.csv").write_text("path\nx\n"), "is damaged"),
        (lambda path: (path / "config.yaml").write_text("a: [\n"), "config.yaml"),
    ],
)
def test_a_damaged_folder_is_bad_input(written: tuple[pimsim.Result, Path], tmp_path: Path, spoil, said: str) -> None:  # type: ignore[no-untyped-def]
    folder.write(written[0], tmp_path / "run")
    spoil(tmp_path / "run")
    with pytest.raises(InputError, match=said):
        pimsim.load(tmp_path / "run")


def test_a_folder_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such run folder"):
        pimsim.load(tmp_path / "nope")

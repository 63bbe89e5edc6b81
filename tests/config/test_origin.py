"""Every number of a configuration says where it comes from."""

from pathlib import Path

import pytest

from pimsim import assets
from pimsim.config import load_dram, load_system, provenance
from pimsim.config.document import dotted, leaves, read
from pimsim.config.origin import Source, is_number

ROOT = Path(__file__).parent.parent.parent
HARDWARE = sorted((ROOT / "hwconfigs").rglob("*.yaml"))


def by_path(sources: list[Source]) -> dict[str, Source]:
    return {source.path: source for source in sources}


@pytest.mark.parametrize("file", HARDWARE, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_number_that_ships_has_its_source_behind_it(file: Path) -> None:
    document = read(file)
    numbers = [path for path, value in leaves(document.data) if is_number(value)]
    assert [dotted(path) for path in numbers if not document.places[path].source] == []


def test_hardware_is_there_to_be_checked() -> None:
    assert {file.stem for file in HARDWARE} >= {"pim-gpt", "gddr6-pim", "gddr6-aim", "pim-gpt-28nm"}


def test_a_number_has_its_comment_and_its_value_as_written(system: Path) -> None:
    sources = by_path(provenance(load_system(system)))
    assert sources["memory.channels"] == Source("memory.channels", "4", "chosen", False)


def test_a_number_of_the_part_has_the_part_s_comment(system: Path) -> None:
    assert by_path(provenance(load_system(system)))["memory.rows"].source == "part sheet"


def test_unverified_and_assumed_numbers_are_marked(system: Path) -> None:
    sources = by_path(provenance(load_system(system)))
    marked = {path for path, source in sources.items() if source.unverified}
    assert marked == {"memory.pin_rate", "memory.timing.tRP"}


def test_a_number_without_a_comment_has_its_section_s(system: Path) -> None:
    assert by_path(provenance(load_system(system)))["memory.timing.tRCDRD"].source == "part sheet, page 2"


def test_an_overridden_number_comes_from_the_command_line(system: Path) -> None:
    source = by_path(provenance(load_system(system, ["memory.pin_rate=8 Gb/s"])))["memory.pin_rate"]
    assert source == Source("memory.pin_rate", "8 Gb/s", "--set", False)


def test_an_unsplit_override_is_the_source_of_all_forms(system: Path) -> None:
    sources = by_path(provenance(load_system(system, ["memory.timing.tRCD=14 ns"])))
    assert {sources[f"memory.timing.{name}"].source for name in ("tRCDRD", "tRCDWR")} == {"--set"}


def test_pimsim_s_own_defaults_say_so(system: Path) -> None:
    assert by_path(provenance(load_system(system)))["scheduler.max_batch"].source == "default"


def test_every_number_is_listed_once(system: Path) -> None:
    paths = [source.path for source in provenance(load_system(system))]
    assert len(paths) == len(set(paths))
    assert "memory.timing.tRCDWR" in paths


@pytest.mark.parametrize("part", assets.list_assets("dram"))
def test_no_number_of_a_part_is_a_default_but_the_controller_s(part: str) -> None:
    defaults = {source.path for source in provenance(load_dram(part)) if source.source == "default"}
    assert {path for path in defaults if not path.startswith("controller.")} <= {"memory.sids"}


def test_what_the_paper_s_table_gives_only_from_memory_is_unverified() -> None:
    sources = by_path(provenance(load_system("pim-gpt")))
    remembered = ["tRCDRD", "tRCDWR", "tRCDMAC", "tRP", "tCCDS", "tCCDL", "tWR", "tRFCab", "tREFI"]
    assert all(sources[f"memory.timing.{name}"].unverified for name in remembered)
    assert all(source.unverified for path, source in sources.items() if ".paper." in path)
    assert not sources["memory.timing.tRAS"].unverified
    assert not sources["memory.currents.IDD0"].unverified


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, True), (1.5, True), ("12 ns", True), ("27 ck", True), (True, False), (None, False), ("3x-read", False),
     ("bf16", False), ("TSMC 28 nm", False)],
)
def test_numbers_are_told_from_names(value: object, number: bool) -> None:
    assert is_number(value) is number

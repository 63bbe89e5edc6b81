"""Areas add up, scale with what they count, and agree with what was published."""

import pytest

import pimsim
from pimsim.config import load_system
from pimsim.results.area import area_mm2


def area(system: str, *overrides: str) -> dict[str, float]:
    found = area_mm2(load_system(system, overrides))
    assert found is not None
    return found


@pytest.mark.parametrize("system", ["pim-gpt", "pim-gpt-large", "neupims", "npu-pim", "npu-only"])
def test_parts_add_up_to_the_total(system: str) -> None:
    found = area(system)
    assert found.pop("total") == pytest.approx(sum(found.values()))


@pytest.mark.parametrize("system", ["pim-gpt", "pim-gpt-large"])
def test_the_asic_of_pim_gpt_has_its_published_area(system: str) -> None:
    published = load_system(system).asic.area  # type: ignore[union-attr]
    assert sum(value for name, value in area(system).items() if name.startswith("asic_")) == pytest.approx(published, rel=0.001)


def test_a_processing_unit_of_aim_is_0_19_mm2() -> None:
    assert area("pim-gpt")["mac"] / 128 == pytest.approx(0.19)


def test_a_second_row_buffer_adds_3_11_percent_to_the_memory() -> None:
    one, two = area("npu-pim"), area("neupims")
    memory = 256 * 11.5  # 32 GiB of 8 Gb dies of 92 mm2
    assert two["row_buffers"] / memory == pytest.approx(0.0311)
    assert two["total"] - one["total"] == pytest.approx(two["row_buffers"])


@pytest.mark.parametrize(
    ("override", "part", "factor"),
    [("memory.channels=16", "mac", 2), ("pim.lanes=8", "mac", 0.5), ("asic.adders=512", "asic_adders", 2),
     ("asic.sram_bytes=256 KiB", "asic_sram", 2), ("asic.clock=2 GHz", "total", 1)],
)  # fmt: skip
def test_a_part_scales_with_what_it_counts(override: str, part: str, factor: float) -> None:
    assert area("pim-gpt", override)[part] == pytest.approx(factor * area("pim-gpt")[part])


def test_an_npu_alone_has_no_mac_units() -> None:
    assert area("npu-only")["mac"] == area("npu-only")["row_buffers"] == 0


def test_what_is_not_known_has_no_area() -> None:
    config = load_system("pim-gpt")
    assert area_mm2(config.model_copy(update={"area": None})) is None
    assert area_mm2(config.model_copy(update={"area": config.area.model_copy(update={"adder": None})})) is None  # type: ignore[union-attr]


def test_the_summary_has_it(tiny: str) -> None:
    assert pimsim.run("pim-gpt", tiny).summary()["area_mm2"] == area("pim-gpt")

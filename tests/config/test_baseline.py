"""Baselines in YAML: their own class, problems as good as anybody's, and what is assumed is marked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pimsim.config import BaselineConfig, IdealConfig, load_any, load_efficiency, load_system, provenance, schema
from pimsim.errors import InputError

T4 = Path("hwconfigs/gpu-t4.yaml")


def problems(*args: object) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_any(*args)  # type: ignore[arg-type]
    return [str(replace(problem, file=Path(problem.file).name)) for problem in caught.value.problems]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "kind: gpu\ndevice:\n  memory: 16 GB\n  bandwidth: 320 GB/s  # sheet\n  matrix: 65 TFLOP/s\n  units: 40\n  power: 70 W\n"
        "execution:\n  mode: eager\nefficiency:\n  part: gpu\n"
    )
    return file


def edited(file: Path, old: str, new: str) -> Path:
    file.write_text(file.read_text().replace(old, new))
    return file


def test_kind_chooses_the_class() -> None:
    assert isinstance(load_any("gpu-t4"), BaselineConfig)
    assert isinstance(load_any("cpu-epyc-9654"), BaselineConfig)
    assert isinstance(load_any("ideal-non-pim"), IdealConfig)
    assert load_any("pim-gpt").kind == "pim-gpt"


def test_efficiencies_come_from_their_part(written: Path) -> None:
    config = load_any(written)
    assert isinstance(config, BaselineConfig)
    assert config.efficiency.matmul == load_efficiency("gpu").efficiency.matmul


def test_override_of_one_efficiency_leaves_the_others(written: Path) -> None:
    config = load_any(written, ["efficiency.matmul.bandwidth=0.5"])
    assert isinstance(config, BaselineConfig)
    assert config.efficiency.matmul.bandwidth == 0.5
    assert config.efficiency.matmul.overhead == load_efficiency("gpu").efficiency.matmul.overhead


def test_every_problem_is_reported_at_its_place(written: Path) -> None:
    edited(written, "bandwidth", "bandwith")
    edited(written, "eager", "eagre")
    assert problems(written) == [
        "mine.yaml:2:1: device.bandwidth: is missing; peak bandwidth of its memory",
        "mine.yaml:4:3: device.bandwith: unknown key 'bandwith'; did you mean 'bandwidth'?",
        "mine.yaml:9:9: execution.mode: 'eagre' is not a choice here; did you mean 'eager'? allowed: graph, eager",
    ]


@pytest.mark.parametrize(("override", "said"), [
    ("efficiency.matmul.bandwidth=0", "0 is no share of a peak; above 0, at most 1"),
    ("efficiency.matmul.bandwidth=1.5", "1.5 is not between 0 and 1; 0 to 1"),
    ("efficiency.host.calls.matmull=3", "'matmull' is not a class of operators"),
    ("execution.dtype=fp17", "'fp17' is not a data type; did you mean 'fp16'?"),
    ("device.matrix=65 TFLOPS", "'TFLOPS' is not a unit of computing rate"),
    ("device.units=0", "0 is zero; more than zero"),
    ("efficiency.part=gpuu", "'gpuu' is not a set of efficiencies that ships"),
])  # fmt: skip
def test_bad_values_are_refused(override: str, said: str) -> None:
    assert any(said in problem for problem in problems("gpu-t4", [override]))


def test_kind_that_is_nearly_a_baseline_is_named(written: Path) -> None:
    assert problems(edited(written, "kind: gpu", "kind: gpuu")) == [
        "mine.yaml:1:7: kind: unknown kind of system 'gpuu' with a device; did you mean 'gpu'?"]  # fmt: skip


def test_baseline_is_no_system_with_commands() -> None:
    with pytest.raises(InputError, match="kind: a system of kind 'gpu' has no commands to look into"):
        load_system("gpu-t4")


@pytest.mark.parametrize(("system", "assumed"), [("gpu-h200", False), ("gpu-h100", True), ("gpu-t4", True)])
def test_kernels_are_assumed_on_every_gpu_but_the_one_they_were_calibrated_on(system: str, assumed: bool) -> None:
    sources = {source.path: source for source in provenance(load_any(system))}
    assert sources["efficiency.matmul.overhead"].unverified is assumed
    assert sources["efficiency.matmul.overhead"].source.endswith("calibrated on H200")


def test_host_is_calibrated_on_the_a100_only() -> None:
    for system, assumed in (("gpu-a100-80", False), ("gpu-h200", True)):
        sources = {source.path: source for source in provenance(load_any(system))}
        assert sources["efficiency.host.call"].unverified is assumed


def test_every_efficiency_of_a_cpu_is_assumed() -> None:
    found = [source for source in provenance(load_any("cpu-xeon-6154")) if source.path.startswith("efficiency")]
    assert all(source.unverified for source in found if not source.source.startswith(("default", "counted")))


def test_every_peak_has_a_source() -> None:
    for system in ("gpu-t4", "gpu-a100-40", "gpu-a100-80", "gpu-h100", "gpu-h200", "gpu-rtx4090", "gpu-jetson-orin", "cpu-xeon-6154",
                   "cpu-epyc-9654"):  # fmt: skip
        assert all(source.source for source in provenance(load_any(system)) if source.path.startswith("device."))


def test_schemas() -> None:
    assert schema("baseline")["title"] == "pimsim baseline"
    assert "efficiency" in schema("efficiency")["properties"]
    assert schema("ideal-non-pim")["properties"]["kind"]["const"] == "ideal-non-pim"

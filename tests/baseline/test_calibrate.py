"""``pimsim calibrate gpu`` without a GPU: a bench with known constants."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pimsim.baseline.bench import fit, from_csv
from pimsim.baseline.calibrate import Calibration, calibrate, record
from pimsim.baseline.fit import KERNELS, replaced, value
from pimsim.cli.main import main
from pimsim.config import BaselineConfig, load_any, load_efficiency
from tests.baseline.synthetic import SyntheticBench

TRUE = {
    "matmul.overhead": 2.1e-6, "matmul.bandwidth": 0.91, "matmul.compute": 0.66, "attention.overhead": 6.2e-6, "attention.bandwidth": 0.83,
    "attention.task": 3.9e-6, "attention.chain": 11e-9, "norm.overhead": 2.4e-6, "norm.chain": 0.7e-9, "elementwise.overhead": 1.7e-6,
    "elementwise.bandwidth": 0.62,
}  # fmt: skip


class SlowDecoders(SyntheticBench):
    """Between others, a kernel takes longer."""

    between_s = 0.5e-6

    def decoder(self, width: int, heads: int, layers: int, batch: int, context: int) -> tuple[float, float]:
        seconds, watts = super().decoder(width, heads, layers, batch, context)
        return seconds + 12 * layers * self.between_s, watts


def bench(name: str = "NVIDIA A100-SXM4-80GB", noise: float = 0.0, **more: float) -> SyntheticBench:
    shipped = load_any("gpu-a100-80")
    assert isinstance(shipped, BaselineConfig)
    return SyntheticBench(shipped.device, replaced(load_efficiency("gpu").efficiency, KERNELS, TRUE), name, noise, **more)


def calibrated(tmp_path: Path, measured: SyntheticBench) -> tuple[Calibration, BaselineConfig]:
    done = calibrate(record(measured, "2026-01-01", lambda text: None), "mine")
    file = tmp_path / "mine.yaml"
    file.write_text(done.yaml)
    config = load_any(file)
    assert isinstance(config, BaselineConfig)
    return done, config


def test_constants_of_a_bench_without_noise_come_back(tmp_path: Path) -> None:
    _, config = calibrated(tmp_path, bench())
    assert {name: value(config.efficiency, name) for name in TRUE} == pytest.approx(TRUE, rel=2e-3)


def test_noise_of_five_percent_leaves_every_prediction_within_ten(tmp_path: Path) -> None:
    done, _ = calibrated(tmp_path, bench(noise=0.05))
    assert 0.01 < done.errors["kernels by themselves, held out"][1] < 0.05
    assert max(worst for _, _, worst in done.errors.values()) < 0.10


def test_every_second_case_is_held_out() -> None:
    done = calibrate(record(bench(), "2026-01-01", lambda text: None), "mine")
    assert {what: found[0] for what, found in done.errors.items()} == {
        "kernels by themselves, fitted": 110, "kernels by themselves, held out": 110, "whole decoders, fitted": 3,
        "whole decoders, held out": 2}  # fmt: skip


def test_what_kernels_take_longer_in_a_decoder_is_added_to_every_overhead() -> None:
    measured = record(SlowDecoders(bench().device, bench().efficiency), "2026-01-01", lambda text: None)
    fitted = fit(measured.measured, bench().device, load_efficiency("gpu").efficiency, 1e-4)
    for name in ("matmul", "attention", "norm", "elementwise", "append"):
        more = value(fitted.efficiency, f"{name}.overhead") - value(fitted.alone, f"{name}.overhead")
        assert more == pytest.approx(SlowDecoders.between_s, rel=0.02), name


def test_measurements_can_be_fitted_again(tmp_path: Path) -> None:
    done, _ = calibrated(tmp_path, bench(noise=0.02))
    again = calibrate(from_csv(done.rows), "mine")
    for what, found in done.errors.items():
        assert again.errors[what] == pytest.approx(found, abs=1e-4)
    assert from_csv(again.rows) == from_csv(done.rows)


def test_call_of_the_host_and_power_are_taken_over(tmp_path: Path) -> None:
    measured = bench(call_s=7e-6)
    _, config = calibrated(tmp_path, measured)
    assert value(config.efficiency, "host.call") == pytest.approx(7e-6)
    assert config.efficiency.power.active == pytest.approx(measured.efficiency.power.active, rel=1e-3)
    assert config.efficiency.power.memory == pytest.approx(measured.efficiency.power.memory, rel=1e-3)


def test_peaks_of_a_known_gpu_are_its_data_sheets(tmp_path: Path) -> None:
    _, config = calibrated(tmp_path, bench())
    assert config.device == load_any("gpu-a100-80").device


def test_peaks_of_an_unknown_gpu_are_measured(tmp_path: Path) -> None:
    _, config = calibrated(tmp_path, bench("NVIDIA Something"))
    assert config.device.bandwidth == pytest.approx(0.9 * 2039e9)
    assert config.device.matrix == pytest.approx(0.66 * 312e12, rel=0.01)


def test_what_does_not_fit_into_the_memory_is_left_out(tmp_path: Path) -> None:
    done, config = calibrated(tmp_path, bench(most_bytes=2e8))
    assert "nan" not in done.rows
    assert value(config.efficiency, "matmul.overhead") == pytest.approx(TRUE["matmul.overhead"], rel=5e-3)


def test_constants_are_no_assumption_on_the_gpu_that_they_were_measured_on(tmp_path: Path) -> None:
    from pimsim.config import provenance

    _, config = calibrated(tmp_path, bench())
    sources = {source.path: source for source in provenance(config)}
    assert not sources["efficiency.matmul.overhead"].unverified
    assert sources["efficiency.matmul.overhead"].source == "calibrated on NVIDIA A100-SXM4-80GB, no software, 2026-01-01"
    assert sources["efficiency.power.compute"].unverified


def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SystemExit) as left:
        main(["calibrate", "gpu"])
    assert left.value.code == 2
    assert capsys.readouterr().err == "PyTorch is not installed; pip install 'pimsim[gpu]', on a machine with an NVIDIA GPU\n"


def test_failure_of_cuda_is_a_failed_run_and_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from pimsim.baseline import torch_bench

    class Broken(SyntheticBench):
        def product(self, rows: int, cols: int, tokens: int) -> float:
            raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(torch_bench, "torch_bench", lambda: Broken(bench().device, bench().efficiency, bench().name))
    with pytest.raises(SystemExit) as left:
        main(["calibrate", "gpu"])
    assert left.value.code == 1
    assert capsys.readouterr().err.endswith("measuring failed: CUDA out of memory\n")


def test_folder_that_is_not_there_is_refused_before_anything_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["calibrate", "gpu", "-o", "/no/such/folder/gpu.yaml"])
    assert left.value.code == 2
    assert "there is no folder '/no/such/folder'" in capsys.readouterr().err


def test_help_names_the_extra() -> None:
    from pimsim.cli.calibrate import command

    assert "pimsim[gpu]" in CliRunner().invoke(command, ["--help"]).output


def test_rows_file_is_fitted_without_a_gpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done, _ = calibrated(tmp_path, bench())
    rows = tmp_path / "before.csv"
    rows.write_text(done.rows)
    with pytest.raises(SystemExit) as left:
        main(["calibrate", "gpu", "--rows", str(rows), "-o", str(tmp_path / "again.yaml")])
    assert left.value.code == 0
    assert "wrote" in capsys.readouterr().err
    assert load_any(tmp_path / "again.yaml").name == "again"


def test_rows_file_of_something_else_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = tmp_path / "other.csv"
    rows.write_text("a,b\n1,2\n")
    with pytest.raises(SystemExit) as left:
        main(["calibrate", "gpu", "--rows", str(rows)])
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith(f"{rows}: is not what pimsim calibrate gpu measured")


@pytest.mark.parametrize(("old", "new", "said"), [
    ("decoder,", "decorator,", "unknown kind 'decorator'"),
    ("append,1x768,", "append,1,", "no sizes of kind 'append': 1"),
    ("append,1x768,", "append,0x768,", "no sizes of kind 'append': 0x768"),
    ("decoder,768x12x12x1x512,yes,", "decoder,768x12x12x1x512,yes,-", "is no time or power"),
    (",yes,", ",no,", "no fitted row of kind 'product'"),
])  # fmt: skip
def test_rows_that_were_spoilt_are_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = calibrated(tmp_path, bench())[0].rows
    assert old in text
    with pytest.raises(ValueError, match=said):
        from_csv(text.replace(old, new))

"""Systems and run folders against one another."""

from __future__ import annotations

from pathlib import Path

import pytest

import pimsim
from pimsim.compare.matrix import Cell, Matrix, as_json, cell, compare, report
from pimsim.errors import InputError


def matrix(*, over_others: bool = True) -> Matrix:
    """a: 8 and 2 tokens/s at 2 and 1 tokens/J; b: 2 and 1 at 4 and no energy."""
    cells = [Cell("a", "w", 8, 2, 1, 4), Cell("a", "v", 2, 1, 1, 2), Cell("b", "w", 2, 4, 4, 0.5), Cell("b", "v", 1, None, 2, None)]
    return Matrix(("a", "b"), ("w", "v"), {(c.system, c.workload): c for c in cells}, over_others)


def nothing(text: str) -> None:
    pass


def test_first_system_is_compared_with_the_others() -> None:
    assert matrix().ratio("tokens_per_s", "b", "w") == 4
    assert matrix().ratio("tokens_per_j", "b", "w") == 0.5


def test_others_are_compared_with_a_baseline() -> None:
    assert matrix(over_others=False).ratio("tokens_per_s", "b", "w") == 0.25


def test_mean_is_geometric() -> None:
    assert matrix().mean("tokens_per_s", "b") == pytest.approx((4 * 2) ** 0.5)


def test_what_has_no_energy_is_left_out_of_the_mean() -> None:
    assert matrix().ratio("tokens_per_j", "b", "v") is None
    assert matrix().mean("tokens_per_j", "b") == pytest.approx(0.5)


def test_json_has_every_run_ratio_and_mean() -> None:
    found = as_json(matrix())
    assert found["reference"] == "a"
    assert len(found["runs"]) == 4
    assert found["speedup"] == {"b": {"w": 4, "v": 2}}
    assert found["energy_efficiency"] == {"b": {"w": 0.5, "v": None}}
    assert found["geometric_mean"]["speedup"]["b"] == pytest.approx(8**0.5)


def test_report_says_what_is_over_what() -> None:
    assert "Speed-up: a over" in report(matrix())
    assert "Speed-up: over a" in report(matrix(over_others=False))
    assert "geometric mean" in report(matrix())


def test_run_without_tokens_counts_as_one() -> None:
    assert cell({"tokens": 0, "time_s": 0.5, "energy_j": {"total": 4}, "system": "s", "workload": "w"}).tokens_per_s == 2


def test_systems_are_run_on_every_workload(tiny: str) -> None:
    found = compare(["gpu-h200", "gpu-t4"], [tiny, "gpt2-small"], None, ["workload.output_tokens=3"], nothing)
    assert set(found.cells) == {(s, w) for s in ("gpu-h200", "gpu-t4") for w in (tiny, "gpt2-small")}
    fast, slow = (pimsim.run(s, tiny, **{"workload.output_tokens": 3}).time_s for s in ("gpu-h200", "gpu-t4"))
    assert found.ratio("tokens_per_s", "gpu-t4", tiny) == pytest.approx(slow / fast)


def test_folders_bring_their_own_workload(tiny: str, tmp_path: Path) -> None:
    for system in ("gpu-h200", "gpu-t4"):
        pimsim.run(system, tiny, out=tmp_path / system)
    found = compare([str(tmp_path / "gpu-h200"), str(tmp_path / "gpu-t4")], [], None, [], nothing)
    assert found.systems == ("gpu-h200", "gpu-t4")
    assert found.workloads == ("tiny",)


def test_two_folders_of_one_system_keep_their_names(tiny: str, tmp_path: Path) -> None:
    pimsim.run("gpu-h200", tiny, out=tmp_path / "a")
    pimsim.run("gpu-h200", tiny, out=tmp_path / "b", **{"device.bandwidth": "1 TB/s"})
    found = compare([str(tmp_path / "a"), str(tmp_path / "b")], [], None, [], nothing)
    assert found.systems == (str(tmp_path / "a"), str(tmp_path / "b"))
    ratio = found.ratio("tokens_per_s", str(tmp_path / "b"), "tiny")
    assert ratio is not None and ratio > 1


def test_name_that_ships_is_a_system_though_a_folder_has_it(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gpu-t4").mkdir()
    monkeypatch.chdir(tmp_path)
    assert compare(["gpu-h200", "gpu-t4"], [tiny], None, [], nothing).systems == ("gpu-h200", "gpu-t4")


def test_folder_without_a_run_is_refused(tmp_path: Path, tiny: str) -> None:
    with pytest.raises(InputError, match="is no run folder"):
        compare([str(tmp_path), "gpu-t4"], [tiny], None, [], nothing)


def test_baseline_comes_first(tiny: str) -> None:
    found = compare(["gpu-h200", "gpu-t4"], [tiny], "gpu-t4", [], nothing)
    assert (found.reference, found.over_others) == ("gpu-t4", False)


@pytest.mark.parametrize(("things", "baseline", "said"), [
    (["gpu-h200"], None, "one thing alone cannot be compared"),
    (["gpu-h200", "gpu-t4"], "gpu-t5", "'gpu-t5' is not compared; did you mean 'gpu-t4'?"),
    (["gpu-h200", "gpu-h200"], None, "the same thing twice"),
    (["gpu-h200", "gpu-t5"], None, "'gpu-t5' is not a system that ships"),
])  # fmt: skip
def test_bad_input_is_refused(tiny: str, things: list[str], baseline: str | None, said: str) -> None:
    with pytest.raises(InputError, match=said.replace("?", r"\?")):
        compare(things, [tiny], baseline, [], nothing)


def test_problems_of_all_runs_are_reported_at_once(tiny: str) -> None:
    with pytest.raises(InputError) as caught:
        compare(["gpu-t5", "gpu-t6"], [tiny], None, [], nothing)
    assert len(caught.value.problems) == 2


def test_system_beside_a_folder_runs_what_the_folder_ran(tiny: str, tmp_path: Path) -> None:
    folder = str(tmp_path / "a")
    pimsim.run("gpu-t4", tiny, out=folder, **{"workload.output_tokens": 2, "workload.batch": 3})
    said: list[str] = []
    found = compare([folder, "gpu-h200"], [], None, [], said.append)
    expected = pimsim.run("gpu-h200", tiny, **{"workload.output_tokens": 2, "workload.batch": 3}).time_s
    assert found.cells["gpu-h200", "tiny"].time_s == expected
    assert said == ["gpu-h200: tiny"]


def test_what_differs_between_workloads_of_one_name_is_told(tiny: str, tmp_path: Path) -> None:
    folders = [str(tmp_path / name) for name in "ab"]
    for folder, tokens in zip(folders, (2, 3), strict=True):
        pimsim.run("gpu-t4", tiny, out=folder, **{"workload.output_tokens": tokens})
    said: list[str] = []
    compare(folders, [], None, [], said.append)
    assert said == [f"note: tiny is not the same: output_tokens is 3 for {folders[1]}, 2 for {folders[0]}"]


def test_nothing_runs_before_all_names_are_known(tiny: str) -> None:
    said: list[str] = []
    with pytest.raises(InputError, match="'no-such' is not a workload"):
        compare(["gpu-t4", "gpu-h200"], [tiny, "no-such"], None, [], said.append)
    assert not said

"""Points resolve to keys: the same for the same work, another for any other, and axes that are wrong are named."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pimsim.config import load_any_and_workload
from pimsim.config.sweep import load_sweep
from pimsim.errors import InputError
from pimsim.sweep import plan as planning
from pimsim.sweep.plan import label, make_plan, result_key

Spec = dict[str, Any]


def keys(spec: Spec) -> list[str]:
    return [point.key for point in make_plan(load_sweep(spec)).points]


def said(text: str, tiny: str, tmp_path: Path) -> list[str]:
    file = tmp_path / "s.yaml"
    file.write_text(f"workload: {tiny}\n{text}")
    with pytest.raises(InputError) as caught:
        make_plan(load_sweep(file))
    return [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems]


def test_every_point_has_a_key_of_its_own(spec: Spec) -> None:
    assert len(set(keys(spec))) == 6


def test_the_key_of_a_point_does_not_depend_on_the_other_axes_of_the_sweep(spec: Spec) -> None:
    alone = {"workload": spec["workload"], "axes": {"asic.adders": [256], "memory.channels": [2]}}
    assert keys(alone)[0] in keys(spec)


def test_the_same_quantity_in_other_units_is_the_same_point(spec: Spec) -> None:
    one, other = keys(spec | {"axes": {"asic.clock": ["1 GHz", "1000 MHz"]}})
    assert one == other


def test_a_copy_of_the_files_elsewhere_is_the_same_point(spec: Spec, tmp_path: Path) -> None:
    here = Path(spec["workload"])
    shutil.copytree(here.parent, tmp_path / "there")
    assert keys(spec) == keys(spec | {"workload": str(tmp_path / "there" / here.name)})


def test_another_model_under_the_same_name_is_another_point(spec: Spec, tmp_path: Path) -> None:
    here = Path(spec["workload"])
    shutil.copytree(here.parent, tmp_path / "there")
    file = tmp_path / "there" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"n_layer": 4}))
    assert not set(keys(spec)) & set(keys(spec | {"workload": str(tmp_path / "there" / here.name)}))


def test_other_code_makes_other_points(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys(spec)
    monkeypatch.setattr(planning, "code_identity", lambda: "other")
    assert not set(before) & set(keys(spec))


def test_request_files_count_by_what_is_in_them(tmp_path: Path) -> None:
    made = []
    for number, lengths in enumerate((("3,4",), ("3,5",), ("3,4",))):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "r.csv").write_text("\n".join(["prompt_tokens,output_tokens", *lengths]) + "\n")
        (folder / "w.yaml").write_text("model: gpt2-small\nrequests: r.csv\n")
        made.append(result_key(*load_any_and_workload("pim-gpt", folder / "w.yaml")))
    assert made[0] == made[2] != made[1]


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("memory.chanels", "memory.channels"), ("channels", "memory.channels"), ("asic.clok", "asic.clock"),
        ("workload.batsh", "workload.batch"), ("controler.refresh", "controller.refresh"), ("memory.channels.x", "memory.channels"),
    ],
)  # fmt: skip
def test_an_axis_that_is_no_path_is_answered_with_the_nearest(path: str, nearest: str, tiny: str, tmp_path: Path) -> None:
    assert said(f"axes:\n  {path}: [1]\n", tiny, tmp_path) == [
        f"3:3: axes.{path}: there is no configuration path '{path}'; did you mean '{nearest}'?"]


def test_an_axis_like_no_path_is_answered_with_where_to_look(tiny: str, tmp_path: Path) -> None:
    assert said("zip: [{nothing.of.it: [1]}]\n", tiny, tmp_path) == [
        "2:8: zip.0.nothing.of.it: there is no configuration path 'nothing.of.it'; "
        "pimsim schema system and pimsim schema workload list what there is"]  # fmt: skip


def test_values_that_are_always_refused_are_said_at_their_place(tiny: str, tmp_path: Path) -> None:
    text = "axes:\n  memory.row_buffers: [1, 5]\n  asic.clock: [fast, 1 GHz]\n  memory.timing.tRCX: [1 ns]\n"
    assert said(text, tiny, tmp_path) == [
        "4:16: axes.asic.clock.0: 'fast' is not a quantity; a number and a unit, for example '1 GHz'",
        "5:24: axes.memory.timing.tRCX.0: unknown timing name 'tRCX'; did you mean 'tRC'?",
        "3:27: axes.memory.row_buffers.1: 5 row buffers; 1 or 2",
    ]


def test_a_combination_that_is_refused_is_a_point_with_problems(spec: Spec) -> None:
    plan = make_plan(load_sweep(spec | {"axes": {"memory.banks": [8, 16], "memory.bankgroups": [4, 16]}}))
    assert [bool(point.problems) for point in plan.points] == [False, True, False, False]


def test_systems_and_workloads_that_do_not_exist_are_said_at_their_place(tiny: str, tmp_path: Path) -> None:
    assert said("system: [pim-gpt, pim-gtp]\n", tiny, tmp_path) == [
        "2:19: system.1: 'pim-gtp' is not a system that ships, nor a file; did you mean 'pim-gpt'?"]


def test_a_workload_that_does_not_exist_is_no_problem_of_the_system(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("system: pim-gtp\nworkload: [gpt2-smal]\n")
    with pytest.raises(InputError) as caught:
        make_plan(load_sweep(file))
    assert [str(problem).removeprefix(f"{file}:").split(";")[0] for problem in caught.value.problems] == [
        "1:9: system: 'pim-gtp' is not a system that ships, nor a file",
        "2:12: workload.0: 'gpt2-smal' is not a workload that ships, nor a file"]


def test_two_workloads_of_one_name_are_refused(tiny: str, tmp_path: Path) -> None:
    shutil.copytree(Path(tiny).parent, tmp_path / "there")
    with pytest.raises(InputError, match="two workloads are called 'tiny'"):
        make_plan(load_sweep({"workload": [tiny, str(tmp_path / "there" / "tiny.yaml")]}))


def test_too_many_points_are_refused_before_any_is_resolved(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning.Planner, "resolve", None)
    with pytest.raises(InputError, match="6 points, more than 5; --yes runs them all the same"):
        make_plan(load_sweep(spec), limit=5)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("gpt2-xl", "gpt2-xl"), ("/a/b/mine.yaml", "mine"), ("x/mine.yml", "mine"), ("/models/llama/config.json", "llama")],
)
def test_a_path_is_shown_as_a_name(name: str, shown: str) -> None:
    assert label(name) == shown

"""Pictures of a sweep: the columns that are asked for, speed-ups against the right point, the right front."""

from __future__ import annotations

import warnings
from pathlib import Path

import pandas as pd
import pytest

from pimsim import plot
from pimsim.errors import InputError
from pimsim.plot.table import Choice, SweepTable, less_is_better, load, make, title, unit

ONE = Choice(where={"workload": "small"})


def test_axes_and_metrics_are_told_apart(sweep: SweepTable) -> None:
    assert sweep.axes == ("workload", "memory.channels", "asic.clock")
    assert sweep.metrics == ["time_s", "tokens_per_s", "energy_j.total"]


def test_without_a_plan_paths_of_the_configuration_are_axes(frame: pd.DataFrame) -> None:
    assert make("x", frame).axes == ("workload", "memory.channels", "asic.clock")


def test_failed_points_are_left_out(frame: pd.DataFrame) -> None:
    frame.loc[0, "error"] = "does not fit"
    assert len(make("x", frame).frame) == len(frame) - 1


def test_a_sweep_without_a_point_that_ran_says_why(frame: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="every point failed, the first one with: does not fit"):
        make("x", frame.assign(error="does not fit"))


def test_a_folder_is_read_with_its_plan(frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.to_csv(tmp_path / "results.csv", index=False)
    (tmp_path / "sweep.yaml").write_text("axes: {memory.channels: [2, 4, 8]}\nobjectives: [tokens_per_s]\nbaseline: {memory.channels: 2}\n")
    table = load(tmp_path)
    assert (table.objectives, table.baseline) == ({"tokens_per_s": "max"}, ("memory.channels", "2"))
    assert "memory.channels" in table.axes


def test_the_direction_of_an_objective_is_the_sweeps_own(frame: pd.DataFrame) -> None:
    table = make("x", frame, {"axes": ["memory.channels"], "objectives": {"time_s": "max"}})
    assert not less_is_better("time_s", table.objectives)


def test_a_folder_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a run folder nor a sweep's"):
        load(tmp_path)


@pytest.mark.parametrize(("name", "expected"), [("time_s", ("s", True)), ("energy_j.total", ("J", True)), ("tokens_per_s", ("", False)),
                                                ("bandwidth.internal_bytes_per_s", ("B/s", False)), ("cycles", ("cycles", True)),
                                                ("row_hit_rate", ("", False)), ("area_mm2", ("mm²", True))])  # fmt: skip
def test_unit_and_direction_follow_from_the_name(name: str, expected: tuple[str, bool]) -> None:
    assert (unit(name), less_is_better(name)) == expected


def test_titles_leave_paths_alone() -> None:
    assert (title("memory.timing.tRCD"), title("energy_j.total"), title("tokens_per_s")) == ("memory.timing.tRCD", "energy: total",
                                                                                            "tokens/s")  # fmt: skip


def test_a_line_for_every_combination_of_the_other_axes(sweep: SweepTable) -> None:
    picture = plot.draw_sweep(sweep, "line")
    assert len(picture.figure.axes[0].lines) == 4 and len(picture.rows) == 12


def test_points_of_a_line_are_in_order(sweep: SweepTable) -> None:
    shuffled = SweepTable("x", sweep.frame.sample(frac=1, random_state=1), sweep.axes)
    for drawn in plot.draw_sweep(shuffled, "line").figure.axes[0].lines:
        assert list(drawn.get_xdata()) == [2, 4, 8]  # type: ignore[arg-type]


def test_too_many_lines_are_refused(sweep: SweepTable) -> None:
    many = pd.concat([sweep.frame.assign(**{"memory.banks": banks}) for banks in (4, 8, 16)])
    with pytest.raises(InputError, match="12 combinations of .* too many"):
        plot.draw_sweep(SweepTable("x", many, (*sweep.axes, "memory.banks")), "line")


def test_speed_ups_are_against_the_point_that_differs_only_in_the_baseline(sweep: SweepTable) -> None:
    rows = plot.draw_sweep(sweep, "bar", Choice(baseline=("memory.channels", "2"))).rows
    assert [row["speed_up"] for row in rows] == pytest.approx([row["memory.channels"] / 2 for row in rows])


def test_more_of_a_rate_is_a_speed_up(sweep: SweepTable) -> None:
    rows = plot.draw_sweep(sweep, "bar", Choice(y="tokens_per_s", baseline=("memory.channels", "2"))).rows
    assert [row["speed_up"] for row in rows] == pytest.approx([row["memory.channels"] / 2 for row in rows])


def test_a_baseline_that_no_point_has_is_refused(sweep: SweepTable) -> None:
    with pytest.raises(InputError, match="no point has memory.channels=3; 2, 4, 8"):
        plot.draw_sweep(sweep, "bar", Choice(baseline=("memory.channels", "3")))


def test_points_without_a_counterpart_in_the_baseline_are_left_out(sweep: SweepTable) -> None:
    lacking = sweep.frame[~((sweep.frame["workload"] == "large") & (sweep.frame["memory.channels"] == 2))]
    rows = plot.draw_sweep(SweepTable("x", lacking, sweep.axes), "bar", Choice(baseline=("memory.channels", "2"))).rows
    assert len(rows) == 6 and max(row["time_s"] for row in rows) == 8 / 2  # those of the small one


def test_a_heat_map_has_a_cell_a_point(sweep: SweepTable) -> None:
    rows = plot.draw_sweep(sweep, "heatmap", ONE).rows
    assert {(r["memory.channels"], r["asic.clock"]): r["time_s"] for r in rows} == {(c, k): 8 / c / k for c in (2, 4, 8) for k in (1, 2)}


def test_a_heat_map_of_three_axes_is_refused(sweep: SweepTable) -> None:
    with pytest.raises(InputError, match="these points vary 3"):
        plot.draw_sweep(sweep, "heatmap")


def test_workloads_have_fronts_of_their_own(sweep: SweepTable) -> None:
    rows = plot.draw_sweep(sweep, "pareto").rows
    assert {(r["workload"], r["memory.channels"], r["asic.clock"]) for r in rows if r["front"]} == {
        (name, channels, 2) for name in ("small", "large") for channels in (2, 4, 8)}


def test_the_front_of_the_picture_is_marked_in_its_rows(sweep: SweepTable) -> None:
    rows = plot.draw_sweep(sweep, "pareto", ONE).rows
    assert {(r["memory.channels"], r["asic.clock"]) for r in rows if r["front"]} == {(2, 2), (4, 2), (8, 2)}


def test_a_tornado_varies_one_axis_at_a_time(sweep: SweepTable) -> None:
    rows = {row["axis"]: row for row in plot.draw_sweep(sweep, "tornado", ONE).rows}
    assert (rows["memory.channels"]["least"], rows["memory.channels"]["most"]) == (1, 4)  # around 4 channels at clock 1
    assert (rows["asic.clock"]["least"], rows["asic.clock"]["most"]) == (1, 2)


def test_a_tornado_is_around_the_point_that_the_others_differ_from() -> None:
    frame = pd.DataFrame([{"memory.a": a, "memory.b": b, "time_s": 10.0 * a + b} for a, b in ((5, 5), (1, 5), (9, 5), (5, 1))])
    rows = {row["axis"]: row for row in plot.draw_sweep(make("x", frame), "tornado").rows}
    assert (rows["memory.a"]["reference"], rows["memory.b"]["reference"]) == (5, 5)
    assert (rows["memory.a"]["least"], rows["memory.a"]["most"], rows["memory.b"]["least"]) == (15, 95, 51)


def test_points_without_the_metric_take_no_part_in_a_tornado(frame: pd.DataFrame) -> None:
    few = frame[frame["workload"] == "small"].assign(**{"area_mm2.total": [None, *range(1, 6)]})
    rows = plot.draw_sweep(make("x", few), "tornado", Choice(y="area_mm2.total")).rows
    assert rows and all(row["least"] > 0 and row["most"] > row["least"] for row in rows)


@pytest.mark.parametrize("kind", ["line", "bar", "pareto", "tornado"])
def test_a_table_of_many_columns_is_drawn_without_a_warning(frame: pd.DataFrame, kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(150):
            frame[f"commands.X{number}"] = number
        warnings.simplefilter("error")
        plot.draw_sweep(make("x", frame), kind, Choice(baseline=("memory.channels", "2")) if kind == "bar" else ONE)


def test_the_largest_value_of_a_line_is_inside_the_picture(sweep: SweepTable) -> None:
    axes = plot.draw_sweep(sweep, "line", ONE).figure.axes[0]
    assert axes.get_ylim()[0] == 0 and axes.get_ylim()[1] > 1.05 * axes.dataLim.y1


def test_a_front_for_each_of_many_workloads_has_no_list_of_them() -> None:
    frame = pd.DataFrame([{"workload": f"w{n}", "memory.channels": c, "time_s": n / c, "energy_j.total": n + c}
                          for n in range(1, 13) for c in (1, 2)])  # fmt: skip
    legend = plot.draw_sweep(make("x", frame), "pareto").figure.axes[0].get_legend()
    assert legend is not None and legend.get_title().get_text() == "12 fronts, one for each workload"
    assert not legend.get_texts()


def test_quantities_are_ordered_by_size() -> None:
    frame = pd.DataFrame([{"asic.clock": clock, "time_s": 1.0} for clock in ("1 GHz", "100 MHz", "20 MHz", "1.5 GHz")])
    for kind in ("line", "bar"):
        ticks = plot.draw_sweep(frame, kind).figure.axes[0].get_xticklabels()
        assert [tick.get_text() for tick in ticks] == ["20 MHz", "100 MHz", "1 GHz", "1.5 GHz"]


def test_an_unknown_column_names_the_nearest(sweep: SweepTable) -> None:
    with pytest.raises(InputError, match="memory.channels"):
        plot.draw_sweep(sweep, "line", Choice(x="memory.chanels"))


def test_a_sweep_has_every_picture_that_its_axes_allow(sweep: SweepTable) -> None:
    assert list(plot.sweep_pictures(sweep)) == ["line", "bar", "pareto", "tornado"]
    assert list(plot.sweep_pictures(sweep, ONE)) == list(plot.SWEEP_KINDS)

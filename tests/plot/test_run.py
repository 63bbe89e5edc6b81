"""Pictures of a run show the numbers of its summary."""

from __future__ import annotations

from dataclasses import replace

import pytest

import pimsim
from pimsim import plot
from pimsim.errors import InputError
from pimsim.plot.over_time import MOST_POINTS, activity


def test_a_run_has_every_picture(run: pimsim.Result) -> None:
    assert list(plot.run_pictures(run)) == list(plot.RUN_KINDS)


@pytest.mark.parametrize("kind", plot.RUN_KINDS)
def test_every_axis_has_a_label(run: pimsim.Result, kind: str) -> None:
    for axes in run.plot(kind).figure.axes:
        shared = kind == "bandwidth" and axes is not run.plot(kind).figure.axes[-1]
        assert axes.get_xlabel() or axes.get_ylabel() or shared


def test_times_are_those_of_the_summary(run: pimsim.Result) -> None:
    assert {row["operator"]: row["time_s"] for row in run.plot("time").rows} == run.facts["time_by_op_s"]


def test_bars_are_as_long_as_their_rows(run: pimsim.Result) -> None:
    picture = run.plot("time")
    lengths = [bar.get_width() for bar in picture.figure.axes[0].patches]
    assert lengths == pytest.approx([row["time_s"] * lengths[0] / picture.rows[0]["time_s"] for row in picture.rows])


def test_energy_sums_to_the_total(run: pimsim.Result) -> None:
    assert sum(row["energy_j"] for row in run.plot("energy").rows) == pytest.approx(run.energy_j["total"])


def test_causes_sum_to_the_cycles(run: pimsim.Result) -> None:
    rows = run.plot("causes").rows
    spent = sum(value for row in rows for key, value in row.items() if key != "operator")
    assert spent == pytest.approx(run.cycles, rel=2e-3)  # operators of less than a thousandth are left out


def test_latency_has_a_point_a_step(run: pimsim.Result) -> None:
    assert [row["context"] for row in run.plot("latency").rows] == [row["context"] for row in run.token_rows]


def test_activity_averages_to_the_summary(run: pimsim.Result) -> None:
    rows = run.tables["activity"]
    whole = sum(row["length_s"] for row in rows)
    assert whole == pytest.approx(run.time_s)
    means = {key: sum(row[key] * row["length_s"] for row in rows) / whole for key in rows[0] if key not in ("begin_s", "length_s")}
    assert means["pim_utilisation"] == pytest.approx(run.facts["utilisation"]["pim"])
    assert means["asic_utilisation"] == pytest.approx(run.facts["utilisation"]["asic"])
    assert means["internal_bytes_per_s"] == pytest.approx(run.facts["bandwidth"]["internal_bytes_per_s"])
    assert means["external_bytes_per_s"] == pytest.approx(run.facts["bandwidth"]["external_bytes_per_s"])


def test_long_runs_are_averaged_without_changing_the_mean(run: pimsim.Result) -> None:
    rows = tuple({"begin_s": i, "length_s": 1 + i % 3, "pim_utilisation": i / 2000} for i in range(1999))
    drawn = activity(replace(run, tables={"activity": rows}), "utilisation")
    assert len(drawn) <= MOST_POINTS
    before, after = (sum(r["pim_utilisation"] * r["length_s"] for r in some) for some in (rows, drawn))
    assert after == pytest.approx(before)


def test_no_operator_is_above_the_roof(run: pimsim.Result) -> None:
    peaks = run.facts["peaks"]
    for row in run.plot("roofline").rows:
        assert row["reached"] <= 1
        if row["macs"]:
            assert row["macs_per_s"] <= min(peaks["pim_macs_per_s"], peaks["internal_bytes_per_s"] * row["intensity"])


def test_every_operator_class_is_in_the_roofline(run: pimsim.Result) -> None:
    assert {row["operator"] for row in run.plot("roofline").rows} == {row["operator"] for row in run.operator_rows if row["time_s"]}


def test_a_picture_that_the_run_has_no_data_for_is_refused_and_left_out(run: pimsim.Result) -> None:
    bare = replace(run, tables={"operators": run.tables["operators"]}, facts={**run.facts, "peaks": None, "energy_j": {}})
    with pytest.raises(InputError, match="table 'activity'"):
        bare.plot("utilisation")
    assert list(plot.run_pictures(bare)) == ["time", "causes"]


def test_an_unknown_picture_names_the_nearest(run: pimsim.Result) -> None:
    with pytest.raises(InputError, match="roofline"):
        run.plot("rooflin")

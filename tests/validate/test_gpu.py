"""The group gpu: what is required of the held-out rows."""

from __future__ import annotations

import numpy as np
import pytest

from pimsim.validate.figure import Verdict
from pimsim.validate.gpu import errors, figures
from pimsim.validate.gpu_rows import a100, decode_rows, h200, latency_rows, layer_rows


@pytest.mark.parametrize(("config", "rows"), [(h200, decode_rows), (h200, layer_rows), (a100, latency_rows)])
def test_held_out_rows_are_within_ten_percent_in_the_median_and_25_at_worst(config: object, rows: object) -> None:
    held_out = [row for row in rows() if not row.fit]  # type: ignore[operator]
    wrong = np.abs(errors(config(), held_out))  # type: ignore[operator]
    assert np.median(wrong) <= 0.10
    assert wrong.max() <= 0.25


def test_no_figure_fails_and_only_fitted_rows_are_merely_reported() -> None:
    found = list(figures(lambda text: None))
    assert {figure.verdict for figure in found} == {Verdict.OK, Verdict.REPORTED}
    assert all("fitted" in figure.reason for figure in found if figure.verdict is Verdict.REPORTED)
    assert len({figure.name for figure in found}) == len(found)


def test_a_slower_gpu_fails_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    from pimsim.validate import gpu

    slow = h200()
    monkeypatch.setattr(gpu, "h200", lambda: slow.model_copy(update={"device": slow.device.model_copy(update={"bandwidth": 10**12})}))
    assert Verdict.FAIL in {figure.verdict for figure in gpu.figures(lambda text: None)}

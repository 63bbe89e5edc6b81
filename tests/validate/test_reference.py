"""The reference tables that ship with the package."""

from __future__ import annotations

from importlib.resources import files

import pytest

from pimsim.validate.pim_gpt_run import MODELS
from pimsim.validate.reference import table

TABLES = sorted(file.name for file in files("pimsim.validate.reference").iterdir() if file.name.endswith(".csv"))


@pytest.mark.parametrize("name", TABLES)
def test_every_table_says_where_it_comes_from(name: str) -> None:
    assert files("pimsim.validate.reference").joinpath(name).read_text().startswith("# ")


@pytest.mark.parametrize("name", TABLES)
def test_no_row_lacks_a_cell(name: str) -> None:
    rows = table(name.removesuffix(".csv"))
    assert rows
    assert all(None not in row and None not in row.values() for row in rows)


def test_bounds_of_pim_gpt_follow_from_its_configuration() -> None:
    layers_hidden = dict(zip(MODELS, [(12, 768), (24, 1024), (36, 1280), (48, 1600), (12, 768), (24, 1024), (24, 1536), (24, 2048)],
                             strict=True))
    for row in table("pim_gpt_bound"):
        layers, hidden = layers_hidden[row["model"]]
        mac_us = 12 * layers * hidden**2 / (128 * 16) / 1000
        attention_us = mac_us + 2 * layers * hidden * 512 / (128 * 16) / 1000
        rows_us = mac_us * 88 / 64
        refresh_us = rows_us / (1 - 455 / 6825)
        for column, value in (("mac_us", mac_us), ("attention_us", attention_us), ("rows_us", rows_us), ("refresh_us", refresh_us)):
            assert float(row[column]) == pytest.approx(value, abs=0.06), (row["model"], column)  # it sums rounded numbers
        assert float(row["run_s"]) == pytest.approx(refresh_us * 1024 / 1e6, abs=0.00051)

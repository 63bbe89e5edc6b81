"""docs/memory.md says of every key of the controller what each policy has."""

from __future__ import annotations

import re
from dataclasses import fields

from pimsim.config import ControllerConfig
from pimsim.dram.controller.policy import PRESETS, Policy
from pimsim.dram.request_trace import DEFAULT_MAPPING, FIELDS
from tests.docs.page import ROOT

TEXT = (ROOT / "docs" / "memory.md").read_text(encoding="utf-8")


def test_the_table_of_policies_is_theirs() -> None:
    head, _, *rows = [[cell.strip(" `") for cell in line.strip("|\n ").split("|")] for line in re.findall(r"^\| .*|^\|-.*", TEXT, re.M)
                      if line.count("|") == 6]
    assert [name.removesuffix(" (default)") for name in head[1:]] == list(PRESETS)
    assert head[1].endswith("(default)") == (ControllerConfig().policy == "ramulator-rowhit")
    assert {row[0] for row in rows} == {f.name for f in fields(Policy)}
    for name, *values in rows:
        assert values == [str(getattr(p, name)).lower() for p in PRESETS.values()]


def test_every_key_of_the_controller_is_named() -> None:
    assert {name for name in ControllerConfig.model_fields if f"`{name}`" not in TEXT and f"controller.{name}" not in TEXT} == set()


def test_the_default_mapping_and_the_columns_of_a_request_are_named() -> None:
    assert f"`{DEFAULT_MAPPING}`" in TEXT
    assert all(name in TEXT for name in FIELDS)

"""NeuPIMs' command set: which distances its commands keep, with and without the shortcuts of the authors' simulator.

Distances are those that neupims.md's table of that simulator (casys-kaist/NeuPIMs f299af3) gives, in clocks of 1 ns.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pimsim.config import load_dram
from pimsim.dram.compile import Compiled, compile_part
from pimsim.dram.coverage import uncovered
from pimsim.dram.spec import LEVELS
from pimsim.dram.standards import standard
from pimsim.errors import InputError
from pimsim.pim.neupims import COMPAT, FREE, NEUPIMS, NEUPIMS_SINGLE, neupims


def compiled(row_buffers: int = 2, *shortcuts: str) -> Compiled:
    memory = load_dram("hbm2-neupims").memory
    timing = dict(memory.timing_cycles)
    if "default_tRTP" in shortcuts:
        timing["tRTPL"] = 5
    return compile_part(neupims(row_buffers, shortcuts).on(standard("HBM2-legacy")), memory.organization, timing, memory.tCK)


def distance(part: Compiled, before: str, after: str, level: str, window: int = 1) -> int | None:
    """What the rules keep between two commands that share a node of ``level`` and none below it."""
    b, a = part.command(before), part.command(after)
    values = [r.value for r in part.rules if b in r.before and a in r.after and r.window == window and not r.sibling
              and r.level <= LEVELS.index(level)]  # fmt: skip
    return max(values, default=None)


@pytest.mark.parametrize("commands", [NEUPIMS, NEUPIMS_SINGLE], ids=lambda c: c.name)
def test_every_two_commands_have_a_rule_or_a_reason(commands) -> None:
    base = standard("HBM2-legacy")
    assert uncovered(replace(commands.on(base), free=base.free + FREE)) == []


def test_the_standard_by_itself_covers_every_two_commands() -> None:
    assert uncovered(standard("HBM2-legacy")) == []


BOTH = [
    ("ACT", "GWRITE", "bank", 14),
    ("GWRITE", "RD", "bank", 96),
    ("GWRITE", "PRE", "bank", 96),
    ("GWRITE", "RD", "rank", 2),
    ("GWRITE", "WR", "rank", 14),
    ("RD", "GWRITE", "rank", 2),
    ("ACT", "G_ACT", "rank", 4),
    ("G_ACT", "G_ACT", "bankgroup", 48),
    ("G_ACT", "COMP", "rank", 14),
    ("REFab", "G_ACT", "rank", 260),
    ("READRES", "G_ACT", "channel", 19),
    ("READRES", "WR", "channel", 14),
]


@pytest.mark.parametrize(("before", "after", "level", "clocks"), BOTH)
@pytest.mark.parametrize("row_buffers", [1, 2])
def test_distances_of_either_kind(row_buffers: int, before: str, after: str, level: str, clocks: int) -> None:
    assert distance(compiled(row_buffers, "default_tRTP"), before, after, level) == clocks


DUAL_AUTHORS = [
    ("ACT", "G_ACT", "bank", 6),
    ("G_ACT", "ACT", "bankgroup", 30),
    ("G_ACT", "ACT", "rank", 30),
    ("G_ACT", "G_ACT", "rank", 30),
    ("G_ACT", "PIM_PRECHARGE", "bankgroup", 34),
    ("G_ACT", "COMPS_READRES", "rank", 14),
    ("GWRITE", "COMPS_READRES", "channel", 96),
    ("RD", "COMPS_READRES", "channel", 2),
    ("WR", "COMPS_READRES", "channel", 12),
    ("COMPS_READRES", "RD", "channel", 4),
    ("COMPS_READRES", "WR", "channel", 14),
    ("COMPS_READRES", "GWRITE", "channel", 2),
    ("COMPS_READRES", "G_ACT", "channel", 19),
    ("COMPS_READRES", "PIM_PRECHARGE", "channel", 5),
    ("PIM_PRECHARGE", "G_ACT", "bankgroup", 14),
    ("PIM_PRECHARGE", "REFab", "rank", 14),
    ("PRE", "G_ACT", "bankgroup", None),
    ("PIM_PRECHARGE", "ACT", "bank", None),
    ("COMP", "PIM_PRECHARGE", "channel", None),
]


@pytest.mark.parametrize(("before", "after", "level", "clocks"), DUAL_AUTHORS)
def test_distances_with_two_row_buffers_and_every_shortcut(before: str, after: str, level: str, clocks: int | None) -> None:
    assert distance(compiled(2, *COMPAT), before, after, level) == clocks


SINGLE = [
    ("ACT", "G_ACT", "bankgroup", 48),
    ("G_ACT", "ACT", "bankgroup", 48),
    ("G_ACT", "PRE", "bankgroup", 34),
    ("COMP", "COMP", "channel", 2),
    ("COMP", "READRES", "channel", 2),
    ("READRES", "COMP", "channel", 2),
    ("COMP", "RD", "channel", 2),
    ("COMP", "WR", "channel", 14),
    ("COMP", "PRE", "channel", 5),
    ("READRES", "PRE", "channel", 5),
    ("RD", "COMP", "rank", 2),
    ("WR", "COMP", "rank", 14),
    ("GWRITE", "COMP", "channel", 96),
]


@pytest.mark.parametrize(("before", "after", "level", "clocks"), SINGLE)
def test_distances_with_one_row_buffer(before: str, after: str, level: str, clocks: int) -> None:
    assert distance(compiled(1, "default_tRTP"), before, after, level) == clocks


RIGHT = [
    ("PRE", "G_ACT", "bankgroup", 14),
    ("PIM_PRECHARGE", "ACT", "bank", 14),
    ("COMP", "PIM_PRECHARGE", "channel", 6),
    ("READRES", "PIM_PRECHARGE", "channel", 6),
    ("READRES", "RD", "channel", 4),
    ("RD", "READRES", "channel", 4),
    ("COMPS_READRES", "RD", "channel", None),
    ("RD", "COMPS_READRES", "channel", None),
    ("RD", "PRE", "bank", 6),
]


@pytest.mark.parametrize(("before", "after", "level", "clocks"), RIGHT)
def test_distances_with_two_row_buffers_and_no_shortcut(before: str, after: str, level: str, clocks: int | None) -> None:
    assert distance(compiled(2), before, after, level) == clocks


@pytest.mark.parametrize("row_buffers", [1, 2])
def test_a_group_activation_takes_four_places_in_the_activation_window(row_buffers: int) -> None:
    part = compiled(row_buffers)
    for before, after in (("ACT", "G_ACT"), ("G_ACT", "ACT"), ("G_ACT", "G_ACT")):
        assert distance(part, before, after, "rank", window=4) == 30
    assert next(c for c in part.standard.commands if c.name == "G_ACT").activations == 4


def test_ranks_change_over_on_the_pins() -> None:
    part = compiled()
    read = part.command("RD")
    assert [r.value for r in part.rules if r.sibling and r.before[0] == read] == [4]


def test_an_unknown_shortcut_is_refused() -> None:
    with pytest.raises(InputError, match="default_tRTP"):
        neupims(2, ("default_TRTP",))

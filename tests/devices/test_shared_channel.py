"""What a channel that memory traffic and PIM share does not know, and therefore refuses."""

import pytest

from pimsim.config import load_system
from pimsim.devices.shared_channel import contend_plan
from pimsim.errors import InputError


@pytest.mark.parametrize(("override", "key"), [
    ("memory.sids=2", "memory.sids"),
    ("memory.banks=8", "memory.bankgroups"),
    ("memory.bankgroups=1", "memory.bankgroups"),
    ("memory.pin_rate=1Gb/s", "memory.timing.BL"),
    ("controller.policy=fcfs", "controller.policy"),
    ("controller.postpone=8", "controller.postpone"),
    ("controller.page=closed", "controller.page"),
    ("controller.row_hit_cap=1", "controller.row_hit_cap"),
    ("controller.address_mapping=robabgcochra", "controller.address_mapping"),
    ("pim.clock=499MHz", "pim.clock"),
    ("pim.lanes=33", "pim.lanes"),
    ("pim.global_buffer=1023B", "pim.global_buffer"),
    ("pim.all_bank_act=single", "pim.all_bank_act"),
    ("pim.narrow_macs=scale", "pim.narrow_macs"),
    ("pim.mac_power=1W", "pim.mac_power"),
])
def test_a_key_that_would_change_nothing_is_refused(override, key):
    with pytest.raises(InputError) as error:
        contend_plan(load_system("neupims", [override]))
    assert [problem.key for problem in error.value.problems] == [key]


@pytest.mark.parametrize("override", ["pim.clock=500MHz", "pim.lanes=32", "pim.global_buffer=1KiB", "memory.ranks=1"])
def test_what_just_does_is_not(override):
    assert contend_plan(load_system("neupims", [override])).compute_ticks > 0

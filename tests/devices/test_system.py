"""What a system with an NPU does not do, and therefore refuses."""

import pytest

from pimsim.config import load_system
from pimsim.devices.neupims import NeuPimsDevice
from pimsim.errors import InputError
from pimsim.sim.stage import DEVICE


@pytest.mark.parametrize(("override", "key"), [
    ("npu.precision=1B", "npu.precision"),
    ("npu.vector.attention_units=8", "npu.vector.attention_units"),
    ("mapping=pim-gpt", "mapping"),
    ("system.overlap=pipelined", "system.overlap"),
    ("asic.part=pim-gpt-28nm", "asic"),
])
def test_a_key_that_would_change_nothing_is_refused(override, key):
    with pytest.raises(InputError) as error:
        NeuPimsDevice(load_system("neupims", [override]), DEVICE)
    assert [problem.key for problem in error.value.problems] == [key]


def test_without_attention_in_memory_all_vector_units_may_be_called_its_own():
    NeuPimsDevice(load_system("npu-only", ["npu.vector.attention_units=8"]), DEVICE)

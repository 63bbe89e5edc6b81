"""The NPU's configuration."""

from __future__ import annotations

import pytest

from pimsim.config import load_npu, load_system, provenance, resolved
from pimsim.errors import InputError
from pimsim.npu.spec import NpuSpec


def test_the_shipped_npu_is_neupims() -> None:
    spec = load_npu("neupims-1ghz").npu.spec()
    assert spec == NpuSpec()
    assert spec.peak_macs_per_cycle == 131072


def test_every_number_of_it_has_a_source() -> None:
    sources = provenance(load_npu("neupims-1ghz"))
    assert len(sources) >= 15
    assert all(source.source for source in sources)


@pytest.mark.parametrize("system", ["neupims", "neupims-authors", "npu-pim", "npu-only", "npu-only-authors"])
def test_systems_read_back_what_they_show(system: str) -> None:
    assert resolved(load_system(system))["npu"]["arrays"] == 8


def test_overrides_reach_into_sections() -> None:
    npu = load_system("neupims", ["npu.arrays=2", "npu.clock=700 MHz", "npu.vector.width=64", "npu.dma.bytes_per_cycle=32 B"]).npu
    assert npu is not None
    spec = npu.spec()
    assert (spec.arrays, spec.clock_hz, spec.vector_width, spec.link_bytes) == (2, 700_000_000, 64, 32)


@pytest.mark.parametrize(("override", "said"), [
    ("npu.arrays=0", "zero"),
    ("npu.arrays=2000", "at most 1024"),
    ("npu.rows=5000", "at most 4096"),
    ("npu.vector.attention_units=9", "9 of 8 units"),
    ("npu.dataflow=stationary", "unknown dataflow"),
    ("npu.array=8", "did you mean"),
    ("npu.vector.lanes=8", "unknown"),
    ("npu.scratchpad=-1 KiB", "below zero"),
    ("npu.weight_double_buffer=perhaps", "perhaps"),
])
def test_bad_values_are_refused(override: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        load_system("neupims", [override])
    assert override.partition("=")[0] in str(caught.value)

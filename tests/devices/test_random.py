"""Random devices, models and batches: every law holds, and folding changes nothing."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pimsim.config import load_system
from pimsim.devices.neupims import NeuPimsDevice
from pimsim.devices.stage import StageRecord, StageWork, decoder_stage_ops
from pimsim.model.architecture import Architecture
from pimsim.validate.neupims_run import members

PLAIN = Architecture(name="plain", family="gpt2", layers=1, hidden=320, heads=5, kv_heads=5, head_dim=64, ffn=1000, vocab=100,
                     max_position=4096)
GROUPED = replace(PLAIN, hidden=512, heads=4, kv_heads=2, head_dim=128, position="rotary", rotary_dim=64, gated_ffn=True, activation="silu")
WIDE = replace(PLAIN, hidden=512, heads=2, kv_heads=1, head_dim=256)
SPARSE = replace(PLAIN, experts=4, experts_per_token=2, moe_ffn=256)

KEYS = {
    "memory.channels": (1, 2, 16, 32),
    "memory.row_buffers": (1, 2),
    "npu.arrays": (1, 3, 8),
    "npu.rows": (96, 128),
    "npu.columns": (96, 128, 256),
    "npu.dataflow": ("weight-stationary", "output-stationary", "input-stationary"),
    "npu.clock": ("1 GHz", "700 MHz", "1.3 GHz"),
    "npu.scratchpad": ("600 KiB", "7168 KiB"),
    "npu.buffers": (2, 5),
    "npu.vector.streamed": ("true", "false"),
    "npu.dma.outstanding": (1, 40),
    "controller.refresh": ("all-bank", "none"),
    "pim.arbiter": ("pim-first", "age", "memory-first"),
}
overrides = st.fixed_dictionaries({}, optional={key: st.sampled_from(values) for key, values in KEYS.items()})
requests = st.lists(st.tuples(st.sampled_from((1, 31, 32, 33, 200, 513)), st.integers(0, 31), st.booleans()), min_size=1, max_size=6)


def run(system: str, settings_: list[str], part: Architecture, batch: list[tuple[int, int, bool]], fold: bool) -> list[StageRecord]:
    """A layer; requests marked are prompts of up to 40 tokens."""
    device = NeuPimsDevice(load_system(system, settings_), part, fold=fold)
    channels = device.config.memory.channels
    all_ = members(device, [(context, channel % channels) for context, channel, _ in batch])
    all_ = [replace(m, tokens=min(m.context, 40) if prompt else 1) for m, (*_, prompt) in zip(all_, batch, strict=True)]
    memory = tuple(m for m in all_ if m.tokens == 1 and device.attention_in_memory)
    npu = [m for m in all_ if m not in memory]
    return [replace(device.stage(work), folded="") for work in (
        StageWork("A", decoder_stage_ops(part, all_, "qkv")),
        StageWork("B", decoder_stage_ops(part, npu, "attention"), memory),
        StageWork("E", decoder_stage_ops(part, all_, "ffn")),
    )]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.sampled_from(("neupims", "npu-pim", "npu-only")), overrides, st.sampled_from((PLAIN, GROUPED, WIDE, SPARSE)), requests)
def test_laws_hold_and_folding_changes_nothing(system: str, chosen: dict[str, object], part: Architecture,
                                               batch: list[tuple[int, int, bool]]) -> None:
    texts = [f"{key}={value}" for key, value in chosen.items()]
    folded = run(system, texts, part, batch, fold=True)
    assert all(law is True for record in folded for law in record.checks.values())
    assert folded == run(system, texts, part, batch, fold=False)

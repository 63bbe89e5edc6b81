"""The NPU beside the memory (NeuPIMs): systolic arrays, scratchpad, vector units, and its way to the channels."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ValidationInfo, field_validator

from pimsim.config.base import Config
from pimsim.config.quantity import Count, Energy, Frequency, Size, refuse
from pimsim.errors import nearest
from pimsim.npu.spec import DATAFLOWS, NpuSpec

MOST_BUFFERS = 64


def _at_most(limit: int) -> AfterValidator:
    def check(value: int) -> int:
        if value > limit:
            raise refuse(f"{value} is too many", f"at most {limit}")
        return value

    return AfterValidator(check)


def _two_or_more(value: int) -> int:
    if not 2 <= value <= MOST_BUFFERS:
        raise refuse(f"{value} buffers", f"2 to {MOST_BUFFERS}")
    return value


Buffers = Annotated[Count, AfterValidator(_two_or_more)]


def _dataflow(name: str) -> str:
    if name not in DATAFLOWS:
        raise refuse(f"unknown dataflow '{name}'", nearest(name, DATAFLOWS))
    return name


Units = Annotated[Count, _at_most(1024)]
Side = Annotated[Count, _at_most(4096)]


class VectorConfig(Config):
    """Vector units beside the arrays."""

    units: Units
    """units that work side by side"""
    width: Side
    """elements that a unit takes in a cycle"""
    latency: Units = 1
    """cycles of a step"""
    streamed: bool = False
    """rows of an operator are stored as they are done; otherwise when all have been read, as far as the scratchpad holds them"""
    attention_units: Units
    """units kept for softmax of attention in memory while the NPU has work of its own; alone, attention has all"""

    @field_validator("attention_units")
    @classmethod
    def _not_more(cls, attention_units: int, info: ValidationInfo) -> int:
        units = info.data.get("units", attention_units)
        if attention_units > units:
            raise refuse(f"{attention_units} of {units} units", f"at most {units}")
        return attention_units


class DmaConfig(Config):
    """The NPU's way to the channels: a port a channel."""

    latency: Annotated[Count, _at_most(100_000)]
    """cycles from the NPU to a channel, and the same back"""
    bytes_per_cycle: Size
    """that pass a channel's port in a cycle"""
    outstanding: Count | None = None
    """requests of a channel accepted and not yet served; none: as many as its queues hold"""


class NpuEnergyConfig(Config):
    """Energy of what the NPU does."""

    mac: Energy
    """one multiply-accumulate, the operands' way through the array included"""
    scratchpad_byte: Energy
    """a byte into or out of scratchpad or accumulator"""
    vector_op: Energy
    """an element through a vector unit"""
    interconnect_byte: Energy
    """a byte between a channel and the NPU"""


class NpuConfig(Config):
    """One NPU; :class:`pimsim.npu.spec.NpuSpec` with units."""

    part: str = ""
    """the file under hwconfigs/npu, or a path, that the values come from"""
    arrays: Units
    """systolic arrays"""
    rows: Side
    """rows of processing elements of an array: the side along which products are summed"""
    columns: Side
    """columns of processing elements of an array"""
    clock: Frequency
    """clock of arrays, vector units and DMA"""
    dataflow: Annotated[str, AfterValidator(_dataflow)] = "weight-stationary"
    """what stays in the arrays: weight-stationary, output-stationary, input-stationary"""
    weight_double_buffer: bool = True
    """the next block is shifted in while the present one is used"""
    buffers: Buffers = 2
    """parts of the scratchpad: one for the tile being computed, the others for those that follow"""
    scratchpad: Size
    """operands of these tiles, and activations that stay for all of them"""
    accumulator: Size
    """outputs of the tile being computed and of the last, half of it each"""
    precision: Size
    """bytes of an element"""
    vector: VectorConfig
    dma: DmaConfig
    energy: NpuEnergyConfig | None = None
    """none: its energy is not counted"""

    def spec(self) -> NpuSpec:
        """What :mod:`pimsim.npu` computes with."""
        return NpuSpec(arrays=self.arrays, rows=self.rows, columns=self.columns, clock_hz=self.clock, dataflow=self.dataflow,
                       weight_double_buffer=self.weight_double_buffer, buffers=self.buffers, scratchpad_bytes=self.scratchpad,
                       accumulator_bytes=self.accumulator, precision_bytes=self.precision, vector_units=self.vector.units,
                       vector_width=self.vector.width, vector_latency=self.vector.latency, vector_streamed=self.vector.streamed,
                       attention_units=self.vector.attention_units, link_cycles=self.dma.latency,
                       link_bytes=self.dma.bytes_per_cycle)

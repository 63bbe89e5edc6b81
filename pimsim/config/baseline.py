"""Systems to compare with: a GPU or CPU as a roofline with overheads, and a memory that is read at the rate of its pins.

The roofline is that of Williams, Waterman and Patterson (Communications of the ACM 52(4), 2009). What a device reaches of its peaks, and
what a kernel costs beside the work in it, are :class:`EfficiencyConfig`: constants calibrated on measured devices, each named and with
what it was calibrated on in its comment (docs/baselines.md).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field, field_validator

from pimsim.config.base import Config, Described, Frozen
from pimsim.config.document import Document
from pimsim.config.quantity import Bandwidth, Compute, Count, Fraction, Power, Size, Time, refuse
from pimsim.config.system import DramConfig, EnergyConfig
from pimsim.errors import nearest
from pimsim.model.dtype import BITS, canonical

CLASSES = ("matmul", "attention", "norm", "elementwise", "append")
"""Classes of kernels: each has efficiencies and overheads of its own."""


class DeviceConfig(Config):
    """What a data sheet says of a device."""

    memory: Size
    """capacity of its memory"""
    bandwidth: Bandwidth
    """peak bandwidth of its memory"""
    matrix: Compute
    """peak rate of matrix products in the workload's data type, dense, on the fastest unit (tensor cores, AVX-512)"""
    units: Count
    """processors that work side by side: streaming multiprocessors, cores"""
    power: Power
    """power limit of the board or package"""


class ExecutionConfig(Config):
    """How a decoder is run on the device."""

    mode: Literal["graph", "eager"] = "graph"
    """graph: one launch a step (CUDA graphs); eager: the host's framework dispatches every operation"""
    attention: Literal["fused", "separate"] = "fused"
    """fused: one kernel, scores stay on the chip (FlashAttention, arXiv 2205.14135); separate: scores, softmax, weighted sum"""
    experts: Literal["grouped", "separate"] = "grouped"
    """grouped: a layer's experts in one kernel for each of their matrices; separate: a kernel each"""
    kv_cache: bool = True
    """false: every step recomputes all tokens so far"""
    devices: Count = 1
    """equal devices that share every layer (tensor parallel); communication takes no time"""
    dtype: str = "workload"
    """data type of weights, activations and KV cache; workload: the workload's"""

    @field_validator("dtype")
    @classmethod
    def _known_dtype(cls, name: str) -> str:
        short = "workload" if name == "workload" else canonical(name)
        if short is None:
            raise refuse(f"'{name}' is not a data type", nearest(name, ["workload", *BITS]))
        return short


class KernelConfig(Config):
    """One class of kernels. A kernel takes ``overhead`` and then the longest of what bounds it."""

    overhead: Time
    """of a kernel, beside the work: launch, first bytes, last results"""
    bandwidth: Fraction = 1.0
    """share of the memory's peak bandwidth that large kernels reach"""
    compute: Fraction = 1.0
    """share of the peak rate of matrix products that large kernels reach"""
    task: Time | None = None
    """of one sequence's head on one unit, where heads are dealt out to the units (attention)"""
    chain: Time | None = None
    """of an element of what is worked off one after the other: context (attention), vector (norm)"""

    @field_validator("bandwidth", "compute")
    @classmethod
    def _above_zero(cls, share: float) -> float:
        if share == 0:
            raise refuse("0 is no share of a peak", "above 0, at most 1")
        return share


class HostConfig(Config):
    """What the host costs, in eager mode: a pass takes its calls or its kernels, whichever are longer; on a CPU both, one by one."""

    call: Time
    """one call of the framework, in eager mode"""
    request: Time
    """of a run in eager mode, before its first token"""
    calls: Frozen[Count]
    """calls of an operator, by class of kernels (and activation, for GELU and its like)"""
    kernels: Frozen[Count]
    """kernels of an operator in eager mode, by the same names; 1 where none is given"""
    graph_kernels: Frozen[Count] = Field(default_factory=dict)
    """kernels of an operator in graph mode, by the same names; 1 where none is given"""

    @field_validator("calls", "kernels", "graph_kernels")
    @classmethod
    def _known(cls, numbers: dict[str, int]) -> dict[str, int]:
        known = (*CLASSES, "activation", "softmax")
        for name in numbers:
            if name not in known:
                raise refuse(f"'{name}' is not a class of operators", f"known: {', '.join(known)}")
        return numbers


class PowerConfig(Config):
    """Power as shares of the device's limit; it never goes beyond that."""

    active: Fraction
    """drawn whatever it does, while it runs"""
    memory: Fraction
    """added at the memory's peak bandwidth, and in proportion below"""
    compute: Fraction
    """added at the peak rate of matrix products, and in proportion below"""


class EfficiencyConfig(Config):
    """What a device reaches of its peaks, and what its kernels and its host cost."""

    part: str = ""
    """the file under hwconfigs/efficiency, or a path, that the values come from"""
    calibrated_on: Frozen[str] = Field(default_factory=dict)
    """section of this -> system that it was calibrated on; on others it is an assumption"""
    matmul: KernelConfig
    """products of weights and activations"""
    attention: KernelConfig
    """fused attention"""
    norm: KernelConfig
    """norms of vectors"""
    elementwise: KernelConfig
    """residuals, activations, softmax and whatever else multiplies no matrices"""
    append: KernelConfig
    """writing K and V"""
    host: HostConfig
    """the host's share"""
    power: PowerConfig
    """power"""


class EfficiencyPart(Described):
    """Efficiencies by themselves, as ``hwconfigs/efficiency/`` has them."""

    efficiency: EfficiencyConfig


class BaselineConfig(Described):
    """A GPU or a CPU."""

    kind: Literal["gpu", "cpu"]
    """gpu: host and device work side by side; cpu: they are the same"""
    device: DeviceConfig
    execution: ExecutionConfig = ExecutionConfig()
    efficiency: EfficiencyConfig


class IdealConfig(DramConfig):
    """A memory that is read at the full rate of its pins, and arithmetic that takes no time: Newton's ideal non-PIM (MICRO 2020)."""

    kind: Literal["ideal-non-pim"]
    """ideal-non-pim"""
    energy: EnergyConfig | None = None


BaselineSystem = BaselineConfig | IdealConfig

BASELINES: dict[str, type[BaselineConfig] | type[IdealConfig]] = {
    "gpu": BaselineConfig,
    "cpu": BaselineConfig,
    "ideal-non-pim": IdealConfig,
}
"""Kind of system -> its configuration; every other kind is a :class:`SystemConfig`."""


def mark_assumed(document: Document, name: str) -> None:
    """Mark the efficiencies that were calibrated on another system than ``name`` as assumptions, in the sources of their numbers."""
    section = document.data.get("efficiency")
    known = section.get("calibrated_on") if isinstance(section, dict) else None
    if not isinstance(section, dict) or not isinstance(known, dict):
        return
    for path, place in list(document.places.items()):
        if len(path) < 2 or path[0] != "efficiency" or path[1] in ("part", "calibrated_on"):
            continue
        marked = place.file.startswith("--set") or place.source.lower().startswith(("assumed", "unverified"))
        if known.get(path[1]) != name and not marked:
            document.places[path] = replace(place, source=f"assumed to hold here: {place.source}" if place.source else "assumed")

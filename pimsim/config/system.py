"""A DRAM part and a whole system, as ``hwconfigs/`` describes them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from pimsim.config.area import AreaConfig
from pimsim.config.asic import AsicConfig
from pimsim.config.base import Config, Described, Frozen
from pimsim.config.controller import ControllerConfig
from pimsim.config.memory import MemoryConfig
from pimsim.config.npu import NpuConfig
from pimsim.config.pim import PimConfig
from pimsim.config.quantity import EnergyPerBit
from pimsim.config.scheduler import ParallelConfig, SchedulerConfig

Approximation = Literal["layers", "iterations"]


def _names(value: Any) -> Any:
    """A list of names, also written ``layers, iterations`` or ``none``."""
    if isinstance(value, str):
        value = [word.strip() for word in value.split(",") if word.strip()]
    if value is None or value == ["none"]:
        return ()
    return tuple(value) if isinstance(value, list) else value


Approximations = Annotated[tuple[Approximation, ...], BeforeValidator(_names)]
"""What may be approximated."""


class PartEnergyConfig(Config):
    """How the energy of a part by itself is computed from currents, and what its pins cost."""

    formula: Literal["dramsim3", "drampower", "micron"] = "dramsim3"
    """whose formulas turn currents into energy per command; micron is another name of drampower"""
    io: EnergyPerBit | None = None
    """energy of a bit over the pins"""


class EnergyConfig(PartEnergyConfig):
    """How energy is computed from currents, and what the pins cost."""

    io: EnergyPerBit
    """energy of a bit over the pins"""


class SystemOptions(Config):
    """What the system as a whole does."""

    overlap: Literal["none", "pipelined"] = "none"
    """none: an instruction starts once ASIC and memory are both idle; pipelined: once its operands are there"""
    approximate: Approximations = ()
    """what may be approximated (its error is reported): layers, iterations"""


class DramConfig(Described):
    """A DRAM part with the controller and the compute units that come with it."""

    memory: MemoryConfig
    controller: ControllerConfig = Field(default_factory=ControllerConfig)
    pim: PimConfig | None = None
    energy: PartEnergyConfig | None = None
    compat: Frozen[bool] = Field(default_factory=dict)
    """named shortcuts of reference simulators to reproduce"""


class AsicPart(Described):
    """An ASIC by itself, as ``hwconfigs/asic/`` has it."""

    asic: AsicConfig


class NpuPart(Described):
    """An NPU by itself, as ``hwconfigs/npu/`` has it."""

    npu: NpuConfig


class SystemConfig(DramConfig):
    """A whole system."""

    kind: str
    """which builder makes it (pim-gpt, neupims, ...)"""
    energy: EnergyConfig | None = None
    asic: AsicConfig | None = None
    npu: NpuConfig | None = None
    area: AreaConfig | None = None
    mapping: str
    """where tensors lie and how operators become commands"""
    placement: str | Frozen[str] = "fixed"
    """which unit an operator runs on: a policy, or operator class -> unit"""
    scheduler: SchedulerConfig = Field(default_factory=SchedulerConfig)
    parallel: ParallelConfig = Field(default_factory=ParallelConfig)
    system: SystemOptions = Field(default_factory=SystemOptions)

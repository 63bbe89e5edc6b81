"""Configuration: YAML files become validated, frozen objects.

pydantic is loaded on first use of anything here, not on import, so that ``pimsim --help`` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pimsim.config.area import AreaPart
    from pimsim.config.asic import AsicConfig
    from pimsim.config.baseline import BaselineConfig, BaselineSystem, EfficiencyPart, IdealConfig
    from pimsim.config.controller import ControllerConfig
    from pimsim.config.loader import (
        load,
        load_any,
        load_any_and_workload,
        load_area,
        load_asic,
        load_dram,
        load_efficiency,
        load_npu,
        load_system,
        load_workload,
        refuse_foreign,
        resolved,
        schema,
    )
    from pimsim.config.memory import Currents, MemoryConfig
    from pimsim.config.npu import NpuConfig
    from pimsim.config.origin import Source, provenance
    from pimsim.config.pim import PimConfig
    from pimsim.config.scheduler import LinkConfig, ParallelConfig, SchedulerConfig
    from pimsim.config.sweep import SweepConfig, load_sweep
    from pimsim.config.system import (
        AsicPart,
        DramConfig,
        EnergyConfig,
        NpuPart,
        SystemConfig,
        SystemOptions,
    )
    from pimsim.config.workload import WorkloadConfig

_HOME = {
    "AreaPart": "area",
    "AsicConfig": "asic",
    "AsicPart": "system",
    "BaselineConfig": "baseline",
    "BaselineSystem": "baseline",
    "ControllerConfig": "controller",
    "Currents": "memory",
    "DramConfig": "system",
    "EfficiencyPart": "baseline",
    "EnergyConfig": "system",
    "IdealConfig": "baseline",
    "LinkConfig": "scheduler",
    "MemoryConfig": "memory",
    "NpuConfig": "npu",
    "NpuPart": "system",
    "ParallelConfig": "scheduler",
    "PimConfig": "pim",
    "SchedulerConfig": "scheduler",
    "Source": "origin",
    "SystemConfig": "system",
    "SystemOptions": "system",
    "SweepConfig": "sweep",
    "WorkloadConfig": "workload",
    "load": "loader",
    "load_any": "loader",
    "load_any_and_workload": "loader",
    "load_area": "loader",
    "load_asic": "loader",
    "load_dram": "loader",
    "load_efficiency": "loader",
    "load_npu": "loader",
    "load_sweep": "sweep",
    "load_system": "loader",
    "load_workload": "loader",
    "provenance": "origin",
    "refuse_foreign": "loader",
    "resolved": "loader",
    "schema": "loader",
}

__all__ = [
    "AreaPart",
    "AsicConfig",
    "AsicPart",
    "BaselineConfig",
    "BaselineSystem",
    "ControllerConfig",
    "Currents",
    "DramConfig",
    "EfficiencyPart",
    "EnergyConfig",
    "IdealConfig",
    "LinkConfig",
    "MemoryConfig",
    "NpuConfig",
    "NpuPart",
    "ParallelConfig",
    "PimConfig",
    "SchedulerConfig",
    "Source",
    "SystemConfig",
    "SystemOptions",
    "SweepConfig",
    "WorkloadConfig",
    "load",
    "load_any",
    "load_any_and_workload",
    "load_area",
    "load_asic",
    "load_dram",
    "load_efficiency",
    "load_npu",
    "load_sweep",
    "load_system",
    "load_workload",
    "provenance",
    "refuse_foreign",
    "resolved",
    "schema",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pimsim.config' has no attribute '{name}'")
    return getattr(import_module(f"pimsim.config.{_HOME[name]}"), name)

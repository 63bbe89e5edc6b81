"""Which numbers a result rests on, and where they come from."""

from __future__ import annotations

from pimsim.config import Source, SystemConfig, provenance

_UNUSED = ("pim.mac_area", "asic.area")


def sources(config: SystemConfig) -> tuple[Source, ...]:
    """The source of every number that can change the result: of several sets of currents only the chosen one."""
    variant = config.memory.currents_variant
    chosen = "memory.currents." if variant == "default" else f"memory.currents_variants.{variant}."
    return tuple(source for source in provenance(config) if source.path not in _UNUSED
                 and (not source.path.startswith("memory.currents") or source.path.startswith(chosen)))

"""The compute units in the memory."""

from __future__ import annotations

from typing import Literal

from pydantic import ValidationInfo, field_validator

from pimsim.config.base import Config
from pimsim.config.quantity import Area, Count, Frequency, Power, Size, refuse


class PimConfig(Config):
    """One multiply-accumulate unit a bank, and the buffer that feeds those of a channel."""

    lanes: Count
    """multipliers of one bank's unit: elements of a column access"""
    clock: Frequency | None = None
    """clock of the units, where it is not the column cadence"""
    narrow_macs: Literal["fixed", "scale"] = "fixed"
    """elements narrower than 16 bits: fixed: as many a cycle, widened on their way; scale: multipliers split, a column a cycle"""
    global_buffer: Size
    """bytes of a channel's buffer for the input vector"""
    all_bank_act: Literal["single", "faw"] = "single"
    """activating all banks: one command, or bank by bank under tRRD and tFAW"""
    arbiter: Literal["pim-first", "memory-first", "age"] = "pim-first"
    """where memory traffic and PIM share a channel: whose command goes when both are ready"""
    mac_power: Power | None = None
    """power of all units of a channel while they compute"""
    mac_energy: Literal["unit-power", "3x-read", "4x-read"]
    """energy of an all-bank MAC: mac_power while it computes, or a multiple of a column read (CENT 3x, NeuPIMs 4x)"""
    mac_area: Area | None = None
    """area of all units of a channel"""

    @field_validator("mac_energy")
    @classmethod
    def _power_known(cls, mac_energy: str, info: ValidationInfo) -> str:
        if mac_energy == "unit-power" and info.data.get("mac_power", 0) is None:
            raise refuse("unit-power needs mac_power", "a mac_power, or 3x-read, 4x-read", related=True)
        return mac_energy

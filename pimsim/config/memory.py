"""The DRAM: organisation, pins, timing, currents. Names and meanings are JEDEC's; no number of a part has a default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from pimsim import units
from pimsim.config.base import Config, Frozen
from pimsim.config.quantity import Count, Current, Rate, Size, Time, Timing, Voltage, refuse
from pimsim.dram.spec import Organization
from pimsim.units import Duration


class Currents(Config):
    """Supply voltage and currents of one device, as data sheets name them. In Python: volts and amperes."""

    VDD: Voltage
    """supply voltage"""
    IDD0: Current
    """one bank activated and precharged every tRC"""
    IDD2N: Current
    """all banks precharged, standing by"""
    IDD3N: Current
    """a bank active, standing by"""
    IDD4R: Current
    """gapless reads"""
    IDD4W: Current
    """gapless writes"""
    IDD5AB: Current
    """all-bank refresh, every tRFC"""
    IDD5PB: Current | None = None
    """per-bank refresh, every tRFCpb"""
    IDD2P: Current | None = None
    """precharged, powered down"""
    IDD3P: Current | None = None
    """active, powered down"""
    IDD6x: Current | None = None
    """self refresh"""


PSEUDO_CHANNELS = ("HBM2", "HBM3")
"""Standards whose ranks are pseudo channels."""


class MemoryConfig(Config):
    """The memory of a system: equal channels of one part."""

    part: str = ""
    """the file under hwconfigs/dram, or a path, that the values come from"""
    standard: str
    """the DRAM standard: its commands and timing rules (GDDR6, HBM2, ...)"""
    command_set: str | None = None
    """the PIM commands on top of the standard (pim-gpt, aim, ...)"""
    channels: Annotated[Count, Field(le=4096)]
    """independent channels"""
    ranks: Annotated[Count, Field(le=64)] = 1
    """ranks of a channel; on HBM its pseudo channels"""
    sids: Annotated[Count, Field(le=64)] = 1
    """stacks of a rank (HBM3)"""
    bankgroups: Annotated[Count, Field(le=1024)]
    """bank groups of a rank"""
    banks: Annotated[Count, Field(le=1024)]
    """banks of a rank, all its bank groups together"""
    rows: Count
    """rows of a bank"""
    columns: Count
    """column accesses that a row holds"""
    column_bytes: Size
    """bytes of one column access (the access granularity)"""
    devices: Count = 1
    """devices of a rank, sharing its commands; currents are those of one"""
    device_width: Count | None = None
    """data pins of one device"""
    row_buffers: Count = 1
    """row buffers of a bank: 1, or 2 as NeuPIMs has them (one for memory, one for PIM)"""
    pins: Count
    """data pins of a rank or pseudo channel"""
    pin_rate: Rate
    """bits a second of one data pin"""
    tCK: Time
    """command clock period"""
    timing: Frozen[Timing]
    """JEDEC name -> a time or clocks"""
    currents: Currents | None = None
    """supply voltage and currents of one device"""
    currents_variants: Frozen[Currents] | None = None
    """other sets of currents, by name"""
    currents_variant: str = "default"
    """which set counts: default (memory.currents) or the name of a variant"""

    @field_validator("banks")
    @classmethod
    def _whole_groups(cls, banks: int, info: ValidationInfo) -> int:
        groups = info.data.get("bankgroups", 1)
        if banks % groups:
            raise refuse(f"{banks} banks do not divide into {groups} bank groups", f"a multiple of {groups}", related=True)
        return banks

    @field_validator("row_buffers")
    @classmethod
    def _one_or_two(cls, row_buffers: int) -> int:
        if row_buffers > 2:
            raise refuse(f"{row_buffers} row buffers", "1 or 2")
        return row_buffers

    @field_validator("pins")
    @classmethod
    def _pins_of_all_devices(cls, pins: int, info: ValidationInfo) -> int:
        devices, width = info.data.get("devices", 1), info.data.get("device_width")
        if width is not None and pins != devices * width:
            raise refuse(f"{pins} pins, but devices x device_width is {devices} x {width}", str(devices * width), related=True)
        return pins

    @field_validator("currents_variant")
    @classmethod
    def _known_variant(cls, name: str, info: ValidationInfo) -> str:
        known = ["default", *(info.data.get("currents_variants") or ())]
        if name not in known:
            raise refuse(f"'{name}' is not a set of currents of this part", f"known: {', '.join(known)}", related=True)
        return name

    @property
    def organization(self) -> Organization:
        """The organisation of one channel as the standards count it."""
        return Organization(self.ranks, self.sids, self.bankgroups, self.banks // self.bankgroups, self.rows,
                            self.columns, self.column_bytes)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of one bank."""
        return self.columns * self.column_bytes

    @property
    def bank_bytes(self) -> int:
        """Bytes of one bank."""
        return self.rows * self.row_bytes

    @property
    def capacity_bytes(self) -> int:
        """Bytes of the whole memory."""
        return self.channels * self.ranks * self.sids * self.banks * self.bank_bytes

    @property
    def external_bytes_per_s(self) -> float:
        """Peak bandwidth of the pins of all channels together. Pseudo channels have pins of their own, ranks share them."""
        buses = self.ranks if self.standard in PSEUDO_CHANNELS else 1
        return self.channels * buses * self.pins * self.pin_rate / 8

    @property
    def chosen_currents(self) -> Currents | None:
        """The set of currents that ``currents_variant`` names."""
        if self.currents_variant == "default" or self.currents_variants is None:
            return self.currents
        return self.currents_variants[self.currents_variant]

    @property
    def timing_cycles(self) -> Mapping[str, int]:
        """JEDEC name -> clocks of tCK, rounded up.

        Where the part gives no burst length ``BL``, it is the clocks that the pins need for one column access.
        """
        cycles = {name: duration.to_cycles(self.tCK) for name, duration in self.timing.items()}
        if "BL" not in cycles:
            cycles["BL"] = Duration(fs=self.burst_fs).to_cycles(self.tCK)
        return cycles

    @property
    def burst_fs(self) -> int:
        """Femtoseconds that the pins need for one column access, rounded up."""
        return -(-self.column_bytes * 8 * units.FS_PER_S // (self.pins * self.pin_rate))

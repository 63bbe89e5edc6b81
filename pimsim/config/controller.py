"""The memory controller: the order of requests, refresh and open rows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pimsim.config.base import Config
from pimsim.config.quantity import Count, Whole


class ControllerConfig(Config):
    """One controller a channel. The defaults are those of the reference runs with Ramulator 2.1."""

    policy: Literal["ramulator-rowhit", "ramulator-frfcfs", "dramsim3-fr32", "fcfs"] = "ramulator-rowhit"
    """how requests are ordered"""
    refresh: Literal["all-bank", "per-bank", "none"] = "all-bank"
    """which refresh commands are issued"""
    postpone: Annotated[Whole, Field(le=8)] = 0
    """refreshes that may be postponed (JEDEC: up to 8)"""
    page: Literal["open", "closed"] = "open"
    """whether a row stays open after an access"""
    read_queue: Count = 32
    """waiting reads"""
    write_queue: Count = 32
    """waiting writes"""

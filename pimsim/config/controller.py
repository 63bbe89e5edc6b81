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
    read_queue: Count | None = None
    """reads (all requests, in a unified queue) that can be scheduled; this and all below: the policy's own, if not given"""
    write_queue: Count | None = None
    """writes that can be scheduled"""
    order: Literal["frfcfs", "fcfs"] | None = None
    """the oldest whose command is ready, or the oldest"""
    queue: Literal["split", "unified"] | None = None
    """reads and writes apart, or together"""
    waiting: Whole | None = None
    """requests accepted beyond the queue"""
    write_high: float | None = None
    """writes are served once more than this part of their queue is full"""
    write_low: float | None = None
    """reads again once less than this part is full"""
    precharge: Literal["ready", "no-older-hit", "no-hit"] | None = None
    """when a row may be closed for another"""
    row_hit_cap: Whole | None = None
    """accesses after which hits keep a row open no more; 0: they always do"""
    protect_opened: bool | None = None
    """a request whose row was opened goes first"""
    forward_writes: bool | None = None
    """a read of a waiting write is answered from the queue"""
    order_same_column: bool | None = None
    """a write waits for older reads of its column"""
    second_command: Literal["row-after-column", "other-kind"] | None = None
    """the second command of a tick, on parts with two command buses"""
    write_done: Literal["issued", "accepted"] | None = None
    """when a write counts as done"""
    refresh_blocks: Literal["channel", "rank", "bank"] | None = None
    """which requests a waiting refresh holds back"""
    refresh_precharge: Literal["together", "one-by-one"] | None = None
    """how rows are closed for a refresh"""
    data_clock: Literal["on-demand", "always-on"] | None = None
    """LPDDR5's WCK"""
    address_mapping: str | None = None
    """fields of a byte address, most significant first (ro ra si bg ba ch co), for traces of addresses"""

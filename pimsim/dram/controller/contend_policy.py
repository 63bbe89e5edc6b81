"""What decides on a channel that serves memory requests and a PIM queue at the same time, as data.

The defaults are the controller of the NeuPIMs simulator (casys-kaist/NeuPIMs f299af3, a DRAMsim3 with a PIM queue): queues a bank served in
turn, PIM first, and a refresh that PIM work is planned around by its announcement. ``result_at``, ``reserve``, ``hold_activates`` and
``least_computes`` depart from it where it takes shortcuts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal, get_args, get_type_hints

from pimsim.errors import InputError, Problem

Arbiter = Literal["pim-first", "memory-first", "age"]


@dataclass(frozen=True, slots=True)
class ContendPolicy:
    """One controller a channel.

    Attributes:
        arbiter: whose command goes when both are ready: PIM's, memory's, or that of the work that arrived first. With one row buffer
            the same decides who may begin when the other has finished: a PIM row, or what waits for memory.
        refresh: ``all-bank``: each rank every tREFI, the ranks evenly staggered; ``none``.
        read_queue, write_queue: requests accepted and not yet in a bank's queue.
        bank_queue, pim_queue: requests in the queue of a bank, and transactions in that of PIM. One request or transaction a tick moves
            there, PIM's first. (Two is what reads beside PIM in that simulator's logs show, whatever its configuration says.)
        outstanding: requests that may be accepted and not yet served, all together; 0: as many as the queues hold.
        drain_above: with more waiting writes than this and all bank queues empty, or with a full write queue, those writes are served.
        row_hit_cap: column accesses after which waiting hits keep a row open no more.
        header_slack: an announced row is begun only with so many ticks to spare before the next refresh; otherwise PIM waits for it.
        close_ticks: ticks that the controller reckons with for closing a bank before that row is opened.
        row_cost: ticks of that slack which a row command of memory traffic uses up.
        activate_slack, precharge_slack: it goes only with more slack than this.
        idle_slack: with less slack nothing but PIM goes.
        least_computes: a composite takes the time of at least so many COMPs.
        result_at: results arrive a read's latency behind the ``end`` of a composite (READRES), or behind its ``issue``.
        reserve: accesses to the row being multiplied wait until its ``work`` is done, or until the ``next`` announcement or refresh.
        hold_activates: while PIM waits to open rows, memory traffic opens none in the same rank.
    """

    arbiter: Arbiter = "pim-first"
    refresh: Literal["all-bank", "none"] = "all-bank"
    read_queue: int = 32
    write_queue: int = 32
    bank_queue: int = 128
    pim_queue: int = 2
    outstanding: int = 0
    drain_above: int = 8
    row_hit_cap: int = 4
    header_slack: int = 2
    close_ticks: int = 5
    row_cost: int = 14
    activate_slack: int = 14
    precharge_slack: int = 28
    idle_slack: int = 10
    least_computes: int = 0
    result_at: Literal["end", "issue"] = "end"
    reserve: Literal["work", "next"] = "work"
    hold_activates: bool = True

    def __post_init__(self) -> None:
        problems = tuple(_problems(self))
        if problems:
            raise InputError(problems)


def _problems(p: ContendPolicy) -> Iterator[Problem]:
    """Everything that is wrong with a policy."""
    hints = get_type_hints(ContendPolicy)
    for name in (f.name for f in fields(ContendPolicy)):
        value, choices = getattr(p, name), get_args(hints[name])
        least = 1 if name in ("read_queue", "write_queue", "bank_queue", "pim_queue", "row_hit_cap") else 0
        if choices and value not in choices:
            yield Problem(f"unknown '{value}'", ", ".join(choices), key=f"controller.{name}")
        elif not choices and value < least:
            yield Problem(f"{value} is too few", f"at least {least}", key=f"controller.{name}")

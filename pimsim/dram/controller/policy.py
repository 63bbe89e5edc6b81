"""What a memory controller decides, as data: one :class:`Policy`, and the named bundles of keys that reference simulators stand for.

The presets follow the controllers of Ramulator 2.1 c5b1c3a and DRAMsim3 2981759 as their command logs show them; every key can
be changed by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args, get_type_hints

from pimsim.errors import InputError, Problem, nearest


@dataclass(frozen=True, slots=True)
class Policy:
    """One controller a channel.

    Attributes:
        order: ``frfcfs``: of the waiting requests the oldest whose next command is ready; ``fcfs``: the oldest, ready or not.
        queue: ``split``: reads and writes wait in queues of their own, and only one of the two is served at a time;
            ``unified``: all wait in one queue of ``read_queue`` places.
        read_queue, write_queue: requests that can be scheduled.
        waiting: requests accepted beyond those, which wait for a place.
        write_high, write_low: writes are served once more than this part of their queue is full, or no read waits; reads again
            once less than this part is full and a read waits.
        precharge: when a row may be closed for a request to another row. ``ready``: as soon as the command is ready;
            ``no-older-hit``: no older request of the same queue hits the row; ``no-hit``: none at all does, and the request is
            its bank's oldest.
        row_hit_cap: column accesses after which hits keep a row open no more; 0: they always do.
        protect_opened: a request whose row was opened leaves the queue, goes first, and its row is not closed before.
        page: ``open``: rows stay open; ``closed``: an access closes its row unless another waiting request hits it.
        forward_writes: a read of a waiting write is answered from the queue.
        order_same_column: a write waits for older reads of its column.
        second_command: on a part with two command buses, the second command of a tick. ``row-after-column``: a column command may
            be followed by a row command; ``other-kind``: any by the oldest ready command that a request needs, if it is of the other
            kind.
        write_done: ``issued`` or ``accepted``: when a write counts as done.
        refresh: ``all-bank``, ``per-bank`` or ``none``.
        postpone: refreshes of a rank that may be owed while it has requests (JEDEC: up to 8).
        refresh_blocks: which requests a waiting refresh keeps from being scheduled: those of its ``channel``, ``rank`` or ``bank``.
        refresh_precharge: rows are closed for a refresh ``together`` or ``one-by-one``.
        data_clock: ``on-demand``: started before an access where it has stopped; ``always-on`` (LPDDR5's WCK).
    """

    order: Literal["frfcfs", "fcfs"] = "frfcfs"
    queue: Literal["split", "unified"] = "split"
    read_queue: int = 32
    write_queue: int = 32
    waiting: int = 0
    write_high: float = 0.8
    write_low: float = 0.2
    precharge: Literal["ready", "no-older-hit", "no-hit"] = "no-older-hit"
    row_hit_cap: int = 0
    protect_opened: bool = True
    page: Literal["open", "closed"] = "open"
    forward_writes: bool = True
    order_same_column: bool = False
    second_command: Literal["row-after-column", "other-kind"] = "row-after-column"
    write_done: Literal["issued", "accepted"] = "issued"
    refresh: Literal["all-bank", "per-bank", "none"] = "all-bank"
    postpone: int = 0
    refresh_blocks: Literal["channel", "rank", "bank"] = "channel"
    refresh_precharge: Literal["together", "one-by-one"] = "together"
    data_clock: Literal["on-demand", "always-on"] = "on-demand"

    def __post_init__(self) -> None:
        problems = tuple(_problems(self))
        if problems:
            raise InputError(problems)


def _problems(p: Policy) -> Iterator[Problem]:
    """Everything that is wrong with a policy."""

    def problem(key: str, message: str, allowed: str) -> Problem:
        return Problem(message, allowed, key=f"controller.{key}")

    hints = get_type_hints(Policy)
    for name in (f.name for f in fields(Policy)):
        choices = get_args(hints[name])
        if choices and getattr(p, name) not in choices:
            yield problem(name, f"unknown '{getattr(p, name)}'", ", ".join(choices))
    for name, least in (("read_queue", 1), ("write_queue", 1), ("waiting", 0), ("row_hit_cap", 0), ("postpone", 0)):
        if getattr(p, name) < least:
            yield problem(name, f"{getattr(p, name)} is too few", f"at least {least}")
    if p.postpone > 8:
        yield problem("postpone", f"{p.postpone} is too many", "at most 8 (JEDEC)")
    if not 0 <= p.write_low < p.write_high <= 1:
        yield problem("write_low", f"{p.write_low} with write_high {p.write_high}", "0 <= write_low < write_high <= 1")
    if p.queue == "split" and p.waiting:
        yield problem("waiting", "split queues have no room for requests beyond them", "0, or queue: unified")
    if p.queue == "split" and p.order_same_column:
        yield problem("order_same_column", "a write could wait for a read that is not served in its turn", "false, or queue: unified")
    if p.queue == "split" and p.order == "fcfs":
        yield problem("queue", "requests of split queues have no common order", "unified, with order: fcfs")


PRESETS: Mapping[str, Policy] = {
    # Ramulator 2.1: FRFCFSRowHit; a request whose row was opened moves to a buffer that is served first
    "ramulator-rowhit": Policy(),
    # Ramulator 2.1: FRFCFS, where a precharge may close a row that still has hits waiting
    "ramulator-frfcfs": Policy(precharge="ready"),
    # DRAMsim3 with queue_structure PER_RANK, cmd_queue_size 32, trans_queue_size 1, unified queue
    "dramsim3-fr32": Policy(
        queue="unified", waiting=1, precharge="no-hit", row_hit_cap=4, protect_opened=False, order_same_column=True,
        second_command="other-kind", write_done="accepted", refresh_blocks="rank", refresh_precharge="one-by-one",
    ),
    "fcfs": Policy(order="fcfs", queue="unified", protect_opened=False),
}  # fmt: skip


def policy(preset: str, **changes: Any) -> Policy:
    """A preset with some keys changed; a change to ``None`` is none.

    Raises:
        InputError: there is no such preset or key, or a value is not allowed.
    """
    problems = []
    if preset not in PRESETS:
        problems.append(Problem(f"unknown policy '{preset}'", nearest(preset, list(PRESETS)), key="controller.policy"))
    known = [f.name for f in fields(Policy)]
    problems += [Problem("unknown key", nearest(k, known), key=f"controller.{k}") for k in changes if k not in known]
    if problems:
        raise InputError(problems)
    return replace(PRESETS[preset], **{k: v for k, v in changes.items() if v is not None})

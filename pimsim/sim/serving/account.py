"""What happened, counted: integers by name, so that stages add up, repeat and can be interpolated.

A name is a tuple: ``("ticks",)``, ``("command", "ACT")``, ``("cause", view, cause)``, ``("busy", unit)``, ``("active", row buffer)``,
``("macs", unit)``, ``("vector",)``, ``("scratchpad",)``, ``("read",)``, ``("written",)``, ``("stage", name, field)``,
``("op", name, field)``, ``("bound",)``, ``("link", "bytes")``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pimsim.devices.stage import OpRecord, StageRecord

Name = tuple[str, ...]
STAGE_FIELDS = ("count", "ticks", "npu_busy", "pim_busy", "bus_busy")
"""Of a stage; ``bound`` is added by who knows it."""
OP_FIELDS = ("count", "ticks", "macs", "read", "written", "bound")
UNITS = ("npu", "pim", "vector", "bus")


class Account:
    """Counts of one device. Everything in it is an integer."""

    __slots__ = ("counts",)

    def __init__(self, counts: Mapping[Name, int] | None = None):
        self.counts: dict[Name, int] = dict(counts or {})

    def __getitem__(self, name: Name) -> int:
        return self.counts.get(name, 0)

    def add(self, name: Name, number: int) -> None:
        """Add to one count."""
        if number:
            self.counts[name] = self.counts.get(name, 0) + number

    def merge(self, other: Account, times: int = 1) -> None:
        """Add all counts of ``other``, ``times`` times."""
        for name, number in other.counts.items():
            self.add(name, number * times)

    def under(self, *prefix: str) -> dict[str, int]:
        """The counts whose names are ``prefix`` and one word more, by that word."""
        depth = len(prefix)
        return {name[depth]: number for name, number in self.counts.items() if len(name) == depth + 1 and name[:depth] == prefix}

    def table(self, first: str, fields: Iterable[str]) -> dict[str, dict[str, int]]:
        """The counts ``(first, name, field)`` as rows by name."""
        fields = tuple(fields)
        names = dict.fromkeys(name[1] for name in self.counts if name[0] == first)
        return {name: {field: self[first, name, field] for field in fields} for name in names}


def of_stage(record: StageRecord) -> Account:
    """The counts of a stage."""
    made = Account()
    made.add(("ticks",), record.ticks)
    for command, number in record.commands.items():
        made.add(("command", command), number)
    for view, causes in record.causes.items():
        for cause, ticks in causes.items():
            made.add(("cause", view, cause), ticks)
    for unit, ticks in record.busy_ticks.items():
        made.add(("busy", unit), ticks)
    for buffer, ticks in record.active_ticks.items():
        made.add(("active", buffer), ticks)
    made.add(("read",), record.bytes_read)
    made.add(("written",), record.bytes_written)
    if record.name:
        _stage(made, record)
    for op in record.ops:
        _operator(made, op)
    return made


def _stage(made: Account, record: StageRecord) -> None:
    values = (1, record.ticks, *(record.busy_ticks.get(unit, 0) for unit in ("npu", "pim", "bus")))
    for field, value in zip(STAGE_FIELDS, values, strict=True):
        made.add(("stage", record.name, field), value)


def _operator(made: Account, op: OpRecord) -> None:
    made.add(("macs", op.unit), op.macs)
    made.add(("vector",), op.vector_elements)
    made.add(("scratchpad",), op.scratchpad_bytes)
    values = (1, op.end_ticks - op.begin_ticks, op.macs, op.bytes_read, op.bytes_written, op.bound_ticks)
    for field, value in zip(OP_FIELDS, values, strict=True):
        made.add(("op", op.name, field), value)


def between(low: Account, high: Account, part: int, whole: int) -> Account:
    """Counts ``part`` / ``whole`` of the way from ``low`` to ``high`` (or beyond), rounded down; none is less than nothing."""
    made = {name: max(0, (low[name] * (whole - part) + high[name] * part) // whole) for name in {**low.counts, **high.counts}}
    return _balanced(made, low)


def scaled(account: Account, part: int, whole: int) -> Account:
    """All counts times ``part`` / ``whole``, rounded down; how many stages and operators there are stays."""
    made = {name: number if name[-1] == "count" else number * part // whole for name, number in account.counts.items()}
    return _balanced(made, account)


def _balanced(counts: dict[Name, int], like: Account) -> Account:
    """What rounding took from the causes is given back to the largest, so that they sum to the ticks of all channels again."""
    made = Account(counts)
    views = {name[1] for name in counts if name[0] == "cause"}
    for view in views:
        channels = sum(like.under("cause", view).values()) // like[("ticks",)]
        causes = made.under("cause", view)
        made.add(("cause", view, max(causes, key=causes.__getitem__)), made[("ticks",)] * channels - sum(causes.values()))
    return made

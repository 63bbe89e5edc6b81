"""Memory requests run on a DRAM part: every channel under its own controller."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pimsim import units
from pimsim.config import ControllerConfig
from pimsim.config.system import DramConfig
from pimsim.dram import request_trace
from pimsim.dram.controller.channel import Channel
from pimsim.dram.controller.plan import Plan, make_plan
from pimsim.dram.controller.policy import Policy, policy
from pimsim.dram.energy import Activity, command_energy, energy_j
from pimsim.dram.request_trace import Requests
from pimsim.dram.spec import Organization
from pimsim.kernels import request_layout as at
from pimsim.sim.memory import compile_memory, peak_bytes_per_s, seen_organization

Sink = Callable[[np.ndarray], None]
NO_CURRENTS = "the part has no currents (memory.currents)"
NOT_OF_POLICY = frozenset({"policy", "address_mapping"})


@dataclass(frozen=True)
class Traffic:
    """What a run of requests left behind: the channels in their last state, and what it took.

    ``wall_s`` and ``cpu_s`` are of simulating; ``read_s`` is what the requests took to come (to be read from a file).
    """

    config: DramConfig
    plan: Plan
    channels: tuple[Channel, ...]
    wall_s: float
    cpu_s: float
    read_s: float

    def summary(self) -> dict[str, Any]:
        """What ``pimsim dram --json`` prints."""
        end = max(c.end_tick for c in self.channels)
        counts: dict[str, int] = {}
        for channel in self.channels:
            for name, number in channel.counts().items():
                counts[name] = counts.get(name, 0) + number
        hits, misses, conflicts = (sum(column) for column in zip(*(c.rows() for c in self.channels), strict=True))
        latencies = [c.latency() for c in self.channels]
        reads = sum(x.reads for x in latencies)
        histogram: dict[tuple[int, int], int] = {}
        for first, last, number in (b for x in latencies for b in x.histogram):
            histogram[first, last] = histogram.get((first, last), 0) + number
        requests = sum(c.sent for c in self.channels)
        memory = self.config.memory
        end_s = end * self.plan.compiled.tick_fs / units.FS_PER_S
        moved = (requests - sum(c.forwarded for c in self.channels)) * memory.column_bytes
        issued = sum(counts.values())
        peak = peak_bytes_per_s(memory, self.plan.compiled)
        energy = self.energy(end)
        return {
            "part": memory.part,
            "policy": self.config.controller.policy,
            "requests": requests,
            "total_cycles": end,
            "last_rdwr_cycle": max(c.last_column_tick for c in self.channels),
            "time_s": end_s,
            "counts": counts,
            "row_hits": hits,
            "row_misses": misses,
            "row_conflicts": conflicts,
            "avg_read_latency_cycles": sum(x.mean * x.reads for x in latencies) / reads if reads else 0.0,
            "read_latency_histogram": [[*span, histogram[span]] for span in sorted(histogram)],
            "forwarded_reads": sum(c.forwarded for c in self.channels),
            "bandwidth_bytes_per_s": moved / end_s if end_s else 0.0,
            "peak_bytes_per_s": peak,
            "bandwidth_utilisation": moved / end_s / peak if end_s else 0.0,
            "energy_j": energy,
            "energy_note": NO_CURRENTS if energy is None else None,
            "host": {
                "wall_s": self.wall_s,
                "cpu_s": self.cpu_s,
                "read_s": self.read_s,
                "requests_per_s": requests / self.wall_s if self.wall_s else 0.0,
                "commands_per_s": issued / self.wall_s if self.wall_s else 0.0,
                "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            },
        }

    def energy(self, end_tick: int) -> dict[str, float] | None:
        """Joules by component and in all, ``io`` if the part gives its pins' energy; None if the part has no currents."""
        memory, compiled = self.config.memory, self.plan.compiled
        currents = memory.chosen_currents
        if currents is None:
            return None
        formula = self.config.energy.formula if self.config.energy else "dramsim3"
        each = command_energy(currents, compiled.timing, memory.tCK / units.FS_PER_S, devices=memory.devices,
                              banks=memory.banks, formula=formula)
        parts: dict[str, float] = {}
        for channel in self.channels:
            activity: Activity = channel.activity(end_tick)
            for name, joules in energy_j(each, activity, compiled.tick_fs / units.FS_PER_S).items():
                parts[name] = parts.get(name, 0.0) + joules
            if self.config.energy and self.config.energy.io is not None:
                bits = (activity.reads + activity.writes) * memory.column_bytes * 8
                parts["io"] = parts.get("io", 0.0) + bits * self.config.energy.io
        return {"total": sum(parts.values()), **parts}


def policy_of(controller: ControllerConfig) -> Policy:
    """The policy that a configuration names, with the keys that it changes.

    Raises:
        InputError: the keys contradict one another.
    """
    given = {name: getattr(controller, name) for name in type(controller).model_fields if name not in NOT_OF_POLICY}
    return policy(controller.policy, **given)


def make_channel_plan(config: DramConfig) -> Plan:
    """The plan of a channel of a part: what :class:`~pimsim.dram.controller.channel.Channel` takes.

    Raises:
        InputError: the part cannot do what the controller's keys ask, or its numbers contradict one another.
    """
    with config.located():
        seen_organization(config.memory, config.controller)
        compiled = compile_memory(config.memory, config.controller, config.pim)
        peak_bytes_per_s(config.memory, compiled)
        return make_plan(compiled, policy_of(config.controller))


def read_requests(config: DramConfig, path: str | Path) -> Iterator[Requests]:
    """The requests of a file, a chunk at a time.

    Raises:
        InputError: a malformed request, with file and line.
    """
    memory, controller = config.memory, config.controller
    mapping = controller.address_mapping or request_trace.DEFAULT_MAPPING
    with config.located():
        fitted = seen_organization(memory, controller)
        request_trace.address_mapping(mapping, fitted, memory.channels)
    note = "" if fitted == memory.organization else "DRAMsim3 has no pseudo channels: each is a channel of its own"
    return request_trace.read(path, fitted, channels=memory.channels, mapping=mapping, note=note)


def run_requests(config: DramConfig, requests: Iterable[Requests], *, commands: Sink | None = None,
                 completions: Sink | None = None) -> Traffic:
    """Run requests, given a chunk at a time, until nothing waits.

    Args:
        commands: called with int64 [n, 7] rows of each channel: tick, channel, command, flat bank, row, column, count.
        completions: called with int64 [n, 3] rows in the order of the requests: the request's idx, tick accepted, tick done.

    Raises:
        InputError: the part cannot do what the policy asks.
    """
    plan = make_channel_plan(config)
    memory = config.memory
    spread = _Spread(completions, memory.channels) if completions else None
    channels = tuple(Channel(plan, commands=commands, completions=spread.sink(c) if spread else None, number=c)
                     for c in range(memory.channels))
    for channel in channels:
        channel.work()  # nothing yet, but the kernel is compiled or loaded now, and not while the time is taken
    start, watch = time.perf_counter(), _Watch()
    for chunk in requests:
        with watch:
            rows = request_rows(chunk, plan.compiled.organization)
            for number, channel in enumerate(channels):
                if len(channels) > 1:
                    own = np.flatnonzero(chunk.rows[:, request_trace.CHANNEL] == number)
                else:
                    own = np.arange(len(rows) if spread else 0)
                if spread:
                    spread.add(number, own, chunk.rows[:, request_trace.INDEX])
                channel.send(rows[own] if len(channels) > 1 else rows)
                channel.work()
    with watch:
        for channel in channels:
            channel.drain()
    return Traffic(config, plan, channels, watch.wall_s, watch.cpu_s, time.perf_counter() - start - watch.wall_s)


def request_rows(chunk: Requests, organization: Organization) -> np.ndarray:
    """Requests as a channel takes them."""
    rows = np.empty((len(chunk), at.REQUEST_FIELDS), np.int64)
    rows[:, at.Q_ARRIVAL], rows[:, at.Q_WRITE] = chunk.arrival, chunk.write
    rows[:, at.Q_BANK] = chunk.flat_bank(organization)
    rows[:, at.Q_ROW], rows[:, at.Q_COLUMN] = chunk.row, chunk.column
    return rows


class _Watch:
    """Sums the time spent inside ``with``: elapsed, and of this process."""

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = 0.0

    def __enter__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def __exit__(self, *exception: object) -> None:
        self.wall_s += time.perf_counter() - self._wall
        self.cpu_s += time.process_time() - self._cpu


class _Spread:
    """Turns each channel's numbering of its requests back into their idx, and puts completions into the order of the requests.

    It keeps what lies behind the oldest request that is not done yet.
    """

    def __init__(self, sink: Sink, channels: int):
        self._sink = sink
        self._numbers = [np.zeros(0, np.int64) for _ in range(channels)]
        self._dropped = [0] * channels
        self._names = np.zeros(0, np.int64)
        self._seen = self._handed_on = 0
        self._early = np.zeros((0, at.COMPLETION_FIELDS), np.int64)

    def add(self, channel: int, own: np.ndarray, names: np.ndarray) -> None:
        """Note which requests of the next chunk, called ``names``, are a channel's (called for every channel in turn)."""
        left = self._numbers[channel]
        done = int(np.searchsorted(left, self._handed_on))
        self._dropped[channel] += done
        self._numbers[channel] = np.concatenate((left[done:], self._seen + own))
        if channel == len(self._numbers) - 1:
            self._seen += len(names)
            self._names = np.concatenate((self._names, names))

    def sink(self, channel: int) -> Sink:
        """What a channel calls with its completions."""

        def hand_on(rows: np.ndarray) -> None:
            rows[:, 0] = self._numbers[channel][rows[:, 0] - self._dropped[channel]]
            rows = np.concatenate((self._early, rows))
            rows = rows[np.argsort(rows[:, 0])]
            ready = int((rows[:, 0] == self._handed_on + np.arange(len(rows))).sum())
            self._early = rows[ready:]
            if ready:
                self._handed_on += ready
                rows[:ready, 0] = self._names[:ready]
                self._names = self._names[ready:]
                self._sink(rows[:ready])

        return hand_on



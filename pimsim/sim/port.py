"""A memory to send requests to from Python: ``pimsim.memory("hbm2-4gb-2000")``.

A thin layer over :class:`~pimsim.dram.controller.channel.Channel` for whoever drives a memory with a simulator of his own: it takes
byte addresses or coordinates of a whole memory, spreads them over its channels, and gives back what has completed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pimsim.config import DramConfig
from pimsim.dram import request_trace
from pimsim.dram.controller.channel import Channel, Sink
from pimsim.dram.request_trace import Requests, address_mapping
from pimsim.kernels import request_layout as at
from pimsim.sim.traffic import Traffic, make_channel_plan, request_rows

_GONE = -1

COORDINATES = ("channel", "rank", "sid", "bankgroup", "bank", "row", "col")
"""Names of the coordinates of a request, as in request files."""


class Memory:
    """A memory under its controllers.

    Life cycle: :meth:`send` requests in the order of their arrival, :meth:`advance` to a tick, take :meth:`completions`; in the end
    :meth:`drain`. A tick is a clock of the part (half a clock on HBM3); :attr:`tick_s` is its length.

    Args:
        config: of the part; ``pimsim.memory`` makes one by name.

    Raises:
        InputError: the part cannot do what the controller's keys ask.
    """

    def __init__(self, config: DramConfig):
        self._plan = make_channel_plan(config)
        self._config, self._organization = config, self._plan.compiled.organization
        with config.located():
            self._mapping = address_mapping(config.controller.address_mapping or request_trace.DEFAULT_MAPPING, self._organization,
                                            config.memory.channels)
        self._done: list[np.ndarray] = []
        self._numbers = [np.zeros(0, np.int64) for _ in range(config.memory.channels)]
        self._first = [0] * config.memory.channels  # number within the channel of the first of _numbers
        self._channels = tuple(Channel(self._plan, completions=self._sink(c), number=c) for c in range(config.memory.channels))
        self._sent = self._latest = 0
        self._wall_s = self._cpu_s = 0.0

    @property
    def tick_s(self) -> float:
        """Seconds of a tick."""
        return self._plan.compiled.tick_fs * 1e-15

    @property
    def outstanding(self) -> int:
        """Requests sent that have not been issued yet."""
        return sum(c.outstanding for c in self._channels)

    def send(self, where: ArrayLike | Mapping[str, ArrayLike], writes: ArrayLike = False, arrivals: ArrayLike = 0) -> np.ndarray:
        """Add requests.

        Args:
            where: byte addresses, integers [n]; or coordinates, integers [n] by name (:data:`COORDINATES`; those left out are 0).
            writes: whether each is a write, bool [n] or one for all.
            arrivals: tick at which each is there, integers [n] or one for all; they never go back.

        Returns:
            Their numbers, int64 [n]: how many were sent before.

        Raises:
            ValueError: an address or coordinate outside the memory, an arrival that goes back, arrays that do not fit together.
                Nothing is sent then.
        """
        rows = self._coordinates(where) if isinstance(where, Mapping) else self._addresses(where)
        rows[:, request_trace.WRITE] = np.broadcast_to(np.asarray(writes, bool), len(rows))
        rows[:, request_trace.ARRIVAL] = np.broadcast_to(_integers("arrivals", arrivals), len(rows))
        late = rows[:, request_trace.ARRIVAL]
        if len(rows) and (late[0] < self._latest or (np.diff(late) < 0).any()):
            raise ValueError(f"arrivals go back: nothing can arrive before {self._latest} now")
        numbers = self._sent + np.arange(len(rows))
        requests = request_rows(Requests(rows), self._organization)
        for number, channel in enumerate(self._channels):
            own = np.flatnonzero(rows[:, request_trace.CHANNEL] == number)
            self._numbers[number] = np.concatenate((self._numbers[number], numbers[own]))
            channel.send(requests[own])
        self._sent += len(rows)
        self._latest = int(late[-1]) if len(rows) else self._latest
        return numbers

    def advance(self, until: int) -> None:
        """Decide every tick up to ``until``; what is sent later arrives no earlier than that."""
        self._latest = max(self._latest, until)
        self._run(lambda channel: channel.advance(until))

    def drain(self) -> None:
        """Run until nothing waits."""
        self._run(lambda channel: channel.drain())

    def completions(self) -> np.ndarray:
        """What has become certain since the last call, int64 [n, 3]: number of the request, tick accepted, tick done.

        The order is that of the ticks done. A completion is certain once its command is issued, so that done may lie ahead of the
        tick advanced to by a latency and a burst.
        """
        done = np.concatenate(self._done) if self._done else np.zeros((0, at.COMPLETION_FIELDS), np.int64)
        self._done.clear()
        return done[np.lexsort((done[:, 0], done[:, 2]))]

    def stats(self) -> dict[str, Any]:
        """What ``pimsim dram --json`` prints of a run, up to now."""
        return Traffic(self._config, self._plan, self._channels, self._wall_s, self._cpu_s, 0.0).summary()

    def _run(self, action: Callable[[Channel], None]) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        for channel in self._channels:
            action(channel)
        self._wall_s += time.perf_counter() - wall
        self._cpu_s += time.process_time() - cpu

    def _sink(self, channel: int) -> Sink:
        """What a channel calls with its completions."""

        def take(rows: np.ndarray) -> None:
            numbers, local = self._numbers[channel], rows[:, 0] - self._first[channel]
            rows[:, 0] = numbers[local]
            self._done.append(rows)
            numbers[local] = _GONE
            begin = 0
            while begin < len(numbers) and numbers[begin] == _GONE:
                begin += 1
            self._numbers[channel], self._first[channel] = numbers[begin:], self._first[channel] + begin

        return take

    def _addresses(self, where: ArrayLike) -> np.ndarray:
        addresses = np.atleast_1d(_integers("addresses", where))
        outside = (addresses < 0) | (addresses >= self._mapping.capacity_bytes)
        if outside.any():
            raise ValueError(f"address {addresses[outside.argmax()]:#x} is outside the memory: 0 to {self._mapping.capacity_bytes - 1:#x}")
        rows = np.zeros((len(addresses), request_trace.LINE + 1), np.int64)
        self._mapping.split(addresses, rows)
        return rows

    def _coordinates(self, where: Mapping[str, ArrayLike]) -> np.ndarray:
        unknown = sorted(set(where) - set(COORDINATES))
        if unknown or not where:
            raise ValueError(f"coordinates {', '.join(unknown) or 'are missing'}: known are {', '.join(COORDINATES)}")
        arrays = np.broadcast_arrays(*(np.atleast_1d(_integers(name, values)) for name, values in where.items()))
        rows = np.zeros((len(arrays[0]), request_trace.LINE + 1), np.int64)
        org = self._organization
        sizes = dict(zip(COORDINATES, (self._config.memory.channels, org.ranks, org.sids, org.bankgroups, org.banks, org.rows,
                                       org.columns), strict=True))
        for name, values in zip(where, arrays, strict=True):
            outside = (values < 0) | (values >= sizes[name])
            if outside.any():
                raise ValueError(f"{name} {values[outside.argmax()]} is outside the memory: 0 to {sizes[name] - 1}")
            rows[:, request_trace.FIELDS.index(name)] = values
        return rows


def _integers(name: str, values: ArrayLike) -> np.ndarray:
    """An array of whole numbers. Raises ValueError if they are not, or do not fit into 63 bits."""
    found = np.asarray(values)
    if found.size == 0:
        return found.astype(np.int64)
    if found.dtype.kind not in "iu" or (found.dtype.kind == "u" and found.max() > np.iinfo(np.int64).max):
        raise ValueError(f"{name} must be whole numbers below 2**63")
    return found.astype(np.int64)

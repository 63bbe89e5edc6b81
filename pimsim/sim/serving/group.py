"""A tensor-parallel group: devices that do the same at the same time, so one of them is simulated, and the links between them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Protocol

import simpy

from pimsim.devices.stage import StageRecord, StageWork
from pimsim.schedule.collective import Link, Topology, all_reduce_fs, all_reduce_link_bytes
from pimsim.schedule.event import Run
from pimsim.sim.serving.account import Account, of_stage
from pimsim.sim.serving.approximate import Anchors
from pimsim.sim.serving.plan import Item, Planner


class Device(Protocol):
    """What simulates stages; :class:`pimsim.devices.neupims.NeuPimsDevice`."""

    @property
    def now_ticks(self) -> int:
        """Where the device stands in time."""
        ...

    @property
    def tick_fs(self) -> int:
        """Its clock period."""
        ...

    def stage(self, work: StageWork) -> StageRecord:
        """Run a stage to its end."""
        ...

    def idle(self, until_ticks: int) -> StageRecord:
        """Do nothing until then but what memory does by itself; a record without a name."""
        ...


@dataclass(frozen=True, slots=True)
class Network:
    """How the devices of a group talk. Without a link it takes no time (as in the NeuPIMs paper)."""

    devices: int
    topology: Topology
    link: Link | None
    token_bytes: int

    def reduce_fs(self, tokens: int) -> int:
        """Time of an all-reduce of the activations of ``tokens`` tokens."""
        if self.link is None:
            return 0
        return all_reduce_fs(self.topology, self.devices, tokens * self.token_bytes, self.link)

    def reduce_bytes(self, tokens: int) -> int:
        """Bytes that one device sends in it."""
        links = 1 if self.topology == "ring" else self.devices - 1
        return links * all_reduce_link_bytes(self.devices, tokens * self.token_bytes, self.topology)

    def transfer_fs(self, tokens: int) -> int:
        """Time to hand the activations of ``tokens`` tokens to the next group."""
        return 0 if self.link is None else self.link.message_fs(self.transfer_bytes(tokens))

    def transfer_bytes(self, tokens: int) -> int:
        """Bytes that one device sends then: every device of a group has all activations, and hands them to its counterpart."""
        return tokens * self.token_bytes


@dataclass(frozen=True, slots=True)
class Passage:
    """An iteration's way through one group. ``how``: simulated, or interpolated, extrapolated, scaled.

    ``stages``: records of simulated stages and how often each counts, where somebody wants them.
    """

    iteration: int
    group: int
    begin_fs: int
    end_fs: int
    how: str
    account: Account
    stages: tuple[tuple[StageRecord, int], ...] = ()


Watcher = Callable[[StageWork, StageRecord, bool], None]
"""Shown every simulated stage, and whether it belongs to an iteration that is kept."""


@dataclass
class Group:
    """A pipeline stage: takes iterations from its queue, one after the other, and hands them on.

    Attributes:
        exact: the device's clock is the simulation's; otherwise it stands still while nothing is simulated.
        anchors: simulated iterations that others are interpolated between; None: every one is simulated.
        finished: told of every passage. bound: the least ticks that a stage may take. watch: shown every stage.
        kept: iterations whose records are kept.
        sampled_layers: layers that are simulated by themselves to measure the error of one that stands for all.
        rest: what happened between iterations, and handing them on.
        layer_errors: relative errors of the time of a layer that stands for all.
    """

    number: int
    device: Device
    planner: Planner
    network: Network
    exact: bool
    anchors: Anchors | None
    finished: Callable[[Run, Passage], None]
    bound: Callable[[StageRecord], int]
    watch: Watcher | None = None
    kept: range = range(0)
    sampled_layers: int = 2
    rest: Account = field(default_factory=Account)
    layer_errors: list[float] = field(default_factory=list)

    def process(self, env: simpy.Environment, queue: simpy.Store, hand_on: Callable[[Run], None]) -> Generator[simpy.Event, Any, None]:
        """Process: never ends."""
        while True:
            run: Run = yield queue.get()
            yield from self._align(env)
            begin = int(env.now)
            passage = yield from self._pass(env, run, begin)
            self.finished(run, passage)
            hand_on(run)

    def _align(self, env: simpy.Environment) -> Generator[simpy.Event, Any, None]:
        """Bring simulation and device to the same tick."""
        tick = self.device.tick_fs
        late = -env.now % tick
        if late:
            yield env.timeout(late)
        now = int(env.now) // tick
        if self.exact and self.device.now_ticks < now:
            self.rest.merge(of_stage(self.device.idle(now)))

    def _pass(self, env: simpy.Environment, run: Run, begin: int) -> Generator[simpy.Event, Any, Passage]:
        items = self.planner.items(run.sub_batches, run.iteration)
        guess = self.anchors.guess(items) if self.anchors is not None else None
        if guess is not None and guess.account is not None:
            yield env.timeout(guess.account[("ticks",)] * self.device.tick_fs)
            return Passage(run.iteration, self.number, begin, int(env.now), guess.how, guess.account)
        account = Account()
        records = []
        for item in items:
            record, counted = self._stage(item, run.iteration in self.kept)
            records.append((record, item.repeat))
            account.merge(counted, item.repeat)
            yield env.timeout(counted[("ticks",)] * max(item.repeat, int(self.planner.extent == "block")) * self.device.tick_fs)
        if self.anchors is not None:
            self.anchors.keep(items, account)
        passage = Passage(run.iteration, self.number, begin, int(env.now), "simulated", account,
                          tuple(records) if run.iteration in self.kept else ())
        if self.planner.stand_in and self.planner.extent == "all":
            self._sample_layers(run, account)
        return passage

    def _stage(self, item: Item, kept: bool = False) -> tuple[StageRecord, Account]:
        """Run a stage; all-reduces end it if they last beyond its attention in the memory."""
        record = self.device.stage(item.work)
        if self.watch is not None:
            self.watch(item.work, record, kept)
        account = of_stage(record)
        bound = self.bound(record)
        account.add(("bound",), bound)
        account.add(("stage", record.name, "bound"), bound)
        reducing = sum(self.network.reduce_fs(tokens) for tokens in item.reductions)
        account.add(("link", "bytes"), sum(self.network.reduce_bytes(tokens) for tokens in item.reductions))
        if reducing:
            ticks = -(-reducing // self.device.tick_fs)
            done = max((op.end_ticks for op in record.ops if op.unit != "pim"), default=record.end_ticks)
            account.add(("link", "ticks"), ticks)
            if done + ticks > record.end_ticks:
                late = done + ticks - record.end_ticks
                account.merge(of_stage(self.device.idle(done + ticks)))
                account.add(("stage", record.name, "ticks"), late)
        return record, account

    def _sample_layers(self, run: Run, account: Account) -> None:
        """Simulate some of the layers that one stands for, to know the error: that of the time of all of them together."""
        layers = self.planner.part.layers
        chosen = range(1, min(layers - 1, 1 + self.sampled_layers))
        stood = [self.planner.layer_items(run.sub_batches, layer) for layer in chosen]
        if self.layer_errors or not stood or not self.planner.uniform:
            return
        counted = [sum(self._stage(item)[1][("ticks",)] for item in items) for items in stood]
        names = {item.work.name for item in stood[0]}
        mine = sum(account[("stage", name, "ticks")] for name in names) / account[("stage", min(names), "count")]
        mean = sum(counted) / len(counted)
        self.layer_errors.append((mine - mean) / mean)

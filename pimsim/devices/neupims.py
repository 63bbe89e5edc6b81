"""One device of a NeuPIMs system: an NPU and channels that it shares with PIM (arXiv 2403.00579), running stage after stage.

The channels are simulated as *lanes*: those that are given the same work are one. The NPU drives: it asks for operands and waits for them,
and while it waits, every lane runs until its own part has come, attention going on by itself in each. Nothing that the NPU does
can reach a channel before the tick at which the last channel's part has come, so no channel is ever ahead of what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from pimsim.config.system import SystemConfig
from pimsim.devices.attention import Attention, AttentionPlan, Slots
from pimsim.devices.kv_place import KvInChannel, KvOverChannels
from pimsim.devices.lane import Lane, Port
from pimsim.devices.npu import Npu, Work
from pimsim.devices.own import Own, by_channel, signature
from pimsim.devices.shared_channel import FP16_BYTES, contend_plan, kv_layout, shortcuts
from pimsim.devices.stage import LayerRows, Member, OpRecord, StageRecord, StageWork, decoder_stage_ops
from pimsim.devices.tally import Tally
from pimsim.dram.controller.contend_channel import Sink
from pimsim.errors import InputError, Problem, SimulationError
from pimsim.mapping.tensor import Geometry, TensorMap, Transfer
from pimsim.model.architecture import Architecture
from pimsim.npu.clock import NpuClock
from pimsim.schedule.setting import Space
from pimsim.units import ceil_div

VECTOR_ROWS = 32
"""Rows of every bank for q and P of requests on their way, and as many for results."""

ACTIVATION_BYTES = 512 << 20
"""Kept for activations, as in the authors' simulator (casys-kaist/NeuPIMs f299af3)."""

ATTENTION = ("attention", "score", "softmax", "attend")
"""Classes of operators that ``placement`` may put on the NPU."""


class NeuPimsDevice:
    """One device.

    Args:
        config: the system. part: the decoder as this device has it (``schedule.parallel.device_part``), all layers of its stage.
        fold: simulate channels with equal work once; without, all of them, for the same numbers.
        commands: given every command of every channel, as :class:`ContendedChannel` does; nothing is folded then.

    Raises:
        InputError: the system cannot be built, or the model does not fit.
    """

    def __init__(self, config: SystemConfig, part: Architecture, *, fold: bool = True, commands: Sink | None = None):
        problems = list(_other_system(config))
        if problems:
            raise InputError(problems)
        assert config.npu is not None
        self.config, self.part = config, part
        self.keys = shortcuts(config)
        self.plan = contend_plan(config)
        self.tick_fs = self.plan.compiled.tick_fs
        self.spec = config.npu.spec()
        if "swapped_operands" in self.keys:
            self.spec = replace(self.spec, dataflow="input-stationary")
        self.clock = NpuClock(self.tick_fs, self.spec.clock_hz)
        self.attention_in_memory = _in_memory(config)
        org, memory = config.memory.organization, config.memory
        self.geometry = Geometry(memory.channels, org.banks_per_channel, memory.rows, org.columns, memory.column_bytes)
        if part.latent and self.spec.dataflow == "input-stationary":
            raise InputError(Problem(f"{part.name} has multi-head latent attention, a matrix for each head", "weight-stationary,"
                                     " output-stationary", key="npu.dataflow"))
        self.layout = kv_layout(config, part.kv_heads, part.key_dim, part.heads // part.kv_heads, part.value_dim)
        if self.attention_in_memory and self.layout.chunk_heads > 1 and part.key_dim % self.layout.lanes:
            raise InputError(Problem(f"{part.name} has heads of {part.key_dim} elements, which would begin in the middle of a column",
                                     f"a multiple of {self.layout.lanes} (pim.lanes)", key="workload.model"))
        slots = Slots(org.banks_per_channel, org.columns, memory.column_bytes, self.spec.precision_bytes, 0, VECTOR_ROWS, VECTOR_ROWS,
                      "vector_in_one_row" in self.keys)
        self.attention = AttentionPlan(self.layout, slots, self.spec, self.clock, self.keys, memory.channels)
        places = KvInChannel if self.attention_in_memory else KvOverChannels
        self.kv = places(self.attention, self.geometry, "no_kv_append" not in self.keys, part.latent)
        self.tensors, self.kv_space = self._map()
        self._port = Port(self.clock.ticks(self.spec.link_cycles), self._step())
        numbers = range(memory.channels)
        region = max(part.hidden * part.ffn * 5 // 2 * self.spec.precision_bytes // memory.column_bytes // memory.channels // 2, 1)
        self.fold = fold and commands is None and "unordered_requests" not in self.keys
        self.lanes = [Lane(self.plan, group, self._port, self.geometry, region, commands)
                      for group in ([numbers] if self.fold else [[n] for n in numbers])]
        heads = part.heads, part.kv_heads, part.key_dim, part.value_dim
        self.npu = Npu(self.spec, self.clock, self.tensors, self, self.kv, heads, self.keys)
        self.now_ticks = 0
        self._tally = Tally(self, 0)
        self._token = 0
        self._parts: dict[int, np.ndarray] = {}

    def _step(self) -> tuple[int, int]:
        """Ticks from one request of a channel's port to the next, as a fraction."""
        cycles_a_tick, per = self.clock.ratio
        return self.geometry.unit_bytes * per, self.spec.link_bytes * cycles_a_tick

    def _map(self) -> tuple[TensorMap, Space]:
        """Weights and activations get their places; what is left is for keys and values."""
        geometry, memory = self.geometry, self.config.memory
        tensors = TensorMap(geometry, (self.spec.k_block, self.spec.n_block), self.spec.columns, self.spec.precision_bytes,
                            2 * VECTOR_ROWS, along_k=self.spec.dataflow == "input-stationary")
        none = LayerRows(np.zeros(0, np.int64), np.zeros(0, np.int64))
        for layer in range(self.part.layers):
            for which in ("qkv", "ffn"):
                for op in decoder_stage_ops(self.part, [Member(0, 0, 1, none)], which, layer, expert_tokens=(1,) * self.part.experts):
                    if op.kind == "gemm":
                        for one in op.by_head():
                            tensors.place(one.weight, one.k * one.n * self.spec.precision_bytes)
                        if op.bias:
                            tensors.vector(op.weight + ".bias", op.n)
                    elif op.weight:
                        tensors.vector(op.weight, op.n * (1 + op.bias))
        channel_row = geometry.banks * geometry.row_units * geometry.unit_bytes
        first = tensors.next_row + ceil_div(ACTIVATION_BYTES, channel_row)
        if first >= memory.rows:
            raise InputError(Problem(f"the weights of {self.part.layers} layers and {ACTIVATION_BYTES >> 20} MiB of activations take"
                                     f" {first:,} of {memory.rows:,} rows and leave none for keys and values",
                                     "more devices (parallel.tensor, parallel.pipeline)", key="memory.rows"))
        tensors.limit(first)
        rows = memory.rows - first
        return tensors, Space(memory.channels, rows, first, self.layout.page, self.layout.banks, self.attention_in_memory)

    # ------------------------------------------------------------------ stages

    def stage(self, work: StageWork) -> StageRecord:
        """Run a stage.

        Raises:
            InputError: something in it does not fit.
            SimulationError: a conservation law is broken.
        """
        if work.pim and not self.attention_in_memory:
            raise SimulationError("attention is not in this system's memory")
        begin = self.now_ticks
        tally = self._tally = Tally(self, begin)
        self._start_attention(work.pim, work.npu, begin)
        records: list[OpRecord] = []
        works: list[Work] = []
        now = begin
        for op in work.npu:
            self._merge(now)
            ran, done = self.npu.run(op, now)
            records.append(ran)
            works.append(done)
            now = ran.end_ticks
        self._finish_attention()
        end = max([now] + [lane.attention.end for lane in self.lanes if lane.attention] + [lane.now for lane in self.lanes])
        self._settle(end)
        record = tally.record(work, records, works, end)
        for lane in self.lanes:
            lane.attention = None
        self._merge(end)
        return record

    def idle(self, until_ticks: int) -> StageRecord:
        """Nothing to do until a tick; refreshes go on."""
        tally = self._tally = Tally(self, self.now_ticks)
        until = max(until_ticks, self.now_ticks)
        self._settle(until)
        record = tally.record(StageWork(""), [], [], until)
        self._merge(until)
        return record

    def _settle(self, tick: int) -> None:
        """Everything up to a tick has been decided and charged."""
        for lane in self.lanes:
            lane.run_to(tick)
            lane.forget()
            lane.channel.settle(tick)
        self.now_ticks = tick

    def _merge(self, tick: int) -> None:
        """Make lanes one that have come to do the same (``contend_equal``): all stand at a tick, with nothing under way."""
        kept: dict[bytes, Lane] = {}
        lanes: list[Lane] = []
        for lane in self.lanes:
            if lane.attention is not None:
                lanes.append(lane)
                continue
            lane.run_to(tick)
            resting = lane.rest(tick)
            form = lane.form(tick) if resting and self.fold and len(self.lanes) > 1 else None
            other = kept.get(form) if form is not None else None
            if other is None:
                lanes.append(lane)
                if form is not None:
                    kept[form] = lane
            else:
                self._tally.add(other)
                self._tally.add(lane)
                other.numbers = sorted(other.numbers + lane.numbers)
        self.lanes = lanes

    def finish(self, token: int) -> int:
        """Let time pass until a token is done in every channel; returns when it was."""
        self._pass_barrier(token)
        return max(lane.run(token) for lane in self.lanes)

    def wait(self, until_ticks: int) -> None:
        """:meth:`idle`, if that lies ahead."""
        if until_ticks > self.now_ticks:
            self.idle(until_ticks)

    # ------------------------------------------------------------------ attention

    def _start_attention(self, members: Sequence[Member], npu: Sequence[object], tick: int) -> None:
        """Give every channel the attention of its requests."""
        busy = any(getattr(op, "kind", "gemm") != "gemm" for op in npu)
        mine = by_channel(members)
        self._members = members
        self.npu.vector_units = self.spec.vector_units
        if not mine:
            return
        units = self.spec.attention_units if busy else self.spec.vector_units
        if busy:
            self.npu.vector_units = self.spec.vector_units - units
        plan = self.attention.for_stage(units, len(mine))
        self._split({channel: signature(requests) for channel, requests in mine.items()}.get)
        for lane in self.lanes:
            if lane.numbers[0] in mine:
                lane.attention = Attention(plan, mine[lane.numbers[0]], tick)
                lane.attention.start(lane, tick)
        self._barrier = "logit_attend_barrier" in self.keys

    _barrier = False

    def _finish_attention(self) -> None:
        """Let every channel finish what it has."""
        if self._barrier:
            for lane in self.lanes:
                while lane.attention and lane.attention.logits_left:
                    lane.advance()
            self._release()
        for lane in self.lanes:
            while not lane.idle():
                lane.advance()

    WINDOW = 32
    """Ticks that channels may be apart while one may still pass the barrier: less than from a result's reading to its P's arrival."""

    def _pass_barrier(self, token: int) -> None:
        """compat.logit_attend_barrier: channels go together until the last q K^T is done, so that none is ahead of what follows."""
        while self._barrier:
            if not any(lane.attention and lane.attention.logits_left for lane in self.lanes):
                self._release()
                return
            going = [lane for lane in self.lanes if token not in lane.done]
            if not going:
                return
            horizon = min(lane.now for lane in going) + self.WINDOW
            for lane in self.lanes:
                lane.run_to(horizon, token)

    def _release(self) -> None:
        """The last q K^T is done."""
        self._barrier = False
        tick = max([lane.attention.logits_end for lane in self.lanes if lane.attention] + [0])
        if "softmax_in_order" in self.keys:
            tick = max(tick, self._in_order())
        for lane in self.lanes:
            if lane.attention:
                lane.attention.release(lane, max(tick, lane.now))

    def _in_order(self) -> int:
        """compat.softmax_in_order: when the last P is written, one softmax being begun a cycle in the order of the batch."""
        mine = by_channel(self._members)
        scored = {member.number: lane.attention.scored_at[index] for lane in self.lanes if lane.attention
                  for channel in lane.numbers for index, member in enumerate(mine[channel])}
        issued = 0
        end = 0
        for member in self._members:
            issued = self.attention.in_order(scored[member.number], issued)
            end = issued + self.clock.ticks(self.attention.vector_cycles("softmax", member.context)) + 2 * self._port.latency
        return end

    # ------------------------------------------------------------------ what the NPU asks of the channels

    def read(self, transfer: Transfer, tick: int) -> int:
        """Ask for units at a tick; returns a token."""
        return self._transfer(transfer, tick, 0)

    def write(self, transfer: Transfer, tick: int) -> int:
        """Send units at a tick; returns a token."""
        return self._transfer(transfer, tick, 1)

    def read_own(self, own: Own, tick: int) -> tuple[int, int]:
        """Ask for places of each channel's own; returns a token, and how many units that are."""
        return self._own(own, tick, 0)

    def write_own(self, own: Own, tick: int) -> tuple[int, int]:
        """Send to places of each channel's own; the same."""
        return self._own(own, tick, 1)

    def ready(self, token: int) -> np.ndarray:
        """When each segment of a read token, which is done in all channels, was complete."""
        whole = np.zeros(0, np.int64)
        for lane in self.lanes:
            counts = lane.segments.pop(token)
            ready = lane.ready(token)
            latest = np.zeros(len(counts), np.int64)
            some = np.flatnonzero(counts)
            if len(some):
                begins = np.cumsum(counts)[some] - counts[some]
                latest[some] = np.maximum.reduceat(ready, begins)
            whole = np.maximum(whole, latest) if len(whole) else latest
        return whole

    @property
    def forwarded(self) -> int:
        """Units read that the channels' write queues have answered so far."""
        return self._tally.forwarded()

    def _new_token(self) -> int:
        self._token = self._token % (1 << 23) + 1
        return self._token

    def _transfer(self, transfer: Transfer, tick: int, write: int) -> int:
        token, channels = self._new_token(), self.geometry.channels
        if not transfer.uniform(channels):
            self._split(lambda channel: transfer.share(channel, channels))
        for lane in self.lanes:
            local, counts = transfer.local(lane.numbers[0], channels)
            self._send(lane, token, local, counts, tick, write)
        return token

    def _send(self, lane: Lane, token: int, local: np.ndarray, counts: np.ndarray, tick: int, write: int) -> None:
        if not write:
            lane.segments[token] = counts
        if "synthetic_addresses" in self.keys:
            places = lane.synthetic(len(local), counts if "unordered_requests" in self.keys else None)
        else:
            places = self.geometry.places(local)
        (lane.write if write else lane.read)(token, places, tick)

    def _own(self, own: Own, tick: int, write: int) -> tuple[int, int]:
        token, units = self._new_token(), 0
        self._split(own.key)
        for lane in self.lanes:
            places = own.places(lane.numbers[0])
            units += len(places[0]) * len(lane.numbers)
            if not write:
                lane.segments[token] = np.array([len(places[0])])
            (lane.write if write else lane.read)(token, places, tick)
        return token, units

    def _split(self, key: Callable[[int], object]) -> None:
        """Split lanes whose channels are no longer given the same."""
        lanes: list[Lane] = []
        for lane in self.lanes:
            if len(lane.numbers) == 1:
                lanes.append(lane)
                continue
            parts: dict[object, list[int]] = {}
            for number in lane.numbers:
                parts.setdefault(key(number), []).append(number)
            groups = list(parts.values())
            lanes += [lane.fork(numbers) for numbers in groups[1:]]
            lane.numbers = groups[0]
            lanes.append(lane)
        self.lanes = lanes


def _other_system(config: SystemConfig) -> Iterator[Problem]:
    """What the configuration asks for and this kind of system does not do."""
    if config.npu is None:
        yield Problem("is missing", "the NPU, for example part: neupims-1ghz", key="npu")
    elif config.npu.precision != FP16_BYTES:
        yield Problem(f"{config.npu.precision} bytes an element beside the memory's {FP16_BYTES}", f"{FP16_BYTES} B", key="npu.precision")
    if config.npu is not None and _in_memory(config) and config.npu.vector.attention_units >= config.npu.vector.units:
        yield Problem(f"attention in memory has {config.npu.vector.attention_units} of {config.npu.vector.units} units, the NPU's"
                      " operators have none", "fewer than npu.vector.units", key="npu.vector.attention_units")
    if config.asic is not None:
        yield Problem("a system with an NPU has no ASIC", "leave it out", key="asic")
    if config.mapping != "neupims":
        yield Problem(f"a system with an NPU has no '{config.mapping}'", "neupims", key="mapping")
    if config.system.overlap != "none":
        yield Problem(f"'{config.system.overlap}' changes nothing beside an NPU, which always reads ahead", "none", key="system.overlap")


def _in_memory(config: SystemConfig) -> bool:
    """Whether attention runs in the memory.

    Raises:
        InputError: parts of attention on different units.
    """
    if isinstance(config.placement, str):
        return True
    units = {name: config.placement[name] for name in ATTENTION if name in config.placement}
    wrong = [name for name, unit in units.items() if unit not in ("npu", "pim")]
    if wrong or len(set(units.values())) > 1:
        key = f"placement.{wrong[0] if wrong else next(iter(units))}"
        raise InputError(Problem("attention runs as a whole on one unit", "npu or pim", key=key))
    return "npu" not in units.values()

"""From a system's and a workload's configuration to a serving run."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from pimsim.config import SystemConfig, WorkloadConfig
from pimsim.devices.stage import StageRecord, StageWork
from pimsim.errors import InputError, Problem
from pimsim.model.architecture import Architecture
from pimsim.model.dtype import size_bytes
from pimsim.model.importer import load_architecture
from pimsim.model.routing import Routing, make_routing
from pimsim.schedule.collective import Link
from pimsim.schedule.event import Run
from pimsim.schedule.iteration import State
from pimsim.schedule.parallel import Parallel, device_part, parallel_for, stage_layers
from pimsim.schedule.placement import FIXED, NPU, PIM, POLICIES, Fixed, policy
from pimsim.schedule.request import Request
from pimsim.schedule.setting import Space, prepare
from pimsim.sim.run import Host
from pimsim.sim.serving.approximate import Anchors
from pimsim.sim.serving.estimate import Estimates
from pimsim.sim.serving.group import Device, Group, Network, Passage
from pimsim.sim.serving.plan import Planner
from pimsim.sim.serving.request import requests_of
from pimsim.sim.serving.server import Progress, Server


class ServingDevice(Device, Protocol):
    """A device with room for keys and values."""

    @property
    def kv_space(self) -> Space:
        """What weights and activations leave."""
        ...


MakeDevice = Callable[[SystemConfig, Architecture], ServingDevice]


@dataclass
class Observed:
    """What is learnt from every simulated stage.

    Attributes:
        stage_ended: told of each stage of the first group that has ended: whether its iteration is kept, and at which tick.
        pairs: (class, estimate, simulated ticks) of operators.
        folded: what was simulated once for several. checks: laws that the device checks: True, or waived.
    """

    stage_ended: Callable[[bool, int], None] | None = None
    pairs: list[tuple[str, int, int]] = field(default_factory=list)
    folded: dict[str, int] = field(default_factory=dict)
    checks: dict[str, bool | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Serving:
    """A finished serving run.

    Attributes:
        parts: the decoder as a device of each group holds it. space: for keys and values, of the device with the least.
        end_fs: when it was over. layer_errors, iteration_errors: relative, of what was approximated and then simulated; None: nothing was.
    """

    config: SystemConfig
    workload: WorkloadConfig
    architecture: Architecture
    parallel: Parallel
    parts: tuple[Architecture, ...]
    space: Space
    approximate: frozenset[str]
    requests: tuple[Request, ...]
    server: Server
    observed: Observed
    estimates: Estimates
    end_fs: int
    layer_errors: tuple[float, ...] | None
    iteration_errors: tuple[float, ...] | None
    simulated: int
    host: Host

    @property
    def groups(self) -> Sequence[Group]:
        """The device groups."""
        return self.server.groups

    @property
    def tick_fs(self) -> int:
        """Period of the memory's clock."""
        return self.groups[0].device.tick_fs


def simulate(config: SystemConfig, workload: WorkloadConfig, make_device: MakeDevice, *, kept: range = range(0),
             stage_ended: Callable[[bool, int], None] | None = None, progress: Progress | None = None) -> Serving:
    """Serve a workload.

    Args:
        make_device: makes a device from the system and the part of the decoder that it holds.
        kept: iterations whose stages are kept for a timeline. stage_ended: see :class:`Observed`.

    Raises:
        InputError: the system cannot be built or cannot run the workload, with everything that keeps it.
        SimulationError: a law is broken.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    architecture = replace(load_architecture(workload.model), dtype=workload.dtype)
    _check_workload(workload, architecture)
    parallel = parallel_for(_model_name(workload), config.parallel.tensor, config.parallel.pipeline)
    if workload.part != "all":
        parallel = Parallel(parallel.tensor, 1)
        architecture = replace(architecture, layers=min(architecture.layers, 2 if workload.part == "block" else 1))
    unit = attention_unit(config)
    parts = _parts(architecture, parallel)
    devices = [make_device(config, part) for part in parts]
    space = min((device.kv_space for device in devices), key=lambda space: space.rows)  # one table of rows serves all groups
    state = prepare(config.scheduler, architecture, parallel, space, workload.prefill)
    requests = requests_of(workload, state.kv)
    if workload.part != "all" and len(requests) > config.scheduler.max_batch:
        raise InputError(Problem(f"{len(requests):,} requests in one iteration, at most {config.scheduler.max_batch:,} run at a time",
                                 f"at least {len(requests):,}", key="scheduler.max_batch"))
    approximate = frozenset(config.system.approximate) | frozenset(workload.approximate)
    estimates = _estimates(config, parts[0], state, devices[0].tick_fs, unit)
    observed = Observed(stage_ended)
    anchors = {part.layers: Anchors(estimates) for part in parts} if "iterations" in approximate and workload.part == "all" else {}
    groups = [_group(n, config, workload, devices[n], parts, state, parallel, unit, estimates, anchors.get(parts[n].layers),
                     approximate, observed, kept or range(int(workload.part == "block"))) for n in range(parallel.pipeline)]
    limit = 1 if workload.part != "all" else workload.iterations
    server = Server(state, groups, requests, limit, progress=progress)
    end_fs = server.run()
    layer_errors = tuple(e for g in groups for e in g.layer_errors) if "layers" in approximate and workload.part == "all" else None
    errors = tuple(e for a in anchors.values() for e in a.errors) if anchors else None
    simulated = sum(p.how == "simulated" for i in server.iterations for p in i.passages)
    host = Host(time.perf_counter() - wall, time.process_time() - cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    return Serving(config, workload, architecture, parallel, parts, space, approximate, requests, server, observed,
                   estimates, end_fs, layer_errors, errors, simulated, host)


def attention_unit(config: SystemConfig) -> str:
    """Where ``placement:`` puts the attention of decoding requests: npu, pim, or crossover (chosen batch by batch).

    Raises:
        InputError: a policy, operator or unit that does not exist or does not go together with the others.
    """
    placement = config.placement
    if isinstance(placement, str):
        policy(placement, {})
        return PIM if placement == POLICIES[0] else placement
    table = dict(placement)
    if "attention" in table:
        whole = table.pop("attention")
        if whole not in (NPU, PIM):
            raise InputError(Problem(f"attention cannot run on '{whole}'", f"one of: {NPU}, {PIM}", key="placement.attention"))
        table = {"score": whole, "attend": whole} | table
    chosen = policy(table, {})
    problems = [Problem(f"weights are laid out for the NPU; {kind} cannot run in memory", f"{FIXED[kind]}", key=f"placement.{kind}")
                for kind, unit in table.items() if unit == PIM and kind not in ("score", "attend")]
    assert isinstance(chosen, Fixed)
    units_ = {kind: chosen.table[kind] for kind in ("score", "attend")}
    if units_["score"] != units_["attend"]:
        problems.append(Problem(f"score runs on {units_['score']} and attend on {units_['attend']}", "both on the same unit",
                                key="placement.attend" if "attend" in table else "placement.score"))
    if problems:
        raise InputError(problems)
    return str(units_["score"])


def _model_name(workload: WorkloadConfig) -> str:
    return workload.model.removesuffix("/config.json").rsplit("/", 1)[-1]


def _check_workload(workload: WorkloadConfig, architecture: Architecture) -> None:
    problems = [Problem("is not part of a serving run", "false", key=f"workload.{key}")
                for key in ("lm_head", "embedding") if getattr(workload, key)]
    problems += workload.beyond_serving()
    if size_bytes(1024, workload.dtype) != 2048:
        problems.append(Problem(f"{workload.dtype} has not 2 bytes an element", "fp16, bf16", key="workload.dtype"))
    if workload.arrivals is not None and workload.arrivals.number and workload.part != "all":
        problems.append(Problem(f"{workload.part} is one iteration, nothing arrives later", "0", key="workload.arrivals.number"))
    if problems:
        raise InputError(problems)


def _parts(architecture: Architecture, parallel: Parallel) -> tuple[Architecture, ...]:
    """The decoder as a device of each group holds it: equal but for the number of layers, and which."""
    device_part(architecture, parallel)
    made, first = [], 0
    for layers in stage_layers(architecture.layers, parallel.pipeline):
        own = replace(architecture, layers=layers, windows=architecture.windows[first : first + layers],
                      dense_layers=tuple(n - first for n in architecture.dense_layers if first <= n < first + layers))
        made.append(device_part(own, Parallel(parallel.tensor, 1)))
        first += layers
    return tuple(made)


def _estimates(config: SystemConfig, part: Architecture, state: State, tick_fs: int, unit: str) -> Estimates:
    if config.npu is None:
        raise InputError(Problem("is missing", "the NPU, for example part: neupims-1ghz", key="npu"))
    pim_macs = 0
    if config.pim is not None and "tCCDL" in config.memory.timing_cycles:
        timing, banks = config.memory.timing_cycles, config.memory.organization.banks_per_channel
        pim_macs = config.memory.channels * banks * config.pim.lanes // max(timing["BL"], timing["tCCDL"])
    pins = pin_bandwidth(config)
    return Estimates(config.npu.spec(), replace(state.settings.estimate, heads=part.kv_heads, undivided_heads=0), pins,
                     pins if unit == NPU else pins // config.memory.channels, tick_fs, part.heads // part.kv_heads, pim_macs, part.latent)


def pin_bandwidth(config: SystemConfig) -> int:
    """Bytes a second of all channels' pins; the ranks of a channel share them."""
    return config.memory.channels * config.memory.pins * config.memory.pin_rate // 8


def _group(number: int, config: SystemConfig, workload: WorkloadConfig, device: Device, parts: Sequence[Architecture], state: State,
           parallel: Parallel, unit: str, estimates: Estimates, anchors: Anchors | None, approximate: frozenset[str],
           observed: Observed, kept: range) -> Group:  # fmt: skip
    part = parts[number]
    layout: Any = state.kv.layout
    inside: Mapping[str, Any] = {PIM: bool, NPU: _never, "crossover": estimates.memory_is_quicker}
    planner = Planner(part, layout, workload.part, "layers" in approximate, inside[unit], _routing(workload, part),
                      sum(before.layers for before in parts[:number]))
    link = config.parallel.link
    network = Network(parallel.tensor, config.parallel.topology, None if link is None else Link(link.bandwidth, link.latency),
                      part.hidden * estimates.npu.precision_bytes)

    def watch(work: StageWork, record: StageRecord, kept: bool) -> None:
        observed.pairs += estimates.pairs(work, record)
        if number == 0 and observed.stage_ended is not None:
            observed.stage_ended(kept, record.end_ticks)
        if record.folded:
            observed.folded[record.folded] = observed.folded.get(record.folded, 0) + 1
        for law, holds in record.checks.items():
            if observed.checks.get(law, True) is True:
                observed.checks[law] = holds

    exact = not approximate or workload.part != "all"
    return Group(number, device, planner, network, exact, anchors, _ignore, estimates.bound_ticks, watch, kept)


def _routing(workload: WorkloadConfig, part: Architecture) -> Routing | None:
    """How tokens choose experts; None where the model has none."""
    if not part.experts:
        return None
    return make_routing(workload.routing, part.experts, part.experts_per_token, workload.batch, workload.seed)


def _never(batch: Sequence[Any]) -> bool:
    return False


def _ignore(run: Run, passage: Passage) -> None:
    """Replaced by the server that a group joins."""

"""Replay a PIM program on a DRAM part: an AiM host-instruction trace, or a program in pimsim's own form.

Channels meet only at the host, so those that get the same instructions go the same way and are simulated once (``fold``).
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pimsim.config import DramConfig
from pimsim.dram import commandlog
from pimsim.dram.commandlog import CommandLog
from pimsim.dram.compile import Compiled, initial_state
from pimsim.dram.controller.policy import policy as chosen_policy
from pimsim.dram.spec import Cause
from pimsim.dram.table_file import Rows, write_rows
from pimsim.errors import InputError, Problem, nearest
from pimsim.kernels import host_layout as at
from pimsim.kernels.channel import LOG_FIELDS, charge_until, wait_until
from pimsim.kernels.host import run_host
from pimsim.kernels.packed import counters
from pimsim.kernels.program import FIELDS, MAX_DEPTH, run_program
from pimsim.kernels.table import CAUSES, CHARGED, DONE
from pimsim.mapping.listing import Listing, read_listing
from pimsim.mapping.mode import switched
from pimsim.pim.aim_trace import AimTrace, is_aim_trace, read_aim_trace
from pimsim.pim.command_set import command_set
from pimsim.sim.memory import compile_memory, pim_command_set

SHORTCUTS = {
    "any_write_answers_reads": at.ANY_WRITE,
    "opened_requests_leave_queue": at.LEAVE,
}
"""Key of ``compat`` -> what it switches on in the controllers of an AiM trace."""

HOST_POLICY = "ramulator-frfcfs"
HOST_KEYS = frozenset({"refresh", "postpone", "read_queue", "write_queue", "write_high", "write_low", "address_mapping"})
"""The controller that an AiM trace needs, and the keys of it that may be set."""

FIRST_LOG_ROWS = 1 << 16
CHUNK_TICKS = 1 << 15
_TICK, _CHANNEL, _CODE, _, _, _COLUMN, _COUNT = range(7)


@dataclass(frozen=True, slots=True)
class Host:
    """What the simulation itself took, reading the program and loading kernels excluded."""

    wall_s: float
    cpu_s: float
    peak_rss_bytes: int


@dataclass(frozen=True)
class Replay:
    """A finished replay.

    Attributes:
        cycles: ticks from begin to end.
        members: the channels that each simulated channel stands for.
        by_channel: int64 [simulated channels, counters]: ticks by cause, commands by kind, ticks with a bank open.
        answered_reads: reads that a waiting write answered, so that no command was needed.
        unserved: requests accepted but not served by the end (``compat.opened_requests_leave_queue``).
        ignored: instructions behind EOC.
        rows: int64 [n, LOG_FIELDS], what was logged, by simulated channel and tick; None: nothing was.
    """

    config: DramConfig
    compiled: Compiled
    form: str
    cycles: int
    members: tuple[tuple[int, ...], ...]
    by_channel: np.ndarray
    host: Host
    answered_reads: int = 0
    unserved: int = 0
    ignored: int = 0
    rows: np.ndarray | None = None

    def counts(self, simulated: int | None = None) -> dict[str, int]:
        """Commands by name: of all channels together, or of one that each simulated channel stands for."""
        issued = self.by_channel[:, CAUSES : CAUSES + self.compiled.table.commands]
        if simulated is None:
            total = (issued * np.array([[len(m)] for m in self.members])).sum(axis=0)
        else:
            total = issued[simulated]
        return {n: int(c) for n, c in zip(self.compiled.command_names, total, strict=True) if c}

    def cycles_by_cause(self) -> dict[str, float]:
        """Ticks by cause, on average of the channels; they sum to ``cycles``."""
        weights = np.array([[len(m)] for m in self.members])
        ticks = (self.by_channel[:, :CAUSES] * weights).sum(axis=0) / weights.sum()
        return {cause.name.lower(): float(ticks[cause]) for cause in Cause if ticks[cause]}

    @property
    def folded(self) -> list[str]:
        """What was simulated once for several channels."""
        return [f"channels {ranges(m)} did the same" for m in self.members if len(m) > 1]

    @property
    def channels(self) -> tuple[int, ...]:
        """All channels."""
        return tuple(sorted(n for m in self.members for n in m))

    def log(self, channels: Collection[int]) -> CommandLog:
        """The command log of some channels, ordered by cycle and channel.

        Raises:
            ValueError: nothing was logged.
        """
        parts = list(self._log_parts(channels))
        return CommandLog(self.compiled.command_names, np.concatenate(parts))

    def write_log(self, path: str | Path) -> None:
        """Write the command log of all channels, ordered by cycle and channel.

        Raises:
            ValueError: nothing was logged.
        """
        write_rows(path, commandlog.FIELDS, self._log_parts(self.channels), commandlog.COMMAND, self.compiled.command_names)

    def _log_parts(self, channels: Collection[int]) -> Iterator[np.ndarray]:
        """The log a stretch of time after another, so that folded channels need no memory."""
        if self.rows is None:
            raise ValueError("this replay kept no log")
        by_tick = self.rows[np.argsort(self.rows[:, _TICK], kind="stable")]
        ends = np.searchsorted(by_tick[:, _TICK], np.arange(0, self.cycles + CHUNK_TICKS + 1, CHUNK_TICKS))
        members = [[n for n in m if n in channels] for m in self.members]
        for begin, end in zip(ends[:-1], ends[1:], strict=True):
            copies = []
            for simulated, wanted in enumerate(members):
                own = by_tick[begin:end][by_tick[begin:end, _CHANNEL] == simulated]
                copy = np.tile(own, (len(wanted), 1))
                copy[:, _CHANNEL] = np.repeat(wanted, len(own))
                copies.append(copy)
            whole = np.concatenate(copies)
            whole = whole[np.lexsort((whole[:, _CHANNEL], whole[:, _TICK]))]
            yield commandlog.from_kernel(whole, self.compiled.command_names, self.compiled.organization,
                                         self.compiled.table.scope).rows


def ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers as people write them: ``0-3, 7``."""
    parts: list[list[int]] = []
    for n in numbers:
        if parts and n == parts[-1][-1] + 1:
            parts[-1].append(n)
        else:
            parts.append([n])
    return ", ".join(str(p[0]) if len(p) == 1 else f"{p[0]}-{p[-1]}" for p in parts)


def replay(config: DramConfig, program: str | Path, *, fold: bool = True, fast_forward: bool = True,
           log: bool = False, prepare: Callable[[str], None] | None = None) -> Replay:
    """Replay a program on a part.

    Args:
        program: an AiM host-instruction trace or a program listing, plain or gzip; a file, a pipe or ``-``, standard input.
        fold, fast_forward: exact short cuts; switching them off gives the same numbers.
        log: keep every command.
        prepare: called with the name of the kernel that is about to run, which may have to be compiled.

    Raises:
        InputError: the part has no PIM commands or cannot run the program; everything wrong in the file, line by line.
    """
    commands = pim_command_set(config.memory)
    if config.controller.refresh == "per-bank":
        raise InputError(Problem("all-bank PIM commands cannot run beside per-bank refresh", "all-bank or none",
                                 key="controller.refresh"))
    compiled = compile_memory(config.memory, config.controller, config.pim)
    file = Rows(program)
    if not is_aim_trace(file):
        if any(c.row_buffer for c in compiled.standard.commands):
            raise InputError(Problem("a program runs on banks with one row buffer; what two do, pimsim micro measures", "1",
                                     key="memory.row_buffers"))
        listing = read_listing(file, compiled, config.memory.channels)
        if prepare is not None:
            prepare("run_program")
        return run_listing(config, compiled, listing, fold=fold, fast_forward=fast_forward, log=log)
    if not commands.mode_switch:
        raise InputError(Problem("AiM host instructions need AiM's commands", "a part with memory.command_set: aim",
                                 file=str(program)))
    _check_host(config)
    codes = {name: code for code, name in enumerate(compiled.command_names)}
    trace = read_aim_trace(file, compiled.organization, config.memory.channels, codes, commands.register_mode)
    if prepare is not None:
        prepare("run_host")
    return run_trace(config, compiled, trace, fold=fold, log=log)


def _check_host(config: DramConfig) -> None:
    """Can the part have AiM's host? Raises :class:`InputError` with every reason why not."""
    memory, controller = config.memory, config.controller
    problems = [Problem(f"unknown shortcut '{key}'", nearest(key, list(SHORTCUTS)), key=f"compat.{key}")
                for key in config.compat if key not in SHORTCUTS]
    fixed = {"policy": HOST_POLICY, "page": "open"}
    for key in type(controller).model_fields.keys() - HOST_KEYS:
        if getattr(controller, key) != fixed.get(key):
            problems.append(Problem("AiM's host has a controller of its own", fixed.get(key, "leave it out"), key=f"controller.{key}"))
    if memory.ranks * memory.sids != 1:
        problems.append(Problem(f"{memory.ranks} ranks and {memory.sids} sids", "1 of each", key="memory.ranks"))
    if problems:
        raise InputError(problems)


def run_trace(config: DramConfig, compiled: Compiled, trace: AimTrace, *, fold: bool = True, log: bool = False) -> Replay:
    """Replay an AiM trace that has been read for ``compiled``."""
    members = _alike(trace.selectors.T, fold)
    selectors = np.ascontiguousarray(trace.selectors[:, [m[0] for m in members]])
    policy = policy_vector(config, compiled)
    capacity = int(policy[[at.READ_PLACES, at.WRITE_PLACES]].sum()) + compiled.organization.banks_per_channel

    def run(channels: int, rows: int) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
        states = initial_state(compiled.table, channels)
        controllers = np.zeros((channels, at.CONTROLLER), np.int64)
        controllers[:, at.NEXT] = 1
        queues = np.zeros((channels, 3, capacity, at.REQUEST), np.int64)
        places = np.zeros((channels, policy[at.PIM_PLACES]), np.int64)
        kept = np.zeros((rows, LOG_FIELDS), np.int64)
        cycles = run_host(compiled.packed, states, controllers, queues, places, trace.instructions, selectors, policy, kept)
        return int(cycles), states, controllers, kept

    run(0, 0)  # loads the kernel, which is no part of the time that is reported
    began = time.perf_counter(), time.process_time()
    cycles, states, controllers, kept = run(len(members), FIRST_LOG_ROWS if log else 0)
    if log and kept[0, 0] >= len(kept):
        cycles, states, controllers, kept = run(len(members), int(kept[0, 0]) + 1)  # the log was too short
    weights = np.array([len(m) for m in members])
    return Replay(
        config, compiled, "aim-trace", cycles, members, states[:, counters(compiled.table)], _host(*began),
        answered_reads=int((controllers[:, at.ANSWERED] * weights).sum()),
        unserved=int((controllers[:, at.HELD : at.HELD + 3].sum(axis=1) * weights).sum()),
        ignored=trace.ignored,
        rows=_one_by_one(kept[1 : kept[0, 0] + 1], compiled.table.cadence) if log else None,
    )


def policy_vector(config: DramConfig, compiled: Compiled) -> np.ndarray:
    """The policy of the controllers, as the kernel takes it."""
    controller = config.controller
    chosen = chosen_policy(HOST_POLICY, read_queue=controller.read_queue, write_queue=controller.write_queue,
                           write_high=controller.write_high, write_low=controller.write_low)
    # its watermarks are parts of the queue's nominal size, of which it holds one more
    nominal = chosen.write_queue - 1
    policy = np.zeros(at.POLICY, np.int64)
    policy[at.MODE_SWITCH] = compiled.command(command_set(config.memory.command_set or "").mode_switch)
    policy[at.PIM_PLACES] = policy[at.READ_PLACES] = chosen.read_queue
    policy[at.WRITE_PLACES] = chosen.write_queue
    policy[at.WRITE_START] = int(chosen.write_high * nominal) + 1
    policy[at.WRITE_STOP] = max(-int(-chosen.write_low * nominal // 1) - 1, 0)
    for key, switch in SHORTCUTS.items():
        policy[switch] = config.compat.get(key, False)
    policy[at.POSTPONE] = controller.postpone * compiled.table.refresh_interval
    return policy


def _alike(selected: np.ndarray, fold: bool) -> tuple[tuple[int, ...], ...]:
    """Channels in groups of equal rows of ``selected``, in the order of their first channels."""
    groups: dict[object, list[int]] = {}
    for channel, row in enumerate(selected):
        groups.setdefault(row.tobytes() if fold else channel, []).append(channel)
    return tuple(tuple(g) for g in groups.values())


def _one_by_one(rows: np.ndarray, cadence: np.ndarray) -> np.ndarray:
    """Log rows with runs of equal column commands written out."""
    counts = rows[:, _COUNT]
    out = np.repeat(rows, counts, axis=0)
    nth = np.arange(len(out)) - np.repeat(np.cumsum(counts) - counts, counts)
    out[:, _TICK] += nth * cadence[out[:, _CODE]]
    out[:, _COLUMN] += nth
    out[:, _COUNT] = 1
    return out


def _host(wall: float, cpu: float) -> Host:
    return Host(time.perf_counter() - wall, time.process_time() - cpu,
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def run_listing(config: DramConfig, compiled: Compiled, listing: Listing, *, fold: bool = True, fast_forward: bool = True,
                log: bool = False) -> Replay:
    """Run a program listing that has been read for ``compiled``; every channel begins at tick 0."""
    programs = [(m, _complete(p, config, compiled)) for m, p in listing.programs]
    programs.append((tuple(sorted(set(range(config.memory.channels)) - {n for m, _ in programs for n in m})), _NOTHING))
    if not fold:
        programs = [((n,), p) for m, p in programs for n in m]
    programs = sorted((m, p) for m, p in programs if m)
    members = tuple(m for m, _ in programs)

    def run(chosen: Sequence[np.ndarray], rows: int) -> tuple[int, np.ndarray, np.ndarray]:
        states = initial_state(compiled.table, len(chosen))
        kept = np.zeros((rows, LOG_FIELDS), np.int64)
        cycles = _run_channels(compiled, states, kept, chosen, config.controller.postpone, fast_forward and not log)
        return cycles, states, kept

    run([_NOTHING], 0)  # loads the kernels, which is no part of the time that is reported
    began = time.perf_counter(), time.process_time()
    cycles, states, kept = run([p for _, p in programs], FIRST_LOG_ROWS if log else 0)
    if log and kept[0, 0] >= len(kept):
        cycles, states, kept = run([p for _, p in programs], int(kept[0, 0]) + 1)  # the log was too short
    return Replay(config, compiled, "program", cycles, members, states[:, counters(compiled.table)], _host(*began),
                  rows=kept[1 : kept[0, 0] + 1] if log else None)


_NOTHING = np.zeros((0, FIELDS), np.int64)


def _complete(program: np.ndarray, config: DramConfig, compiled: Compiled) -> np.ndarray:
    """A program with the mode switches that its command set needs."""
    commands = pim_command_set(config.memory)
    if not commands.mode_switch:
        return program
    return switched(program, compiled.command(commands.mode_switch), {compiled.command(n) for n in commands.register_mode})


def _run_channels(compiled: Compiled, states: np.ndarray, log: np.ndarray, programs: Sequence[np.ndarray], postpone: int,
                  fast_forward: bool) -> int:
    """Run a program on each channel from tick 0; those that end early idle. Returns when all have ended."""
    table, interval = compiled.packed, compiled.table.refresh_interval
    snapshots = np.zeros((MAX_DEPTH, states.shape[1]), np.int64)
    for n, program in enumerate(programs):
        log[:1, _CHANNEL] = n
        run_program(table, states[n], snapshots, log, program, 0, len(program), 0, 0, 0, postpone * interval, fast_forward)
    cycles = int(states[:, DONE].max())
    for n, state in enumerate(states):
        log[:1, _CHANNEL] = n
        idle_from = charge_until(table, state, cycles)
        if idle_from < cycles:
            state[compiled.table.state_size + Cause.IDLE] += cycles - idle_from
            state[CHARGED] = cycles
        wait_until(table, state, log, cycles)
    return cycles

"""A host that sends instructions to many channels, and the controllers that take them: how AiM is driven.

The host does one instruction a tick. An instruction becomes requests to some of the channels; it is done once all are accepted, and
a blocking one once it has completed everywhere. Each channel has a queue of PIM requests, served in order, and queues of
ordinary reads and writes, served oldest-ready-first; a request is refused while the channel's other kind waits. A request whose
row has been opened goes first. A channel in register mode is switched over (TMOD) in the slot of the first command that needs it.

Channels meet only at the host, and a PIM request cannot be overtaken by a later one. So a PIM instruction is served to its end when it is
accepted, equal column commands at once; ordinary requests are served when time has to pass for somebody. No tick is visited.
"""

from __future__ import annotations

from pimsim.kernels.channel import (
    ACTIVATE,
    COMPUTE,
    IDLE_CAUSE,
    PRECHARGE,
    REFRESH_CAUSE,
    WRITE,
    WRITE_PRECHARGE,
    charge_until,
    command,
    count_active,
    rows_of,
    scope_banks,
)
from pimsim.kernels.host_layout import (
    ANSWERED,
    ANY_WRITE,
    BANK,
    BARRIER,
    BLOCKING,
    CODE,
    COLUMN,
    COUNT,
    FAR,
    HELD,
    HOST_ONLY,
    KIND,
    LAST_PIM,
    LEAVE,
    LEFT,
    MEMORY_READ,
    MEMORY_WRITE,
    MODE,
    MODE_SWITCH,
    NEXT,
    OPENED,
    OPENED_WRITES,
    PIM_COMMAND,
    PIM_PLACES,
    PIM_QUEUE,
    POSTPONE,
    R_ARRIVAL,
    R_BANK,
    R_CODE,
    R_ROW,
    READ_DONE,
    READ_PLACES,
    READS,
    REFRESHES,
    REGISTER,
    REQUEST,
    ROOM,
    ROOM_TICK,
    ROW,
    SELECTOR,
    TAKEN,
    WRITE_DONE,
    WRITE_MODE,
    WRITE_PLACES,
    WRITE_START,
    WRITE_STOP,
    WRITES,
)
from pimsim.kernels.jit import inline, jit
from pimsim.kernels.packed import (
    C_CADENCE,
    C_CAUSE,
    C_CLOSER,
    C_EFFECT,
    C_LATENCY,
    C_OPENER,
    COMMAND,
    H_AT_COUNTERS,
    H_AT_DUE,
    H_BANKS_PER_RANK,
    H_INTERVAL,
    H_PRECHARGE_ALL,
    H_REFRESH,
    HEADER,
)
from pimsim.kernels.table import CHARGED, LAST
from pimsim.kernels.timing import earliest


@inline
def _effect(t, code):
    return t[HEADER + code * COMMAND + C_EFFECT]


@jit
def _needed(t, s, code, bank, row):
    """The command that brings a request forward, and its bank: what closes a wrong row, opens the right one, or itself."""
    record = HEADER + code * COMMAND
    effect = t[record + C_EFFECT]
    if effect > WRITE_PRECHARGE and effect != COMPUTE:
        return code, bank
    banks = scope_banks(t, code)
    first = bank // banks * banks
    wrong, missing = rows_of(t, s, first, banks, row)
    if wrong:
        return t[record + C_CLOSER], bank
    if missing:
        opener = t[record + C_OPENER]
        step = scope_banks(t, opener)
        for b in range(first, first + banks, step):
            closed = True
            if step < banks:
                _, closed = rows_of(t, s, b, step, row)
            if closed:
                return opener, b
    return code, bank


@jit
def _row_wanted(queues, c, bank):
    """Does a request wait whose row was opened in ``bank``?"""
    for i in range(c[HELD + OPENED]):
        if queues[OPENED, i, R_BANK] == bank:
            return True
    return False


@jit
def _soonest(t, s, c, queues, queue):
    """(request, tick) of a queue's next command, or (-1, FAR): the first to be ready; of several, the oldest request's.

    A row that was opened for a request is not closed before that is served; who wants to is not passed by younger requests.
    """
    held = c[HELD + queue]
    while held > 0:
        best = -1
        best_tick = FAR
        closes = False
        for i in range(held):
            r = queues[queue, i]
            code, bank = _needed(t, s, r[R_CODE], r[R_BANK], r[R_ROW])
            tick = max(earliest(t, s, code, bank), c[NEXT])
            if tick < best_tick or tick == best_tick and r[R_ARRIVAL] < queues[queue, best, R_ARRIVAL]:
                best = i
                best_tick = tick
                closes = _effect(t, code) == PRECHARGE
        if queue == OPENED or not closes or not _row_wanted(queues, c, queues[queue, best, R_BANK]):
            return best, best_tick
        held = best
    return -1, FAR


@jit
def _choose_queue(c, policy):
    """Reads or writes? Asked for every tick in which no request with an opened row goes; of equal ones, once is enough."""
    if c[WRITE_MODE]:
        if c[HELD + WRITES] <= policy[WRITE_STOP] and c[HELD + READS] > 0:
            c[WRITE_MODE] = 0
    elif c[HELD + WRITES] >= policy[WRITE_START] or c[HELD + READS] == 0:
        c[WRITE_MODE] = 1
    return WRITES if c[WRITE_MODE] else READS


@inline
def _completed(t, c, code, tick, reads):
    done = tick + t[HEADER + code * COMMAND + C_LATENCY]
    if reads:
        c[READ_DONE] = max(done, c[READ_DONE] + 1)
    else:
        c[WRITE_DONE] = max(done, c[WRITE_DONE])


@jit
def _pim_served(t, c, places, size, instruction, tick, count, cadence):
    """Book ``count`` requests of the PIM instruction, the first issued at ``tick``."""
    at = c[TAKEN]
    for i in range(max(count - size, 0), count):
        places[(at + i) % size] = tick + i * cadence
    if at <= c[ROOM] < at + count:
        c[ROOM_TICK] = tick + (c[ROOM] - at) * cadence + 1
    c[TAKEN] = at + count
    c[LEFT] -= count
    c[COLUMN] += count
    c[LAST_PIM] = tick + (count - 1) * cadence
    if instruction[KIND] == PIM_COMMAND:
        _completed(t, c, instruction[CODE], c[LAST_PIM], instruction[BLOCKING])


@jit
def _memory_served(t, c, queues, queue, at, opened, tick):
    """A request was served, or its row ``opened``, by a command at ``tick``."""
    r = queues[queue, at]
    writes = int(_effect(t, r[R_CODE]) == WRITE)
    if opened:
        if queue == OPENED or c[HELD + OPENED] == queues.shape[1]:
            return
        _copy(r, queues[OPENED, c[HELD + OPENED]])
        c[HELD + OPENED] += 1
        c[OPENED_WRITES] += writes
    else:
        _completed(t, c, r[R_CODE], tick, not writes)
        if queue == OPENED:
            c[OPENED_WRITES] -= writes
    c[HELD + queue] -= 1
    for i in range(at, c[HELD + queue]):
        _copy(queues[queue, i + 1], queues[queue, i])


@inline
def _copy(source, to):
    for i in range(REQUEST):
        to[i] = source[i]


@jit
def _choose(t, s, c, queues, policy, instruction):
    """Whose command is next: (queue, request in it, tick of the command, tick from which a refresh goes first).

    An opened row's request goes first, then the PIM queue's; ordinary ones if that is empty; and a refresh once it is late.
    """
    waits = c[LEFT] + c[HELD + READS] + c[HELD + WRITES] + c[HELD + OPENED] > 0
    late = s[t[H_AT_DUE]] + (policy[POSTPONE] if waits else 0)
    queue, at, tick = REFRESHES, 0, late
    if late > c[NEXT]:
        opened, opened_tick = _soonest(t, s, c, queues, OPENED)
        if opened_tick < tick:
            queue, at, tick = OPENED, opened, opened_tick
        if opened_tick > c[NEXT]:
            if c[LEFT] > 0:
                other, other_queue, other_tick = 0, PIM_QUEUE, c[NEXT]
                if instruction[KIND] == PIM_COMMAND:
                    code, bank = _needed(t, s, instruction[CODE], instruction[BANK], instruction[ROW])
                    other_tick = max(earliest(t, s, code, bank), c[NEXT])
                    if _effect(t, code) == PRECHARGE and scope_banks(t, code) == 1 and _row_wanted(queues, c, bank):
                        other_tick = FAR
            else:
                other_queue = _choose_queue(c, policy)
                other, other_tick = _soonest(t, s, c, queues, other_queue)
            if other_tick < tick:
                queue, at, tick = other_queue, other, other_tick
    if queue == REFRESHES and late < FAR:
        tick = max(earliest(t, s, _refresh_command(t, s), 0), late, c[NEXT])
    return queue, at, tick, late


@jit
def _refresh_command(t, s):
    any_open, _ = rows_of(t, s, 0, t[H_BANKS_PER_RANK], -2)
    return t[H_PRECHARGE_ALL] if any_open else t[H_REFRESH]


@jit
def _act(t, s, c, queues, places, log, policy, instruction, queue, at, tick, late):
    """Issue the command that was chosen: of the request itself, for its row, or to switch the mode for it."""
    count, cadence, register = 1, 1, 0
    if queue == REFRESHES:
        code, bank, row, column = _refresh_command(t, s), 0, -1, -1
        final = code
    elif queue == PIM_QUEUE:
        final, row, column, register = instruction[CODE], instruction[ROW], c[COLUMN], instruction[REGISTER]
        code, bank = _needed(t, s, final, instruction[BANK], row)
        if code == final and c[HELD + OPENED] == 0 and t[HEADER + code * COMMAND + C_CADENCE] > 0:
            cadence = t[HEADER + code * COMMAND + C_CADENCE]
            count = min(c[LEFT], (late - 1 - tick) // cadence + 1)
    else:
        r = queues[queue, at]
        final, row, column = r[R_CODE], r[R_ROW], 0
        code, bank = _needed(t, s, final, r[R_BANK], row)
    switches = policy[MODE_SWITCH] >= 0 and c[MODE] != register
    if switches:
        code, bank, count = policy[MODE_SWITCH], 0, 1
        c[MODE] = register
    effect = _effect(t, code)
    if code != final:
        column = -1
        if effect != ACTIVATE:
            row = -1
    command(t, s, log, code, bank, row, column, count, tick,
            REFRESH_CAUSE if queue == REFRESHES else t[HEADER + code * COMMAND + C_CAUSE])
    c[NEXT] = s[LAST] + 1
    if switches:
        return
    if queue == REFRESHES:
        if code == t[H_REFRESH]:
            s[t[H_AT_DUE]] += t[H_INTERVAL]
    elif queue == PIM_QUEUE:
        if code == final:
            _pim_served(t, c, places, policy[PIM_PLACES], instruction, tick, count, cadence)
    elif code == final or effect == ACTIVATE:
        _memory_served(t, c, queues, queue, at, code != final, tick)


@jit
def _run(t, s, c, queues, places, log, policy, instruction, until, once):
    """The channel's commands before ``until``, or the next one only. ``instruction``: of the PIM requests at hand (LEFT)."""
    while c[NEXT] < until:
        queue, at, tick, late = _choose(t, s, c, queues, policy, instruction)
        if tick >= until:
            break
        if queue == PIM_QUEUE and instruction[KIND] == BARRIER:
            c[NEXT] = tick + 1
            _pim_served(t, c, places, policy[PIM_PLACES], instruction, tick, 1, 1)
        else:
            _act(t, s, c, queues, places, log, policy, instruction, queue, at, tick, late)
        if once:
            return
    c[NEXT] = max(c[NEXT], until)


@jit
def _answered(c, queues, policy, instruction):
    """Is a read answered by a write that waits?"""
    if instruction[KIND] != MEMORY_READ:
        return False
    for i in range(c[HELD + WRITES]):
        r = queues[WRITES, i]
        if policy[ANY_WRITE] or r[R_BANK] == instruction[BANK] and r[R_ROW] == instruction[ROW]:
            return True
    return False


@jit
def _taken(c, policy, instruction):
    """Does the channel take (the first of) these requests?"""
    kind = instruction[KIND]
    opened = 0 if policy[LEAVE] else c[HELD + OPENED]
    if kind == MEMORY_WRITE:
        return c[HELD + WRITES] + min(opened, c[OPENED_WRITES]) < policy[WRITE_PLACES]
    if kind == MEMORY_READ:
        return c[HELD + READS] + max(opened - c[OPENED_WRITES], 0) < policy[READ_PLACES]
    return c[HELD + READS] + c[HELD + WRITES] + opened == 0


@jit
def _send(t, s, c, queues, places, log, policy, instruction, tick):
    """Send an instruction to a channel at ``tick``.

    Returns:
        When its last request is accepted; of a blocking instruction, when it completes.
    """
    kind = instruction[KIND]
    memory = kind == MEMORY_READ or kind == MEMORY_WRITE
    if memory:
        tick = max(tick, c[LAST_PIM] + 1)
    _run(t, s, c, queues, places, log, policy, instruction, tick, False)
    while True:
        if _answered(c, queues, policy, instruction):
            c[ANSWERED] += 1
            c[READ_DONE] = max(tick, c[READ_DONE] + 1)
            return tick
        if _taken(c, policy, instruction):
            break
        _run(t, s, c, queues, places, log, policy, instruction, FAR, True)
        tick = max(tick, c[NEXT])
    if memory:
        queue = WRITES if kind == MEMORY_WRITE else READS
        r = queues[queue, c[HELD + queue]]
        r[R_CODE], r[R_BANK], r[R_ROW], r[R_ARRIVAL] = instruction[CODE], instruction[BANK], instruction[ROW], tick
        c[HELD + queue] += 1
        return tick
    size = policy[PIM_PLACES]
    c[LEFT] = instruction[COUNT]
    c[COLUMN] = 0
    c[ROOM] = c[TAKEN] + c[LEFT] - 1 - size
    c[ROOM_TICK] = places[c[ROOM] % size] + 1 if 0 <= c[ROOM] < c[TAKEN] else 0
    while c[LEFT] > 0:
        _run(t, s, c, queues, places, log, policy, instruction, FAR, True)
    if kind == BARRIER:
        c[READ_DONE] = max(c[LAST_PIM], c[READ_DONE]) + 1
        while True:
            done = c[READ_DONE]
            _run(t, s, c, queues, places, log, policy, instruction, done, False)
            if c[WRITE_DONE] < done:
                return done
            c[READ_DONE] = max(c[READ_DONE], c[WRITE_DONE] + 1)
    return c[READ_DONE] if instruction[BLOCKING] else max(tick, c[ROOM_TICK])


@jit
def run_host(t, states, controllers, queues, places, instructions, selectors, policy, log):
    """Send ``instructions`` from tick 1 on, and let every channel go on until the last has completed.

    Args:
        t: packed table of a part with one rank.
        states: int64 [channels, vector].
        controllers: int64 [channels, CONTROLLER], zero but for NEXT, which is 1.
        queues: int64 [channels, 3, places, REQUEST].
        places: int64 [channels, policy[PIM_PLACES]], scratch: when the latest PIM requests were issued.
        instructions: int64 [n, INSTRUCTION]; the last one must be a barrier.
        selectors: bool [selectors, channels], the channels of an instruction.
        policy: int64 [POLICY].
        log: see ``pimsim.kernels.channel``.

    Returns:
        The tick in which the last instruction completes.
    """
    end = 0
    for i in range(instructions.shape[0]):
        instruction = instructions[i]
        tick = end + 1
        end = tick
        if instruction[KIND] != HOST_ONLY:
            for n in range(states.shape[0]):
                if selectors[instruction[SELECTOR], n]:
                    if log.shape[0] > 0:
                        log[0, 1] = n
                    done = _send(t, states[n], controllers[n], queues[n], places[n], log, policy, instruction, tick)
                    end = max(end, done)
    for n in range(states.shape[0]):
        if log.shape[0] > 0:
            log[0, 1] = n
        s = states[n]
        _run(t, s, controllers[n], queues[n], places[n], log, policy, instructions[-1], end + 1, False)
        at = charge_until(t, s, end)
        if at < end:
            s[t[H_AT_COUNTERS] + IDLE_CAUSE] += end - at
            s[CHARGED] = end
        count_active(t, s, end)
    return end

"""Replay a command log and charge every tick to the rule that held the next command back.

The ticks between two commands of a channel belong to the rule, window or bus that let the second one issue last; to nothing in the
memory if all of them would have let it issue earlier. A counted run is as many commands: those behind its first are held back by
the run's own cadence. So the ticks of a channel sum to the distance of its first and last command.
"""

from __future__ import annotations

from pimsim.kernels.jit import jit
from pimsim.kernels.legality import BANK, BUS, CADENCE, COMMAND, COUNT, TICK, binding, enter, record_time

NOTHING, TAKEN = -1, -2
"""What held a command back, where it was no rule: nothing in the memory, the command bus."""


@jit
def blame_channel(book, past, log, at, own, ticks, numbers):
    """Replay some commands of one channel.

    Args:
        book, past: see ``pimsim.kernels.legality``; ``past`` is changed in place.
        log: int64 [n, 6] in order of ticks, as ``check_channel`` takes it.
        at: tick of the last command before these, or below 0 if there was none.
        own: int64 [commands]: the rule that keeps equal commands at their cadence.
        ticks, numbers: int64 [commands, rules + 2]: added to, ticks and commands held back; the last two columns are
            for TAKEN and NOTHING.

    Returns:
        Tick of the last command.
    """
    for i in range(log.shape[0]):
        command, bank, tick, count = log[i, COMMAND], log[i, BANK], log[i, TICK], log[i, COUNT]
        enter(book, past, command, bank)
        what, earliest, _ = binding(book, past, command, bank)
        if earliest < tick:
            what = NOTHING
        elif what == BUS:
            what = TAKEN
        if at >= 0:
            ticks[command, what] += tick - at
            numbers[command, what] += 1
        at = tick + (count - 1) * book.commands[command, CADENCE]
        ticks[command, own[command]] += at - tick
        numbers[command, own[command]] += count - 1
        record_time(book, past, command, bank, at)
    return at

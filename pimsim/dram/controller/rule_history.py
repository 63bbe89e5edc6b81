"""What was issued on a channel, and whether a command may follow: the rules of a part looked up in a history, in plain Python.

A command of the command bus is judged by what came before it. Where commands are known before they issue (the sequencer of a
composite says when its READRES will come), an access may still go before them if it keeps its distance from what comes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pimsim.dram.compile import Compiled
from pimsim.dram.spec import LEVELS, Effect


@dataclass
class RuleHistory:
    """The ticks of all commands of a channel, by node and command; some may lie ahead.

    ``ahead``: the command that may be known before it issues.
    """

    compiled: Compiled
    ahead: str = ""
    bus: int = 0
    issued: dict[tuple[int, int, str], list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        org = self.compiled.organization
        self.names = self.compiled.command_names
        self.spec = {c.name: c for c in self.compiled.standard.commands}
        self.level_banks = [org.banks_per_channel // org.nodes(level) for level in range(len(LEVELS))]

    def node(self, level: int, bank: int) -> int:
        """The node of a level that a bank is in."""
        return bank // self.level_banks[level]

    def ticks(self, level: int, bank: int, command: str) -> list[int]:
        """When a command was, or will be, issued in a bank's node of a level."""
        return self.issued.get((level, self.node(level, bank), command), [])

    def allowed(self, command: str, bank: int, tick: int, *, on_bus: bool = True) -> bool:
        """Whether ``command`` to ``bank`` breaks no rule at ``tick``; ``on_bus``: it takes a slot of the command bus."""
        if on_bus and tick < self.bus:
            return False
        number, ahead = self.compiled.command(command), self.compiled.command(self.ahead)
        access = ahead >= 0 and self.spec[command].effect in (Effect.READ, Effect.WRITE)
        for r in self.compiled.rules:
            if access and r.window == 1 and not r.sibling and r.after == (ahead,) and number in r.before:
                if any(tick < u < tick + r.value for u in self.ticks(r.level, bank, self.ahead)):
                    return False
            elif number in r.after:
                befores = [self.names[b] for b in r.before]
                if r.window > 1:
                    ticks = self._window(befores, r.level, bank, r.window)
                    back = r.window - min(self.spec[command].activations, r.window) + 1
                    earlier = ticks[-back:-back + 1 or None] if len(ticks) >= back else []
                elif r.sibling:
                    earlier = [u for o in self._siblings(r.level, bank) for b in befores for u in self.ticks(r.level, o, b)]
                else:
                    earlier = [u for b in befores for u in self.ticks(r.level, bank, b)
                               if not (access and b == self.ahead and u > tick)]
                if any(tick < u + r.value for u in earlier):
                    return False
        return True

    def _window(self, commands: list[str], level: int, bank: int, size: int) -> list[int]:
        """The ticks in an activation window, oldest first; a command of several activations enters as often."""
        return sorted(u for b in commands for u in self.ticks(level, bank, b)
                      for _ in range(min(self.spec[b].activations, size)))

    def _siblings(self, level: int, bank: int) -> list[int]:
        """A bank of each other node of a level with the same parent."""
        parent = self.level_banks[level - 1]
        first = bank // parent * parent
        nodes = range(first, first + parent, self.level_banks[level])
        return [other for other in nodes if self.node(level, other) != self.node(level, bank)]

    def record(self, command: str, bank: int, tick: int, *, on_bus: bool = True) -> None:
        """``command`` to ``bank`` issues at ``tick``."""
        if on_bus:
            self.bus = tick + 1
        for level in range(LEVELS.index(self.spec[command].scope) + 1):
            self.issued.setdefault((level, self.node(level, bank), command), []).append(tick)

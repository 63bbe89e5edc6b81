"""A PIM command set: commands and timing rows added to a DRAM standard. One command set a file in this package.

The kernels know what a command *does* (its :class:`~pimsim.dram.spec.Effect`); everything else about it is data here. The
mapping asks a command set for its commands by *role*, so that one mapping serves every set that has the roles it needs.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from pimsim.dram.spec import Command, Constraint, Standard
from pimsim.errors import InputError, Problem, nearest

ROLES = ("activate_all", "activate_group", "precharge_all", "mac_all", "buffer_write", "result_read")
"""What a bank-level GEMV needs: open a row everywhere, multiply, fill the operand buffer, read the results."""


@dataclass(frozen=True, slots=True)
class CommandSet:
    """A PIM command set.

    Attributes:
        standard: name of the standard that it extends.
        roles: role (see :data:`ROLES`) -> command name.
        activate_over_open, table_rows: see :class:`~pimsim.dram.spec.Standard`.
        complete: its commands and rows are the whole table; the standard gives its levels and the roles of a plain controller.
        mode_switch: the command that switches a channel between its normal and its register mode, if it has the two.
        register_mode: the commands that need the register mode; all others need the normal one.
    """

    name: str
    standard: str
    commands: tuple[Command, ...]
    constraints: tuple[Constraint, ...]
    roles: Mapping[str, str]
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    derived: Mapping[str, str] = field(default_factory=dict)
    activate_over_open: bool = False
    table_rows: range = range(0)
    complete: bool = False
    mode_switch: str = ""
    register_mode: frozenset[str] = frozenset()
    source: str = ""

    def on(self, standard: Standard) -> Standard:
        """The standard with this command set added.

        Raises:
            InputError: the command set belongs to another standard.
        """
        if standard.name != self.standard:
            raise InputError(Problem(f"command set '{self.name}' extends {self.standard}, not {standard.name}",
                                     key="memory.command_set"))
        aliases = {n: standard.aliases.get(n, ()) + self.aliases.get(n, ())
                   for n in {**standard.aliases, **self.aliases}}
        standard = replace(standard, table_rows=self.table_rows)
        if self.complete:
            standard = replace(standard, commands=(), constraints=(), free=(), precharge_all=self.roles["precharge_all"])
        return standard.extended(f"{standard.name}+{self.name}", self.commands, self.constraints, aliases, self.derived,
                                 activate_over_open=self.activate_over_open)


@cache
def all_command_sets() -> dict[str, CommandSet]:
    """Every command set in this package, by name."""
    package = importlib.import_module("pimsim.pim")
    found: dict[str, CommandSet] = {}
    for module_info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"pimsim.pim.{module_info.name}")
        found.update({v.name: v for v in vars(module).values() if isinstance(v, CommandSet)})
    return found


def command_set(name: str) -> CommandSet:
    """The command set called ``name``.

    Raises:
        InputError: there is none; names the nearest.
    """
    known = all_command_sets()
    if name not in known:
        raise InputError(Problem(f"unknown PIM command set '{name}'", nearest(name, list(known)), key="memory.command_set"))
    return known[name]

"""Names of timing parameters: which a part may have, and which un-split name stands for which split ones.

Data sheets split a parameter where hardware does (tRCD into tRCDRD for reads and tRCDWR for writes; tCCD into short
and long), papers print the un-split one. Setting an un-split name in a YAML file or with ``--set`` sets every split
form that the part underneath has. The names themselves are the standards' and the command sets'.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from pimsim.dram.expression import names
from pimsim.dram.spec import Command, Constraint, Standard
from pimsim.dram.standards import all_standards
from pimsim.pim.command_set import CommandSet, all_command_sets

INTERVALS = frozenset({"tREFI", "tREFIpb", "BL"})
"""Names that controllers use, whether or not a rule of the standard does."""


@cache
def split_forms() -> Mapping[str, tuple[str, ...]]:
    """Un-split name -> its split forms in any standard or command set."""
    forms: dict[str, dict[str, None]] = {}
    aliases = [spec.aliases for spec in all_standards().values()]
    aliases += [spec.aliases for spec in all_command_sets().values()]
    for spec in aliases:
        for name, split in spec.items():
            forms.setdefault(name, {}).update(dict.fromkeys(split))
    return {name: tuple(split) for name, split in forms.items()}


def expand(layer: Iterable[str], below: frozenset[str]) -> dict[str, str]:
    """How a layer's timing keys spread over the split names that the layers ``below`` have.

    Returns target name -> the key of ``layer`` that sets it. A split name written in the layer itself wins over the
    un-split one; an un-split name that the part itself uses (DDR4's tRCD), or that has no split form there, stays.
    """
    keys = tuple(layer)
    targets: dict[str, str] = {}
    for name in keys:
        forms = [form for form in split_forms().get(name, ()) if form in below or form in keys]
        if name in below or not forms:
            targets[name] = name
        else:
            targets |= {form: name for form in forms if form not in keys}
    return targets


@cache
def known_names(standard: str, command_set: str | None) -> frozenset[str]:
    """Every timing name that a part of ``standard`` with ``command_set`` may give; none if either is unknown.

    Variants of a standard (``GDDR6-dramsim3``) count, since a controller policy may ask for their rules.
    """
    specs: list[Standard | CommandSet] = []
    specs += [spec for name, spec in all_standards().items() if name == standard or name.startswith(f"{standard}-")]
    extra = all_command_sets().get(command_set) if command_set else None
    if standard not in all_standards() or (command_set and extra is None):
        return frozenset()
    known = set(INTERVALS)
    for spec in [*specs, extra] if extra else specs:
        known |= spec.aliases.keys() | spec.derived.keys() | _used(spec.commands, spec.constraints)
        known |= {name for expression in spec.derived.values() for name in names(expression)}
    return frozenset(known)


def _used(commands: Iterable[Command], constraints: Iterable[Constraint]) -> set[str]:
    expressions = [command.latency for command in commands] + [row.latency for row in constraints]
    return {name for expression in expressions for name in names(expression)}

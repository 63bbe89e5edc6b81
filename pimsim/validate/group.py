"""Groups of figures: a group is a module of this package with a function ``figures(notify)``, imported when it is wanted.

To add one, put its file here and its name and purpose into :data:`GROUPS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path

from pimsim.errors import InputError, Problem, nearest
from pimsim.validate.figure import Figure

Notify = Callable[[str], None]
"""Called with what is being done, for people who wait."""

GROUPS: dict[str, str] = {
    "models": "sizes of the shipped models",
    "dram": "commands, times and energy of DRAM simulators",
    "aim": "GDDR6-AiM command sequences",
    "systolic": "cycles of systolic arrays",
    "gpu": "measured times of GPUs",
    "pim-gpt": "PIM-GPT: closed forms, and the paper's figures",
    "neupims": "NeuPIMs: its simulator and the paper's figures",
}
"""Name -> what it is, in the order of the table. A name without its module in this folder is left out."""


def module_name(group: str) -> str:
    """The module that holds a group."""
    return group.replace("-", "_")


def groups() -> list[str]:
    """The groups that there are."""
    here = Path(__file__).parent
    return [name for name in GROUPS if (here / f"{module_name(name)}.py").is_file()]


def check_names(wanted: Sequence[str]) -> list[str]:
    """The wanted groups in the order of the table; all if none is named.

    Raises:
        InputError: for every name that is no group's.
    """
    known = groups()
    wrong = [name for name in wanted if name not in known]
    if wrong:
        raise InputError(Problem(f"there is no group of figures '{name}'", nearest(name, known), file="--only") for name in wrong)
    return [name for name in known if name in wanted or not wanted]


def figures(group: str, notify: Notify = lambda text: None) -> Iterator[Figure]:
    """The figures of a group, as they come."""
    yield from import_module(f"{__package__}.{module_name(group)}").figures(notify)

"""The files that ship with pimsim, found in a wheel, an editable install and a checkout alike.

In a checkout (and so in an editable install) hwconfigs/, workloads/ and sweeps/ lie beside the package; a wheel carries
them inside it, under ``pimsim/_assets``. Nothing else in pimsim knows where they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pimsim.errors import InputError, Problem, nearest

_PACKAGE = Path(__file__).parent
_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class _Kind:
    """Where the files of a kind lie (below the checkout or ``_assets``) and how their names are spelt."""

    folder: str
    pattern: str
    article: str


_KINDS = {
    "system": _Kind("hwconfigs", "*.yaml", "a system"),
    "dram": _Kind("hwconfigs/dram", "*.yaml", "a DRAM part"),
    "asic": _Kind("hwconfigs/asic", "*.yaml", "an ASIC"),
    "npu": _Kind("hwconfigs/npu", "*.yaml", "an NPU"),
    "efficiency": _Kind("hwconfigs/efficiency", "*.yaml", "a set of efficiencies"),
    "area": _Kind("hwconfigs/area", "*.yaml", "a set of areas"),
    "workload": _Kind("workloads", "*.yaml", "a workload"),
    "model": _Kind("workloads/models", "*/config.json", "a model"),
    "sweep": _Kind("sweeps", "*.yaml", "a sweep"),
}
KINDS = tuple(_KINDS)


def _kind(kind: str) -> _Kind:
    if kind not in _KINDS:
        raise InputError(Problem(f"'{kind}' is not a kind of shipped file", nearest(kind, KINDS)))
    return _KINDS[kind]


def folder(kind: str) -> Path:
    """The folder that holds the shipped files of ``kind`` (it may not exist where none ship)."""
    below = _kind(kind).folder
    inside = _PACKAGE / "_assets" / below
    return inside if inside.is_dir() else _PACKAGE.parent / below


def list_assets(kind: str) -> dict[str, Path]:
    """Name -> file of everything of ``kind`` that ships, in the order of the names."""
    files = folder(kind).glob(_kind(kind).pattern)
    named = {path.parent.name if kind == "model" else path.stem: path for path in files}
    return dict(sorted(named.items()))


def _own(kind: str, name: str) -> Path:
    return folder(kind) / _kind(kind).pattern.replace("*", name)


def ships(kind: str, name: str) -> bool:
    """Whether something of ``kind`` ships under this name."""
    return bool(name) and not is_path(name) and _own(kind, name).is_file()


def is_path(name: str) -> bool:
    """Whether ``name`` is meant as a path (it has a separator or a file suffix) rather than a shipped name."""
    return "/" in name or "\\" in name or name.endswith(_SUFFIXES)


def beside(name: str, file: str) -> str:
    """``name``, or the path that it names next to ``file`` (which mentions it) where such a file exists."""
    near = Path(file).parent / name
    return str(near) if near.is_file() else name


def find(kind: str, name_or_path: str | Path) -> Path:
    """The file of a shipped name or a path.

    Raises :class:`InputError`: with the nearest shipped name for an unknown one, or that the file is missing.
    """
    name = str(name_or_path)
    if ships(kind, name):
        return _own(kind, name)
    path = Path(name)
    if path.is_file():
        return path
    if path.is_dir() and is_path(name):
        raise InputError(Problem("is a folder, not a file", file=name))
    if is_path(name):
        raise InputError(Problem("no such file", file=name))
    article = _kind(kind).article
    raise InputError(Problem(f"'{name}' is not {article} that ships, nor a file", nearest(name, list(list_assets(kind)))))

"""Layers of YAML: a part, the system over it, ``--set`` on top, key by key, each value keeping its place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pimsim import assets
from pimsim.config import document as yaml
from pimsim.config.document import Document, KeyPath, Place, dotted
from pimsim.config.jedec import expand
from pimsim.errors import InputError, Problem, nearest

PART_SECTIONS = {
    "dram": ("memory", "controller", "pim", "energy"),
    "asic": ("asic",),
    "npu": ("npu",),
}
"""Kind of part -> the sections of a system that its file may hold; the first one names it, with its key ``part``."""

_TIMING = ("memory", "timing")


def merge(below: Document, above: Document) -> Document:
    """``above`` over ``below``, key by key; lists and scalars replace. Un-split timing names set their split forms."""
    data, places = _expanded(above, below)
    merged = Document(_copied(below.data), dict(below.places))
    _merge(merged, data, places, ())
    return merged


def _copied(data: Any) -> Any:
    return {key: _copied(value) for key, value in data.items()} if isinstance(data, dict) else data


def _merge(into: Document, data: dict[str, Any], places: dict[KeyPath, Place], path: KeyPath) -> None:
    target: Any = into.data
    for part in path:
        target = target[part]
    for key, value in data.items():
        here = (*path, key)
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(into, value, places, here)
            continue
        for old in [known for known in into.places if known[: len(here)] == here]:
            del into.places[old]
        target[key] = _copied(value)
        into.places |= {known: place for known, place in places.items() if known[: len(here)] == here}


def _expanded(above: Document, below: Document) -> tuple[dict[str, Any], dict[KeyPath, Place]]:
    """The data and places of ``above`` with its timing names spread over the split forms known ``below``."""
    timing = above.data.get("memory", {}).get("timing") if isinstance(above.data.get("memory"), dict) else None
    if not isinstance(timing, dict):
        return above.data, above.places
    memory = below.data.get("memory")
    known = memory.get("timing") if isinstance(memory, dict) else None
    origin = expand(timing, frozenset(known if isinstance(known, dict) else ()))
    spread = {to: timing[key] for to, key in origin.items()}
    places = {path: place for path, place in above.places.items() if path[:2] != _TIMING or len(path) < 3}
    places |= {(*_TIMING, to): above.place((*_TIMING, key)) for to, key in origin.items()}
    return {**above.data, "memory": {**above.data["memory"], "timing": spread}}, places


def compose(own: Document, kinds: Iterable[str], overrides: Sequence[str] = ()) -> Document:
    """The parts that ``own`` names (``memory: {part: gddr6-pim}``), ``own`` over them, the overrides on top.

    An override may name another part (``memory.part=gddr6-aim``). Raises :class:`InputError`.
    """
    named = overridden(own, overrides)
    composed = own
    found: list[Problem] = []
    for kind in kinds:
        path = (PART_SECTIONS[kind][0], "part")
        body = named.data.get(path[0])
        if not isinstance(body, dict) or "part" not in body:
            continue
        try:
            composed = merge(_part(kind, body["part"], named.place(path)), composed)
        except InputError as error:
            found += error.problems
    if found:
        raise InputError(found)
    return overridden(composed, overrides)


def _part(kind: str, part: Any, place: Place) -> Document:
    path = (PART_SECTIONS[kind][0], "part")
    if not isinstance(part, str):
        raise InputError(place.problem(path, f"'{part}' is not a name", f"a shipped {kind} part or a path"))
    try:
        file = assets.find(kind, assets.beside(part, place.file))
    except InputError as error:
        raise InputError([place.problem(path, f"{p.file}: {p.message}" if p.file else p.message, p.allowed)
                          for p in error.problems]) from None
    document = yaml.read(file)
    sections = PART_SECTIONS[kind]
    allowed = (*sections, "name", "description")
    strangers = [key for key in document.data if key not in allowed]
    if strangers:
        raise InputError([document.place((key,)).problem((key,), f"unknown key '{key}' in a {kind} part",
                                                         nearest(key, allowed), at_key=True) for key in strangers])
    return select(document, sections)


def select(document: Document, sections: Iterable[str]) -> Document:
    """Only the given top-level sections of a document."""
    chosen = set(sections)
    return Document({key: value for key, value in document.data.items() if key in chosen},
                    {path: place for path, place in document.places.items() if not path or path[0] in chosen})


def override(text: str) -> Document:
    """The layer that one ``--set PATH=VALUE`` is. The value is YAML. Raises :class:`InputError`."""
    path, equals, value = text.partition("=")
    path = path.strip()
    keys = path.split(".")
    if not equals or not all(keys):
        raise InputError(Problem(f"'{text}' is not PATH=VALUE", "for example memory.channels=4", file="--set"))
    file = f"--set {path}"
    place = Place(file)
    parsed = yaml.parse_value(value, file)
    data: Any = parsed
    for key in reversed(keys):
        data = {key: data}
    places: dict[KeyPath, Place] = {tuple(keys[:depth]): place for depth in range(1, len(keys) + 1)}
    places |= {(*keys, *below): place for below, _ in yaml.leaves(parsed)}
    return Document(data, places)


def overridden(base: Document, overrides: Iterable[str]) -> Document:
    """``base`` with each ``PATH=VALUE`` over it, in order. Raises :class:`InputError` with all that are ill-formed."""
    found: list[Problem] = []
    for text in overrides:
        try:
            base = merge(base, override(text))
        except InputError as error:
            found += error.problems
    if found:
        raise InputError(found)
    return base


__all__ = ["PART_SECTIONS", "compose", "dotted", "merge", "overridden", "override", "select"]

"""Layers of YAML: a part, the system over it, ``--set`` on top, key by key, each value keeping its place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from pimsim import assets
from pimsim.config import document as yaml
from pimsim.config.document import Document, KeyPath, Place, dotted
from pimsim.config.timing import expand
from pimsim.errors import InputError, Problem

PART_SECTIONS = {
    "dram": ("memory", "controller", "pim", "energy", "compat"),
    "asic": ("asic",),
    "npu": ("npu",),
    "efficiency": ("efficiency",),
    "area": ("area",),
}
"""Kind of part -> the sections of a system that its file may hold; the first one names it, with its key ``part``."""

_TIMING = ("memory", "timing")


def merge(below: Document, above: Document) -> Document:
    """``above`` over ``below``, key by key; lists and scalars replace. Un-split timing names set their split forms."""
    data, places = _expanded(above, below)
    merged = Document(_copied(below.data), below.places | {path: places[path] for path in ((),) if path in places})
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
    timing = _timing(above)
    if not timing:
        return above.data, above.places
    origin = expand(timing, frozenset(_timing(below)))
    spread = {to: timing[key] for to, key in origin.items()}
    places = {path: place for path, place in above.places.items() if path[:2] != _TIMING or len(path) < 3}
    for to, key in origin.items():
        place = above.place((*_TIMING, key))
        places[*_TIMING, to] = place if to == key else replace(place, written=dotted((*_TIMING, key)))
    return {**above.data, "memory": {**above.data["memory"], "timing": spread}}, places


def _timing(document: Document) -> dict[str, Any]:
    """The timing values of a document, none where it is not even a section."""
    memory = document.data.get("memory")
    timing = memory.get("timing") if isinstance(memory, dict) else None
    return timing if isinstance(timing, dict) else {}


def compose(own: Document, overrides: Sequence[Document]) -> tuple[Document, list[Problem]]:
    """The parts that ``own`` names (``memory: {part: gddr6-pim}``), ``own`` over them, the overrides on top.

    An override may name another part (``memory.part=gddr6-aim``). Also returns why parts could not be read.
    """
    named = overridden(own, overrides)
    composed = own
    found: list[Problem] = []
    for kind, sections in PART_SECTIONS.items():
        path = (sections[0], "part")
        body = named.data.get(path[0])
        if not isinstance(body, dict) or "part" not in body:
            continue
        try:
            composed = merge(_part(kind, body["part"], named.place(path)), composed)
        except InputError as error:
            found += error.problems
    return overridden(composed, overrides), found


def _part(kind: str, part: Any, place: Place) -> Document:
    sections = PART_SECTIONS[kind]
    path = (sections[0], "part")
    if not isinstance(part, str):
        raise InputError(place.problem(path, f"'{part}' is not a name", f"a shipped {kind} part or a path"))
    try:
        file = assets.find(kind, assets.beside(part, place.file))
    except InputError as error:
        raise InputError([place.problem(path, words(p), p.allowed) for p in error.problems]) from None
    document = yaml.read(file)
    allowed = (*sections, "name", "description")
    strangers = [key for key in document.data if key not in allowed]
    if strangers:
        raise InputError([document.unknown((key,), allowed, where=f" in a {kind} part") for key in strangers])
    return select(document, sections)


def words(problem: Problem) -> str:
    """What a problem says, with the file it is about in the sentence: for a problem that is put at another place."""
    return f"{problem.file}: {problem.message}" if problem.file else problem.message


def select(document: Document, sections: Iterable[str]) -> Document:
    """Only the given top-level sections of a document."""
    chosen = set(sections)
    return Document({key: value for key, value in document.data.items() if key in chosen},
                    {path: place for path, place in document.places.items() if not path or path[0] in chosen})


def read_overrides(texts: Iterable[str], *, below: int = 0) -> tuple[list[Document], list[Problem]]:
    """One layer for each ``--set PATH=VALUE``, and what is wrong with those that are ill-formed.

    The value is YAML. ``below`` leaves out that many leading keys of the path (``workload.batch`` -> ``batch``).
    """
    layers: list[Document] = []
    found: list[Problem] = []
    for text in texts:
        try:
            layers.append(_override(text, below))
        except InputError as error:
            found += error.problems
    return layers, found


def _override(text: str, below: int) -> Document:
    path, equals, value = text.partition("=")
    path = path.strip()
    keys = path.split(".")
    if not equals or not all(keys):
        raise InputError(Problem(f"'{text}' is not PATH=VALUE", "for example memory.channels=4", file="--set"))
    keys = keys[below:]
    place = Place(f"--set {path}", written=path)
    data = parsed = yaml.parse_value(value, place.file)
    for key in reversed(keys):
        data = {key: data}
    places: dict[KeyPath, Place] = {tuple(keys[:depth]): place for depth in range(1, len(keys) + 1)}
    places |= {(*keys, *inner): place for inner, _ in yaml.leaves(parsed)}
    return Document(data, places)


def overridden(base: Document, layers: Iterable[Document]) -> Document:
    """``base`` with each layer over it, in order."""
    for layer in layers:
        base = merge(base, layer)
    return base

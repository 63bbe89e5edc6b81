"""YAML as people expect it, with a place for every value.

Scalars follow the core schema of YAML 1.2 (section 10.3): ``1e9`` is a number, ``on`` a string, ``010`` ten and
``0o10`` eight, where PyYAML's 1.1 rules say otherwise. Duplicate keys are refused. Every value keeps where it stands
and the comment behind it: in hardware files that comment is the value's source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from pimsim.errors import InputError, Problem, nearest

KeyPath = tuple[str | int, ...]
MAX_VALUES = 1_000_000
"""Values a document may hold, aliases expanded; a handful of nested aliases could otherwise stand for billions."""

_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_CORE_TAGS = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", None}
_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITY = re.compile(r"([-+]?)\.(?:inf|Inf|INF)")
_NAN = re.compile(r"\.(?:nan|NaN|NAN)")
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_MAX_DIGITS = 400


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: its own position and its key's (for unknown keys), and the comment behind it.

    ``written`` is its dotted path as the user wrote it, where that is another (an un-split timing name).
    """

    file: str
    line: int = 0
    column: int = 0
    key_line: int = 0
    key_column: int = 0
    source: str = ""
    written: str = ""

    def problem(self, path: KeyPath, message: str, allowed: str = "", *, at_key: bool = False) -> Problem:
        """A :class:`Problem` at this place, or at its key."""
        line, column = (self.key_line, self.key_column) if at_key and self.key_line else (self.line, self.column)
        key = self.written or dotted(path)
        return Problem(message, allowed, self.file, line, column, "" if self.file == f"--set {key}" else key)


@dataclass(slots=True)
class Document:
    """Plain data (dicts, lists, scalars) and the place of every value in it."""

    data: dict[str, Any]
    places: dict[KeyPath, Place]

    def place(self, path: KeyPath) -> Place:
        """The place of ``path``, or of the nearest thing around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(""))

    def problem(self, path: KeyPath, message: str, allowed: str = "") -> Problem:
        """A :class:`Problem` of a value that is wrong beside others, at its place. Where that is a line of a file, the overrides of its
        section, or else all of them, are named as well, since they may be what made it wrong.
        """
        place = self.place(path)
        said = [(where[0], one.file) for where, one in self.places.items() if where and one.file.startswith("--set")]
        if said and not place.file.startswith("--set"):
            near = [file for section, file in said if path and section == path[0]] or [file for _, file in said]
            message += f" (with {', '.join(dict.fromkeys(near))})"
        return place.problem(path, message, allowed)

    def value(self, path: KeyPath) -> Any:
        """The value at ``path``. Raises KeyError, IndexError or TypeError where there is none."""
        data: Any = self.data
        for part in path:
            data = data[part]
        return data

    def unknown(self, path: KeyPath, known: Sequence[str], what: str = "key", where: str = "") -> Problem:
        """The problem of a key that nobody knows, with the nearest one there is."""
        name = str(path[-1])
        return self.place(path).problem(path, f"unknown {what} '{name}'{where}", nearest(name, known), at_key=True)


def dotted(path: KeyPath) -> str:
    """``memory.timing.tRCD``; list items by their index: ``axes.0``."""
    return ".".join(str(part) for part in path)


def scalar(text: str) -> Any:
    """The value of a plain scalar by the YAML 1.2 core schema."""
    if _NULL.fullmatch(text):
        return None
    if text in _BOOL:
        return _BOOL[text]
    if len(text) <= _MAX_DIGITS:
        if _INT.fullmatch(text):
            return int(text)
        if _OCTAL.fullmatch(text) or _HEX.fullmatch(text):
            return int(text, 0)
        if _FLOAT.fullmatch(text):
            return float(text)
    if match := _INFINITY.fullmatch(text):
        return float(f"{match[1]}inf")
    return float("nan") if _NAN.fullmatch(text) else text


def read(path: Path) -> Document:
    """Read a YAML file whose top level is a mapping.

    Raises :class:`InputError` for an unreadable or ill-formed file and for duplicate keys, all of them at once.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(Problem(f"not UTF-8 text (byte {error.start})", file=str(path))) from None
    except OSError as error:
        raise InputError(Problem(error.strerror or str(error), file=str(path))) from None
    parsed = _parsed(text, str(path))
    return Document(_copied(parsed.data), dict(parsed.places))


@lru_cache(maxsize=64)
def _parsed(text: str, file: str) -> Document:
    """What a file holds, kept because a sweep reads the same few files thousands of times."""
    return parse(text, file)


def _copied(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _copied(value) for key, value in data.items()}
    return [_copied(value) for value in data] if isinstance(data, list) else data


def parse(text: str, file: str) -> Document:
    """Parse YAML text whose top level is a mapping; ``file`` names it in problems. Raises :class:`InputError`."""
    node = _compose(text, file)
    if node is None:
        raise InputError(Problem("is empty", "a mapping of keys to values", file=file))
    if not isinstance(node, yaml.MappingNode):
        raise InputError(Problem("is not a mapping", "a mapping of keys to values", file, 1, 1))
    return Document(*_convert(node, text, file))


def parse_value(text: str, file: str) -> Any:
    """Parse one YAML value, usually a scalar (``--set``'s right side). Raises :class:`InputError`."""
    node = _compose(text, file)
    return None if node is None else _convert(node, "", file)[0]


def _compose(text: str, file: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        what = ", ".join(filter(None, (error.context, error.problem)))
        raise InputError(Problem(f"not well-formed YAML: {what}", file=file, line=line, column=column)) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(Problem(f"not well-formed YAML: {what}", file=file)) from None


def _comments(text: str) -> dict[int, str]:
    """Line (from 0) -> the comment that ends it, for lines that hold anything else. Tokens say where content ends."""
    ends: dict[int, int] = {}
    for token in yaml.scan(text, Loader=_Loader):
        if token.end_mark.index > token.start_mark.index:
            ends[token.end_mark.line] = max(ends.get(token.end_mark.line, 0), token.end_mark.column)
    lines = _LINE_BREAK.split(text)
    found = {}
    for number, column in ends.items():
        rest = lines[number][column:].lstrip() if number < len(lines) else ""
        if column and rest.startswith("#"):
            found[number] = rest.lstrip("#").strip()
    return found


class _Converter:
    """Turns a node tree into a :class:`Document`, collecting problems."""

    def __init__(self, file: str, comments: dict[int, str]):
        self.file = file
        self.comments = comments
        self.places: dict[KeyPath, Place] = {}
        self.problems: list[Problem] = []
        self.inside: set[int] = set()

    def value(self, node: yaml.Node, path: KeyPath, key: yaml.Node | None, inherited: str) -> Any:
        place = self._place(node, key, inherited)
        self.places[path] = place
        if len(self.places) > MAX_VALUES:
            self.problems.append(place.problem(path, f"more than {MAX_VALUES} values"))
            raise InputError(self.problems)
        if node.tag not in _CORE_TAGS:
            self.problems.append(place.problem(path, f"tag '{node.tag}' is not supported", "values without a tag"))
            return None
        if isinstance(node, yaml.ScalarNode):
            return node.value if node.style in ("'", '"', "|", ">") else scalar(node.value)
        if id(node) in self.inside:
            self.problems.append(place.problem(path, "an alias that contains itself"))
            return None
        self.inside.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path, place.source)
            return [self.value(item, (*path, i), None, place.source) for i, item in enumerate(node.value)]
        finally:
            self.inside.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: KeyPath, source: str) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(self._place(key_node, None, "").problem(path, "a key that is not a plain word"))
                continue
            key = key_node.value
            if key in data:
                first = self.places[(*path, key)].key_line
                here = self._place(key_node, key_node, "")
                self.problems.append(here.problem((*path, key), f"duplicate key, first on line {first}"))
                continue
            data[key] = self.value(value_node, (*path, key), key_node, source)
        return data

    def _place(self, node: yaml.Node, key: yaml.Node | None, inherited: str) -> Place:
        start, end = node.start_mark, node.end_mark
        at = (key or node).start_mark
        source = "" if key is None else self.comments.get(at.line, "")
        if isinstance(node, yaml.ScalarNode) or getattr(node, "flow_style", False):
            source = self.comments.get(end.line, "") or source
        return Place(self.file, start.line + 1, start.column + 1, at.line + 1, at.column + 1, source or inherited)


def _convert(node: yaml.Node, text: str, file: str) -> tuple[Any, dict[KeyPath, Place]]:
    converter = _Converter(file, _comments(text) if "#" in text else {})
    try:
        data = converter.value(node, (), None, "")
    except RecursionError:
        raise InputError(Problem("nested too deeply", file=file)) from None
    if converter.problems:
        raise InputError(converter.problems)
    return data, converter.places


def leaves(data: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every scalar in ``data`` with its path, in order."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from leaves(value, (*path, key))
    elif isinstance(data, (list, tuple)):
        for index, value in enumerate(data):
            yield from leaves(value, (*path, index))
    else:
        yield path, data

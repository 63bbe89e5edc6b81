"""Reading config.json key by key, with the place of each key, so that everything wrong is told at once.

JSON follows RFC 8259: ``NaN`` and ``Infinity`` are refused, and so are duplicate keys, one of which would be lost.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pimsim.errors import InputError, Problem, nearest

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
Place = tuple[int, int]
LAYER_KEYS = ("num_hidden_layers", "num_layers", "n_layer")
MOST, MOST_LAYERS = 10**9, 10**4
"""Beyond these a number is a slip, and what follows from it would not fit into 64 bits, or would take for ever."""


def read_json(path: Path) -> tuple[dict[str, Any], dict[tuple[str, ...], Place]]:
    """Return the object in ``path`` and the (line, column) of every key, by key path.

    Raises InputError for a file that cannot be read, is no JSON object, or has a key twice.
    """
    file = str(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(Problem(f"not UTF-8 text (byte {error.start})", file=file)) from None
    except OSError as error:
        raise InputError(Problem(error.strerror or str(error), file=file)) from None
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        problem = Problem(f"not well-formed JSON: {error.msg}", file=file, line=error.lineno, column=error.colno)
        raise InputError(problem) from None
    except (RecursionError, ValueError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else "holds a number of thousands of digits"
        raise InputError(Problem(what, file=file)) from None
    if not isinstance(data, dict):
        raise InputError(Problem("is not a JSON object", "the keys of a Hugging Face config.json", file, 1, 1))
    places, problems = _places(text, file)
    if problems:
        raise InputError(problems)
    return data, places


def _places(text: str, file: str) -> tuple[dict[tuple[str, ...], Place], list[Problem]]:
    """Place of every key in well-formed JSON ``text``; list items count as keys ``0``, ``1`` ... without a place."""
    places: dict[tuple[str, ...], Place] = {}
    problems: list[Problem] = []
    path: list[str] = []  # the key being read at each open level
    in_list: list[bool] = []
    want_key = False
    line, line_start, position = 1, 0, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", position, match.start())
        line_start = text.rfind("\n", 0, match.start()) + 1
        position = match.start()
        token, place = match[0], (line, match.start() - line_start + 1)
        if token in "{[":
            in_list.append(token == "[")
            path.append("0" if token == "[" else "")
            want_key = token == "{"
        elif token in "}]":
            in_list.pop()
            path.pop()
        elif token == ",":
            want_key = not in_list[-1]
            if in_list[-1]:
                path[-1] = str(int(path[-1]) + 1)
        elif want_key and token != ":":
            path[-1], want_key = json.loads(token), False
            if tuple(path) in places:
                first = places[tuple(path)][0]
                problems.append(Problem(f"duplicate key, first on line {first}", "", file, *place, ".".join(path)))
            places[tuple(path)] = place
        elif token in ("NaN", "Infinity", "-Infinity"):
            problems.append(Problem(f"{token} is not a JSON number", "a number", file, *place, ".".join(path)))
    return places, problems


class Fields:
    """Typed access to one JSON object; what is wrong collects in :attr:`problems`.

    Every getter returns a usable value even after a problem, so that reading goes on to find the next one. A key that
    is null reads as absent. Where a getter takes several names, they are spellings of the same thing.
    """

    def __init__(self, data: dict[str, Any], file: str = "", places: dict[tuple[str, ...], Place] | None = None,
                 prefix: tuple[str, ...] = (), problems: list[Problem] | None = None):  # fmt: skip
        self.data = data
        self.file = file
        self.places = places or {}
        self.prefix = prefix
        self.problems: list[Problem] = [] if problems is None else problems

    def nested(self, key: str) -> Fields | None:
        """The object under ``key``, sharing the problems; None if there is none."""
        value = self.data.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.problem(key, "is not an object", "an object of keys")
            return None
        return Fields(value, self.file, self.places, (*self.prefix, key), self.problems)

    def problem(self, key: str, message: str, allowed: str = "") -> None:
        """Record that something is wrong with ``key``."""
        path = (*self.prefix, key)
        self.problems.append(Problem(message, allowed, self.file, *self.places.get(path, (0, 0)), ".".join(path)))

    def check(self) -> None:
        """Raise InputError if anything was wrong so far."""
        if self.problems:
            raise InputError(dict.fromkeys(self.problems))

    def faulty(self, *keys: str) -> bool:
        """Whether something is wrong with one of ``keys``, so that what follows from it says nothing."""
        paths = {".".join((*self.prefix, key)) for key in keys}
        return any(problem.key in paths for problem in self.problems)

    def find(self, names: Sequence[str]) -> str | None:
        """The one of ``names`` that is present and not null. Two that disagree are a problem."""
        present = [name for name in names if self.data.get(name) is not None]
        for other in present[1:]:
            if self.data[other] != self.data[present[0]]:
                self.problem(other, f"{self.data[other]!r} contradicts {present[0]} = {self.data[present[0]]!r}",
                             "the same value, or only one of the two")  # fmt: skip
        return present[0] if present else None

    def integer(self, *names: str, default: int | None = None, least: int = 1) -> int:
        """A whole number of at least ``least``; required if there is no default."""
        key = self.find(names)
        if key is None:
            if default is None:
                self.problem(names[0], "missing", f"a whole number of at least {least}")
                return max(least, 1)
            return default
        value = self.data[key]
        if isinstance(value, bool) or not isinstance(value, int):
            self.problem(key, f"{value!r} is not a whole number", f"a whole number of at least {least}")
        elif value < least:
            self.problem(key, f"{value} is too small", f"at least {least}")
        elif value > (most := MOST_LAYERS if key in LAYER_KEYS else MOST):
            self.problem(key, f"{value} is too large", f"at most {most}")
        else:
            return value
        return max(default or 0, least, 1)

    def number(self, *names: str, default: float, most: float = math.inf) -> float:
        """A number above 0 and up to ``most``."""
        key = self.find(names)
        if key is None:
            return default
        value = self.data[key]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= most:
            limit = "" if most == math.inf else f" and up to {most:g}"
            self.problem(key, f"{value!r} is out of range", f"a number above 0{limit}")
            return default
        return float(value)

    def flag(self, *names: str, default: bool) -> bool:
        """true or false."""
        key = self.find(names)
        if key is None:
            return default
        value = self.data[key]
        if not isinstance(value, bool):
            self.problem(key, f"{value!r} is not a truth value", "true or false")
            return default
        return value

    def choice(self, *names: str, known: dict[str, str], default: str) -> str:
        """A word of ``known``, translated to what it stands for."""
        key = self.find(names)
        if key is None:
            return default
        value = self.data[key]
        if not isinstance(value, str) or value not in known:
            self.problem(key, f"unknown {value!r}", nearest(str(value), list(known)))
            return default
        return known[value]

    def words(self, key: str, known: Sequence[str], length: int) -> list[str] | None:
        """A list of ``length`` words out of ``known``; None if absent."""
        value = self.data.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or any(word not in known for word in value):
            self.problem(key, "is not a list of " + " and ".join(known), f"a list of {length}")
            return None
        if len(value) != length:
            self.problem(key, f"{len(value)} entries for {length} layers", f"{length} entries")
            return None
        return value

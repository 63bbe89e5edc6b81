"""A design-space sweep as its YAML describes it: what is varied, what is left out, what is asked of the points.

Values of an axis are a list, one value, ``{range: [first, last, step]}`` or ``{log2: [first, last]}`` (doubling); both ends belong to
a range, and its numbers may have units: ``{range: [200 MHz, 1 GHz, 200 MHz]}`` counts in the unit of the step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from pimsim import assets, units
from pimsim.config import document as yaml
from pimsim.config.base import Config, Described, FrozenDict, freeze, thaw
from pimsim.config.condition import Condition
from pimsim.config.document import Document, KeyPath
from pimsim.config.quantity import Whole, refuse
from pimsim.errors import InputError, Problem, nearest

MOST_VALUES = 10_000
"""Values that one axis may have."""

_SCALAR = {"type": ["string", "number", "boolean"]}
_AXIS = {
    "oneOf": [
        _SCALAR,
        {"type": "array", "items": _SCALAR, "minItems": 1, "description": "the values"},
        {"type": "object", "properties": {"range": {"type": "array", "items": _SCALAR, "minItems": 2, "maxItems": 3}},
         "required": ["range"], "additionalProperties": False, "description": "first, last, step (1), both ends included"},
        {"type": "object", "properties": {"log2": {"type": "array", "items": _SCALAR, "minItems": 2, "maxItems": 2}},
         "required": ["log2"], "additionalProperties": False, "description": "first, last, doubling"},
    ]
}  # fmt: skip


def _values(given: Any) -> tuple[Any, ...]:
    """The values of an axis. Raises the error that a validator raises."""
    if isinstance(given, Mapping):
        if set(given) not in ({"range"}, {"log2"}):
            raise refuse(f"a mapping with {', '.join(map(str, given)) or 'nothing'}",
                         "a list, range: [first, last, step] or log2: [first, last]")
        ((form, ends),) = given.items()
        values = _spaced(form, ends)
    else:
        values = tuple(given) if isinstance(given, (list, tuple)) else (given,)
    if not values:
        raise refuse("an axis without values", "at least one value")
    if len(values) > MOST_VALUES:
        raise refuse(f"{len(values):,} values", f"at most {MOST_VALUES:,}")
    for value in values:
        if value is None or isinstance(value, (Mapping, list, tuple)):
            raise refuse("an empty value" if value is None else "a list or mapping as a value", "numbers, quantities, texts, true or false")
    return values


def _spaced(form: str, ends: Any) -> tuple[Any, ...]:
    """The values of ``range: [first, last, step]`` or ``log2: [first, last]``."""
    most = 3 if form == "range" else 2
    if not isinstance(ends, (list, tuple)) or not 2 <= len(ends) <= most:
        raise refuse(f"{form} of something else than [first, last{', step' if most == 3 else ''}]", "for example "
                     + ("range: [2, 16, 2]" if form == "range" else "log2: [128, 8192]"))  # fmt: skip
    first, last, *steps = numbers = [_number(end) for end in ends]
    scale, unit = _common(numbers)
    begin, end = first[0] * first[1] / scale, last[0] * last[1] / scale
    step = steps[0][0] * steps[0][1] / scale if steps else Fraction(1)
    if form == "log2" and begin <= 0:
        raise refuse(f"log2 from {ends[0]}", "more than zero")
    if form == "range" and step == 0:
        raise refuse("a range with a step of zero", "another step")
    found: list[Fraction] = []
    value = begin
    while (value <= end) if form == "log2" or step > 0 else (value >= end):
        found.append(value)
        value = value * 2 if form == "log2" else value + step
        if len(found) > MOST_VALUES:
            raise refuse(f"a {form} with more than {MOST_VALUES:,} values", "fewer")
    if not found:
        raise refuse(f"the {form} from {ends[0]} to {ends[1]} is empty", "a last value that can be reached from the first")
    return tuple(_written(value, unit) for value in found)


def _number(value: Any) -> tuple[Fraction, Fraction, str]:
    """Number, size of its unit, and the unit."""
    if isinstance(value, str):
        try:
            number, unit = units.split(value)
            base = units.amount(f"1 {unit}")[1]
        except units.UnitError as error:
            raise refuse(error.message, error.allowed) from None
        return number, base, unit
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or abs(value) == float("inf"):
        raise refuse(f"'{value}' is not a number", "numbers or quantities")
    return Fraction(str(value)), Fraction(1), ""


def _common(numbers: list[tuple[Fraction, Fraction, str]]) -> tuple[Fraction, str]:
    """The unit to count in: that of the step, else of the first."""
    kinds = {units.amount(f"1 {unit}")[0] if unit else "" for _, _, unit in numbers}
    if len(kinds) > 1:
        raise refuse("a range of different kinds of quantities", "one unit, or units of one kind")
    _, scale, unit = numbers[2] if len(numbers) == 3 else numbers[0]
    return scale, unit


def _written(value: Fraction, unit: str) -> Any:
    number = int(value) if value.denominator == 1 else float(value)
    return f"{number} {unit}" if unit else number


def _condition(text: Any) -> str:
    if not isinstance(text, str):
        raise refuse(f"'{text}' is not a condition", "for example memory.channels >= 8")
    try:
        Condition(text).names  # noqa: B018 - parses it
    except InputError as error:
        raise refuse(error.problems[0].message, error.problems[0].allowed) from None
    return text


def _listed(value: Any) -> Any:
    """One or several, as a tuple."""
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def _directions(value: Any) -> Any:
    """``{time_s: min}``, also written ``[time_s]``."""
    return dict.fromkeys(value, "min") if isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value) else value


_OBJECTIVES: dict[str, Literal["min", "max"]] = FrozenDict({"time_s": "min", "energy_j.total": "min"})
Axis = Annotated[tuple[Any, ...], BeforeValidator(_values), PlainSerializer(list), WithJsonSchema(_AXIS)]
Axes = Annotated[dict[str, Axis], AfterValidator(FrozenDict)]
Text = Annotated[str, BeforeValidator(_condition), WithJsonSchema({"type": "string"})]


def _one_or_more(schema: dict[str, Any]) -> Any:
    return WithJsonSchema({"oneOf": [schema, {"type": "array", "items": schema, "minItems": 1}]})


class Exclusion(Config):
    """Points to leave out, and why."""

    where: Text
    """condition of the points"""
    reason: str
    """why they are left out"""


class SweepConfig(Described):
    """A design-space sweep: every combination of systems, workloads, axes and zipped groups that the conditions let through."""

    system: Annotated[tuple[str, ...], BeforeValidator(_listed), _one_or_more({"type": "string"})] = ("pim-gpt",)
    """base system(s): shipped names or paths"""
    workload: Annotated[tuple[str, ...], BeforeValidator(_listed), _one_or_more({"type": "string"})] = ("gpt2-xl",)
    """workload(s): shipped names or paths"""
    axes: Axes = Field(default_factory=dict)
    """configuration path -> values"""
    zip: Annotated[tuple[Axes, ...], BeforeValidator(_listed)] = ()
    """groups of axes that go along with one another: the first value of each, the second of each ..."""
    when: Annotated[tuple[Text, ...], BeforeValidator(_listed), _one_or_more({"type": "string"})] = ()
    """conditions that every point must fulfil"""
    exclude: Annotated[tuple[Exclusion, ...], BeforeValidator(_listed)] = ()
    """points to leave out, with the reason"""
    baseline: Annotated[dict[str, Any], AfterValidator(freeze), PlainSerializer(thaw)] | None = None
    """axis -> value of the points that the others are compared with (all other axes being equal)"""
    metrics: Annotated[tuple[str, ...], BeforeValidator(_listed), _one_or_more({"type": "string"})] = ()
    """keys of the summary that the table has, energy_j.total or a whole section energy_j; all of them if none is named"""
    objectives: Annotated[dict[str, Literal["min", "max"]], BeforeValidator(_directions), AfterValidator(FrozenDict)] = Field(
        default_factory=lambda: _OBJECTIVES)  # fmt: skip
    """metric -> min or max: what the Pareto front and the search weigh against one another"""
    seed: Whole = 0
    """of the search"""

    @property
    def all_axes(self) -> dict[str, tuple[Any, ...]]:
        """Every name that a point has a value for, with its values: system and workload first, then the axes, then the groups."""
        named = dict(self.axes)
        for group in self.zip:
            named |= group
        own = {"system": self.system, "workload": self.workload}
        return {name: values for name, values in own.items() if name not in named} | named


def load_sweep(source: str | Path | Mapping[str, Any]) -> SweepConfig:
    """The sweep of a shipped name, a YAML file or a mapping of the same keys. Raises :class:`InputError` with every problem found."""
    from pimsim.config.loader import _validated

    if isinstance(source, Mapping):
        document, stem = Document(_copied(source), {}), "sweep"
    else:
        file = assets.find("sweep", source)
        document, stem = yaml.read(file), file.stem
    sweep = _validated(SweepConfig, document, stem, [])
    found = [*_crossed(sweep, document), *_names(sweep, document)]
    if found:
        raise InputError(found)
    return sweep


def _copied(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {str(key): _copied(value) for key, value in data.items()}
    return [_copied(value) for value in data] if isinstance(data, (list, tuple)) else data


def _crossed(sweep: SweepConfig, document: Document) -> list[Problem]:
    """Axes and values that are given twice, groups whose lengths differ."""
    found: list[Problem] = []
    seen: dict[str, KeyPath] = {name: ("axes", name) for name in sweep.axes}
    for name in ("system", "workload"):
        if name in document.data:
            seen.setdefault(name, (name,))
    for name, values in sweep.axes.items():
        place = document.place(("axes", name))
        found += [place.problem(("axes", name), f"'{value}' twice", "every value once") for value in _twice(values)]
        if name in document.data and name in ("system", "workload"):
            found.append(document.place(("axes", name)).problem(("axes", name), "is given twice", "once", at_key=True))
    for number, group in enumerate(sweep.zip):
        path: KeyPath = ("zip", number) if isinstance(document.data["zip"], list) else ("zip",)
        for name in group:
            if name in seen:
                found.append(document.place((*path, name)).problem((*path, name), "is given twice", "once", at_key=True))
            seen[name] = (*path, name)
        lengths = {name: len(values) for name, values in group.items()}
        if len(set(lengths.values())) > 1:
            said = ", ".join(f"{name} {length}" for name, length in lengths.items())
            found.append(document.place(path).problem(path, f"axes of different lengths: {said}", "equally many values"))
        for row in _twice(list(zip(*group.values(), strict=False))):
            said = ", ".join(f"{name} {value}" for name, value in zip(group, row, strict=True))
            found.append(document.place(path).problem(path, f"twice: {said}", "every combination once"))
    return found


def _twice(values: Sequence[Any]) -> list[Any]:
    """The values that come again."""
    counted = Counter(map(repr, values))
    return [value for value in dict.fromkeys(values) if counted[repr(value)] > 1]


def _names(sweep: SweepConfig, document: Document) -> list[Problem]:
    """Conditions and a baseline that speak of what is no axis, and values that a baseline's axis does not have."""
    known = sweep.all_axes
    found: list[Problem] = []
    several = isinstance(document.data.get("when"), list)
    conditions: list[tuple[KeyPath, str]] = [(("when", i) if several else ("when",), text) for i, text in enumerate(sweep.when)]
    conditions += [(("exclude", i, "where"), rule.where) for i, rule in enumerate(sweep.exclude)]
    for path, text in conditions:
        found += [document.place(path).problem(path, f"'{name}' is no axis of this sweep", nearest(name, list(known)))
                  for name in Condition(text).names if name not in known]
    for name, value in (sweep.baseline or {}).items():
        at: KeyPath = ("baseline", name)
        if name not in known:
            found.append(document.place(at).problem(at, f"'{name}' is no axis of this sweep", nearest(name, list(known)), at_key=True))
        elif value not in known[name]:
            hint = nearest(str(value), [str(v) for v in known[name]])
            found.append(document.place(at).problem(at, f"'{value}' is no value of this axis", hint))
    return found

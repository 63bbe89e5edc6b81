"""From operators in any order, with any ids, back to steps and repeated blocks.

A trace that was written to a file and read again must simulate as fast as before and give the same numbers. So
operators are put in an order that respects their deps, split where step or layer changes, and equal consecutive layers
become one repeated :class:`Block`. Operators are renumbered in that order.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from pimsim.errors import InputError, Problem
from pimsim.model.operator import Operator
from pimsim.model.trace import Block, Step, Trace

MAX_PROBLEMS = 100
"""After so many problems no more are told: the trace is something else."""

Positions = Mapping[int, int] | range
"""Operator id -> row. Where ids count up from 0, a range does."""
TemplateKey = tuple[tuple[int, tuple[int, ...]], ...]
"""(form, relative deps) of each operator of a layer."""


@dataclass(slots=True)
class Rows:
    """Operators as columns of numbers; what repeats is held once.

    ``form`` indexes ``forms``, operators stripped of id, layer, step and deps; ``dep`` indexes ``deps``, whose numbers
    are relative to the operator's own id.
    """

    file: str = ""
    ids: array[int] = field(default_factory=lambda: array("q"))
    layers: array[int] = field(default_factory=lambda: array("q"))
    steps: array[int] = field(default_factory=lambda: array("q"))
    form: array[int] = field(default_factory=lambda: array("q"))
    dep: array[int] = field(default_factory=lambda: array("q"))
    lines: array[int] = field(default_factory=lambda: array("q"))
    forms: list[Operator] = field(default_factory=list)
    deps: list[tuple[int, ...]] = field(default_factory=list)
    _form_index: dict[Operator, int] = field(default_factory=dict)
    _dep_index: dict[tuple[int, ...], int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def intern(self, form: Operator) -> int:
        """Index of ``form`` in :attr:`forms`."""
        index = self._form_index.setdefault(form, len(self.forms))
        if index == len(self.forms):
            self.forms.append(form)
        return index

    def append(self, id: int, layer: int, step: int, deps: Iterable[int], form: int, line: int = 0) -> None:
        """Add one operator; ``deps`` are ids, ``line`` is where it stands in the file."""
        relative = tuple([dep - id for dep in deps])
        index = self._dep_index.get(relative, -1)
        if index < 0:
            index = self._dep_index[relative] = len(self.deps)
            self.deps.append(tuple(dict.fromkeys(relative)))
        self.ids.append(id)
        self.layers.append(layer)
        self.steps.append(step)
        self.form.append(form)
        self.dep.append(index)
        self.lines.append(line)

    def needs(self, row: int) -> list[int]:
        """Ids that the operator of ``row`` depends on."""
        own = self.ids[row]
        return [own + relative for relative in self.deps[self.dep[row]]]

    def name(self, row: int) -> str:
        """``12 (qkv)``."""
        form = self.form[row]
        return f"{self.ids[row]} ({self.forms[form].name})" if form >= 0 else str(self.ids[row])

    def problem(self, row: int, key: str, message: str, allowed: str = "") -> Problem:
        """A problem with ``key`` of the operator of ``row``."""
        return Problem(message, allowed, self.file, self.lines[row], 0, key)


def from_operators(operators: Iterable[Operator], name: str) -> Trace:
    """Fold expanded operators (global ids, layers, steps, deps). Raises InputError like :func:`fold`."""
    rows = Rows()
    for op in operators:
        form = rows.intern(replace(op, id=0, layer=0, step=0, deps=()))
        rows.append(op.id, op.layer, op.step, op.deps, form)
    return fold(rows, name)


def fold(rows: Rows, name: str) -> Trace:
    """Order and fold ``rows``. Raises InputError with what :func:`check` finds (up to 100)."""
    problems, position, order = check(rows)
    if problems:
        raise InputError(problems[:MAX_PROBLEMS])
    batch = max(rows.forms[form].batch for form in set(rows.form))
    return Trace(name, None, _Folder(rows, position, order).steps(), batch)


def check(rows: Rows, complete: bool = True) -> tuple[list[Problem], Positions, Sequence[int]]:
    """Every duplicate id, dangling dep, dependency on a later step or in a circle, and step with both phases.

    Returns the problems, the row of each id, and an order of the rows that respects their deps. Of a trace that is not
    ``complete``, deps are not called dangling. Rows of form -1 are unreadable and have no phase.
    """
    if not rows:
        return [Problem("holds no operator", "one row an operator", rows.file)], {}, ()
    problems: list[Problem] = []
    position = _positions(rows, problems)
    forward = _check_deps(rows, position, problems, complete)
    _check_phases(rows, problems)
    ordered = not forward and all(a <= b for a, b in zip(rows.steps, rows.steps[1:], strict=False))
    return problems, position, range(len(rows)) if ordered else _order(rows, position, problems)


def _positions(rows: Rows, problems: list[Problem]) -> Positions:
    if all(id == row for row, id in enumerate(rows.ids)):
        return range(len(rows))
    position: dict[int, int] = {}
    for row, id in enumerate(rows.ids):
        first = position.setdefault(id, row)
        if first != row:
            where = f", first on line {rows.lines[first]}" if rows.lines[first] else ""
            problems.append(rows.problem(row, "id", f"{id} is there twice{where}", "an id of its own"))
    return position


def _check_deps(rows: Rows, position: Positions, problems: list[Problem], complete: bool) -> bool:
    """Report deps that dangle or reach into a later step; return whether any dep stands behind its user."""
    forward = False
    for row in range(len(rows)):
        for dep in rows.needs(row):
            if dep not in position:
                if not complete:
                    continue
                problems.append(rows.problem(row, "deps", f"operator {rows.name(row)} depends on {dep}, which is not "
                                             "in the trace", "ids of other operators"))  # fmt: skip
                continue
            other = position[dep]
            forward = forward or other >= row
            if rows.steps[other] > rows.steps[row]:
                later = f"on {rows.name(other)} of step {rows.steps[other]}"
                problems.append(rows.problem(row, "deps", f"operator {rows.name(row)} of step {rows.steps[row]} "
                                             f"depends {later}", "operators of this or earlier steps"))  # fmt: skip
    return forward


def _check_phases(rows: Rows, problems: list[Problem]) -> None:
    seen: dict[int, tuple[str, int]] = {}
    for row, (step, form) in enumerate(zip(rows.steps, rows.form, strict=True)):
        if form < 0:
            continue
        phase = rows.forms[form].phase
        first, line = seen.setdefault(step, (phase, rows.lines[row]))
        if phase != first:
            where = f" on line {line}" if line else ""
            problems.append(rows.problem(row, "phase", f"{phase}, but step {step} is {first}{where}",
                                         "one phase a step"))  # fmt: skip


def _order(rows: Rows, position: Positions, problems: list[Problem]) -> list[int]:
    """Rows by step and then file order, but never before what they depend on (Kahn 1962)."""
    waiting = [0] * len(rows)
    users: dict[int, list[int]] = {}
    for row in range(len(rows)):
        for dep in rows.needs(row):
            if dep in position:
                users.setdefault(position[dep], []).append(row)
                waiting[row] += 1
    ready = [(rows.steps[row], row) for row, count in enumerate(waiting) if not count]
    heapq.heapify(ready)
    order = []
    while ready:
        _, row = heapq.heappop(ready)
        order.append(row)
        for user in users.get(row, ()):
            waiting[user] -= 1
            if not waiting[user]:
                heapq.heappush(ready, (rows.steps[user], user))
    if len(order) < len(rows):
        stuck = {row for row, count in enumerate(waiting) if count}
        problems.extend(_cycles(rows, position, stuck))
    return order


def _cycles(rows: Rows, position: Positions, stuck: set[int]) -> Iterator[Problem]:
    """Each circle of deps among ``stuck`` rows, by name."""
    done: set[int] = set()
    for start in sorted(stuck):
        path: dict[int, None] = {}
        row: int | None = start
        while row is not None and row not in path and row not in done:
            path[row] = None
            needed = (position[dep] for dep in rows.needs(row) if dep in position)
            row = next((dep for dep in needed if dep in stuck), None)
        if row in path:
            circle = list(path)[list(path).index(row):]
            names = " -> ".join(rows.name(member) for member in [*circle, circle[0]])
            yield rows.problem(circle[0], "deps", f"operators wait for each other: {names}", "deps without a circle")
        done.update(path)


class _Folder:
    """Builds steps out of ordered rows; equal templates and operators become the same objects."""

    def __init__(self, rows: Rows, position: Positions, order: Sequence[int]):
        self._rows, self._position, self._order = rows, position, order
        self._rank = order
        if not isinstance(order, range):
            ranks = [0] * len(rows)
            for rank, row in enumerate(order):
                ranks[row] = rank
            self._rank = ranks
        self._templates: dict[tuple[bool, TemplateKey], tuple[Operator, ...]] = {}
        self._operators: dict[tuple[int, int, bool, tuple[int, ...]], Operator] = {}

    def steps(self) -> list[Step]:
        """The steps, in order."""
        groups = self._groups()
        self._restore_first(groups)
        steps = []
        for index, members in groupby(groups, key=lambda group: group[0]):
            blocks = self._blocks([(layer, key) for _, layer, key in members])
            operators = [op for block in blocks for op in block.operators]
            context = max(op.context for op in operators)
            steps.append(Step(index, operators[0].phase, context, tuple(blocks)))
        return steps

    def _groups(self) -> list[tuple[int, int, TemplateKey]]:
        """(step, layer, template key) of every run of operators of one layer."""
        rows, rank, position = self._rows, self._rank, self._position
        groups = []
        base = 0
        for (step, layer), members in groupby(self._order, key=lambda row: (rows.steps[row], rows.layers[row])):
            key = tuple([
                (rows.form[row], tuple([rank[position[dep]] - base for dep in rows.needs(row)])) for row in members
            ])  # fmt: skip
            groups.append((step, layer, key))
            base += len(key)
        return groups

    def _restore_first(self, groups: list[tuple[int, int, TemplateKey]]) -> None:
        """Give the first group back its deps on what came before, which the start of the trace has cut off.

        They are those of the next layer, or of the next step's first group, if its operators are of the same kinds.
        """
        step, layer, key = groups[0]
        next_step = next((group for group in groups if group[0] != step), None)
        for candidate in [*groups[1:2], next_step]:
            if candidate is not None and self._kinds(candidate[2]) == self._kinds(key):
                deps = (deps for _, deps in candidate[2])
                groups[0] = (step, layer, tuple(zip((form for form, _ in key), deps, strict=True)))
                return

    def _kinds(self, key: TemplateKey) -> list[tuple[str, tuple[int, ...]]]:
        """Kind and deps within the group of each operator."""
        forms = self._rows.forms
        return [(forms[form].kind, tuple(dep for dep in deps if dep >= 0)) for form, deps in key]

    def _blocks(self, groups: list[tuple[int, TemplateKey]]) -> list[Block]:
        blocks: list[Block] = []
        for layer, key in groups:
            operators = self._template(key, layer >= 0)
            last = blocks[-1] if blocks else None
            if last is not None and layer >= 0 and last.operators is operators \
                    and layer == last.first_layer + last.repeat:  # fmt: skip
                blocks[-1] = Block(operators, last.repeat + 1, last.first_layer)
            else:
                blocks.append(Block(operators, 1, layer))
        return blocks

    def _template(self, key: TemplateKey, in_layer: bool) -> tuple[Operator, ...]:
        known = self._templates.get((in_layer, key))
        if known is None:
            known = tuple(self._operator(i, form, in_layer, deps) for i, (form, deps) in enumerate(key))
            self._templates[in_layer, key] = known
        return known

    def _operator(self, index: int, form: int, in_layer: bool, deps: tuple[int, ...]) -> Operator:
        key = (index, form, in_layer, deps)
        if key not in self._operators:
            self._operators[key] = replace(self._rows.forms[form], id=index, layer=0 if in_layer else -1, deps=deps)
        return self._operators[key]

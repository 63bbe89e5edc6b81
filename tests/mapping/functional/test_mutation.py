"""Every single wrong instruction of a mapping is found out.

Each command and loop of every program of a small decoder layer is changed in every way that should change what is computed, one at a
time, and the operator that it belongs to must then fail its checks. Activates and precharges are left alone: the
controller opens whatever row a column command names, so they decide when something happens, not what.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from model.conftest import tiny

from pimsim.kernels.program import BANK, COLUMN, COUNT, LOOP, OP, ROW
from pimsim.mapping.functional.check import Stored
from pimsim.mapping.task import Task, TaskList
from pimsim.model.graph import INPUT, Graph
from pimsim.model.layer import layer_graph
from pimsim.model.operator import Operator
from pimsim.model.trace import Block

from .conftest import BF16, Machine, block_of, config, trace_of

CONTEXT = 70
"""Past a row of 64 elements, so that V takes two; 8 tokens are a group."""
SHAPES = {
    "alike": {"hidden": 72, "heads": 3, "kv_heads": 3, "head_dim": 24, "ffn": 100},
    "grouped": {"hidden": 64, "heads": 8, "kv_heads": 4, "head_dim": 8, "ffn": 65},
}


class Layer:
    """A layer at one context with a filled cache, whose operators can be run and checked one at a time."""

    def __init__(self, block: Block):
        self.block = block
        self.machine = machine = Machine.of(trace_of([(CONTEXT, block)]), config(2, 4, 4))
        self.tasks = machine.mapping.tasks(block, machine.trace.steps[0]).tasks
        append = next((op for op in block.operators if op.kind == "kv_append"), None)
        if append is not None:
            shape = (CONTEXT, append.kv_heads, append.head_dim)
            numbers = machine.functional.numbers
            self.keys, self.values = numbers.normal(shape, "k"), numbers.normal(shape, "v")
            machine.functional.store(0, append, range(CONTEXT - 1), self.keys[:-1], self.values[:-1])
        for op in block.operators:
            machine.functional.load(0, op)
        self._saved = [{row: cells.copy() for row, cells in c.cells.items()} for c in machine.functional.channels]

    def stored(self, op: Operator) -> Stored:
        numbers = self.machine.functional.numbers
        if op.kind == "matvec":
            return Stored(numbers.matrix(0, op), numbers.bias(0, op))
        if op.kind == "embed":
            return Stored(self.machine.functional.tables(0, op))
        return Stored(keys=self.keys, values=self.values)

    def good(self, index: int) -> bool:
        """Whether an operator passes its checks, the cache being as it was before the newest token or full as it needs."""
        op = self.block.operators[index]
        functional = self.machine.functional
        for channel, saved in zip(functional.channels, self._saved, strict=True):
            channel.cells = {row: cells.copy() for row, cells in saved.items()}
        if op.kind in ("score", "attend"):
            functional.store(0, op, range(CONTEXT - 1, CONTEXT), self.keys[-1:], self.values[-1:])
        outcome = self.machine.run(live=[index])[index]
        return all(check.ok for check in self.machine.check(op, outcome, self.stored(op)))

    def memory_operators(self) -> list[int]:
        return [i for i, op in enumerate(self.block.operators) if op.kind in ("matvec", "kv_append", "score", "attend", "embed")]


def decoder(shape: dict[str, int]) -> Layer:
    nodes = layer_graph(tiny(**shape), BF16)
    return Layer(Block(tuple(n.at(i, "decode", 0, 1, CONTEXT) for i, n in enumerate(nodes)), 1, 0))


def embedding() -> Layer:
    graph = Graph(BF16)
    graph.add("embed", "embed", (INPUT,), rows=100, cols=2)
    return Layer(block_of(graph, CONTEXT))


LAYERS = {name: decoder(shape) for name, shape in SHAPES.items()} | {"embedding": embedding()}
CASES = [(name, index) for name, layer in LAYERS.items() for index in layer.memory_operators()]


def mutants(instruction: np.ndarray, names: tuple[str, ...], nothing: int) -> Iterator[tuple[str, dict[int, int]]]:
    """What to change about an instruction: (words, field -> new value)."""
    code, bank, row, column, count = (int(instruction[f]) for f in (OP, BANK, ROW, COLUMN, COUNT))
    name = "loop" if code == LOOP else names[code]
    if name == "loop":
        yield "one more", {COUNT: count + 1}
        yield "one less", {COUNT: count - 1}
        if count > 1:
            yield "row step", {ROW: row + 1}
            yield "column step", {COLUMN: column + 1}
    if name in ("MAC16", "WRGB", "RDMAC16", "WR", "RD"):
        yield "dropped", {OP: nothing, COUNT: 1}
        yield "one more", {COUNT: count + 1}
        if count > 1:
            yield "one less", {COUNT: count - 1}
    if name in ("MAC16", "WRGB", "WR", "RD"):
        yield "next column", {COLUMN: column + 1}
    if name in ("MAC16", "WR", "RD"):
        yield "next row", {ROW: row + 1}
    if name in ("WR", "RD"):
        yield "other bank", {BANK: bank ^ 1}


@pytest.mark.parametrize(("name", "index"), CASES, ids=lambda x: x if isinstance(x, str) else str(x))
def test_every_wrong_instruction_fails(name, index):
    layer = LAYERS[name]
    library, compiled = layer.machine.mapping.library, layer.machine.functional
    names = compiled.channels[0].names
    nothing = names.index("PREab")
    assert layer.good(index)
    survivors, tried = [], 0
    numbers = {p for task in layer.tasks if task.operator == index for p in task.programs if p >= 0}
    for number in sorted(numbers):
        for at, instruction in enumerate(library[number]):
            original = instruction.copy()
            for words, change in mutants(original, names, nothing):
                instruction[list(change)] = list(change.values())
                tried += 1
                if layer.good(index):
                    survivors.append((number, at, words))
                instruction[:] = original
    assert tried > 10 and not survivors
    assert layer.good(index)


@pytest.mark.parametrize("name", SHAPES)
def test_exchanged_rows_fail(name):
    layer = LAYERS[name]
    library = layer.machine.mapping.library
    mac = layer.machine.mapping.commands.mac_all
    found = 0
    for index in layer.memory_operators():
        for number in {p for task in layer.tasks if task.operator == index for p in task.programs if p >= 0}:
            program = library[number]
            macs = [i for i in range(len(program)) if program[i, OP] == mac]
            if len(macs) > 1 and program[macs[0], ROW] != program[macs[1], ROW]:
                program[macs[:2], ROW] = program[macs[1::-1], ROW]
                assert not layer.good(index)
                program[macs[:2], ROW] = program[macs[1::-1], ROW]
                found += 1
    assert found > 1


def changed_tasks(task: Task) -> Iterator[Task]:
    yield replace(task, row=task.row + 1)
    yield replace(task, column=task.column + 1)
    yield replace(task, programs=task.programs[::-1])
    yield replace(task, programs=(-1,) * len(task.programs))


@pytest.mark.parametrize(("name", "index"), CASES, ids=lambda x: x if isinstance(x, str) else str(x))
def test_every_wrong_task_fails(name, index, monkeypatch):
    layer = LAYERS[name]
    tried = 0
    for number, task in enumerate(layer.tasks):
        if task.operator != index or not task.programs:
            continue
        for other in changed_tasks(task):
            if other.programs == task.programs and (other.row, other.column) == (task.row, task.column):
                continue  # channels that do the same
            with monkeypatch.context() as patch:
                tasks = TaskList(2, True, [*layer.tasks[:number], other, *layer.tasks[number + 1 :]])
                patch.setattr(layer.machine.mapping, "tasks", lambda *a, tasks=tasks: tasks)
                assert not layer.good(index), other
            tried += 1
        with monkeypatch.context() as patch:
            tasks = TaskList(2, True, [*layer.tasks[:number], *layer.tasks[number + 1 :]])
            patch.setattr(layer.machine.mapping, "tasks", lambda *a, tasks=tasks: tasks)
            assert not layer.good(index), "dropped"
    assert tried >= 3

"""PIM-GPT's programs compute: products, appends, scores and weighted sums on shapes that do and do not divide evenly."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.asic.arithmetic import to_bf16
from pimsim.mapping.functional.execution import execution_order
from pimsim.mapping.functional.memory import FunctionalError
from pimsim.mapping.task import Task, TaskList
from pimsim.model.graph import INPUT, Graph

from .conftest import BF16, Machine, attention_block, block_of, config, matvec_block, trace_of

SMALL = 4
"""Columns of a short row: 64 elements."""


def passed(checks) -> bool:
    assert checks
    return all(check.ok for check in checks)


# ---------------------------------------------------------------------- matrix-vector products


@pytest.mark.parametrize(("outputs", "inputs"), [(1, 1), (17, 1025), (128, 1024), (200, 3000)])
@pytest.mark.parametrize(("channels", "banks"), [(1, 16), (2, 4), (3, 16), (8, 4), (8, 16)])
def test_matvec(outputs, inputs, channels, banks):
    machine = Machine.of(trace_of([(1, matvec_block(outputs, inputs, bias=True))]), config(channels, banks))
    assert passed(machine.check_matvec())


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 150), st.integers(1, 300), st.booleans(), st.sampled_from([1, 2, 3, 8]), st.sampled_from([4, 16]),
       st.sampled_from(["none", "pipelined"]))  # fmt: skip
def test_matvec_of_any_shape(outputs, inputs, bias, channels, banks, overlap):
    trace = trace_of([(1, matvec_block(outputs, inputs, bias))])
    assert passed(Machine.of(trace, config(channels, banks, SMALL), overlap).check_matvec())


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(1, 40), st.integers(1, 150), st.sampled_from([1, 2, 3, 8]), st.sampled_from([4, 16]),
       st.sampled_from(["none", "pipelined"]))  # fmt: skip
def test_a_product_for_each_head_of_any_shape(heads, outputs, inputs, channels, banks, overlap):
    graph = Graph(BF16)
    graph.matvec("w", INPUT, heads * outputs, inputs, heads=heads)
    assert passed(Machine.of(trace_of([(1, block_of(graph))]), config(channels, banks, SMALL), overlap).check_matvec())


def test_matvec_equals_numpy_in_plain_words():
    machine = Machine.of(trace_of([(1, matvec_block(50, 200))]), config(2, 4, SMALL, "asic.datapath=fp32"))
    op = machine.trace.steps[0].blocks[0].operators[0]
    outcome = machine.run()[0]
    wanted = machine.functional.numbers.matrix(0, op) @ outcome.operands[0]
    np.testing.assert_allclose(outcome.sums.sum(axis=1), wanted, atol=1e-5)
    np.testing.assert_allclose(outcome.value, wanted, atol=2**-6)


@pytest.mark.parametrize("way", ["single", "faw"])
def test_matvec_with_either_way_of_opening_all_banks(way):
    system = config(2, 16, SMALL, f"pim.all_bank_act={way}")
    assert passed(Machine.of(trace_of([(1, matvec_block(70, 100))]), system).check_matvec())


def test_every_layer_has_rows_of_its_own():
    machine = Machine.of(trace_of([(1, matvec_block(70, 100, repeat=3))]), config(2, 4, SMALL))
    assert all(passed(machine.check_matvec(layer)) for layer in (0, 1, 2))


def test_embedding_rows_are_read_and_added():
    graph = Graph(BF16)
    graph.add("embed", "embed", (INPUT,), rows=70, cols=2)
    machine = Machine.of(trace_of([(1, block_of(graph))]), config(2, 4, SMALL))
    op = machine.trace.steps[0].blocks[0].operators[0]
    rows = machine.functional.tables(0, op)
    np.testing.assert_array_equal(machine.run()[0].value, to_bf16(rows[0] + rows[1]))


# ---------------------------------------------------------------------- attention over a growing context


class Attention:
    """A system that attends, token after token, and what a plain numpy cache gives."""

    def __init__(self, tokens, heads, kv_heads, head_dim, channels=2, banks=4, columns=SMALL, overlap="none", window=0,
                 prefer="memory"):  # fmt: skip
        blocks = [(t, attention_block(t, heads, kv_heads, head_dim, window)) for t in range(1, tokens + 1)]
        self.machine = Machine.of(trace_of(blocks), config(channels, banks, columns), overlap)
        self.share, self.window, self.prefer = heads // kv_heads, window or tokens, prefer
        self.keys, self.values = [], []

    def token(self, number: int) -> None:
        """Run token ``number`` (from 0) and compare its scores and output with numpy."""
        append, score, softmax, attend = self.machine.run(number, prefer=self.prefer).values()
        assert not any(o.fault for o in (append, score, softmax, attend)) and append.wrong_cells == 0
        self.keys.append(append.operands[0])
        self.values.append(append.operands[1])
        tokens = list(range(max(number + 1 - self.window, 0), number + 1))
        slots = [t % self.window for t in tokens]
        keys, values = (np.stack([c[t] for t in tokens]).repeat(self.share, axis=1).astype(np.float64)
                        for c in (self.keys, self.values))  # fmt: skip
        np.testing.assert_allclose(score.sums[:, slots], np.einsum("thd,hd->ht", keys, score.operands[0]), atol=1e-4)
        output = np.einsum("thd,ht->hd", values, attend.operands[0][:, slots])
        np.testing.assert_allclose(attend.sums.sum(axis=1), output.reshape(-1), atol=1e-5)
        np.testing.assert_allclose(attend.operands[0].sum(axis=1), 1, atol=0.1)


@pytest.mark.parametrize(("heads", "kv_heads", "head_dim"), [(1, 1, 32), (3, 3, 20), (4, 2, 16), (6, 1, 24), (5, 5, 3)])
@pytest.mark.parametrize("overlap", ["none", "pipelined"])
def test_attention_token_by_token_over_groups_and_chunks(heads, kv_heads, head_dim, overlap):
    attention = Attention(35, heads, kv_heads, head_dim, columns=2, overlap=overlap)  # groups of 8 tokens, rows of 32
    for token in range(35):
        attention.token(token)


@pytest.mark.parametrize(("heads", "kv_heads", "head_dim", "channels", "banks"), [
    (25, 25, 64, 8, 16), (3, 3, 96, 3, 16), (8, 2, 80, 2, 4), (4, 4, 128, 1, 16), (3, 1, 40, 8, 4)])  # fmt: skip
def test_attention_of_real_head_sizes(heads, kv_heads, head_dim, channels, banks):
    attention = Attention(18, heads, kv_heads, head_dim, channels, banks, 64, "pipelined")
    for token in range(18):
        attention.token(token)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 64), st.sampled_from([1, 2, 3]), st.sampled_from([4, 16]),
       st.sampled_from(["none", "pipelined"]), st.integers(1, 18))  # fmt: skip
def test_attention_of_any_shape(share, kv_heads, head_dim, channels, banks, overlap, tokens):
    attention = Attention(tokens, share * kv_heads, kv_heads, head_dim, channels, banks, overlap=overlap)
    for token in range(tokens):
        attention.token(token)


@pytest.mark.parametrize("window", [1, 5, 16, 20])
def test_a_window_attends_to_its_last_tokens(window):
    blocks = Attention(45, 2, 1, 8, window=window)
    for number in range(45):
        at = blocks.machine.trace.steps[number].blocks[0]
        assert at.operators[1].context == min(number + 1, window)
        blocks.token(number)


@pytest.mark.parametrize("prefer", ["memory", "asic"])
def test_no_dependency_is_missing(prefer):
    attention = Attention(20, 5, 5, 8, overlap="pipelined", prefer=prefer)
    for token in range(20):
        attention.token(token)


def test_every_row_of_an_append_is_opened_by_the_program():
    blocks = [(t, attention_block(t, 5, 5, 10)) for t in range(1, 21)]
    machine = Machine.of(trace_of(blocks), config(2, 4, SMALL), implicit_rows=False)
    assert not any(machine.run(step, live=[0])[0].fault for step in range(20))


# ---------------------------------------------------------------------- when something is missing


def replaced(machine: Machine, *tasks: Task) -> Machine:
    """The machine with a mapping that always makes these tasks."""
    serial = machine.mapping.overlap == "none"
    machine.mapping.tasks = lambda *a: TaskList(2, serial, list(tasks))  # type: ignore[method-assign]
    return machine


def tasks_of(machine: Machine) -> list[Task]:
    step = machine.trace.steps[0]
    return machine.mapping.tasks(step.blocks[0], step).tasks


def test_an_operator_without_tasks_is_a_fault():
    machine = Machine.of(trace_of([(1, matvec_block(5, 5))]), config(2, 4, SMALL))
    assert replaced(machine).run()[0].fault == "it was never computed"


def test_a_product_that_only_the_asic_works_on_is_a_fault():
    machine = Machine.of(trace_of([(1, matvec_block(5, 5))]), config(2, 4, SMALL))
    assert replaced(machine, Task(0, "w", duration=1)).run()[0].fault == "no channel has computed it"


def test_an_append_of_nothing_is_a_fault():
    machine = Machine.of(trace_of([(1, attention_block(1, 2, 2, 8))]), config(2, 4, SMALL))
    assert replaced(machine, Task(0, "kv_append", duration=1)).run(live=[0])[0].fault == "no k_append and no v_append"


def test_an_append_of_keys_alone_is_a_fault():
    machine = Machine.of(trace_of([(1, attention_block(1, 2, 2, 8))]), config(2, 4, SMALL))
    run = replaced(machine, *(task for task in tasks_of(machine) if task.category != "v_append")).run()
    assert run[0].fault == "no v_append" and "never written" in run[3].fault


def test_a_task_that_forgets_a_channel_is_a_fault():
    machine = Machine.of(trace_of([(1, matvec_block(5, 5))]), config(2, 4, SMALL))
    task = tasks_of(machine)[0]
    run = replaced(machine, replace(task, programs=(task.programs[0], -1))).run()
    assert run[0].fault == "channel 1 has no program but 1 bursts to take"


def test_operands_that_come_too_late_are_a_fault():
    machine = Machine.of(trace_of([(1, attention_block(1, 2, 2, 8))]), config(2, 4, SMALL), "pipelined")
    run = replaced(machine, *(replace(task, after=()) for task in tasks_of(machine))).run()
    assert run[3].fault == "operator 'softmax' has not been computed yet"


def order(prefer: str, *tasks: Task, serial: bool = False) -> list[int]:
    return list(execution_order(TaskList(1, serial, list(tasks)), prefer))  # type: ignore[arg-type]


MEMORY, ASIC = {"programs": (0,)}, {}


def test_the_preferred_resource_goes_ahead():
    tasks = Task(0, "a", **ASIC), Task(1, "b", **MEMORY), Task(2, "c", **ASIC, after=(1,)), Task(3, "d", **MEMORY)
    assert order("memory", *tasks) == [1, 3, 0, 2]
    assert order("asic", *tasks) == [0, 1, 2, 3]


def test_dependencies_come_first():
    tasks = Task(0, "a", **ASIC), Task(1, "b", **MEMORY, after=(0,)), Task(2, "c", **ASIC, streams=(1,))
    assert order("memory", *tasks) == order("asic", *tasks) == [0, 1, 2]


def test_serial_tasks_keep_their_order():
    tasks = [Task(i, "a", **(ASIC if i % 2 else MEMORY)) for i in range(6)]
    assert all(b == a + 1 for a, b in pairwise(order("memory", *tasks, serial=True)))


def test_tasks_that_wait_for_one_another_are_refused():
    with pytest.raises(FunctionalError, match="wait for one another: 0, 1"):
        order("memory", Task(0, "a", **MEMORY, after=(1,)), Task(1, "b", **ASIC, after=(0,)))

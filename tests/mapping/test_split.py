"""A cache that is cut into splits: every token's key and value go where the products look for them."""

import numpy as np
import pytest
from model.conftest import tiny

from pimsim.config import load_system
from pimsim.mapping.functional.memory import FunctionalChannel
from pimsim.mapping.geometry import Keys, Values
from pimsim.model.decoding import Decoding
from pimsim.model.lowering import lower
from pimsim.sim.run import build

TOKENS = 23


@pytest.mark.parametrize(("channels", "splits", "heads"), [(4, 2, 3), (3, 4, 2), (8, 2, 1), (2, 5, 4)])
@pytest.mark.parametrize("budget", [0, 12])
def test_values_lie_where_the_weighted_sums_read_them(channels: int, splits: int, heads: int, budget: int) -> None:
    model = tiny(heads=heads, kv_heads=heads, head_dim=16, layers=1)
    trace = lower(model, output_tokens=TOKENS, decoding=Decoding(attention_splits=splits, kv_budget=budget))
    system = build(load_system("pim-gpt", [f"memory.channels={channels}", "memory.banks=4", "memory.columns=4"]), trace)
    mapping, memory = system.mapping, system.mapping.memory
    cells = [FunctionalChannel(system.compiled) for _ in range(channels)]
    for step in trace.steps:
        tasks = mapping.tasks(step.blocks[0], step)
        values = Values.of(memory, heads * splits, 16, -(-mapping.capacity // splits))
        slot = (step.context - 1) % (-(-min(step.context, budget or step.context) // splits) * splits)
        part, own = slot % splits, values.heads // splits
        for task in tasks.tasks:
            if task.category != "v_append":
                continue
            for channel, program in enumerate(task.programs):
                mine = [v for v in range(part * own, (part + 1) * own) if v % channels == channel]
                assert (program < 0) == (not mine)
                if not mine:
                    continue
                bursts = np.full((len(mine) * values.head_dim, memory.lanes), np.nan, np.float32)
                bursts[:, slot // splits % memory.lanes] = [
                    _number(step.context, v - part * own, j) for v in mine for j in range(values.head_dim)]
                cells[channel].run(mapping.library[program], bursts, task.row, task.column)
    newest = {(n - 1) % (-(-min(n, budget or n) // splits) * splits): n for n in range(1, TOKENS + 1)}
    base = mapping.placement.row(0, "kv_append.v")
    for slot, token in newest.items():
        part, index = slot % splits, slot // splits
        for v in range(own):
            head_slot, channel = divmod(part * own + v, channels)
            for j in range(values.head_dim):
                row = base + values.row(head_slot, j // memory.banks, index // memory.row_elements)
                found = cells[channel].row(row)[j % memory.banks].reshape(-1)[index % memory.row_elements]
                assert found == _number(token, v, j)


def test_scores_are_those_of_a_cache_that_is_not_split() -> None:
    whole, split = (lower(tiny(), output_tokens=40, decoding=Decoding(attention_splits=n)) for n in (1, 4))
    system = load_system("pim-gpt", ["memory.channels=2", "memory.banks=4", "memory.columns=4"])
    programs = []
    for trace in (whole, split):
        mapping = build(system, trace).mapping
        step = trace.steps[39]  # 40 tokens: no padding
        programs.append([[mapping.library[p].tolist() for p in task.programs] for task in mapping.tasks(step.blocks[0], step).tasks
                         if task.category in ("k_append", "score")])  # fmt: skip
    assert programs[0] == programs[1]
    assert Keys(mapping.memory, 6, 4, mapping.capacity).groups == 5


def _number(token: int, head: int, dimension: int) -> float:
    return float(token * 1024 + head * 64 + dimension)



"""A scheduler small enough to count in the head: rows of 4 elements, 2 banks a channel, one head of 2 dimensions, one layer.

K takes a row every 2 tokens, V a row every 4: 1 token needs 2 rows, 3 need 3, 5 need 5.
"""

from collections.abc import Callable
from typing import Any

import pytest

from pimsim.model.importer import load_architecture
from pimsim.model.lowering import lower
from pimsim.model.operator import Operator
from pimsim.schedule.estimate import MhaEstimate
from pimsim.schedule.iteration import Settings, State, initial
from pimsim.schedule.kv import KvSpace, PimLayout

LAYOUT = PimLayout(layers=1, kv_heads=1, head_dim=2, page=4, banks=2)


def make(channels: int = 2, rows: int = 8, **settings: Any) -> State:
    """A small scheduler."""
    estimate = MhaEstimate(heads=1, head_dim=2, page=4, banks=2)
    return initial(Settings(estimate, **settings), KvSpace.empty(LAYOUT, channels, rows, first_row=100))


def by_name(batch: int = 1, context: int = 64) -> dict[str, Operator]:
    """The operators of a layer of GPT3-7B, for ``batch`` sequences that attend to ``context`` tokens."""
    trace = lower(load_architecture("gpt3-7b"), batch, context, output_tokens=1, prefill="elsewhere", part="block")
    return {op.name: op for block in trace.steps[0].blocks for op in block.operators}


@pytest.fixture
def small() -> Callable[..., State]:
    """Makes small schedulers."""
    return make

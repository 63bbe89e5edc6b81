"""Small PIM-GPT systems and hand-made blocks that the tests of pimsim.mapping share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

from pimsim.config import SystemConfig, load_system
from pimsim.devices.package import Options
from pimsim.dram.compile import Compiled
from pimsim.mapping.functional.check import Check, Place, Stored, checks
from pimsim.mapping.functional.execution import Outcome, PimGptFunctional
from pimsim.mapping.functional.flow import Flow, Numbers
from pimsim.mapping.pim_gpt import PimGptMapping
from pimsim.model.graph import INPUT, Formats, Graph, Heads
from pimsim.model.operator import Operator
from pimsim.model.trace import Block, Step, Trace
from pimsim.sim.memory import compile_memory
from pimsim.sim.pim_gpt import build

BF16 = Formats("bf16", "bf16", "bf16")
PLACE = Place(0, 1, "test")


@cache
def config(channels: int = 2, banks: int = 4, columns: int = 64, *more: str) -> SystemConfig:
    """PIM-GPT with another memory: ``columns`` columns of 16 elements a row."""
    return load_system("pim-gpt", [f"memory.channels={channels}", f"memory.banks={banks}", f"memory.columns={columns}",
                                   "asic.sincos_table=true", *more])


@cache
def compiled(channels: int = 2, banks: int = 4, columns: int = 64) -> Compiled:
    """Its memory, ready to run."""
    system = config(channels, banks, columns)
    return compile_memory(system.memory, system.controller, system.pim)


def block_of(graph: Graph, context: int = 1, repeat: int = 1) -> Block:
    """The nodes of a graph as a block of layers 0, 1 ..."""
    return Block(tuple(node.at(i, "decode", 0, 1, context) for i, node in enumerate(graph.nodes)), repeat, 0)


def matvec_block(outputs: int, inputs: int, bias: bool = False, repeat: int = 1) -> Block:
    """One matrix-vector product."""
    graph = Graph(BF16)
    graph.matvec("w", INPUT, outputs, inputs, bias)
    return block_of(graph, repeat=repeat)


def attention_block(context: int, heads: int, kv_heads: int, head_dim: int, window: int = 0) -> Block:
    """Append, scores, softmax, weighted sum."""
    graph = Graph(BF16)
    shape = Heads(heads, kv_heads, head_dim)
    append = graph.add("kv_append", "kv_append", (INPUT,), rows=2 * kv_heads * head_dim, cols=1, heads=shape, stored="bf16")
    graph.attend((INPUT,), append, shape, shape, window)
    return block_of(graph, context)


def trace_of(blocks: Iterable[tuple[int, Block]]) -> Trace:
    """A trace of one step a block; each comes with its context."""
    return Trace("test", None, [Step(i, "decode", context, (block,)) for i, (context, block) in enumerate(blocks)], 1)


@dataclass
class Machine:
    """A mapping and its functional companion for one trace."""

    trace: Trace
    mapping: PimGptMapping
    functional: PimGptFunctional

    @classmethod
    def of(cls, trace: Trace, system: SystemConfig, overlap: str = "none", seed: int = 0, *,
           implicit_rows: bool = True) -> Machine:
        built = build(system, trace, Options())
        mapping = replace(built.mapping, overlap=overlap)
        functional = PimGptFunctional(mapping, built.compiled, Numbers(seed), implicit_rows=implicit_rows)
        return cls(trace, mapping, functional)

    def run(self, step: int = 0, live: list[int] | None = None, layer: int = 0, prefer: str = "memory") -> dict[int, Outcome]:
        """Run one step's only block."""
        at = self.trace.steps[step]
        flow = Flow(at.blocks[0], at.context, layer, self.functional.numbers)
        return self.functional.run(at.blocks[0], at, flow, live, prefer=prefer)  # type: ignore[arg-type]

    def check(self, op: Operator, outcome: Outcome, stored: Stored) -> list[Check]:
        """The checks of one operator."""
        return list(checks(op, outcome, stored, self.mapping.memory, self.mapping.asic, PLACE))

    def check_matvec(self, layer: int = 0) -> list[Check]:
        """Run a block of one matrix-vector product and check it."""
        op = self.trace.steps[0].blocks[0].operators[0]
        numbers = self.functional.numbers
        return self.check(op, self.run(layer=layer)[0], Stored(numbers.matrix(layer, op), numbers.bias(layer, op)))

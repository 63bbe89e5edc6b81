"""Lowering: from an architecture and lengths to the operator trace of a run.

A run with a prompt of P tokens and N output tokens is P + N - 1 token steps with contexts 1 ... P + N - 1: the step of
the last prompt token puts out the first output token and so counts as decode; the P - 1 before it are prefill. With
``prefill='elsewhere'`` those P - 1 are left out and the run starts on a KV cache filled with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from pimsim.errors import InputError, Problem
from pimsim.model.architecture import Architecture
from pimsim.model.dtype import canonical
from pimsim.model.graph import Graph, Node, embedding_graph, head_graph, layer_graph, layer_runs
from pimsim.model.operator import Operator
from pimsim.model.trace import Block, Step, Trace

PREFILL = ("inline", "elsewhere")


class Template:
    """Nodes of a block with the context-independent operators made once."""

    def __init__(self, nodes: tuple[Node, ...], phase: str, layer: int, batch: int):
        self._operators = [node.at(i, phase, layer, batch, 1) for i, node in enumerate(nodes)]
        self._contextual = [(i, node) for i, node in enumerate(nodes) if node.contextual]
        self._phase, self._layer, self._batch = phase, layer, batch

    def at(self, context: int) -> tuple[Operator, ...]:
        """The template with ``context`` tokens so far."""
        if not self._contextual:
            return tuple(self._operators)
        made = self._operators.copy()
        for i, node in self._contextual:
            made[i] = node.at(i, self._phase, self._layer, self._batch, context)
        return tuple(made)


class Steps(Sequence[Step]):
    """Steps of a run, built when asked for."""

    def __init__(self, contexts: range, decode_from: int, templates: dict[str, list[tuple[Template, int, int]]]):
        """``templates``: phase -> (template, repeat, first layer); ``decode_from``: the first context of decode."""
        self._contexts, self._decode_from, self._templates = contexts, decode_from, templates

    def __len__(self) -> int:
        return len(self._contexts)

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> list[Step]: ...

    def __getitem__(self, index: int | slice) -> Step | list[Step]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        context = self._contexts[index]
        phase = "decode" if context >= self._decode_from else "prefill"
        built: dict[int, tuple[Operator, ...]] = {}
        blocks = []
        for template, repeat, first_layer in self._templates[phase]:
            made = built.get(id(template))
            if made is None:
                made = built[id(template)] = template.at(context)
            blocks.append(Block(made, repeat, first_layer))
        return Step(context - self._contexts.start, phase, context, tuple(blocks))


def lower(
    architecture: Architecture,
    batch: int = 1,
    prompt_tokens: int = 1,
    output_tokens: int = 1024,
    prefill: str = "inline",
    lm_head: bool = False,
    embedding: bool = False,
    dtype: str = "bf16",
) -> Trace:
    """Lower a run of ``batch`` equal sequences to its operator trace.

    ``lm_head`` and ``embedding`` add those operators; the head (final norm and LM head) runs in decode steps only,
    since no earlier step's output is needed. Raises InputError for lengths below 1 or unknown choices.
    """
    problems = [
        Problem(f"{value} is too small", "at least 1", key=f"workload.{key}")
        for key, value in (("batch", batch), ("prompt_tokens", prompt_tokens), ("output_tokens", output_tokens))
        if value < 1
    ]
    if prefill not in PREFILL:
        problems.append(Problem(f"unknown '{prefill}'", "one of " + ", ".join(PREFILL), key="workload.prefill"))
    short = canonical(dtype)
    if short is None:
        problems.append(Problem(f"unknown dtype '{dtype}'", key="workload.dtype"))
    if problems or short is None:
        raise InputError(problems)
    last = prompt_tokens + output_tokens - 1
    contexts = range(1 if prefill == "inline" else prompt_tokens, last + 1)
    templates = {
        phase: _templates(architecture, phase, batch, short, embedding, lm_head and phase == "decode")
        for phase in ("prefill", "decode")
    }
    return Trace(architecture.name, architecture, Steps(contexts, prompt_tokens, templates), batch)


def _templates(
    arch: Architecture, phase: str, batch: int, dtype: str, embedding: bool, lm_head: bool
) -> list[tuple[Template, int, int]]:
    def graph() -> Graph:
        return Graph(dtype, dtype, dtype)

    made: list[tuple[Template, int, int]] = []
    if embedding:
        made.append((Template(embedding_graph(graph(), arch), phase, -1, batch), 1, -1))
    same: dict[tuple[Node, ...], Template] = {}
    for first, count in layer_runs(arch):
        nodes = layer_graph(graph(), arch, first)
        if nodes not in same:
            same[nodes] = Template(nodes, phase, 0, batch)
        made.append((same[nodes], count, first))
    if lm_head:
        made.append((Template(head_graph(graph(), arch), phase, -1, batch), 1, -1))
    return made

"""Lowering: from an architecture and lengths to the operator trace of a run.

A run with a prompt of P tokens and N output tokens is P + N - 1 token steps with contexts 1 ... P + N - 1: the step of
the last prompt token puts out the first output token and so counts as decode; the P - 1 before it are prefill. With
``prefill='elsewhere'`` those P - 1 are left out and the run starts on a KV cache filled with them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, NamedTuple, Protocol, overload

from pimsim.errors import InputError, Problem
from pimsim.model.architecture import Architecture
from pimsim.model.dtype import BITS, canonical
from pimsim.model.graph import Formats, Node
from pimsim.model.importer import load_architecture
from pimsim.model.layer import cut, embedding_graph, head_graph, layer_graph
from pimsim.model.operator import Operator
from pimsim.model.routing import Loads, Routing, make_routing
from pimsim.model.trace import Block, Step, Trace

PREFILL = ("inline", "elsewhere")
PARTS = ("all", "block", "qkv", "attention", "ffn")


class LayerKind(NamedTuple):
    """What tells one layer of a model from another: its attention window (0: none), and whether it has experts."""

    window: int
    sparse: bool


class Template:
    """The nodes of a block, with everything that no step changes made once."""

    def __init__(self, nodes: tuple[Node, ...], phase: str, layer: int, batch: int):
        self._phase, self._layer, self._batch = phase, layer, batch
        self._operators = [node.at(i, phase, layer, batch, 1) for i, node in enumerate(nodes)]
        self._contextual = [(i, node) for i, node in enumerate(nodes) if node.contextual]
        self._slots = [(i, node) for i, node in enumerate(nodes) if node.slot >= 0]
        self._expert_operators: dict[tuple[int, int, int], Operator] = {}

    def at(self, context: int, loads: Loads = ()) -> tuple[Operator, ...]:
        """The operators with ``context`` tokens so far and ``loads`` on the layer's experts."""
        made = self._operators.copy()
        for i, node in self._contextual:
            made[i] = node.at(i, self._phase, self._layer, self._batch, context)
        for i, node in self._slots:
            made[i] = self._expert(i, node, *loads[node.slot])
        return tuple(made)

    def _expert(self, index: int, node: Node, expert: int, tokens: int) -> Operator:
        key = (index, expert, tokens)
        if key not in self._expert_operators:
            named = replace(node, name=f"experts.{expert}.{node.name}")
            self._expert_operators[key] = named.at(index, self._phase, self._layer, tokens, 1)
        return self._expert_operators[key]


class Decoder:
    """An architecture's blocks in one phase: embedding, layers and head, built for any step."""

    def __init__(self, arch: Architecture, formats: Formats, phase: str, batch: int, routing: Routing | None,
                 part: str, embedding: bool, lm_head: bool):  # fmt: skip
        self._arch, self._formats, self._phase, self._batch, self._routing = arch, formats, phase, batch, routing
        self._part = part
        self._first = Template(embedding_graph(arch, formats), phase, -1, batch) if embedding else None
        self._last = Template(head_graph(arch, formats), phase, -1, batch) if lm_head else None
        self._windows = sorted(set(arch.windows) - {0})
        self._runs: dict[int, list[tuple[LayerKind, list[int]]]] = {}
        self._templates: dict[tuple[LayerKind, int], Template] = {}

    def blocks(self, step: int, context: int) -> tuple[Block, ...]:
        """The blocks of token step ``step`` with ``context`` tokens so far."""
        built: dict[tuple[LayerKind, Loads], tuple[Operator, ...]] = {}
        blocks = [] if self._first is None else [Block(self._first.at(context))]
        for kind, first, repeat, loads in self._spans(step, context):
            if (kind, loads) not in built:
                built[kind, loads] = self._template(kind, len(loads)).at(context, loads)
            blocks.append(Block(built[kind, loads], repeat, first))
        if self._last is not None:
            blocks.append(Block(self._last.at(context)))
        return tuple(blocks)

    def _spans(self, step: int, context: int) -> Iterator[tuple[LayerKind, int, int, Loads]]:
        """(kind, first layer, layers, expert loads) of runs of layers that do the same work in this step."""
        filled = bisect_left(self._windows, context)  # windows that the context has outgrown
        if filled not in self._runs:
            self._runs[filled] = self._layer_runs(context)
        for kind, run in self._runs[filled]:
            if self._routing is None or not kind.sparse:
                yield kind, run[0], len(run), ()
                continue
            loads = {layer: self._routing.loads(step, layer, self._batch) for layer in run}
            for same, layers in groupby(run, key=loads.__getitem__):
                members = list(layers)
                yield kind, members[0], len(members), same

    def _layer_runs(self, context: int) -> list[tuple[LayerKind, list[int]]]:
        """Consecutive layers of one kind. A window that the context has not outgrown is none."""

        def kind(layer: int) -> LayerKind:
            window = self._arch.window(layer)
            return LayerKind(window if window < context else 0, self._arch.sparse(layer))

        layers = self._arch.layers if self._part == "all" else 1
        return [(key, list(run)) for key, run in groupby(range(layers), key=kind)]

    def _template(self, kind: LayerKind, active: int) -> Template:
        if (kind, active) not in self._templates:
            nodes = layer_graph(self._arch, self._formats, kind.window, kind.sparse, active)
            if self._part not in ("all", "block"):
                nodes = cut(nodes, self._part)
            self._templates[kind, active] = Template(nodes, self._phase, 0, self._batch)
        return self._templates[kind, active]


KEPT_STEPS = 4096
"""Steps that are kept once they are built; a run goes over them several times."""


class Steps(Sequence[Step]):
    """The steps of a run, built when asked for."""

    def __init__(self, contexts: range, decode_from: int, prefill: Decoder, decode: Decoder):
        """``decode_from``: the first context that is decode."""
        self._contexts, self._decode_from = contexts, decode_from
        self._prefill, self._decode = prefill, decode
        self._built: dict[int, Step] = {}

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
        step = context - self._contexts.start
        built = self._built.get(step)
        if built is None:
            phase, decoder = ("prefill", self._prefill) if context < self._decode_from else ("decode", self._decode)
            built = Step(step, phase, context, decoder.blocks(step, context))
            if step < KEPT_STEPS:
                self._built[step] = built
        return built


class Workload(Protocol):
    """What a workload's configuration says that lowering needs."""

    model: str  # a shipped name or the path of a config.json
    batch: int
    prompt_tokens: int
    output_tokens: int
    prefill: Any  # one of PREFILL
    lm_head: bool
    embedding: bool
    requests: str | None
    part: Any  # one of PARTS
    dtype: str


def lower_workload(workload: Workload) -> Trace:
    """Load the workload's model and :func:`lower` it. Raises InputError, also for a workload of request files."""
    for key in ("requests", "arrivals"):
        if getattr(workload, key, None) is not None:
            raise InputError(Problem("requests have no operator trace before they are scheduled",
                                     "batch, prompt_tokens and output_tokens", key=f"workload.{key}"))  # fmt: skip
    return lower(load_architecture(workload.model), workload.batch, workload.prompt_tokens, workload.output_tokens,
                 workload.prefill, workload.lm_head, workload.embedding, workload.dtype, workload.part)  # fmt: skip


def lower(
    architecture: Architecture,
    batch: int = 1,
    prompt_tokens: int = 1,
    output_tokens: int = 1024,
    prefill: str = "inline",
    lm_head: bool = False,
    embedding: bool = False,
    dtype: str = "bf16",
    part: str = "all",
    *,
    weight_dtype: str = "",
    kv_dtype: str = "",
    routing: str = "auto",
    seed: int = 0,
) -> Trace:
    """Lower a run of ``batch`` equal sequences to its operator trace.

    ``lm_head`` and ``embedding`` add those operators; the head (final norm and LM head) runs in decode steps only,
    since no other step's output is needed. ``dtype`` is that of activations and, unless ``weight_dtype`` (or the
    architecture's own) and ``kv_dtype`` say otherwise, of weights, K and V. ``routing`` names how tokens choose
    experts (:mod:`pimsim.model.routing`).

    ``part`` other than ``all`` cuts the run to one layer (``block``) or a part of one layer (``qkv``: norm, QKV and
    what is done to q and k; ``attention``: KV append to weighted sum; ``ffn``: norm to residual), without embedding
    and head.

    Raises InputError for lengths below 1, embeddings of positions that the model has not learned, or unknown choices,
    all at once.
    """
    last = prompt_tokens + output_tokens - 1
    problems = [
        Problem(f"{value} is too small", "at least 1", key=f"workload.{key}")
        for key, value in (("batch", batch), ("prompt_tokens", prompt_tokens), ("output_tokens", output_tokens))
        if value < 1
    ]
    if embedding and architecture.position == "learned" and last > architecture.max_position:
        problems.append(Problem(
            f"{prompt_tokens} prompt and {output_tokens} output tokens reach position {last}",
            f"{architecture.name} has {architecture.max_position} learned positions", key="workload.output_tokens",
        ))  # fmt: skip
    for key, word, known in (("prefill", prefill, PREFILL), ("part", part, PARTS)):
        if word not in known:
            problems.append(Problem(f"unknown '{word}'", "one of " + ", ".join(known), key=f"workload.{key}"))
    names = {"dtype": dtype, "weight_dtype": weight_dtype or architecture.weight_dtype or dtype,
             "kv_dtype": kv_dtype or dtype}  # fmt: skip
    for key, name in names.items():
        if canonical(name) is None:
            problems.append(Problem(f"unknown dtype '{name}'", "known: " + ", ".join(BITS), key=f"workload.{key}"))
    if problems:
        raise InputError(dict.fromkeys(problems))
    formats = Formats(*(canonical(name) or name for name in names.values()))
    choose = None
    if architecture.experts:
        choose = make_routing(routing, architecture.experts, architecture.experts_per_token, batch, seed)
    before, decode = (
        Decoder(architecture, formats, phase, batch, choose, part, embedding and part == "all",
                lm_head and part == "all" and phase == "decode")  # fmt: skip
        for phase in ("prefill", "decode")
    )
    contexts = range(1 if prefill == "inline" else prompt_tokens, last + 1)
    steps = Steps(contexts, prompt_tokens, before, decode)
    return Trace(architecture.name, architecture, steps, batch)

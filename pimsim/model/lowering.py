"""Lowering: from an architecture and lengths to the operator trace of a run.

A run with a prompt of P tokens and N output tokens is P + N - 1 token steps with contexts 1 ... P + N - 1: the step of
the last prompt token puts out the first output token and so counts as decode; the P - 1 before it are prefill. With
``prefill='elsewhere'`` those P - 1 are left out and the run starts on a KV cache filled with them. Other ways of decoding
(:mod:`pimsim.model.decoding`) have other steps.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, NamedTuple, Protocol, overload

from pimsim.errors import InputError, Problem, problems_of
from pimsim.model.architecture import Architecture
from pimsim.model.decoding import PLAIN, Decoding
from pimsim.model.decoding.block import Blocks
from pimsim.model.decoding.speculate import Speculation, Turn
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
    """What tells one layer of a model from another.

    Its attention window (0: none), whether it has experts, the share of its FFN's neurons, and its part in block-wise attention.
    """

    window: int
    sparse: bool
    width: float
    scope: str


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
    """An architecture's blocks in one phase: embedding, layers and head, built for any step.

    A model beside another has its layers behind that one's, from ``first_layer`` on, and ``prefix`` before the names outside of them.
    """

    def __init__(self, arch: Architecture, formats: Formats, phase: str, batch: int, routing: Routing | None,
                 part: str, embedding: bool, lm_head: bool, decoding: Decoding = PLAIN, first_layer: int = 0,
                 prefix: str = ""):  # fmt: skip
        self._arch, self._formats, self._phase, self._batch, self._routing = arch, formats, phase, batch, routing
        self._part, self._decoding, self._first_layer = part, decoding, first_layer
        self._first = Template(_named(prefix, embedding_graph(arch, formats)), phase, -1, batch) if embedding else None
        self._last = Template(_named(prefix, head_graph(arch, formats)), phase, -1, batch) if lm_head else None
        self._windows = sorted({decoding.window(arch, layer) for layer in range(arch.layers)} - {0})
        self._runs: dict[int, list[tuple[LayerKind, list[int]]]] = {}
        self._templates: dict[tuple[LayerKind, int], Template] = {}

    def blocks(self, step: int, context: int) -> tuple[Block, ...]:
        """The blocks of token step ``step`` with ``context`` tokens so far."""
        built: dict[tuple[LayerKind, Loads], tuple[Operator, ...]] = {}
        blocks = [] if self._first is None else [Block(self._first.at(context))]
        for kind, first, repeat, loads in self._spans(step, context):
            attended = self._decoding.blocks.attended(first, context)
            if not attended:
                continue
            if (kind, loads) not in built:
                built[kind, loads] = self._template(kind, len(loads)).at(attended, loads)
            blocks.append(Block(built[kind, loads], repeat, self._first_layer + first))
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
            window = self._decoding.window(self._arch, layer)
            return LayerKind(window if window < context else 0, self._arch.sparse(layer), self._decoding.width(layer),
                             self._decoding.blocks.scope(layer))  # fmt: skip

        layers = self._arch.layers if self._part == "all" else 1
        return [(key, list(run)) for key, run in groupby(range(layers), key=kind)]

    def _template(self, kind: LayerKind, active: int) -> Template:
        if (kind, active) not in self._templates:
            nodes = layer_graph(self._arch, self._formats, kind.window, kind.sparse, active)
            nodes = self._decoding.layer(nodes, self._arch, kind.width)
            if self._part not in ("all", "block"):
                nodes = cut(nodes, self._part)
            self._templates[kind, active] = Template(nodes, self._phase, 0, self._batch)
        return self._templates[kind, active]


def _named(prefix: str, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    return tuple(replace(node, name=prefix + node.name) for node in nodes) if prefix else nodes


class PlainTurns(Sequence[Turn]):
    """The token steps of plain decoding: one for each of ``contexts``; ``decode_from``: the first context that is decode."""

    def __init__(self, contexts: range, decode_from: int):
        self._contexts, self._decode_from = contexts, decode_from

    def __len__(self) -> int:
        return len(self._contexts)

    @overload
    def __getitem__(self, index: int) -> Turn: ...
    @overload
    def __getitem__(self, index: slice) -> list[Turn]: ...

    def __getitem__(self, index: int | slice) -> Turn | list[Turn]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        context = self._contexts[index]
        return Turn(context, "prefill" if context < self._decode_from else "decode")


KEPT_STEPS = 4096
"""Steps that are kept once they are built; a run goes over them several times."""


class Steps(Sequence[Step]):
    """The steps of a run, built when asked for."""

    def __init__(self, turns: Sequence[Turn], decoder: Callable[[str, bool], Decoder]):
        """``decoder``: makes that of a phase, of the small model or not."""
        self._turns, self._make = turns, decoder
        self._decoders: dict[tuple[str, bool], Decoder] = {}
        self._built: dict[int, Step] = {}

    def __len__(self) -> int:
        return len(self._turns)

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> list[Step]: ...

    def __getitem__(self, index: int | slice) -> Step | list[Step]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        step = range(len(self))[index]
        built = self._built.get(step)
        if built is None:
            context, phase, small = self._turns[step]
            if (phase, small) not in self._decoders:
                self._decoders[phase, small] = self._make(phase, small)
            built = Step(step, phase, context, self._decoders[phase, small].blocks(step, context))
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
    weight_dtype: str | None
    kv_dtype: str | None
    routing: str
    seed: int
    decoding: Any  # a DecodingOptions


class DecodingOptions(Protocol):
    """What a workload's configuration says of :class:`Decoding`."""

    kv_budget: int | None
    block_tokens: int | None
    block_layers: int | None
    ffn_width: Any  # a number, or one a layer
    ffn_active: float
    attention_splits: int
    draft_model: str | None
    draft_tokens: int
    acceptance: float | None


def lower_workload(workload: Workload, architecture: Architecture | None = None) -> Trace:
    """Load the workload's model (unless its ``architecture`` is given, a device's part of it, say) and :func:`lower` it.

    Raises InputError, also for a workload of request files.
    """
    for key in ("requests", "arrivals"):
        if getattr(workload, key, None) is not None:
            raise InputError(Problem("requests have no operator trace before they are scheduled",
                                     "batch, prompt_tokens and output_tokens", key=f"workload.{key}"))  # fmt: skip
    architecture = architecture or load_architecture(workload.model)
    return lower(architecture, workload.batch, workload.prompt_tokens, workload.output_tokens,
                 workload.prefill, workload.lm_head, workload.embedding, workload.dtype, workload.part,
                 weight_dtype=workload.weight_dtype or "", kv_dtype=workload.kv_dtype or "", routing=workload.routing,
                 seed=workload.seed, decoding=_decoding(workload.decoding, architecture))  # fmt: skip


def _decoding(options: DecodingOptions, architecture: Architecture) -> Decoding:
    width = options.ffn_width
    layers = options.block_layers
    if layers is None:
        layers = architecture.layers // 2 if options.block_tokens else 0
    return Decoding(
        kv_budget=options.kv_budget or 0,
        blocks=Blocks(options.block_tokens or 0, layers),
        ffn_width=tuple(width) if isinstance(width, (tuple, list)) else (width,),
        ffn_active=options.ffn_active,
        attention_splits=options.attention_splits,
        draft=_draft(options.draft_model) if options.draft_model else None,
        draft_tokens=options.draft_tokens,
        acceptance=options.acceptance,
    )


def _draft(name: str) -> Architecture:
    try:
        return load_architecture(name)
    except InputError as error:
        raise InputError(replace(p, key="workload.decoding.draft_model") if not p.file else p for p in error.problems) from None


def _bad_words(choices: Mapping[str, tuple[str, Sequence[str]]], dtypes: Mapping[str, str]) -> Iterator[Problem]:
    """Choices (word, known words) and data types that nobody knows, by key."""
    for key, (word, known) in choices.items():
        if word not in known:
            yield Problem(f"unknown '{word}'", "one of " + ", ".join(known), key=f"workload.{key}")
    for key, name in dtypes.items():
        if canonical(name) is None:
            yield Problem(f"unknown dtype '{name}'", "known: " + ", ".join(BITS), key=f"workload.{key}")


def _bad_lengths(architecture: Architecture, lengths: Mapping[str, int], embedding: bool) -> Iterator[Problem]:
    """Batch, prompt_tokens and output_tokens below 1, or beyond the positions that an embedding looks up."""
    for key, value in lengths.items():
        if value < 1:
            yield Problem(f"{value} is too small", "at least 1", key=f"workload.{key}")
    prompt, output = lengths["prompt_tokens"], lengths["output_tokens"]
    last = prompt + output - 1
    if embedding and architecture.position == "learned" and last > architecture.max_position:
        yield Problem(f"{prompt} prompt and {output} output tokens reach position {last}",
                      f"{architecture.name} has {architecture.max_position} learned positions",
                      key="workload.output_tokens")  # fmt: skip


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
    decoding: Decoding = PLAIN,
) -> Trace:
    """Lower a run of ``batch`` equal sequences to its operator trace.

    ``lm_head`` and ``embedding`` add those operators; the head (final norm and LM head) runs in decode steps only,
    since no other step's output is needed. ``dtype`` is that of activations and, unless ``weight_dtype`` (or the
    architecture's own) and ``kv_dtype`` say otherwise, of weights, K and V. ``routing`` names how tokens choose
    experts (:mod:`pimsim.model.routing`); ``seed`` is that of everything that is drawn.

    ``part`` other than ``all`` cuts the run to one layer (``block``) or a part of one layer (``qkv``: norm, QKV and
    what is done to q and k; ``attention``: KV append to weighted sum; ``ffn``: norm to residual), without embedding
    and head.

    Raises InputError for lengths below 1, embeddings of positions that the model has not learned, or unknown choices,
    all at once.
    """
    names = {"dtype": dtype, "weight_dtype": weight_dtype or architecture.weight_dtype or dtype,
             "kv_dtype": kv_dtype or dtype}  # fmt: skip
    lengths = {"batch": batch, "prompt_tokens": prompt_tokens, "output_tokens": output_tokens}
    problems = [*_bad_lengths(architecture, lengths, embedding), *_bad_words({"prefill": (prefill, PREFILL), "part": (part, PARTS)}, names)]
    experts, chosen = max(architecture.experts, 1), max(architecture.experts_per_token, 1)  # a name nobody knows is wrong of any model
    problems += problems_of(lambda: make_routing(routing, experts, chosen, batch, seed))
    problems += decoding.problems(architecture, batch)
    if decoding.draft is not None and part != "all":
        problems.append(Problem(f"speculative decoding of a part ('{part}')", "all", key="workload.part"))
    if problems:
        raise InputError(dict.fromkeys(problems))
    formats = Formats(*(canonical(name) or name for name in names.values()))

    def decoder(phase: str, small: bool) -> Decoder:
        arch = decoding.draft if small and decoding.draft is not None else architecture
        choose = make_routing(routing, arch.experts, arch.experts_per_token, batch, seed) if arch.experts else None
        return Decoder(arch, formats, phase, batch, choose, part, embedding and part == "all",
                       lm_head and part == "all" and phase != "prefill", PLAIN if small else decoding,
                       architecture.layers if small else 0, "draft." if small else "")  # fmt: skip

    contexts = range(1 if prefill == "inline" else prompt_tokens, prompt_tokens + output_tokens)
    turns: Sequence[Turn] = PlainTurns(contexts, prompt_tokens)
    if decoding.draft is not None:
        turns = list(Speculation(decoding.draft_tokens, decoding.acceptance or 0.0, seed).turns(contexts, prompt_tokens))
    return Trace(architecture.name, architecture, Steps(turns, decoder), batch, decoding.stored(architecture))


def beyond_training(trace: Trace) -> str:
    """A sentence about a context that the model was not made for; empty if there is none. (Of learned positions, only an embedding that
    would look them up is refused: the decoder by itself takes any context.)
    """
    arch = trace.architecture
    longest = trace.steps[-1].context if trace.steps else 0
    if arch is None or longest <= arch.max_position:
        return ""
    return f"a context of {longest:,} tokens is beyond the {arch.max_position:,} that {arch.name} was made for"

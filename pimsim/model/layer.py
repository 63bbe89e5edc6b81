"""Graphs of the parts of a decoder: embedding, layer, head.

A layer is norm, attention, residual, norm, FFN, residual (GPT-2, Radford et al. 2019), with the variations that
:class:`Architecture` names: norms after the residual, attention and FFN in parallel (Wang and Komatsuzaki 2021),
rotary positions (Su et al. 2021, arXiv 2104.09864), gated FFNs (Shazeer 2020, arXiv 2002.05202), experts (Shazeer et
al. 2017, arXiv 1701.06538), and multi-head latent attention in its absorbed form, which is how it is decoded
(DeepSeek-V2, arXiv 2405.04434, section 2.1.2): scores and weighted sums run on the latent vectors themselves.
"""

from __future__ import annotations

from dataclasses import replace

from pimsim.model.architecture import Architecture
from pimsim.model.graph import INPUT, Formats, Graph, Heads, Node

GATED = {"silu": "swiglu", "gelu": "geglu"}
"""Operator kind of a gated FFN's activation."""


def embedding_graph(arch: Architecture, formats: Formats) -> tuple[Node, ...]:
    """A token (and its position) to the first layer's input."""
    graph = Graph(formats)
    learned = arch.position == "learned"
    if not arch.embed_proj_dim:
        graph.add("embed", "embed", (INPUT,), rows=arch.hidden, cols=1 + learned)
        return tuple(graph.nodes)
    token = graph.add("embed", "embed", (INPUT,), rows=arch.embed_proj_dim, cols=1)
    projected = graph.matvec("project_in", token, arch.hidden, arch.embed_proj_dim)
    if learned:
        position = graph.add("embed", "position", (INPUT,), rows=arch.hidden, cols=1)
        graph.add("add", "add_position", (projected, position), rows=arch.hidden, cols=2)
    return tuple(graph.nodes)


def head_graph(arch: Architecture, formats: Formats) -> tuple[Node, ...]:
    """The last layer's output to logits. Quantised models keep the LM head, like the embedding, unquantised."""
    graph = Graph(formats._replace(weight=formats.activation))
    dep = _norm(graph, "ln_f", INPUT, arch) if arch.final_norm else INPUT
    if arch.embed_proj_dim:
        dep = graph.matvec("project_out", dep, arch.embed_proj_dim, arch.hidden)
    graph.matvec("lm_head", dep, arch.vocab, arch.embed_proj_dim or arch.hidden)
    return tuple(graph.nodes)


def layer_graph(
    arch: Architecture, formats: Formats, window: int = 0, sparse: bool = False, active_experts: int = 0
) -> tuple[Node, ...]:
    """One decoder layer: its input is dep -1, its output the last node.

    ``window``: attention reaches so many tokens back (0: all); ``sparse``: a mixture with ``active_experts`` slots.
    """
    graph = Graph(formats)
    graph.part = "qkv"
    before, after = arch.norm_first, not arch.norm_first
    dep = _norm(graph, "ln1", INPUT, arch) if before else INPUT
    attention = _latent_attention if arch.latent else _attention
    proj = attention(graph, dep, arch, window)
    middle = _residual(graph, "residual1", proj, INPUT, arch)
    middle = _norm(graph, "ln1", middle, arch) if after else middle
    graph.part = "ffn"
    dep = INPUT if arch.parallel_residual else middle
    dep = _norm(graph, "ln2", dep, arch) if before else dep
    if sparse:
        ffn = _experts(graph, dep, arch, active_experts)
    else:
        ffn = _feed_forward(graph, "", (dep,), arch, arch.ffn)
    out = _residual(graph, "residual2", ffn, middle, arch)
    if after:
        _norm(graph, "ln2", out, arch)
    return tuple(graph.nodes)


def cut(nodes: tuple[Node, ...], part: str) -> tuple[Node, ...]:
    """The nodes of one part of a layer; what they need from other parts counts as their input."""
    kept = [i for i, node in enumerate(nodes) if node.part == part]
    index = {old: new for new, old in enumerate(kept)}

    def deps(node: Node) -> tuple[int, ...]:
        return tuple(dict.fromkeys(index.get(dep, INPUT) for dep in node.deps))

    return tuple(replace(nodes[old], deps=deps(nodes[old])) for old in kept)


def _norm(graph: Graph, name: str, dep: int, arch: Architecture) -> int:
    return graph.add(arch.norm, name, (dep,), rows=arch.hidden, cols=arch.hidden, bias=arch.norm_bias)


def _residual(graph: Graph, name: str, branch: int, stream: int, arch: Architecture) -> int:
    return graph.add("add", name, (branch, stream), rows=arch.hidden, cols=2)


def _attention(graph: Graph, dep: int, arch: Architecture, window: int) -> int:
    """Multi-head, grouped-query or multi-query attention, QKV to output projection."""
    heads = Heads(arch.heads, arch.kv_heads, arch.head_dim)
    query, keys = heads.query * heads.dim, heads.key_value * heads.dim
    qkv = graph.matvec("qkv", dep, query + 2 * keys, arch.hidden, arch.qkv_bias)
    ready: tuple[int, ...] = (qkv,)
    if arch.qk_norm:
        ready = (
            graph.add(arch.norm, "q_norm", (qkv,), rows=query, cols=heads.dim, heads=heads),
            graph.add(arch.norm, "k_norm", (qkv,), rows=keys, cols=heads.dim, heads=heads),
        )
    if arch.position == "rotary":
        ready = (_rotary(graph, ready, heads._replace(dim=arch.rotary_dim)),)
    graph.part = "attention"
    append = graph.add("kv_append", "kv_append", (*ready, qkv), rows=2 * keys, cols=1, heads=heads,
                       stored=graph.formats.kv)  # fmt: skip
    attend = graph.attend(ready, append, heads, heads, window)
    graph.part = "proj"
    return graph.matvec("proj", attend, arch.hidden, query, arch.proj_bias)


def _rotary(graph: Graph, deps: tuple[int, ...], heads: Heads) -> int:
    """Rotate ``heads.dim`` dimensions of every query and key head by the token's position."""
    return graph.add("rotary", "rotary", deps, rows=(heads.query + heads.key_value) * heads.dim, cols=2, heads=heads)


def _latent_attention(graph: Graph, dep: int, arch: Architecture, window: int) -> int:
    """Multi-head latent attention, absorbed: every head's query is taken to the latent space and back out of it."""
    heads, nope, rope, rank = arch.heads, arch.qk_nope_head_dim, arch.qk_rope_head_dim, arch.kv_lora_rank
    source, width = dep, arch.hidden
    if arch.q_lora_rank:
        low = graph.matvec("q_a", dep, arch.q_lora_rank, arch.hidden, arch.qkv_bias)
        source = graph.add(arch.norm, "q_a_norm", (low,), rows=arch.q_lora_rank, cols=arch.q_lora_rank)
        width = arch.q_lora_rank
    query = graph.matvec("q", source, heads * (nope + rope), width)
    latent = graph.matvec("kv_a", dep, rank + rope, arch.hidden, arch.qkv_bias)
    normed = graph.add(arch.norm, "kv_a_norm", (latent,), rows=rank, cols=rank)
    rotary = _rotary(graph, (query, latent), Heads(heads, 1, rope))
    keys, values = Heads(heads, 1, rank + rope), Heads(heads, 1, rank)
    graph.part = "attention"
    append = graph.add("kv_append", "kv_append", (normed, rotary), rows=rank + rope, cols=1, heads=keys,
                       stored=graph.formats.kv)  # fmt: skip
    absorbed = graph.matvec("q_absorb", query, heads * rank, nope, heads=heads)
    attend = graph.attend((absorbed, rotary), append, keys, values, window)
    out = graph.matvec("v_absorb", attend, heads * arch.v_head_dim, rank, heads=heads)
    graph.part = "proj"
    return graph.matvec("proj", out, arch.hidden, heads * arch.v_head_dim, arch.proj_bias)


def _feed_forward(graph: Graph, prefix: str, deps: tuple[int, ...], arch: Architecture, width: int) -> int:
    """A dense FFN or one expert. Gate and up are one matrix of 2 x width rows, since they share their input."""
    rows = 2 * width if arch.gated_ffn else width
    kind = GATED[arch.activation] if arch.gated_ffn else arch.activation
    ffn1 = graph.add("matvec", prefix + "ffn1", deps, rows=rows, cols=arch.hidden, bias=arch.ffn_bias,
                     stored=graph.formats.weight)  # fmt: skip
    active = graph.add(kind, prefix + kind, (ffn1,), rows=width, cols=1 + arch.gated_ffn)
    return graph.matvec(prefix + "ffn2", active, arch.hidden, width, arch.ffn_bias)


def _experts(graph: Graph, dep: int, arch: Architecture, active: int) -> int:
    """Router, top-k, ``active`` expert slots (which experts is known per step only), shared experts, weighted sum."""
    router = graph.matvec("router", dep, arch.experts, arch.hidden, arch.router_bias)
    chosen = graph.add("topk", "topk", (router,), rows=arch.experts_per_token, cols=arch.experts)
    outputs = []
    if arch.shared_experts:
        outputs.append(_feed_forward(graph, "shared.", (dep,), arch, arch.shared_experts * arch.moe_ffn))
    for slot in range(active):
        graph.slot = slot
        outputs.append(_feed_forward(graph, "", (chosen, dep), arch, arch.moe_ffn))
    graph.slot = -1
    summed = arch.experts_per_token + (arch.shared_experts > 0)
    return graph.add("combine", "combine", (chosen, *outputs), rows=arch.hidden, cols=summed)

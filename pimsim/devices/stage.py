"""What a device with an NPU and PIM is given to do, and what it tells about it: a *stage* runs until NPU and memory have both finished.

NeuPIMs (arXiv 2403.00579, section 6) cuts a decoder layer into stages: while the NPU works on one half of the batch, the memory computes
the attention of the other. :mod:`pimsim.schedule.sub_batch` says which parts meet in which stage; :func:`decoder_stage_ops` says
what the NPU does for a part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from pimsim.model.architecture import Architecture

Unit = Literal["npu", "vector", "pim"]
Store = Literal["rows", "kv", "latent", "query", "rotary_query", "none"]


@dataclass(frozen=True, slots=True, eq=False)
class LayerRows:
    """Rows of a request's channel: this layer's K rows 0, 1, ... and V rows 0, 1, ..., int64, in the order of ``NeuPimsLayout.key_row``
    and ``value_row`` (``schedule.kv.PimLayout.k_index`` and ``v_index`` pick them from an allocation)."""

    k: np.ndarray
    v: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One request of a batch, as one layer of one device sees it.

    Attributes:
        number: of the request. channel: that holds its keys and values.
        context: tokens attended to, the new ones included. tokens: new ones (1: decoding; more: a piece of a prompt).
        rows: of this layer.
    """

    number: int
    channel: int
    context: int
    rows: LayerRows
    tokens: int = 1

    @property
    def prompt(self) -> bool:
        """Whether it is a piece of a prompt, whose attention is the NPU's."""
        return self.tokens > 1

    @property
    def first_new(self) -> int:
        """First new token that is kept: of more than a layer's window holds, the last ones are."""
        return max(self.context - self.tokens, 0)


@dataclass(frozen=True, slots=True)
class NpuOp:
    """An operator of the NPU. Tensors are named; a name stands for one place in memory as long as the device lives.

    Attributes:
        kind: ``gemm``: [m x k] x [k x n]; ``attention``: of ``members``, on the NPU; else a vector operator (``pimsim.npu.vector``)
            on m rows of n elements.
        weight: [k x n] matrix; bias: whether n biases are read too (a gemm), or scale and shift (a norm).
        sources: tensors of m rows that are read: k wide for a gemm, n wide for a vector operator.
        result: tensor of m rows, n wide, that is written.
        heads: > 0: as many matrices [k x n / heads] behind one another, one for each head's k elements of the source.
        store: a gemm's results go to ``result`` (``rows``), or they are of ``members`` and go to their channels: q, k and v (``kv``),
            or in latent attention the key with the value in it (``latent``), the heads' queries up to the rotary part (``query``, a matrix
            a head) and from there (``rotary_query``).
        fused: vector operators on a gemm's results before they are stored: (kind, rows, elements of a row).
        members: see ``attention`` and ``store``; or whose attention is the source. m is the number of their new tokens.
    """

    name: str
    kind: str
    m: int
    n: int
    k: int = 0
    weight: str = ""
    bias: bool = False
    sources: tuple[str, ...] = ()
    result: str = ""
    store: Store = "rows"
    fused: tuple[tuple[str, int, int], ...] = ()
    members: tuple[Member, ...] = ()
    heads: int = 0
    head: int = 0

    def by_head(self) -> tuple[NpuOp, ...]:
        """One product after the other; ``head`` says which of ``heads`` it is."""
        if not self.heads:
            return (self,)
        width = self.n // self.heads
        return tuple(replace(self, n=width, weight=f"{self.weight}.head{head}", head=head) for head in range(self.heads))

    @property
    def macs(self) -> int:
        """Multiply-accumulates of a gemm; those of attention need the shape of a head (``pimsim.devices.neupims``)."""
        return self.m * self.k * self.n if self.kind == "gemm" else 0


@dataclass(frozen=True, slots=True)
class StageWork:
    """What runs at the same time: NPU operators in order, and attention in the memory.

    A stage begins when the one before has ended, and ends when everything in it has.
    """

    name: str
    npu: tuple[NpuOp, ...] = ()
    pim: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class OpRecord:
    """An operator that has run; ``begin_ticks`` and ``end_ticks`` count from the first stage of the device.

    Attributes:
        unit: where it ran. macs: that it needs. bytes_read, bytes_written: on the memory's pins.
        bound_ticks: it cannot take less: the larger of its MACs over the unit's peak and its bytes over the memory's.
        vector_elements: that passed a vector unit. scratchpad_bytes: into and out of scratchpad and accumulator.
    """

    name: str
    kind: str
    unit: Unit
    begin_ticks: int
    end_ticks: int
    macs: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    bound_ticks: int = 0
    vector_elements: int = 0
    scratchpad_bytes: int = 0


@dataclass(frozen=True, slots=True)
class StageRecord:
    """A stage that has run. Everything counts what happened between its begin and its end, in all channels together.

    Attributes:
        commands: memory commands by name. causes: ticks of channels by view (``pim``, ``memory``) and cause; each view sums to
            channels x (end - begin).
        busy_ticks: ``npu``: ticks in which an array streams, of all arrays together; ``pim``: ticks in which a channel's MAC units
            work; ``vector``: ticks of vector units; ``bus``: ticks of data pins (the last three of all channels or units together).
        active_ticks: ticks in which a rank has a row open, in the row buffers of ``memory`` and of ``pim``, of all ranks together.
        checks: conservation laws: True, or ``waived: <key>``. A broken law is an error.
        folded: what was simulated once for several, in words; empty when nothing was.
    """

    name: str
    begin_ticks: int
    end_ticks: int
    ops: tuple[OpRecord, ...] = ()
    commands: dict[str, int] = field(default_factory=dict)
    causes: dict[str, dict[str, int]] = field(default_factory=dict)
    busy_ticks: dict[str, int] = field(default_factory=dict)
    active_ticks: dict[str, int] = field(default_factory=dict)
    bytes_read: int = 0
    bytes_written: int = 0
    checks: dict[str, bool | str] = field(default_factory=dict)
    folded: str = ""

    @property
    def ticks(self) -> int:
        """How long it took."""
        return self.end_ticks - self.begin_ticks


def decoder_stage_ops(part: Architecture, members: Sequence[Member], which: Literal["qkv", "attention", "ffn"], layer: int = 0,
                      batch: str = "", expert_tokens: Sequence[int] = ()) -> tuple[NpuOp, ...]:
    """What the NPU does for a part of a decoder layer.

    Args:
        part: the decoder as one device has it (``schedule.parallel.device_part``).
        members: the (half) batch. which: ``qkv``: norm to q, k, v; ``attention``: all of it, on the NPU; ``ffn``: projection to the
            last residual addition.
        layer: whose weights. batch: name of the half batch, whose activations these are.
        expert_tokens: tokens that each routed expert gets, where the layer has experts (none given: spread evenly).
    """
    members = tuple(members)
    tokens = sum(member.tokens for member in members)
    if not tokens:
        return ()
    ops = _Ops(part, tokens, f"layer{layer}.", f"{batch}.")
    if which == "qkv":
        return ops.latent(members) if part.latent else ops.qkv(members)
    if which == "attention":
        return (NpuOp("attention", "attention", tokens, part.heads * part.value_dim, result=ops.act("attended"), members=members),)
    return ops.ffn(members, part.sparse(layer), tuple(expert_tokens))


@dataclass(frozen=True)
class _Ops:
    """Builds the operators of one layer for one half batch."""

    arch: Architecture
    tokens: int
    layer: str
    batch: str

    def act(self, name: str) -> str:
        return self.batch + name

    def vector(self, name: str, kind: str, sources: tuple[str, ...], result: str, n: int, bias: bool = False) -> NpuOp:
        weight = self.layer + name if kind.endswith("norm") else ""
        return NpuOp(name, kind, self.tokens, n, weight=weight, bias=bias, sources=tuple(map(self.act, sources)),
                     result=self.act(result))

    def norm(self, name: str, source: str, result: str) -> NpuOp:
        return self.vector(name, self.arch.norm, (source,), result, self.arch.hidden, self.arch.norm_bias)

    def gemm(self, name: str, source: str, result: str, k: int, n: int, bias: bool, tokens: int = 0) -> NpuOp:
        return NpuOp(name, "gemm", tokens or self.tokens, n, k, self.layer + name, bias, (self.act(source),), self.act(result))

    def qkv(self, members: tuple[Member, ...]) -> tuple[NpuOp, ...]:
        """Norm, then q, k and v, which go to the channels of their requests."""
        arch = self.arch
        width = (arch.heads + 2 * arch.kv_heads) * arch.head_dim
        ops = [self.norm("attn.ln", "x", "normed")] if arch.norm_first else []
        source = "normed" if arch.norm_first else "x"
        rotated = (arch.heads + arch.kv_heads) * self.tokens
        fused: tuple[tuple[str, int, int], ...] = ((arch.norm, rotated, arch.head_dim),) if arch.qk_norm else ()
        if arch.position == "rotary":
            fused += (("rotary", rotated, arch.rotary_dim),)
        made = NpuOp("attn.QKVgen", "gemm", self.tokens, width, arch.hidden, self.layer + "attn.QKVgen", arch.qkv_bias,
                     (self.act(source),), store="kv", fused=fused, members=members)
        return (*ops, made)

    def latent(self, members: tuple[Member, ...]) -> tuple[NpuOp, ...]:
        """Norm, latent key, queries, which each head's matrix takes to the latent space (DeepSeek-V2, arXiv 2405.04434, 2.1.2)."""
        arch, tokens = self.arch, self.tokens
        rank, nope, rope = arch.kv_lora_rank, arch.qk_nope_head_dim, arch.qk_rope_head_dim
        ops = [self.norm("attn.ln", "x", "normed")] if arch.norm_first else []
        source, width = "normed" if arch.norm_first else "x", arch.hidden
        key = self.gemm("attn.kv_a", source, "", width, rank + rope, arch.qkv_bias)
        ops.append(replace(key, result="", store="latent", members=members, fused=((arch.norm, tokens, rank), ("rotary", tokens, rope))))
        if arch.q_lora_rank:
            ops.append(self.gemm("attn.q_a", source, "low", width, arch.q_lora_rank, arch.qkv_bias))
            ops.append(self.vector("attn.q_a_norm", arch.norm, ("low",), "low", arch.q_lora_rank))
            source, width = "low", arch.q_lora_rank
        ops.append(self.gemm("attn.q", source, "query", width, arch.heads * nope, False))
        turned = self.gemm("attn.q_rope", source, "", width, arch.heads * rope, False)
        ops.append(replace(turned, result="", store="rotary_query", members=members, fused=(("rotary", arch.heads * tokens, rope),)))
        absorbed = self.gemm("attn.q_absorb", "query", "", nope, arch.heads * rank, False)
        return (*ops, replace(absorbed, result="", store="query", members=members, heads=arch.heads))

    def projection(self, members: tuple[Member, ...]) -> list[NpuOp]:
        """What attention leaves, to the width of the decoder; in latent attention each head's matrix takes it from the latent space."""
        arch, hidden = self.arch, self.arch.hidden
        if not arch.latent:
            return [replace(self.gemm("attn.proj", "attended", "projected", arch.heads * arch.head_dim, hidden, arch.proj_bias),
                            members=members)]
        width = arch.heads * arch.v_head_dim
        absorbed = self.gemm("attn.v_absorb", "attended", "values", arch.kv_lora_rank, width, False)
        return [replace(absorbed, members=members, heads=arch.heads),
                self.gemm("attn.proj", "values", "projected", width, hidden, arch.proj_bias)]

    def ffn(self, members: tuple[Member, ...], sparse: bool, expert_tokens: tuple[int, ...]) -> tuple[NpuOp, ...]:
        """Projection, residual, norm, FFN, residual."""
        arch, hidden = self.arch, self.arch.hidden
        ops = [*self.projection(members),
               self.vector("attn.res", "add", ("projected", "x"), "middle", hidden)]
        source = "x" if arch.parallel_residual else "middle"
        if not arch.norm_first:
            ops.append(self.norm("attn.ln", "middle", "middle"))
        else:
            ops.append(self.norm("ffn.ln", source, "normed"))
            source = "normed"
        ops += self.experts(source, expert_tokens) if sparse else self.feed_forward("ffn", source, arch.ffn, self.tokens)
        ops.append(self.vector("ffn.res", "add", ("fed", "middle"), "x", hidden))
        if not arch.norm_first:
            ops.append(self.norm("ffn.ln", "x", "x"))
        return tuple(ops)

    def feed_forward(self, name: str, source: str, width: int, tokens: int) -> list[NpuOp]:
        """Two matrices and an activation, or three where the FFN is gated."""
        arch = self.arch
        first = self.gemm(f"{name}.fc1", source, "inner", arch.hidden, width, arch.ffn_bias, tokens)
        ops = [first]
        sources: tuple[str, ...] = (self.act("inner"),)
        if arch.gated_ffn:
            ops.append(self.gemm(f"{name}.gate", source, "gate", arch.hidden, width, arch.ffn_bias, tokens))
            sources = (self.act("gate"), self.act("inner"))
        ops.append(NpuOp(f"{name}.{arch.activation}", arch.activation, tokens, width, sources=sources, result=self.act("inner")))
        ops.append(self.gemm(f"{name}.fc2", "inner", "fed", width, arch.hidden, arch.ffn_bias, tokens))
        return ops

    def experts(self, source: str, expert_tokens: tuple[int, ...]) -> list[NpuOp]:
        """Router, then every expert that has tokens, as matrices with its number of tokens."""
        arch = self.arch
        ops = [self.gemm("ffn.router", source, "routed", arch.hidden, arch.experts, arch.router_bias)]
        if arch.shared_experts:
            ops += self.feed_forward("ffn.shared", source, arch.shared_experts * arch.moe_ffn, self.tokens)
        for number, tokens in enumerate(expert_tokens or spread(self.tokens * arch.experts_per_token, arch.experts)):
            if tokens:
                ops += self.feed_forward(f"ffn.expert{number}", source, arch.moe_ffn, tokens)
        return ops


def spread(tokens: int, experts: int) -> tuple[int, ...]:
    """``tokens`` over ``experts`` as evenly as may be."""
    return tuple(tokens // experts + (number < tokens % experts) for number in range(experts))

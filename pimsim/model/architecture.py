"""What a decoder-only transformer looks like, whatever config file it came from.

One frozen object holds everything that decides its tensor shapes; parameter counts, KV bytes and MACs follow from it
in closed form. Two conventions of counting live side by side, because papers use both: ``total`` is what the model's
publisher counts (biases, norms and positional embeddings included), ``weights_only`` counts matrices and token
embeddings alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pimsim.model.dtype import size_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """Shape of a decoder. ``gated`` FFNs have gate, up and down matrices, plain ones two."""

    name: str
    family: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int  # inner width of a dense layer's FFN
    vocab: int
    max_position: int
    dtype: str = "bf16"

    position: str = "learned"  # learned, rotary, none
    position_rows: int = 0  # rows of the learned position table
    rotary_dim: int = 0  # dimensions of a head that are rotated
    embed_dim: int = 0  # width of the embedding table where it is projected to hidden; 0: hidden itself
    tied_embeddings: bool = True

    norm: str = "layernorm"  # layernorm, rmsnorm
    norm_bias: bool = True
    norm_first: bool = True  # pre-norm; False: after the residual addition
    final_norm: bool = True
    qk_norm: bool = False  # q and k normalised head by head
    parallel_residual: bool = False  # attention and FFN both from the layer's input

    activation: str = "gelu"  # gelu, relu, silu; of the gate where the FFN is gated
    gated_ffn: bool = False
    qkv_bias: bool = True
    proj_bias: bool = True
    ffn_bias: bool = True

    windows: tuple[int, ...] = ()  # attention window of each layer, 0: all tokens; empty: all tokens in all layers

    experts: int = 0  # routed experts of an MoE layer
    experts_per_token: int = 0
    shared_experts: int = 0  # experts that every token goes through
    expert_ffn: int = 0
    dense_layers: tuple[int, ...] = ()  # layers with a dense FFN although experts > 0
    router_bias: bool = False

    kv_lora_rank: int = 0  # > 0: multi-head latent attention (DeepSeek-V2, arXiv 2405.04434)
    q_lora_rank: int = 0
    qk_nope_head_dim: int = 0
    qk_rope_head_dim: int = 0
    v_head_dim: int = 0

    def with_dtype(self, dtype: str) -> Architecture:
        """The same shape in another number format."""
        return replace(self, dtype=dtype)

    @property
    def latent(self) -> bool:
        """Whether attention is multi-head latent attention."""
        return self.kv_lora_rank > 0

    @property
    def kv_elements_per_layer(self) -> int:
        """Elements that one token appends to one layer's KV cache."""
        if self.latent:
            return self.kv_lora_rank + self.qk_rope_head_dim
        return 2 * self.kv_heads * self.head_dim

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes that one token adds to the KV cache over all layers, in ``dtype``."""
        return size_bytes(self.layers * self.kv_elements_per_layer, self.dtype)

    def window(self, layer: int) -> int:
        """Attention window of ``layer`` in tokens; 0 where it attends to all."""
        return self.windows[layer] if self.windows else 0

    def sparse(self, layer: int) -> bool:
        """Whether ``layer`` is a mixture of experts."""
        return self.experts > 0 and layer not in self.dense_layers

"""What a decoder-only transformer looks like, whatever config file it came from.

One frozen object holds everything that decides its tensor shapes; parameter counts, KV bytes and MACs follow from it
in closed form. Two conventions of counting live side by side, because papers use both: ``total`` is what the model's
publisher counts (biases, norms and positional embeddings included), ``weights_only`` counts matrices and token
embeddings alone.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    weight_dtype: str = ""  # where weights are quantised; empty: dtype

    position: str = "learned"  # learned, rotary, none
    position_rows: int = 0  # rows of the learned position table
    rotary_dim: int = 0  # dimensions of a head that are rotated
    rope_theta: float = 10000.0  # base of the rotary frequencies
    embed_proj_dim: int = 0  # width of the embedding table where it is projected to hidden; 0: hidden itself
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
    moe_ffn: int = 0
    dense_layers: tuple[int, ...] = ()  # layers with a dense FFN although experts > 0
    router_bias: bool = False

    kv_lora_rank: int = 0  # > 0: multi-head latent attention (DeepSeek-V2, arXiv 2405.04434)
    q_lora_rank: int = 0
    qk_nope_head_dim: int = 0
    qk_rope_head_dim: int = 0
    v_head_dim: int = 0

    @property
    def latent(self) -> bool:
        """Whether attention is multi-head latent attention."""
        return self.kv_lora_rank > 0

    @property
    def key_dim(self) -> int:
        """Elements of a key head as it is cached: latent and rotary part, of one head that all queries share, in latent attention."""
        return self.kv_lora_rank + self.qk_rope_head_dim if self.latent else self.head_dim

    @property
    def value_dim(self) -> int:
        """Elements of a value head as it is cached; in latent attention they are the key's latent part."""
        return self.kv_lora_rank if self.latent else self.head_dim

    def window(self, layer: int) -> int:
        """Attention window of ``layer`` in tokens; 0 where it attends to all."""
        return self.windows[layer] if self.windows else 0

    def sparse(self, layer: int) -> bool:
        """Whether ``layer`` is a mixture of experts."""
        return self.experts > 0 and layer not in self.dense_layers

    @property
    def sparse_layers(self) -> int:
        """Number of mixture-of-experts layers."""
        return sum(self.sparse(layer) for layer in range(self.layers))

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

    def parameters(self) -> dict[str, int]:
        """Parameter counts.

        ``blocks``: matrices of the decoder layers; ``embedding``: token table, its projections, an untied LM head;
        ``weights_only``: their sum; ``total``: with biases, norms and positions, as the publisher counts;
        ``active``: of ``weights_only``, those that one token goes through.
        """
        routed = self.sparse_layers * self._ffn_weights(self.moe_ffn)
        resident = self.layers * self._attention_weights() + self._dense_ffn_weights()
        blocks = resident + routed * self.experts
        embedding = self._embedding_weights()
        return {
            "blocks": blocks,
            "embedding": embedding,
            "total": blocks + embedding + self._small_parameters(),
            "weights_only": blocks + embedding,
            "active": resident + routed * self.experts_per_token + embedding,
        }

    def macs_per_token(self, context: int = 0, lm_head: bool = False) -> int:
        """Multiply-accumulates of one token that attends to ``context`` tokens (0: the weight matrices alone)."""
        counts = self.parameters()
        macs = counts["active"] - counts["embedding"]
        if self.latent:
            per_token = self.heads * (2 * self.kv_lora_rank + self.qk_rope_head_dim)
        else:
            per_token = 2 * self.heads * self.head_dim
        for layer in range(self.layers):
            window = self.window(layer)
            macs += per_token * (min(context, window) if window else context)
        if lm_head:
            width = self.embed_proj_dim or self.hidden
            macs += self.vocab * width + (self.hidden * width if self.embed_proj_dim else 0)
        return macs

    def _attention_weights(self) -> int:
        """Matrices of one layer's attention."""
        if not self.latent:
            return (2 * self.heads + 2 * self.kv_heads) * self.head_dim * self.hidden
        query = self.heads * (self.qk_nope_head_dim + self.qk_rope_head_dim)
        weights = self.q_lora_rank * (self.hidden + query) if self.q_lora_rank else self.hidden * query
        weights += self.hidden * (self.kv_lora_rank + self.qk_rope_head_dim)
        weights += self.kv_lora_rank * self.heads * (self.qk_nope_head_dim + self.v_head_dim)
        return weights + self.heads * self.v_head_dim * self.hidden

    def _ffn_weights(self, width: int) -> int:
        return (3 if self.gated_ffn else 2) * width * self.hidden

    def _dense_ffn_weights(self) -> int:
        """FFN matrices that every token goes through: dense layers, shared experts and routers."""
        sparse = self.sparse_layers
        shared = self._ffn_weights(self.shared_experts * self.moe_ffn) + self.experts * self.hidden
        return (self.layers - sparse) * self._ffn_weights(self.ffn) + sparse * shared

    def _embedding_weights(self) -> int:
        width = self.embed_proj_dim or self.hidden
        tables = self.vocab * width * (1 if self.tied_embeddings else 2)
        return tables + (2 * width * self.hidden if self.embed_proj_dim else 0)

    def _small_parameters(self) -> int:
        """Biases, norms and positional embeddings."""
        norm = self.hidden * (2 if self.norm_bias else 1)
        layer = 2 * norm
        if self.latent:
            layer += self.kv_lora_rank + self.q_lora_rank
            if self.qkv_bias:
                layer += self.q_lora_rank + self.kv_lora_rank + self.qk_rope_head_dim
        else:
            layer += 2 * self.head_dim if self.qk_norm else 0
            layer += (self.heads + 2 * self.kv_heads) * self.head_dim if self.qkv_bias else 0
        layer += self.hidden if self.proj_bias else 0
        dense_bias = self.ffn * (2 if self.gated_ffn else 1) + self.hidden if self.ffn_bias else 0
        sparse = self.sparse_layers
        ffn = (self.layers - sparse) * dense_bias + (sparse * self.experts if self.router_bias else 0)
        return self.layers * layer + ffn + self.position_rows * self.hidden + (norm if self.final_norm else 0)

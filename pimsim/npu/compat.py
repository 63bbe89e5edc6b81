"""Shortcuts of the NPU in the NeuPIMs simulator (casys-kaist/NeuPIMs f299af3), by the key under ``compat:`` that brings them back."""

from __future__ import annotations

from collections.abc import Mapping

COMPAT: Mapping[str, str] = {
    "synthetic_addresses": "loads and stores of the NPU go to consecutive addresses of one circular region, whatever tensor they are of",
    "unordered_requests": "the requests of a load or store leave in the order of a hash set, another one in every channel (with"
    " synthetic_addresses)",
    "swapped_operands": "the activations stay in the arrays and the weights stream past them, all arrays sharing one stream",
    "fixed_block_latency": "every 128 x 128 x 128 block streams for 128 / arrays cycles whatever its real size, and starts as many"
    " behind the one before (128 with new operands; 255 if the pipeline had run empty)",
    "halved_tiles": "the largest side of a matrix product is halved until operands and outputs fit half the scratchpad, whatever is read",
    "truncated_stores": "a matrix product stores its first 128 columns only",
    "unbounded_vector": "vector operations never wait for a vector unit",
    "lost_vector_sizes": "the NPU's norms, sums and activations take the cycles of a row without elements",
    "softmax_in_order": "softmax of a head waits for those of all requests and heads before it in the batch, one is begun a cycle (with"
    " logit_attend_barrier)",
    "byte_sized_vector": "softmax and sums of attention in memory take the cycles of as many elements as their operands have bytes",
    "logit_attend_barrier": "P V of any request starts only once q K^T and softmax of all requests are done",
    "no_attend_move_out": "results of P V are not stored where the context is one block",
    "no_kv_append": "neither the new keys and values nor q are written to the channels of their requests",
    "vector_in_one_row": "GWRITE copies from row 0 of bank 0, for all requests and heads",
    "serial_npu_pipeline": "a block with new operands starts only when the one before has left the arrays, so that attention on the NPU"
    " runs one matrix-vector product at a time (with fixed_block_latency)",
}
"""Key -> what it does."""

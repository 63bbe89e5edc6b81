"""Which numbers an operator takes: pieces of vectors, heads, pairs; random ones that depend on their name alone."""

import numpy as np
import pytest
from model.conftest import tiny, tiny_llama, tiny_mla

from pimsim.errors import InputError
from pimsim.mapping.functional.flow import Flow, Numbers
from pimsim.mapping.functional.memory import FunctionalError
from pimsim.model.graph import INPUT, Graph, Heads
from pimsim.model.layer import layer_graph
from pimsim.model.trace import Block

from .conftest import BF16, attention_block, block_of


def layer(architecture) -> Block:
    return Block(tuple(n.at(i, "decode", 0, 1, 5) for i, n in enumerate(layer_graph(architecture, BF16))), 3, 0)


def flow(block: Block, **values: np.ndarray) -> Flow:
    """A flow in which operators by name have put out something already."""
    index = {op.name: i for i, op in enumerate(block.operators)}
    made = Flow(block, 5, 0, Numbers())
    made.values |= {index[name]: value for name, value in values.items()}
    return made


def operands(block: Block, name: str, **values: np.ndarray) -> tuple[np.ndarray, ...]:
    return flow(block, **values).operands([op.name for op in block.operators].index(name))


QKV = np.arange(6 * 4 + 2 * 2 * 4, dtype=np.float32)  # 6 heads of 4, 2 key-value heads
GROUPED = layer(tiny(kv_heads=2))


def test_q_k_and_v_follow_one_another():
    np.testing.assert_array_equal(operands(GROUPED, "score", qkv=QKV, kv_append=QKV[:0])[0], np.arange(24).reshape(6, 4))
    k, v = operands(GROUPED, "kv_append", qkv=QKV)
    np.testing.assert_array_equal(k, np.arange(24, 32).reshape(2, 4))
    np.testing.assert_array_equal(v, np.arange(32, 40).reshape(2, 4))


def test_norms_of_q_and_k_take_their_part():
    block = layer(tiny_llama(qk_norm=True))
    np.testing.assert_array_equal(operands(block, "q_norm", qkv=QKV)[0], np.arange(24).reshape(6, 4))
    np.testing.assert_array_equal(operands(block, "k_norm", qkv=QKV)[0], np.arange(24, 32).reshape(2, 4))


def test_rotary_takes_the_normalised_q_and_k():
    block = layer(tiny_llama(qk_norm=True))
    x, y, _, _ = operands(block, "rotary", q_norm=100 + QKV[:24], k_norm=200 + QKV[:8])
    np.testing.assert_array_equal(x[[0, 6]], [[100, 101], [200, 201]])
    np.testing.assert_array_equal(y[[0, 6]], [[102, 103], [202, 203]])


def test_append_takes_the_rotated_key_and_the_plain_value():
    block = layer(tiny_llama())
    k, v = operands(block, "kv_append", qkv=QKV, rotary=-QKV[:32])
    np.testing.assert_array_equal(k, -np.arange(24, 32).reshape(2, 4))
    np.testing.assert_array_equal(v, np.arange(32, 40).reshape(2, 4))


def test_rotary_turns_by_the_position():
    block = layer(tiny_llama())
    _, _, cos, sin = operands(block, "rotary", qkv=QKV)
    np.testing.assert_allclose(cos, np.cos([4, 4 / 100]), rtol=2**-8)
    np.testing.assert_allclose(sin, np.sin([4, 4 / 100]), rtol=2**-8)


def test_rotary_leaves_the_rest_of_a_head():
    block = layer(tiny_llama(rotary_dim=2))
    index = [op.name for op in block.operators].index("rotary")
    made = flow(block, qkv=QKV)
    x, y, _, _ = made.operands(index)
    np.testing.assert_array_equal(x[:, 0], 4 * np.arange(8))
    np.testing.assert_array_equal(y[:, 0], 4 * np.arange(8) + 1)
    out = made.put_out(index, (x - 1000, y - 2000)).reshape(8, 4)
    np.testing.assert_array_equal(out[1], [4 - 1000, 5 - 2000, 6, 7])


def test_gated_activation_takes_gate_then_up():
    block = layer(tiny_llama())
    gate, up = operands(block, "swiglu", ffn1=np.arange(80, dtype=np.float32))
    assert (gate[0], up[0], len(gate), len(up)) == (0, 40, 40, 40)


def test_residual_takes_branch_and_stream():
    block = layer(tiny())
    a, b = operands(block, "residual2", residual1=np.full(24, 1), ffn2=np.full(24, 2))
    assert (a[0], b[0]) == (2, 1)


def test_an_input_is_the_same_for_all_who_take_it():
    block = layer(tiny())
    np.testing.assert_array_equal(operands(block, "ln1")[0][0], operands(block, "residual1", proj=np.zeros(24))[1])


def test_a_layernorm_without_bias_adds_zeros():
    block = layer(tiny(norm_bias=False))
    np.testing.assert_array_equal(operands(block, "ln1")[2], 0)


def test_an_operand_that_is_not_there_yet():
    with pytest.raises(FunctionalError, match="'qkv' has not been computed yet"):
        operands(GROUPED, "score")


def test_an_operand_of_the_wrong_size():
    with pytest.raises(InputError, match="'proj' needs 24 elements of 'attend', which has 23"):
        operands(GROUPED, "proj", attend=np.zeros(23))


def test_scores_of_the_wrong_size():
    with pytest.raises(InputError, match="'softmax' needs 6 x 5 scores"):
        operands(GROUPED, "softmax", score=np.zeros((6, 4)))


def test_an_append_that_nothing_gives_values_to():
    graph = Graph(BF16)
    shape = Heads(2, 2, 4)
    rotary = graph.add("rotary", "rotary", (INPUT,), rows=16, cols=2, heads=shape)
    graph.add("kv_append", "kv_append", (rotary,), rows=16, cols=1, heads=shape)
    with pytest.raises(InputError, match="'kv_append' .* depends on nothing that gives k and v"):
        operands(block_of(graph), "kv_append", rotary=np.arange(16, dtype=np.float32))


def numbers(size: int, begin: int) -> np.ndarray:
    return np.arange(begin, begin + size, dtype=np.float32)


def test_a_latent_key_is_the_normed_latent_and_the_turned_part_behind_it():
    block = layer(tiny_mla())  # 6 heads, rank 8, rotary part 2
    key, value = operands(block, "kv_append", kv_a_norm=numbers(8, 0), rotary=numbers(14, 100))
    assert key.tolist() == [[0, 1, 2, 3, 4, 5, 6, 7, 112, 113]] and value.tolist() == [[0, 1, 2, 3, 4, 5, 6, 7]]


def test_a_latent_query_is_the_absorbed_part_and_the_turned_one():
    (query,) = operands(layer(tiny_mla()), "score", q_absorb=numbers(48, 0), rotary=numbers(14, 100))
    assert query.shape == (6, 10) and query[1].tolist() == [8, 9, 10, 11, 12, 13, 14, 15, 102, 103]


def test_latent_attention_turns_the_last_elements_of_heads_and_latent():
    x, y, _, _ = operands(layer(tiny_mla()), "rotary", q=numbers(36, 0), kv_a=numbers(10, 100))
    assert x[:, 0].tolist() == [4, 10, 16, 22, 28, 34, 108] and y[:, 0].tolist() == [5, 11, 17, 23, 29, 35, 109]


def test_absorbing_takes_what_a_head_has_without_position():
    (x,) = operands(layer(tiny_mla()), "q_absorb", q=numbers(36, 0))
    assert x.shape == (6, 4) and x[1].tolist() == [6, 7, 8, 9]


def mixture() -> Block:
    nodes = layer_graph(tiny_mla(), BF16, 0, True, 2)
    return Block(tuple(n.at(i, "decode", 0, 1, 5) for i, n in enumerate(nodes)), 1, 0)


def test_an_expert_takes_the_normed_vector_not_the_choice():
    block = mixture()
    first = next(i for i, op in enumerate(block.operators) if op.name == "ffn1" and op.rows == 20)
    made = flow(block, topk=numbers(2, 0), ln2=numbers(24, 50))
    assert made.operands(first)[0].tolist() == numbers(24, 50).tolist()


def test_a_shared_expert_weighs_one_and_the_others_what_the_router_says():
    block = mixture()
    made = Flow(block, 5, 0, Numbers())
    combine = next(op for op in block.operators if op.kind == "combine")
    made.values |= {dep: numbers(24, 100 * n) for n, dep in enumerate(combine.deps)}
    made.values[combine.deps[0]] = np.array([0.75, 0.25], np.float32)
    outputs, weights = made.operands(block.operators.index(combine))
    assert weights.tolist() == [1, 0.75, 0.25] and outputs[0].tolist() == [100, 200, 300]


def test_attention_alone_takes_everything_from_the_input():
    block = attention_block(5, 4, 2, 8)
    made = Flow(block, 5, 0, Numbers())
    k, v = made.operands(0)
    assert k.shape == v.shape == (2, 8) and made.operands(1)[0].shape == (4, 8)
    assert not np.array_equal(k, v)


def test_invented_outputs_have_the_operators_shape():
    made = flow(layer(tiny_llama()))
    shapes = {op.name: made.invent(i).shape for i, op in enumerate(made.block.operators)}
    assert shapes["qkv"] == (40,) and shapes["score"] == shapes["softmax"] == (6, 5)
    assert shapes["kv_append"] == (0,) and shapes["attend"] == (24,) and shapes["rotary"] == (32,)


def test_numbers_depend_on_seed_and_name_alone():
    a, b = Numbers(), Numbers()
    a.normal((3,), "x")
    np.testing.assert_array_equal(a.normal((3,), "y"), b.normal((3,), "y"))
    assert not np.array_equal(a.normal((3,), "x"), a.normal((3,), "y"))
    assert not np.array_equal(a.normal((3,), "x"), Numbers(1).normal((3,), "x"))


def test_numbers_are_bf16():
    assert not (Numbers().normal((100,), "x").view(np.uint32) & 0xFFFF).any()


def test_weights_keep_results_of_order_one():
    graph = Graph(BF16)
    graph.matvec("w", INPUT, 300, 400)
    op = block_of(graph).operators[0]
    assert 0.9 < np.linalg.norm(Numbers().matrix(0, op), axis=1).mean() < 1.1


def test_layers_have_weights_of_their_own():
    op = GROUPED.operators[1]
    assert not np.array_equal(Numbers().matrix(0, op), Numbers().matrix(1, op))


def test_a_block_with_rotary_alone_knows_its_heads():
    graph = Graph(BF16)
    qkv = graph.matvec("qkv", INPUT, 40, 8)
    graph.add("rotary", "rotary", (qkv,), rows=8 * 2, cols=2, heads=Heads(6, 2, 2))
    assert flow(block_of(graph), qkv=QKV).operands(1)[0].shape == (8, 1)

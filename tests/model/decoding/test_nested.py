"""Nested FFN widths (MatFormer, arXiv 2310.07707)."""

import pytest

from pimsim.model.decoding import Decoding
from pimsim.model.lowering import lower

from ..conftest import FAMILIES, tiny, tiny_llama, tiny_moe


@pytest.mark.parametrize("model", [tiny(), tiny_llama()])
@pytest.mark.parametrize("widths", [(0.5,), (0.25,), (1.0, 0.5, 0.125)])
def test_traffic_and_macs_are_those_of_a_narrower_ffn(model, widths):
    every = widths * 3 if len(widths) == 1 else widths
    trace = lower(model, output_tokens=3, decoding=Decoding(ffn_width=widths))
    saved = sum((2 + model.gated_ffn) * model.hidden * (model.ffn - int(model.ffn * width)) for width in every)
    plain = lower(model, output_tokens=3).totals()
    assert plain.macs - trace.totals().macs == 3 * saved
    neurons = sum(model.ffn - int(model.ffn * width) for width in every)
    first = 1 + model.gated_ffn  # numbers of a neuron that ffn1 puts out, the activation takes in, and a bias has
    per_neuron = 2 * first + 2 + model.ffn_bias * first
    moved = plain.bytes_read + plain.bytes_written - trace.totals().bytes_read - trace.totals().bytes_written
    assert moved == 3 * 2 * (saved + neurons * per_neuron)


@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_the_model_with_that_ffn(family):
    model = FAMILIES[family]
    changes = {"ffn": model.ffn // 2} | ({"moe_ffn": model.moe_ffn // 2} if model.experts else {})
    small = type(model)(**{field: getattr(model, field) for field in model.__slots__} | changes)
    assert list(lower(model, output_tokens=2, decoding=Decoding(ffn_width=(0.5,))).steps) == list(lower(small, output_tokens=2).steps)


def test_each_expert_is_narrower():
    trace = lower(tiny_moe(), output_tokens=1, decoding=Decoding(ffn_width=(0.5,)))
    assert {op.cols for op in trace.operators() if op.name.endswith("ffn2") and "experts" in op.name} == {5}

"""Sparse activation of the FFN (Sparsing Law, arXiv 2411.02335)."""

import math

import pytest

from pimsim.model.decoding import Decoding
from pimsim.model.decoding.sparse import active
from pimsim.model.lowering import lower

from ..conftest import tiny, tiny_llama, tiny_mla


@pytest.mark.parametrize("ratio", [0.01, 0.1, 0.3, 0.999])
@pytest.mark.parametrize("model", [tiny(activation="relu"), tiny_llama()])
def test_macs_are_the_closed_form(model, ratio):
    few = math.ceil(model.ffn * ratio)
    trace = lower(model, output_tokens=2, decoding=Decoding(ffn_active=ratio))
    saved = model.layers * model.hidden * (model.ffn - few) * (1 + model.gated_ffn)  # of up, where there is one, and down
    assert lower(model, output_tokens=2).totals().macs - trace.totals().macs == 2 * saved


def test_weights_read_are_those_of_the_active_neurons():
    model, few = tiny_llama(), 4
    trace = lower(model, output_tokens=1, decoding=Decoding(ffn_active=0.1))
    read = {op.name: op.bytes_read for op in trace.operators() if op.layer == 0 and op.kind == "matvec"}
    assert read["gate"] == 2 * (40 * 24 + 24) and read["up"] == 2 * (few * 24 + 24) and read["ffn2"] == 2 * (24 * few + few)


def test_which_neurons_are_active_is_known_before_up_is_read():
    operators = lower(tiny_llama(), output_tokens=1, decoding=Decoding(ffn_active=0.1)).steps[0].blocks[0].operators
    names = [op.name for op in operators]
    up = operators[names.index("up")]
    assert names.index("threshold") in up.deps and operators[names.index("threshold")].deps == (names.index("gate"),)
    assert operators[names.index("swiglu")].deps == (names.index("gate"), names.index("up"))
    assert operators[names.index("ffn2")].deps == (names.index("swiglu"),)


def test_all_weights_stay():
    trace = lower(tiny_mla(), output_tokens=1, decoding=Decoding(ffn_active=0.1))
    assert trace.stored == {"ffn2": (24, 40), "shared.ffn2": (24, 10), "experts.ffn2": (24, 10), "up": (40, 24), "shared.up": (10, 24),
                            "experts.up": (10, 24)}


@pytest.mark.parametrize(("width", "ratio", "few"), [(40, 0.1, 4), (10, 0.3, 3), (10, 0.31, 4), (10, 1e-6, 1), (10, 1.0, 10)])
def test_active_neurons_are_rounded_up(width, ratio, few):
    assert active(width, ratio) == few

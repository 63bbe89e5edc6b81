import dataclasses

import pytest

from pimsim.asic.spec import AsicSpec
from pimsim.errors import InputError


def test_defaults_are_valid():
    assert AsicSpec().adders == 256


def test_spec_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        AsicSpec().adders = 1


def test_every_wrong_field_is_reported_at_once():
    with pytest.raises(InputError) as error:
        AsicSpec(adders=0, taylor_terms=1, datapath="fp16", power_w=float("nan"), chained=1, sram_bytes=1.5)
    keys = {p.key for p in error.value.problems}
    assert keys == {
        "asic.adders",
        "asic.taylor_terms",
        "asic.datapath",
        "asic.power_w",
        "asic.chained",
        "asic.sram_bytes",
    }


def test_wrong_choice_names_the_nearest():
    with pytest.raises(InputError, match="asic.range_reduction: unknown choice 'splitt'; did you mean 'split'"):
        AsicSpec(range_reduction="splitt")


def test_boolean_is_not_a_number():
    with pytest.raises(InputError, match="asic.newton_steps: True is not allowed; a whole number, 0 to 64"):
        AsicSpec(newton_steps=True)


@pytest.mark.parametrize(("datapath", "size"), [("bf16", 2), ("fp32", 4)])
def test_intermediate_size_follows_the_datapath(datapath, size):
    assert AsicSpec(datapath=datapath).element_bytes == size


@pytest.mark.parametrize("name", ["taylor_terms", "halvings", "newton_steps", "invsqrt_newton_steps"])
def test_more_terms_or_steps_than_anyone_could_mean_are_refused(name):
    with pytest.raises(InputError, match=f"asic.{name}: 1000000000 is not allowed; a whole number, . to 64"):
        AsicSpec(**{name: 10**9})

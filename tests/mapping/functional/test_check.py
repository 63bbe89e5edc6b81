"""What a check says of results that are right, a little off, wrong, or not there."""

from dataclasses import replace

import numpy as np
import pytest

from pimsim.mapping.functional.check import Check, Stored, errors

from .conftest import Machine, attention_block, config, matvec_block, trace_of


def machine(outputs: int = 20, inputs: int = 100, bias: bool = True, *more: str) -> Machine:
    return Machine.of(trace_of([(1, matvec_block(outputs, inputs, bias))]), config(2, 4, 4, *more))


def stored(made: Machine) -> Stored:
    op, numbers = made.trace.steps[0].blocks[0].operators[0], made.functional.numbers
    return Stored(numbers.matrix(0, op), numbers.bias(0, op))


def checks(made: Machine, **changes) -> list[Check]:
    """The checks of the machine's product after its outcome has been changed."""
    op = made.trace.steps[0].blocks[0].operators[0]
    outcome = made.run()[0]
    for name, change in changes.items():
        value = getattr(outcome, name)
        setattr(outcome, name, change(value.copy()) if isinstance(value, np.ndarray) else change)
    return made.check(op, outcome, stored(made))


def test_a_product_has_a_check_of_its_sums_and_one_of_what_the_asic_makes_of_them():
    assert [(c.name, c.kind, c.unit, c.ok) for c in checks(machine())] == [
        ("w", "matvec", "memory", True), ("w_sum", "partial_sum", "asic", True)]


def test_one_chunk_and_a_bias():
    assert [c.kind for c in checks(machine(inputs=64))] == ["matvec", "bias"]


def test_one_chunk_without_bias_needs_no_asic():
    assert [c.kind for c in checks(machine(inputs=64, bias=False))] == ["matvec"]


def test_one_bit_of_a_sum_is_noticed():
    def last_bit(sums):
        sums[3, 0] = np.nextafter(sums[3, 0], np.float32(np.inf))
        return sums

    first = checks(machine(), sums=last_bit)[0]
    assert not first.ok and first.equal is False and first.fault == "differs from numpy in the same order"


def test_a_large_error_is_above_the_bound():
    first = checks(machine(), sums=lambda sums: sums + 0.1)[0]
    assert first.fault == "differs from numpy in the same order, error above the bound"
    assert first.max_abs_error == pytest.approx(0.2, abs=1e-5) and first.tolerance_used > 1


def test_a_wrong_bias_is_noticed():
    made = machine()
    bias = stored(made).bias
    second = checks(made, value=lambda value: value - bias)[1]
    assert second.fault == "error above the bound" and second.equal is None


def test_what_is_not_a_number_is_no_result():
    first = checks(machine(), sums=lambda sums: sums * np.nan)[0]
    assert not first.ok and first.fault == "not a number" and first.max_abs_error is None


def test_a_fault_has_no_errors():
    (only,) = checks(machine(), fault="channel 1: lost")
    assert (only.ok, only.fault, only.unit, only.max_abs_error) == (False, "channel 1: lost", "memory", None)


def test_errors_are_relative_to_the_largest_element():
    found = errors(np.array([4.0, 0.1]), np.array([4.0, 0.0]), np.array([1.0, 0.2]))
    assert found == {"max_abs_error": 0.1, "max_rel_error": 0.025, "tolerance": 1.0, "tolerance_used": 0.5}


def test_without_tolerance_any_error_is_too_much():
    assert errors(np.array([1.0]), np.array([1.0]), np.zeros(1))["tolerance_used"] == 0
    assert errors(np.array([1.5]), np.array([1.0]), np.zeros(1))["tolerance_used"] == np.inf


@pytest.mark.parametrize("wrong", [0, 3])
def test_an_append_is_right_if_no_cell_is_wrong(wrong):
    made = Machine.of(trace_of([(1, attention_block(1, 2, 2, 8))]), config(2, 4, 4))
    op = made.trace.steps[0].blocks[0].operators[0]
    (only,) = made.check(op, replace(made.run(live=[0])[0], wrong_cells=wrong), Stored())
    assert only.ok is (wrong == 0) and ("3 cells" in only.fault) is (wrong == 3)

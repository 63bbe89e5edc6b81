
import subprocess
import sys

import pytest

from pimsim.asic.arithmetic import evaluate, to_bf16
from pimsim.asic.latency import cost
from pimsim.asic.operation import OPERATIONS, operation
from pimsim.asic.spec import AsicSpec
from pimsim.errors import InputError


def test_one_function_adds_an_operation():
    @operation("cube")
    def cube(d, x):
        return d.multiply(d.multiply(x, x), x)

    try:
        assert evaluate(AsicSpec(), "cube", [1.5])[0] == to_bf16(1.5**3)
        assert cost(AsicSpec(), "cube", 128).cycles == 2 * (1 + AsicSpec().multiply_depth)
    finally:
        del OPERATIONS["cube"]


def test_importing_the_arithmetic_alone_registers_the_operations():
    code = "from pimsim.asic.arithmetic import evaluate; from pimsim.asic.spec import AsicSpec; "
    code += "assert evaluate(AsicSpec(), 'relu', [-1.0, 2.0]).tolist() == [0.0, 2.0]"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_kind_is_registered_once():
    with pytest.raises(ValueError, match="'gelu' is registered twice"):
        operation("gelu")(lambda d, x: x)


def test_a_shared_input_must_be_an_input():
    with pytest.raises(ValueError, match="not all of"):
        operation("shared", shared=("gain",))(lambda d, x: x)


def test_an_unknown_kind_names_the_nearest():
    with pytest.raises(InputError, match="the ASIC has no operation 'layernrm'; did you mean 'layernorm'"):
        cost(AsicSpec(), "layernrm", 1, 8)

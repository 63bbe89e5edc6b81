"""Names and sizes of number formats."""

from __future__ import annotations

import pytest

from pimsim.model.dtype import BITS, canonical, size_bytes


@pytest.mark.parametrize(
    ("word", "short"),
    [("bfloat16", "bf16"), ("torch.float16", "fp16"), ("float32", "fp32"), ("BF16", "bf16"), ("float8_e4m3fn", "fp8")],
)
def test_long_names_are_understood(word: str, short: str) -> None:
    assert canonical(word) == short


@pytest.mark.parametrize("word", ["bf17", "", "int3", "double"])
def test_unknown_name_is_none(word: str) -> None:
    assert canonical(word) is None


@pytest.mark.parametrize("name", BITS)
def test_short_names_stand_for_themselves(name: str) -> None:
    assert canonical(name) == name


def test_sizes_are_packed_and_rounded_up() -> None:
    assert [size_bytes(n, "int4") for n in (1, 2, 3)] == [1, 1, 2]
    assert size_bytes(3, "bf16") == 6

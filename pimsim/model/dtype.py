"""Number formats by name, because tensor sizes depend on their width and every input spells them differently.

pimsim names them in the short form (``bf16``); the long forms of PyTorch and safetensors are accepted as aliases.
Sub-byte formats are packed: a tensor of n elements takes ceil(n * bits / 8) bytes. Scales of quantised groups are not
counted.
"""

from __future__ import annotations

BITS: dict[str, int] = {
    "fp32": 32,
    "bf16": 16,
    "fp16": 16,
    "fp8": 8,
    "int8": 8,
    "int4": 4,
}

ALIASES: dict[str, str] = {
    "float32": "fp32",
    "float": "fp32",
    "f32": "fp32",
    "bfloat16": "bf16",
    "float16": "fp16",
    "half": "fp16",
    "f16": "fp16",
    "float8_e4m3fn": "fp8",
    "float8_e5m2": "fp8",
    "uint8": "int8",
}


def canonical(name: str) -> str | None:
    """Return the short name of dtype ``name`` (``torch.bfloat16`` -> ``bf16``), or None if nobody knows it."""
    short = name.strip().lower().removeprefix("torch.")
    short = ALIASES.get(short, short)
    return short if short in BITS else None


def size_bytes(elements: int, dtype: str) -> int:
    """Bytes that ``elements`` numbers of ``dtype`` take, packed."""
    return (elements * BITS[dtype] + 7) // 8

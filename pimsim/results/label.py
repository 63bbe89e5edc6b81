"""Names and numbers for people: what the keys of a summary are called, and amounts with three digits."""

from __future__ import annotations

from pimsim.units import human

LABELS = {
    "activate": "activate/precharge", "buffer_fill": "buffer fill", "result_read": "result read", "v_append": "V append",
    "asic": "ASIC", "mode": "mode register", "read": "read", "write": "write", "mac": "MAC", "io": "pin I/O",
    "active_standby": "standby, rows open", "precharged_standby": "standby, closed", "pim": "PIM", "npu": "NPU",
    "internal": "in the banks", "external": "over the pins",
}  # fmt: skip
"""Names of summary keys; others are shown with their underscores as spaces."""


def label(key: str) -> str:
    """What a key of a summary is called."""
    return LABELS.get(key, key.replace("_", " "))


def amount(value: float, unit: str) -> str:
    """Three digits and a prefix, zeros kept so that columns line up: "1.10 J"."""
    number, unit = human(value, unit).split(" ", 1)
    if value and len(number) < 3:
        number += "."
    return f"{number:0<4} {unit}" if "." in number else f"{number} {unit}"


def percent(share: float) -> str:
    """A share for people: "12.3 %"."""
    return f"{100 * share:.1f} %" if share < 0.995 or share > 0.9999 else f"{100 * share:.2f} %"


def rate(value: float) -> str:
    """A number of something a second: whole from 1,000 on."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"

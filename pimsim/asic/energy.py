"""Energy of the ASIC: its published power over time. No energies per operation were published."""

from __future__ import annotations

from pimsim.asic.spec import AsicSpec
from pimsim.errors import SimulationError


def energy_j(spec: AsicSpec, elapsed_s: float, busy_s: float) -> float:
    """Joules over a run of ``elapsed_s`` seconds of which the ASIC computed for ``busy_s``.

    ``asic_power: always-on`` charges the power for the whole run, as nothing says that the chip can be gated;
    ``when-busy`` only while it computes (a lower bound: an idle ASIC then costs nothing, leakage included).
    Raises :class:`SimulationError` unless 0 <= busy_s <= elapsed_s.
    """
    if not 0 <= busy_s <= elapsed_s:
        raise SimulationError(f"the ASIC was busy for {busy_s} s of a run of {elapsed_s} s")
    return spec.power_w * (elapsed_s if spec.asic_power == "always-on" else busy_s)

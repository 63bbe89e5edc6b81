import pytest

from pimsim.asic.energy import energy_j
from pimsim.asic.spec import AsicSpec
from pimsim.errors import SimulationError


def test_always_on_charges_the_whole_run():
    assert energy_j(AsicSpec(asic_power="always-on"), 2.0, 0.5) == pytest.approx(2 * 0.30459)


def test_when_busy_charges_the_busy_time():
    assert energy_j(AsicSpec(asic_power="when-busy"), 2.0, 0.5) == pytest.approx(0.5 * 0.30459)


@pytest.mark.parametrize(("elapsed_s", "busy_s"), [(1.0, 1.5), (1.0, -0.1), (float("nan"), 0.0)])
def test_impossible_times_are_refused(elapsed_s, busy_s):
    with pytest.raises(SimulationError):
        energy_j(AsicSpec(), elapsed_s, busy_s)

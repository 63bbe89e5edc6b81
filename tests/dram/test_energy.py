"""Energy from currents, against DRAMsim3's own totals.

``tests/reference/dram/energy.csv``: counts, cycles and energies printed by DRAMsim3 2981759 in the ``ds3_fr32`` runs. Its energies are in
V mA cycles although labelled pJ: times the clock period in ns they are pJ (its issues 18 and 49).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from pimsim.config import load_dram
from pimsim.dram import commandlog
from pimsim.dram.compile import complete_timing
from pimsim.dram.energy import Activity, CommandEnergy, Currents, command_energy, energy_j
from pimsim.dram.standards import for_policy, standard
from pimsim.errors import InputError

REFERENCE = Path(__file__).parents[1] / "reference" / "dram"
PARTS = {"gddr6": "gddr6-8gb-x16-14000", "hbm2": "hbm2-4gb-2000"}
COMPONENTS = ("activate", "read", "write", "refresh", "active_standby", "precharged_standby")

with (REFERENCE / "energy.csv").open() as _file:
    RUNS = {row["run"]: row for row in csv.DictReader(_file)}


@dataclass(frozen=True)
class Idd:
    """Currents of one device in A, at VDD in V."""

    VDD: float = 1.2
    IDD0: float = 0.065
    IDD2N: float = 0.040
    IDD3N: float = 0.055
    IDD4R: float = 0.390
    IDD4W: float = 0.500
    IDD5AB: float = 0.250
    IDD5PB: float | None = None


TIMING = {"tRAS": 35, "tRP": 13, "BL": 2, "tRFCab": 259, "tRFCpb": 160}
NS = 1e-9


def energies(currents: Currents | None = None, **options: object) -> CommandEnergy:
    return command_energy(currents or Idd(), TIMING, NS, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("run", RUNS)
def test_components_are_those_of_dramsim3(run: str) -> None:
    row = RUNS[run]
    memory = load_dram(PARTS[run.split("__")[0]]).memory
    timing = complete_timing(for_policy(standard(memory.standard), "dramsim3-fr32"), memory.timing_cycles)
    clock_s = int(row["clock_ps"]) * 1e-12
    assert memory.currents is not None
    each = command_energy(memory.currents, timing, clock_s, devices=memory.devices)
    activity = Activity(activates=int(row["activates"]), precharges=int(row["precharges"]), reads=int(row["reads"]),
                        writes=int(row["writes"]), refreshes=int(row["refreshes"]), active_ticks=int(row["active_cycles"]),
                        precharged_ticks=int(row["idle_cycles"]))
    ours = energy_j(each, activity, clock_s)
    true_joules = {c: float(row[c]) * clock_s * 1e-3 for c in COMPONENTS}  # V mA cycles
    assert ours == pytest.approx(true_joules, rel=1e-9)
    assert sum(ours.values()) == pytest.approx(float(row["total"]) * clock_s * 1e-3, rel=1e-9)


def test_dramsim3s_active_cycles_are_those_of_its_command_log() -> None:
    """So that standby can be computed from a log: a rank is active from an ACT to the PRE of its last open bank."""
    run = "hbm2__ds3_fr32__mixed_rw"
    log = commandlog.read(REFERENCE / "commands" / f"{run}.csv.gz", ("ACT", "PRE", "RD", "WR", "REFab"))
    step = np.select([log.rows[:, commandlog.COMMAND] == 0, log.rows[:, commandlog.COMMAND] == 1], [1, -1], 0)
    cycles = log.rows[:, commandlog.CYCLE]
    active = np.diff(cycles, append=int(RUNS[run]["cycles"]))[np.cumsum(step) > 0].sum()
    assert active == int(RUNS[run]["active_cycles"])


def test_an_activation_covers_its_precharge_by_dramsim3s_formula() -> None:
    each = energies()
    assert each.activate == pytest.approx(1.2 * (65 * 48 - 55 * 35 - 40 * 13) * 1e-12)
    assert each.precharge == 0.0


def test_drampower_keeps_activation_and_precharge_apart() -> None:
    each = energies(formula="drampower")
    assert each.activate == pytest.approx(1.2 * (65 - 55) * 35e-12)
    assert each.precharge == pytest.approx(1.2 * (65 - 40) * 13e-12)


def test_both_formulas_agree_on_an_activation_with_its_precharge() -> None:
    split = energies(formula="drampower")
    assert split.activate + split.precharge == pytest.approx(energies().activate)


def test_standby_has_two_states_with_a_bankwise_factor_of_one() -> None:
    each = energies(formula="drampower")
    assert (each.active_w, each.precharged_w, each.bank_active_w) == pytest.approx((1.2 * 0.055, 1.2 * 0.040, 0.0))


def test_standby_grows_with_open_banks_with_a_bankwise_factor_below_one() -> None:
    each = energies(formula="drampower", bankwise=0.5, banks=16)
    shared = 0.5 * (0.055 - 0.040) + 0.040
    one_open = (0.055 + 15 * shared) / 16
    assert each.active_w == pytest.approx(1.2 * shared)
    assert each.bank_active_w == pytest.approx(1.2 * (one_open - shared))
    assert each.active_w + 16 * each.bank_active_w == pytest.approx(1.2 * 0.055)  # all banks open: IDD3N


def test_energies_scale_with_the_devices_of_a_rank() -> None:
    one, eight = energies(), energies(devices=8)
    for name in CommandEnergy.__slots__:
        assert getattr(eight, name) == pytest.approx(8 * getattr(one, name))


def test_a_per_bank_refresh_costs_its_current_or_a_banks_share() -> None:
    assert energies(replace(Idd(), IDD5PB=0.155)).refresh_bank == pytest.approx(1.2 * (155 - 55) * 160e-12)
    assert energies(banks=16).refresh_bank == pytest.approx(energies().refresh / 16)


@pytest.mark.parametrize(("change", "message"), [
    ({"IDD0": 0.050}, "activate would take -54.0 pJ: the currents contradict one another; compare IDD0 over tRC"),
    ({"IDD4R": 0.050}, "read would take -12.0 pJ: the currents contradict one another; compare IDD4R against IDD3N"),
    ({"IDD4W": 0.050}, "write would take"),
    ({"IDD5AB": 0.050}, "refresh would take"),
    ({"IDD5PB": 0.005}, "refresh_bank would take"),
])
def test_a_negative_energy_is_refused_naming_the_currents(change: dict[str, float], message: str) -> None:
    with pytest.raises(InputError) as error:
        energies(replace(Idd(), **change))
    assert message in str(error.value)


def test_internal_reads_cost_a_column_read_each_and_appear_only_then() -> None:
    each = energies()
    assert "compute" not in energy_j(each, Activity(reads=5), NS)
    assert energy_j(each, Activity(internal_reads=3 * 16), NS)["compute"] == pytest.approx(48 * each.read)


def test_an_all_bank_activation_is_as_many_as_it_has_banks() -> None:
    each = energies()
    assert energy_j(each, Activity(activates=16), NS)["activate"] == pytest.approx(16 * each.activate)

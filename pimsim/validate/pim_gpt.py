"""PIM-GPT (arXiv 2310.09385): its eight models against closed forms, bounds and what is known of the paper's figures."""

from __future__ import annotations

from collections.abc import Iterator

from pimsim import api
from pimsim.compare.matrix import cell
from pimsim.compare.paper import KEYS, Line
from pimsim.compare.papers import PLANS
from pimsim.validate.closed_form import CAUSES
from pimsim.validate.figure import Figure, at_least, between, within
from pimsim.validate.group import Notify
from pimsim.validate.pim_gpt_run import MODELS, TOKENS, command, measure, predicted
from pimsim.validate.reference import table

PAPER = "PIM-GPT, arXiv 2310.09385"
CLOSED = "closed form (docs/validation.md)"
BOUND = "derived from PIM-GPT's configuration (reference/pim_gpt_bound.csv)"
LARGE = ("gpt2-large", "gpt2-xl", "gpt3-large", "gpt3-xl")
SLOW_ASIC, PIPELINED, CHAINED = "asic.clock=100 MHz", "system.overlap=pipelined", "asic.chained=true"
ASIC_REASON = ("1.16 % of GPT-3 XL's 47 us a layer and token is 545 cycles; GELU alone starts 139,264 multiplications on 128 "
               "multipliers, 1,088 cycles")  # fmt: skip


def figures(notify: Notify) -> Iterator[Figure]:
    """Every figure of the group."""
    for model in MODELS:
        notify(f"{model}: {TOKENS:,} tokens and the closed forms")
        yield from times(model)
        yield from causes(model)
        yield from traffic(model)
    notify("pim-gpt: over GPU and CPU")
    yield from baselines()
    for part in (waiting, slow_asic, mac_energy, channels, activation, mac_delay):
        notify(f"pim-gpt: {part.__name__.replace('_', ' ')}")
        yield from part()


def paper(quantity: str) -> tuple[float, float]:
    """The lowest and highest value that the paper gives for a quantity."""
    row = next(row for row in table("pim_gpt_paper") if row["quantity"] == quantity)
    return float(row["low"]), float(row["high"])


def times(model: str) -> Iterator[Figure]:
    """The time of a run, over its bounds."""
    row = next(row for row in table("pim_gpt_bound") if row["model"] == model)
    time_s = measure(model).time_s
    bound_s = float(row["attention_us"]) * TOKENS / 1e6
    floor_s = (float(row["refresh_us"]) + float(row["attention_us"]) - float(row["mac_us"])) * TOKENS / 1e6
    shown = command(model, key=".time_s")
    yield Figure(f"{model}: time of 1,024 tokens, over the bound of the MACs", BOUND, time_s, bound_s, "s", at_least(bound_s),
                 command=shown)
    yield Figure(f"{model}: time over MACs, rows and refresh", BOUND, time_s / floor_s, "1.1 to 1.7", "x", between(1.1, 1.7),
                 between(1.7, 2.0),
                 "what the bound leaves out (ASIC, buffer fills, V append, half-filled rows) is most in the smallest model; each is "
                 "held to its closed form", shown)  # fmt: skip


def causes(model: str) -> Iterator[Figure]:
    """Where the time went, cause by cause, against its closed form."""
    ours, reference = measure(model).ticks, predicted(model)
    for cause in (*CAUSES, "total"):
        yield Figure(f"{model}: {cause.replace('_', ' ')}", CLOSED, ours[cause], reference[cause], "cycles",
                     within(reference[cause], 0.02), command=command(model, key=".cycles_by_cause"))


def traffic(model: str) -> Iterator[Figure]:
    """Row hits, power, bytes over the pins."""
    facts, hits, watts = measure(model).facts, paper("row_hit_rate")[0], paper("power")[0]
    shown = command(model, key=".row_hit_rate")
    if model in LARGE:
        yield Figure(f"{model}: row-hit rate", PAPER, facts["row_hit_rate"], hits, "", at_least(0.97), command=shown)
    else:
        yield Figure(f"{model}: row-hit rate", PAPER, facts["row_hit_rate"], hits, "", command=shown,
                     reason="expected of the large models: rows of 48 columns, and V's one write a row, cost a small one more")
    yield Figure(f"{model}: power", f"{PAPER}: speed-up over efficiency, a T4 at 70 W", facts["power_w"], watts, "W",
                 reason="follows the energy of a MAC (see the variants) and the currents of another GDDR6 part; the paper's are not known",
                 command=command(model, key=".power_w"))
    yield Figure(f"{model}: data moved, conventional over PIM-GPT", PAPER, facts["data_movement_reduction"],
                 "{:g} to {:g}".format(*paper("data_movement_reduction")), "x",
                 reason="what the paper counts is not known; here every channel's copy of an operand counts, and 32 B an element of V",
                 command=command(model, key=".data_movement_reduction"))


def baselines() -> Iterator[Figure]:
    """Speed and energy efficiency over the paper's GPU and CPU, lowest and highest of the eight models, under each assumption."""
    for line in _lines():
        for name, theirs, ours in line.pairs:
            yield Figure(f"{line.claim.what} over {line.claim.over}, {name}: {line.setting.assumption}", PAPER, ours, theirs, "x",
                         reason="what the paper ran on its GPU and CPU is not known: a row for each assumption (docs/baselines.md)",
                         command="pimsim compare --paper pim-gpt")


def _lines() -> Iterator[Line]:
    machines = {}
    for _, claim, setting in PLANS["pim-gpt"].claims:
        ratios = {}
        for model in MODELS:
            if (setting, model) not in machines:
                machines[setting, model] = cell(api.run(setting.system, model, overrides=setting.overrides).summary())
            ratios[model] = getattr(cell(measure(model).facts), KEYS[claim.what]) / getattr(machines[setting, model], KEYS[claim.what])
        yield Line(claim, setting, ratios)


def waiting() -> Iterator[Figure]:
    """The share of the time in which the memory waits for the ASIC, GPT-3 XL."""
    for name, overrides in (("overlap none", ()), ("pipelined", (PIPELINED,)), ("pipelined, chained units", (PIPELINED, CHAINED))):
        share = measure("gpt3-xl", *overrides).facts["share_by_cause"]["asic"]
        yield Figure(f"gpt3-xl: memory waits for the ASIC, {name}", f"{PAPER}: time not in matrix-vector products", 100 * share,
                     100 * paper("other_share_gpt3_xl")[0], "%", reason=ASIC_REASON,
                     command=command("gpt3-xl", *overrides, key=".share_by_cause.asic"))


def slow_asic() -> Iterator[Figure]:
    """The ASIC at a tenth of its clock."""
    for model, overlap in (("gpt2-small", ()), ("gpt2-xl", ()), ("gpt3-xl", ()), ("gpt3-xl", (PIPELINED,))):
        slow = measure(model, SLOW_ASIC, *overlap).time_s / measure(model, *overlap).time_s
        yield Figure(f"{model}: ASIC at 100 MHz over 1 GHz{', pipelined' if overlap else ''}", PAPER, slow,
                     "at most {:g}".format(paper("slowdown_asic_100_mhz")[1]), "x",
                     reason="nine times the wait for the ASIC comes on top: 1.16 % would make it 1.10, what its operations take does not",
                     command=command(model, SLOW_ASIC, *overlap, key=".time_s"))


def mac_energy() -> Iterator[Figure]:
    """Power under other rules for the energy of an all-bank MAC."""
    for reads, author in ((3, "CENT"), (4, "NeuPIMs")):
        override = f"pim.mac_energy={reads}x-read"
        yield Figure(f"gpt3-xl: power, a MAC of all banks costs {reads} reads", f"{PAPER}: speed-up over efficiency, a T4 at 70 W",
                     measure("gpt3-xl", override).facts["power_w"], paper("power")[0], "W",
                     reason=f"the rule of {author}; PIM-GPT adds the current of its MACs to a read of every bank",
                     command=command("gpt3-xl", override, key=".power_w"))


def channels() -> Iterator[Figure]:
    """Speed with the number of channels; GPT-3 large, since neither GPT-2 large nor a larger model fits into four."""
    base = measure("gpt3-large", "memory.channels=4").time_s
    for count in (8, 16):
        override = f"memory.channels={count}"
        yield Figure(f"gpt3-large: speed of {count} channels over 4", f"{PAPER}: near linear",
                     base / measure("gpt3-large", override).time_s, count / 4, "x",
                     reason="the ASIC's work and the filling of each channel's buffer take as long with any number of channels",
                     command=command("gpt3-large", override, key=".time_s"))


def activation() -> Iterator[Figure]:
    """All banks opened by one command, or four at a time under tFAW."""
    override = "pim.all_bank_act=faw"
    for model in ("gpt2-xl", "gpt3-xl"):
        yield Figure(f"{model}: banks opened under tFAW over all at once", f"{PAPER}: says nothing of it",
                     measure(model, override).time_s / measure(model).time_s, "-", "x",
                     reason="16 activations, four every tFAW, open a row 63 ns later; a full row takes 93 ns otherwise",
                     command=command(model, override, key=".time_s"))


def mac_delay() -> Iterator[Figure]:
    """A MAC behind its activation as late as on GDDR6-AiM."""
    override = "memory.timing.tRCDMAC=28 ns"
    yield Figure("gpt3-xl: tRCD of a MAC 28 ns over 12 ns", "AiM simulator 0f28a07: 28 ns",
                 measure("gpt3-xl", override).time_s / measure("gpt3-xl").time_s, "-", "x",
                 reason="the paper's 12 ns is known from memory only; a full row takes 109 ns with AiM's value, 93 ns without",
                 command=command("gpt3-xl", override, key=".time_s"))

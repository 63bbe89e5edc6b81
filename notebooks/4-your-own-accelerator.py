# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4. Your own accelerator
#
# A new system from YAML, a new mapping from Python. The question: PIM-GPT waits for its ASIC up to a fifth of the time. What if GELU moved
# into the banks, as a table?

# %%
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import pimsim
from pimsim.config import load
from pimsim.mapping.geometry import ceil_div
from pimsim.mapping.pim_gpt import PimGptMapping
from pimsim.mapping.program import ProgramBuilder
from pimsim.model.lowering import lower_workload
from pimsim.results.pim_gpt.time import by_operator, seconds
from pimsim.sim.run import build, simulate

# %% [markdown]
# ## The system, from YAML
#
# It takes the parts of PIM-GPT and changes what is different; `pimsim show FILE` prints what comes of it, every number with its source.

# %%
system = Path(mkdtemp()) / "edge.yaml"
system.write_text("""\
description: a PIM-GPT for a laptop, four faster channels

kind: pim-gpt
mapping: pim-gpt
memory:
  part: gddr6-pim
  channels: 4
  pin_rate: 20 Gb/s     # assumed: GDDR6 as it ships in 2024
asic:
  part: pim-gpt-28nm
  clock: 500 MHz        # assumed: half the power budget
""")
edge = pimsim.run(system, "gpt2-medium", **{"workload.output_tokens": 64})
edge

# %%
edge.plot("causes")

# %% [markdown]
# The ASIC holds things up in two places: the softmax that `attend` waits for, and GELU, which is charged to `ffn2`.
#
# ## A mapping, from Python
#
# A mapping turns operators into tasks. This one takes PIM-GPT's and replaces those of GELU: each bank holds slope and intercept of 64
# intervals in a row of its own; an element costs one column access there, and nothing on the ASIC.


# %%
class TableGelu(PimGptMapping):
    """GELU by table look-up in the banks."""

    def tasks(self, block, step):
        out = super().tasks(block, step)
        for number, task in enumerate(out.tasks):
            if task.category == "gelu":
                elements = block.operators[task.operator].rows
                each = ceil_div(elements, self.memory.channels * self.memory.banks)
                program = self.library.get(("table", each), lambda p, each=each: self.look_up(p, each))
                out.tasks[number] = replace(task, programs=(program,) * self.memory.channels, row=8191, duration=0)
        return out

    def look_up(self, p: ProgramBuilder, elements: int) -> None:
        p.command(self.commands.activate_all, row=0, boundary=True)
        for first in range(0, elements, self.memory.columns):
            p.command(self.commands.mac_all, row=0, count=min(elements - first, self.memory.columns))
        p.command(self.commands.result_read, count=elements)


# %%
config, workload = load(system, "gpt2-medium", ["workload.output_tokens=64"])
trace = lower_workload(workload)


def times(mapping=None):
    made = build(config, trace)
    if mapping is not None:
        old = made.mapping
        made = replace(made, mapping=mapping(old.programs, old.asic, old.overlap, old.placement, old.capacity))
    run = simulate(config, trace, workload=workload, system=made)
    return {name: seconds(run, ticks) for name, ticks in by_operator(run).items()}


before, after = times(), times(TableGelu)

# %%
import pandas as pd

from pimsim import plot
from pimsim.plot import Choice
from pimsim.plot.table import make

both = {"ASIC": before, "table in the banks": after}
rows = pd.DataFrame([{"mapping": name, "operator": operator, "time_s": spent}
                     for name, run in both.items() for operator, spent in run.items()])  # fmt: skip
table = make("GELU on the ASIC and in the banks", rows, {"axes": ["mapping", "operator"]})
plot.draw_sweep(table, "bar", Choice(x="operator", by="mapping"))

# %%
print(f"{sum(before.values()) * 1e3:.2f} ms -> {sum(after.values()) * 1e3:.2f} ms, GELU {before['gelu'] / after['gelu']:.1f} times quicker")

# %% [markdown]
# What is missing before this is more than an idea: that the table computes GELU well enough (a functional companion, `pimsim verify`),
# what writing it costs, and its energy. [Add a mapping](../docs/add-a-mapping.md) says how these become part of it.

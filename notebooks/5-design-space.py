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
# # 5. A design-space study
#
# How many channels, how fast an ASIC, how fast pins? Every combination for GPT-2 medium, and the designs that no other beats in both
# time and energy. The points are kept in pimsim's cache: interrupt it, change an axis, run it again, and only what is new is simulated.

# %%
import pimsim
from pimsim import plot
from pimsim.plot import Choice

study = {
    "system": "pim-gpt",
    "workload": "gpt2-medium",
    "axes": {
        "memory.channels": [4, 8, 16, 32],
        "asic.clock": ["250 MHz", "500 MHz", "1 GHz"],
        "memory.pin_rate": ["12 Gb/s", "16 Gb/s", "20 Gb/s"],
        "workload.output_tokens": 64,
    },
    "baseline": {"memory.channels": 8, "asic.clock": "1 GHz", "memory.pin_rate": "16 Gb/s"},
    "objectives": {"time_s": "min", "energy_j.total": "min"},
}
points = pimsim.sweep(study)
design = ["memory.channels", "asic.clock", "memory.pin_rate"]
points.table()[[*design, "time_s", "energy_j.total", "speedup", "pareto"]].head(8)

# %% [markdown]
# ## The front
#
# Designs below and left of which there is nothing. Which one is best is for you to say; the others are not.

# %%
plot.draw_sweep(points, "pareto")

# %%
points.pareto().table()[[*design, "time_s", "energy_j.total", "power_w"]]

# %% [markdown]
# ## What matters most
#
# Each axis by itself, around the middle of the space.

# %%
plot.draw_sweep(points, "tornado", Choice(y="time_s"))

# %% [markdown]
# ## Two axes at a time

# %%
pins = {"memory.pin_rate": "16 Gb/s"}
plot.draw_sweep(points, "heatmap", Choice("memory.channels", "time_s", "asic.clock", where=pins))

# %%
plot.draw_sweep(points, "line", Choice("memory.channels", "energy_j.total", "asic.clock", where=pins))

# %% [markdown]
# ## One point of the front, in full
#
# The table knows where the run of each point is.

# %%
fastest = points.run(int(points.loc[points["time_s"].idxmin(), "point"]))
fastest

# %%
fastest.plot("causes")

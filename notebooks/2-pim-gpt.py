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
# # 2. PIM-GPT: speed-up, energy, breakdown, sensitivity
#
# The figures of the paper (arXiv 2310.09385), simulated. It prints ranges, no single bars; the ranges are drawn where it gives them. Points
# are run once and kept in pimsim's cache, so that this notebook is quick the second time.

# %%
import pandas as pd

import pimsim
from pimsim import plot
from pimsim.plot import Choice
from pimsim.validate.reference import table

MODELS = [f"{family}-{size}" for family, sizes in
          (("gpt2", ("small", "medium", "large", "xl")), ("gpt3", ("small", "medium", "large", "xl"))) for size in sizes]  # fmt: skip
METRICS = ["time_s", "tokens_per_s", "energy_j", "energy_per_token_j", "power_w", "share_by_cause"]
paper = {row["quantity"]: (float(row["low"]), float(row["high"])) for row in table("pim_gpt_paper")}

# %% [markdown]
# ## Speed-up over a GPU and a CPU
#
# The T4 and the Xeon are modelled, not measured. The grey bands are the ranges that the paper reports, of the GPU below, of the CPU
# above: where a bar does not reach its band, the modelled machine is quicker than the paper's was, or our PIM-GPT is slower than theirs.

# %%
systems = ["pim-gpt", "gpu-t4", "cpu-xeon-6154"]
points = pimsim.sweep({"system": systems, "workload": MODELS, "metrics": METRICS})
points.table().pivot(index="workload", columns="system", values="tokens_per_s").loc[MODELS].round(1)


# %%
def gains(value: str, quantity: str):
    """How many times better PIM-GPT is than each of the others, beside the paper's range."""
    wide = points.table().pivot(index="workload", columns="system", values=value).loc[MODELS]
    rows = pd.DataFrame([
        {"workload": model, "system": f"over {other}", "gain": wide.loc[model, other] / wide.loc[model, "pim-gpt"]}
        for other in systems[1:] for model in MODELS])  # fmt: skip
    picture = plot.draw_sweep(rows, "bar", Choice(x="workload", y="gain", by="system"))
    axes = picture.figure.axes[0]
    axes.set_yscale("log")
    axes.set_title(f"PIM-GPT: {quantity}, and the paper's ranges", loc="left")
    axes.set_ylabel(f"{quantity} (x)")
    for key in ("t4", "xeon_6154"):
        low, high = paper[f"{'speedup' if quantity == 'speed-up' else 'efficiency'}_{key}"]
        axes.axhspan(low, high, color="#999999", alpha=0.25, linewidth=0)
    return picture


gains("time_s", "speed-up")

# %%
gains("energy_j.total", "energy efficiency")

# %% [markdown]
# ## Where the time goes
#
# The share of every cause, model by model.

# %%
own = points.table()[points["system"] == "pim-gpt"].set_index("workload").loc[MODELS]


def section(name: str):
    """The columns of a section of the summary that every model has, without its name."""
    columns = {c: c.removeprefix(f"{name}.") for c in own if c.startswith(f"{name}.")}
    return own[list(columns)].rename(columns=columns).dropna(axis=1)


(100 * section("share_by_cause")).round(1)

# %% [markdown]
# ## Energy by component

# %%
energy = section("energy_j")
(100 * energy.div(energy["total"], axis=0)).drop(columns="total").round(1)

# %% [markdown]
# ## Sensitivity: channels, ASIC clock, context
#
# More channels help as long as there are matrices to spread. The paper says that an ASIC of 100 MHz costs at most 20 %; here it costs much
# more, because the published datapath of 128 multipliers takes 1,088 cycles for the GELU of one layer of GPT-3 XL alone (docs: the ASIC).

# %%
two = {"system": "pim-gpt", "workload": ["gpt2-small", "gpt2-xl"], "metrics": METRICS}
channels = pimsim.sweep({**two, "axes": {"memory.channels": [8, 16, 32], "workload.output_tokens": 128}})
plot.draw_sweep(channels, "bar", Choice(x="memory.channels", baseline=("memory.channels", "8")))

# %%
frequencies = ["100 MHz", "200 MHz", "500 MHz", "1 GHz"]
clocks = pimsim.sweep({**two, "axes": {"asic.clock": frequencies, "workload.output_tokens": 128}})
plot.draw_sweep(clocks, "bar", Choice(x="asic.clock", baseline=("asic.clock", "1 GHz")))

# %%
contexts = pimsim.sweep({**two, "axes": {"workload.output_tokens": [128, 256, 512, 1024]}})
plot.draw_sweep(contexts, "line", Choice(x="workload.output_tokens", y="tokens_per_s"))

# %% [markdown]
# ## What nobody has verified
#
# Every unverified number behind the result, varied by 20 %: how far does the time move? The widest bars are the numbers worth checking
# first.

# %%
doubts = pimsim.sweep({"workload": "gpt2-small", "axes": {"workload.output_tokens": 16}}, unverified=0.2)
plot.draw_sweep(doubts, "tornado", Choice(y="time_s"))

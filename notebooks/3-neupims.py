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
# # 3. NeuPIMs: throughput, utilisation, ablation
#
# NeuPIMs (arXiv 2403.00579) puts an NPU in front of HBM whose banks compute, and gives every bank a second row buffer so that memory and
# PIM work at the same time. Three systems: the NPU alone, with PIM behind one row buffer, and NeuPIMs. One decoder layer, one
# iteration of decoding, 512 tokens of context for each request.

# %%
import pandas as pd

import pimsim
from pimsim import plot
from pimsim.plot import Choice

SYSTEMS = ["npu-only", "npu-pim", "neupims"]
METRICS = ["tokens_per_s", "time_s", "energy_per_token_j", "utilisation", "bandwidth", "share_by_cause"]

# %% [markdown]
# ## Throughput over the batch
#
# The paper reports 2.4x over the NPU alone and 1.6x over the blocked NPU+PIM on average over models, batches and data sets, growing
# with the batch.

# %%
block = {"workload": "gpt3-7b-block", "metrics": METRICS}
points = pimsim.sweep({**block, "system": SYSTEMS, "axes": {"workload.batch": [64, 128, 256]}})
plot.draw_sweep(points, "bar", Choice("workload.batch", "tokens_per_s", "system", baseline=("system", "npu-only")))

# %% [markdown]
# ## How busy are the units?

# %%
busy = points.table().set_index(["workload.batch", "system"])
busy = busy[["utilisation.npu", "utilisation.pim", "bandwidth.external_utilisation"]]
(100 * busy.sort_index()).round(1)

# %% [markdown]
# ## Why: what a layer does
#
# The FFN's GEMMs reach nine tenths of their bound, which is the bandwidth of the pins. Attention is what PIM takes away from the pins.

# %%
layer = pimsim.run("neupims", "gpt3-7b-block", **{"workload.batch": 256})
layer.plot("time")

# %%
layer.plot("roofline")

# %% [markdown]
# Seen from the memory, and seen from PIM: the same cycles, charged twice, since with two row buffers both go on at once.

# %%
layer.plot("causes")

# %% [markdown]
# ## Ablation: the second row buffer, and sub-batches
#
# With sub-batches, one half of the batch attends in the memory while the NPU multiplies for the other. The paper finds that this hurts
# small batches and pays from 256 on.

# %%
designs = {"one row buffer": ("npu-pim", "off"), "two": ("neupims", "off"), "two, sub-batches": ("neupims", "on")}


def measured(name: str):
    """Throughput of a design for a small and a large batch."""
    system, halves = designs[name]
    axes = {"workload.batch": [64, 256], "scheduler.sub_batches": [halves]}
    return pimsim.sweep({**block, "system": system, "axes": axes}).table().assign(design=name)


steps = pd.concat([measured(name) for name in designs])[["design", "workload.batch", "tokens_per_s"]]
ablation = plot.table.make("GPT3-7B", steps, {"axes": ["design", "workload.batch"]})
plot.draw_sweep(ablation, "bar", Choice("workload.batch", by="design", baseline=("design", "one row buffer")))

# %% [markdown]
# ## Serving requests
#
# Ten iterations of GPT3-7B from a warm batch of 64, with lengths like those of ShareGPT: one layer stands for the others, and iterations
# between simulated ones are interpolated. The result says what each approximation costs.

# %%
served = pimsim.run("neupims", "gpt3-7b-sharegpt")
served

# %%
served.facts["approximation"]

# %%
served.plot("utilisation")

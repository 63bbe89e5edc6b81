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
# # 1. A first run, and how to read it
#
# GPT-2 small writes 256 tokens on PIM-GPT (arXiv 2310.09385): eight channels of GDDR6 with a MAC unit in every bank, and a small ASIC for
# everything that is not a matrix-vector product.

# %%
import pimsim

result = pimsim.run("pim-gpt", "gpt2-small", **{"workload.output_tokens": 256})
result

# %% [markdown]
# Every number comes from simulated DRAM commands: so many of each were issued, on all channels.

# %%
result.commands

# %% [markdown]
# ## Where does the time go?
#
# The diamonds are roofline bounds: the least time that an operator could take. Weights are used once a token, so the matrices are as
# fast as the banks can read; what keeps them from their bound is not bandwidth.

# %%
result.plot("time")

# %% [markdown]
# Every cycle of a channel is charged to one cause. Opening and closing rows is what separates the matrices from their bound: a row holds
# 1,024 weights of a MAC unit, 64 accesses, and then comes the next one. `attend` waits for the softmax of the ASIC.

# %%
result.plot("causes")

# %% [markdown]
# ## How does it change over the context?
#
# Keys and values grow with every token. The steps are rows: a new token sometimes fills one, and then another one must be opened.

# %%
result.plot("latency")

# %%
result.plot("utilisation")

# %% [markdown]
# ## Where does the energy go?

# %%
result.plot("energy")

# %% [markdown]
# ## What if?
#
# Any value can be changed by its path. Without time between a row's opening and its first access, and back (physically impossible, but
# the question is what it costs), the same run takes:

# %%
quick = pimsim.run("pim-gpt", "gpt2-small",
                   **{"workload.output_tokens": 256, "memory.timing.tRCD": "1 ns", "memory.timing.tRP": "1 ns"})  # fmt: skip
print(f"{result.time_s * 1e3:.1f} ms -> {quick.time_s * 1e3:.1f} ms")

# %% [markdown]
# ## What is it built on?
#
# Every value of the configuration has a source. These are the ones that nobody has checked against their origin.

# %%
import pandas as pd

pd.DataFrame([(s.path, s.value, s.source) for s in result.unverified], columns=["number", "value", "source"]).head(10)

# %% [markdown]
# And these are the laws that this run has kept: a broken one would have been an error.

# %%
result.checks

"""Machines to compare with: a roofline over the same operator trace that the simulated systems run (docs/baselines.md).

:mod:`work` turns a trace into passes over kernels, :mod:`roofline` gives each kernel its time, :mod:`machine` adds the host, passes up to a
run and power; :mod:`fit` calibrates the constants on measured times, :mod:`bench` and :mod:`torch_bench` measure a GPU.
"""

"""Batched serving on a device with an NPU and PIM: the scheduler of :mod:`pimsim.schedule` around devices that simulate its iterations.

:mod:`.server` is the loop, a SimPy process for the arrivals and one for each tensor-parallel group; :mod:`.plan` says which stages an
iteration has; :mod:`.account` sums up what happened; :mod:`.approximate` stands in for iterations that are not simulated.
"""

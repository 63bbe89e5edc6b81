"""Comparison of systems.

:mod:`matrix`: speed-ups and energy efficiencies over workloads; :mod:`paper`: the papers' headline tables beside ours.
"""

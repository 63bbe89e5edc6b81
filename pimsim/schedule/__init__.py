"""Serving batches of requests: who runs in which iteration, in which channel, on which unit. No clock and no simulator.

:mod:`pimsim.schedule.iteration` is the scheduler, ``step(state, event) -> (state, actions)``; all that it decides with stands
in the other modules, each by itself.
"""

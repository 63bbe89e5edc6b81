"""The ASIC next to the PIM channels: what its vector operations compute and how long they take, without the clock.

Every operation is written once (:mod:`pimsim.asic.operations`) in terms of the primitives of
:class:`pimsim.asic.datapath.Datapath`. Running it on :class:`pimsim.asic.arithmetic.Arithmetic` gives numbers, on
:class:`pimsim.asic.recorder.Recorder` the schedule from which :mod:`pimsim.asic.latency` derives cycles and bytes. So
what is timed is what is computed.
"""

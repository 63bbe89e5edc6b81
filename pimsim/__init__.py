"""pimsim: a cycle-accurate, event-driven simulator of accelerators that compute inside DRAM.

Importing this package is cheap: nothing heavy is loaded until it is used.
"""

__version__ = "0.1.0"

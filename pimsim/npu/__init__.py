"""The NPU: systolic arrays and vector units, without the clock of the system around them."""

"""The memory controller: policies as data, the driver of its kernel, and the plain-Python controller that defines it."""

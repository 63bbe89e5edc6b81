"""What is reported of a serving run on a device with an NPU and PIM: summary, tables, energy, and the laws that it must keep."""

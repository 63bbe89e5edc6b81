"""PIM command sets, one file each: what is added to a DRAM standard to compute inside it."""

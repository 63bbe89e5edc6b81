"""The functional mode: the programs that are timed, run on real numbers and held against numpy."""

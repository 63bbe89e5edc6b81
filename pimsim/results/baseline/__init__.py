"""What is reported of a machine to compare with: the summary's keys are those of every kind of system (docs/results.md)."""

"""Tests of what the operations compute."""

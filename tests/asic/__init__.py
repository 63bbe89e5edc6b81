"""Tests of the ASIC; a package so that module names may repeat those of other folders."""

"""Figures that others have published or measured, beside what pimsim says: ``pimsim validate``.

A group of figures is a module of this package (``pimsim.validate.group``); the tables it checks against are CSV files in
``reference/``, each with its source on top, and ship with the package so that an installation can validate itself.
"""

"""How Sphinx builds the documentation: ``sphinx-build -W docs build/docs`` (extra ``docs``)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
sys.path.insert(0, str(Path(__file__).parents[1]))

import pimsim

project = "pimsim"
author = "the pimsim developers"
release = version = pimsim.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click", "schema_reference"]
exclude_patterns = ["_ext", "examples"]
smartquotes = False  # options begin with two hyphens
html_theme = "furo"
html_title = f"pimsim {release}"
html_show_copyright = False
myst_enable_extensions = ["attrs_block"]
myst_heading_anchors = 3
autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_use_ivar = True
suppress_warnings = ["myst.xref_missing"]  # links to files of the repository, which are pages of it and not of the documentation

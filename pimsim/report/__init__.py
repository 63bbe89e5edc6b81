"""The HTML report: a run or a sweep as one file that opens anywhere, offline, and says everything there is to know about it.

Tables sort when a heading is pressed; pictures are inline SVG; nothing is loaded from elsewhere, and equal results give equal files.
"""

from pimsim.report.run import run_page
from pimsim.report.sweep import sweep_page

__all__ = ["run_page", "sweep_page"]

"""What can change a result besides its input: pimsim's own sources and the libraries that compute.

A release has one identity for good. In a checkout every edit of what simulates makes another one, so that a cache never serves the
result of other code; what only shows results (command line, plots, validation, sweeps themselves) does not count.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pimsim import __version__

_PACKAGE = Path(__file__).parent.parent
_SHOWS = {"cli", "plot", "sweep", "validate", "trace", "_assets", "__pycache__"}
_COMPUTE = ("numba", "numpy")


@cache
def code_identity() -> str:
    """``0.1.0-<12 hex digits>`` of the kernels and everything else that simulates, and of the versions of numba and numpy."""
    digest = hashlib.sha256()
    for source in sorted(_sources(_PACKAGE)):
        digest.update(source.relative_to(_PACKAGE).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    for name in _COMPUTE:
        digest.update(f"{name} {_version(name)}".encode())
    return f"{__version__}-{digest.hexdigest()[:12]}"


def _sources(folder: Path) -> list[Path]:
    found = list(folder.glob("*.py"))
    for below in folder.iterdir():
        if below.is_dir() and (folder != _PACKAGE or below.name not in _SHOWS):
            found += _sources(below)
    return found


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""

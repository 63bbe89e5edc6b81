"""``@jit``: numba with an on-disk cache that cannot go stale.

numba does not invalidate a cached function when a function that it *calls* has changed in another file (numba issue 1833).
A kernel's cache folder is therefore named by a hash of its own file, of all kernel files that it imports, directly or not, and
of numba's version: other sources, other folder.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
import platformdirs

_FOLDER = Path(__file__).parent
_IMPORT = re.compile(rf"^from {re.escape(__name__.rsplit('.', 1)[0])}(\.\w+)? import (\([^)]*\)|.*)", re.MULTILINE)


@cache
def kernel_hash() -> str:
    """Twelve hex digits that change with any kernel source and with numba's version."""
    return _digest(sorted(_FOLDER.glob("*.py")))


@cache
def _source_hash(file: Path) -> str:
    """Twelve hex digits that change with a kernel file or any kernel file that it imports."""
    files, todo = set(), [file]
    while todo:
        source = todo.pop()
        if source not in files and source.is_file():
            files.add(source)
            todo.extend(_imported(source))
    return _digest(sorted(files))


@cache
def _imported(file: Path) -> list[Path]:
    """The kernel files that a file imports, at its top level and with ``from``; some may not exist."""
    found = []
    for module, names in _IMPORT.findall(file.read_text(encoding="utf-8")):
        found += [module[1:]] if module else re.findall(r"\w+", names)
    return [_FOLDER / f"{name}.py" for name in found]


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256(numba.__version__.encode())
    for source in files:
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:12]


def cache_folder() -> Path:
    """Where compiled kernels are kept: below ``PIMSIM_CACHE_DIR`` or the user's cache folder."""
    return Path(os.environ.get("PIMSIM_CACHE_DIR") or platformdirs.user_cache_dir("pimsim")) / "kernels"


def is_compiled(function: str) -> bool:
    """Whether compiled code of a kernel of this name, from the present sources, is in the cache."""
    return any(path.parent.parent.name == _source_hash(_FOLDER / f"{path.name.split('.')[0]}.py")
               for path in cache_folder().rglob(f"*.{function}-*.nbi"))


def _compile(function: Callable[..., Any], **options: Any) -> Any:
    if not os.environ.get("NUMBA_CACHE_DIR"):
        # numba reads the folder when it decorates, so every file can have its own
        numba.config.CACHE_DIR = str(cache_folder() / _source_hash(Path(function.__code__.co_filename)))  # type: ignore[attr-defined]
    return numba.njit(cache=True, error_model="numpy", **options)(function)


def jit(function: Callable[..., Any]) -> Any:
    """Compile ``function`` in nopython mode, cached on disk, checking no bounds."""
    return _compile(function)


def inline(function: Callable[..., Any]) -> Any:
    """A small helper of kernels, inlined by LLVM where it is called (a table is too large to be passed on)."""
    return _compile(function, forceinline=True)


def inner(function: Callable[..., Any]) -> Any:
    """A kernel that allocates nothing: its arrays are handed on without counting references, which costs as much as its work."""
    return _compile(function, _nrt=False)

"""``@jit``: numba with an on-disk cache that cannot go stale.

numba does not invalidate a cached function when a function that it *calls* has changed in another file (numba issue 1833).
The cache folder is therefore named by a hash of all kernel sources and of numba's version: other sources, other folder.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
import platformdirs


@cache
def kernel_hash() -> str:
    """Twelve hex digits that change with any kernel source and with numba's version."""
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:12]


def cache_folder() -> Path:
    """Where compiled kernels are kept: below ``PIMSIM_CACHE_DIR`` or the user's cache folder."""
    base = os.environ.get("PIMSIM_CACHE_DIR") or platformdirs.user_cache_dir("pimsim")
    return Path(base) / "kernels" / kernel_hash()


if not os.environ.get("NUMBA_CACHE_DIR"):
    numba.config.CACHE_DIR = str(cache_folder())


def is_compiled(function: str) -> bool:
    """Whether compiled code of a kernel of this name is in the cache."""
    return any(Path(numba.config.CACHE_DIR).rglob(f"*.{function}-*.nbi"))


def jit(function: Callable[..., Any]) -> Any:
    """Compile ``function`` in nopython mode, cached on disk, releasing nothing and checking no bounds."""
    return numba.njit(cache=True, error_model="numpy")(function)


def inline(function: Callable[..., Any]) -> Any:
    """A small helper of kernels, inlined by LLVM where it is called (a table is too large to be passed on)."""
    return numba.njit(cache=True, error_model="numpy", forceinline=True)(function)

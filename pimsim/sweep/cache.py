"""A store of finished points: a run folder each, named by a hash of everything that decides the result.

``CACHE/runs/<code identity>/<key>/`` holds what :mod:`pimsim.results.folder` writes, or ``error.json`` for a point that cannot be run.
A folder is filled under another name and renamed once it is whole, so that a process killed at any moment leaves nothing half-written
and any number of sweeps may use one cache at once; what was left behind by a killed one is ignored, and removed a day later.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs

from pimsim.errors import InputError, Problem
from pimsim.sweep.version import code_identity

FORMAT = 1
"""Of the cache's layout; another version of pimsim may have another."""

SUMMARY, ERROR = "summary.json", "error.json"
_MARKER = "format.json"
_STAGING = ".staging"
_STALE_S = 24 * 3600.0


def default_folder() -> Path:
    """``PIMSIM_CACHE_DIR``, or the user's cache folder."""
    return Path(os.environ.get("PIMSIM_CACHE_DIR") or platformdirs.user_cache_dir("pimsim"))


class Cache:
    """The finished points of this version of pimsim."""

    def __init__(self, folder: Path | None = None):
        """Look at a cache, which need not exist yet.

        Raises:
            InputError: it is no folder, or another version of pimsim laid it out.
        """
        self.folder = (folder or default_folder()).absolute()
        self._runs = self.folder / "runs"
        self._own = self._runs / code_identity()
        self.staging = self._runs / _STAGING
        self._ready = False
        for path in (self.folder, self._runs):
            if path.exists() and not path.is_dir():
                raise InputError(Problem("is a file", "a folder for the cache", file=str(path)))
        self._check_format()

    def _check_format(self) -> None:
        marker = self._runs / _MARKER
        try:
            found = json.loads(marker.read_text(encoding="utf-8"))["format"]
        except (FileNotFoundError, NotADirectoryError):
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(Problem(f"cannot be read: {error}", "another cache (--cache DIR)", file=str(marker))) from None
        if found != FORMAT:
            raise InputError(Problem(f"this cache was written by another version of pimsim (layout {found}, this one has {FORMAT})",
                                     "another cache (--cache DIR); nothing in it was touched", file=str(self.folder)))

    def others(self) -> list[str]:
        """Versions of pimsim whose results the cache holds besides; they are kept and not used."""
        if not self._runs.is_dir():
            return []
        return sorted(path.name for path in self._runs.iterdir() if path.is_dir() and path != self._own and path.name != _STAGING)

    def find(self, key: str) -> Path | None:
        """The folder of a finished point."""
        path = self._own / key
        return path if path.is_dir() else None

    def facts(self, key: str) -> dict[str, Any] | None:
        """The summary of a finished point; ``{"error": ...}`` of one that cannot be run; None if it is not there or is damaged."""
        facts = _read(self._own / key / SUMMARY)
        if facts is not None:
            return facts
        error = _read(self._own / key / ERROR)
        return None if error is None else {"error": error}

    def wall_times(self, most: int = 50) -> list[float]:
        """Seconds that some finished points took, of this version of pimsim or, if it has none, of others."""
        for folder in (self._own, *(self._runs / name for name in self.others())):
            entries = sorted(path for path in folder.iterdir())[:most] if folder.is_dir() else []
            known = [facts for path in entries if (facts := _read(path / SUMMARY)) is not None and "host" in facts]
            if known:
                return [float(facts["host"]["wall_s"]) for facts in known]
        return []

    def prepare(self) -> None:
        """Make sure that points can be stored.

        Raises:
            InputError: the folder cannot be made or written to.
        """
        staging = self.staging
        try:
            staging.mkdir(parents=True, exist_ok=True)
            self._own.mkdir(exist_ok=True)
            if not (self._runs / _MARKER).exists():
                write_whole(self._runs / _MARKER, json.dumps({"format": FORMAT}).encode() + b"\n")
            with tempfile.NamedTemporaryFile(dir=staging):
                pass
        except OSError as error:
            raise InputError(Problem(f"the cache cannot be written to: {error.strerror or error}", "another one (--cache DIR)",
                                     file=str(self.folder))) from None
        for left in staging.iterdir():
            _remove_stale(left)
        self._ready = True

    def store(self, key: str, files: Mapping[str, bytes]) -> None:
        """Keep a finished point. If another process was first, its files (which are the same) stay.

        Raises:
            OSError: it could not be written; nothing of it remains.
        """
        if not self._ready:
            self.prepare()
        self.adopt(key, write_files(self.staging, key, files))

    def adopt(self, key: str, folder: Path) -> None:
        """Keep a finished point whose folder was left in ``staging``. If another process was first, its files (the same) stay.

        Raises:
            OSError: it could not be moved; nothing of it remains.
        """
        target = self._own / key
        try:
            if target.is_dir() and self.facts(key) is None:  # damaged: whoever replaces it puts the same in its place
                shutil.rmtree(target, ignore_errors=True)
            try:
                folder.rename(target)
            except OSError:
                if not target.is_dir():
                    raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def write_files(staging: Path, key: str, files: Mapping[str, bytes]) -> Path:
    """Write the files of a point into a new folder in ``staging``. Raises OSError; then nothing of it remains."""
    partial = Path(tempfile.mkdtemp(prefix=f"{key[:8]}-", dir=staging))
    try:
        for name, content in files.items():
            (partial / name).write_bytes(content)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return partial


def _read(path: Path) -> dict[str, Any] | None:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return loaded if isinstance(loaded, dict) else None


def _remove_stale(path: Path) -> None:
    """Remove what a killed sweep left behind, unless it may still be at work."""
    try:
        if time.time() - path.stat().st_mtime > _STALE_S:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    except OSError:
        pass


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that appears only once it is complete. Raises OSError; then what was there before is still there."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current

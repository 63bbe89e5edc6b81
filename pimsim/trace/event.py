"""The Chrome trace event format, which Perfetto (ui.perfetto.dev) opens: JSON, one event a line, streamed to a file.

Format: "Trace Event Format" (Google, docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU). Times are microseconds;
they are written as the exact quotient of whole femtoseconds, so that ticks can be told from them.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from pimsim import units

FS_PER_US = units.FS_PER_S // 10**6


class EventFile:
    """Writes a trace, compressed if its name ends in ``.gz``; it appears only once it is complete.

    A context manager. A track is a process (from 1 on) and a number in it; slices of one track nest or follow one another.
    """

    def __init__(self, path: str | Path, tick_fs: int, facts: Mapping[str, Any]):
        """``facts`` go into the file's ``otherData``."""
        self._target = Path(path)
        self._unfinished = self._target.with_name(f".{self._target.name}.{os.getpid()}")
        self._tick_fs, self._facts = tick_fs, facts
        self._between = "\n"

    def __enter__(self) -> EventFile:
        compressed = self._target.suffix == ".gz"
        self._file: IO[str] = (gzip.open if compressed else open)(self._unfinished, "wt", encoding="utf-8")
        self._file.write(f'{{"displayTimeUnit": "ns", "otherData": {json.dumps(self._facts)}, "traceEvents": [')
        return self

    def __exit__(self, failed: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if failed is None:
                self._file.write("\n]}\n")
            self._file.close()
            if failed is None:
                os.replace(self._unfinished, self._target)
        finally:
            self._unfinished.unlink(missing_ok=True)

    def process(self, process: int, name: str) -> None:
        """Name a process; processes are shown in the order of their numbers."""
        self._put({"ph": "M", "pid": process, "name": "process_name"}, {"name": name})
        self._put({"ph": "M", "pid": process, "name": "process_sort_index"}, {"sort_index": process})

    def track(self, process: int, track: int, name: str) -> None:
        """Name a track; tracks of a process are shown in the order of their numbers."""
        where = {"ph": "M", "pid": process, "tid": _thread(process, track)}
        self._put(where | {"name": "thread_name"}, {"name": name})
        self._put(where | {"name": "thread_sort_index"}, {"sort_index": track})

    def begin(self, process: int, track: int, tick: int, name: str, args: Mapping[str, Any] | None = None) -> None:
        """Open a slice, inside the one that is open on the track."""
        self._put({"ph": "B", "pid": process, "tid": _thread(process, track), "ts": self._time(tick), "name": name}, args)

    def end(self, process: int, track: int, tick: int) -> None:
        """Close the slice opened last on the track."""
        self._put({"ph": "E", "pid": process, "tid": _thread(process, track), "ts": self._time(tick)})

    def slice(self, process: int, track: int, begin: int, end: int, name: str, args: Mapping[str, Any] | None = None) -> None:
        """A slice with nothing inside."""
        self._put({"ph": "X", "pid": process, "tid": _thread(process, track), "ts": self._time(begin),
                   "dur": self._time(end - begin), "name": name}, args)  # fmt: skip

    def counter(self, process: int, tick: int, name: str, value: float) -> None:
        """A counter has this value from now on."""
        self._put({"ph": "C", "pid": process, "ts": self._time(tick), "name": name}, {"value": value})

    def instant(self, process: int, track: int, tick: int, name: str) -> None:
        """Something that takes no time."""
        self._put({"ph": "i", "pid": process, "tid": _thread(process, track), "ts": self._time(tick), "name": name, "s": "t"})

    def _time(self, ticks: int) -> float:
        return ticks * self._tick_fs / FS_PER_US

    def _put(self, event: dict[str, Any], args: Mapping[str, Any] | None = None) -> None:
        if args:
            event["args"] = args
        self._file.write(self._between + json.dumps(event, separators=(",", ":")))
        self._between = ",\n"


def _thread(process: int, track: int) -> int:
    """Thread numbers are unique, and none is 0, which stands for an idle processor."""
    return 1000 * process + track

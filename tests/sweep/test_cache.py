"""The cache keeps whole points only, whatever happens while they are written and whoever else writes."""

import json
import os
import threading
import time
from pathlib import Path

import pytest

from pimsim.errors import InputError
from pimsim.sweep import cache as caching
from pimsim.sweep.cache import Cache, write_whole
from pimsim.sweep.version import code_identity

FILES = {"summary.json": b'{"time_s": 1.0}', "tokens.csv": b"step\n0\n"}


def test_what_is_stored_is_found(cache: Path) -> None:
    Cache(cache).store("k", FILES)
    assert Cache(cache).facts("k") == {"time_s": 1.0}
    found = Cache(cache).find("k")
    assert found is not None
    assert {p.name: p.read_bytes() for p in found.iterdir()} == FILES


def test_looking_makes_no_folder(cache: Path) -> None:
    assert Cache(cache).facts("k") is None
    assert not cache.exists()


def test_the_environment_names_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIMSIM_CACHE_DIR", str(cache))
    assert Cache().folder == cache


def test_nothing_of_a_point_is_left_where_writing_fails(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Cache(cache).store("first", FILES)
    real = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if self.name == "tokens.csv":
            raise OSError(28, "No space left on device", str(self))
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        Cache(cache).store("second", FILES)
    assert Cache(cache).facts("first") is not None
    assert Cache(cache).find("second") is None
    assert not list((cache / "runs" / ".staging").iterdir())


def test_a_damaged_point_is_run_again_and_replaced(cache: Path) -> None:
    Cache(cache).store("k", FILES)
    (cache / "runs" / code_identity() / "k" / "summary.json").write_text('{"time')
    assert Cache(cache).facts("k") is None
    Cache(cache).store("k", FILES)
    assert Cache(cache).facts("k") == {"time_s": 1.0}


def test_many_may_store_the_same_point_at_once(cache: Path) -> None:
    Cache(cache).prepare()
    failed: list[BaseException] = []

    def store() -> None:
        try:
            for key in range(20):
                Cache(cache).store(str(key), FILES)
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=store) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert all(Cache(cache).facts(str(key)) for key in range(20))
    assert not list((cache / "runs" / ".staging").iterdir())


def test_a_cache_of_another_layout_is_refused_and_not_touched(cache: Path) -> None:
    Cache(cache).store("k", FILES)
    (cache / "runs" / "format.json").write_text('{"format": 99}')
    before = sorted(str(path) for path in cache.rglob("*"))
    with pytest.raises(InputError, match=r"written by another version of pimsim \(layout 99, this one has 1\)"):
        Cache(cache)
    assert sorted(str(path) for path in cache.rglob("*")) == before


def test_points_of_other_versions_are_kept_and_not_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "code_identity", lambda: "0.0.1-old")
    Cache(cache).store("k", FILES)
    monkeypatch.undo()
    assert Cache(cache).facts("k") is None
    assert Cache(cache).others() == ["0.0.1-old"]


def test_a_file_in_place_of_the_cache_is_refused(cache: Path) -> None:
    cache.write_text("")
    with pytest.raises(InputError, match="is a file"):
        Cache(cache)


def test_a_cache_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written to"):
        Cache(tmp_path / "file" / "below").prepare()


def test_what_a_killed_sweep_left_is_removed_a_day_later(cache: Path) -> None:
    Cache(cache).prepare()
    old, new = (cache / "runs" / ".staging" / name for name in ("old", "new"))
    for path in (old, new):
        path.mkdir()
        (path / "summary.json").write_text("{")
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    Cache(cache).prepare()
    assert not old.exists()
    assert new.exists()


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(tmp_path / "f", b"old")

    def broken(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "f", b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
    assert (tmp_path / "f").read_bytes() == b"old"


def test_the_code_identity_begins_with_the_version() -> None:
    from pimsim import __version__

    assert code_identity().startswith(f"{__version__}-")


def test_wall_times_are_those_of_stored_runs(cache: Path) -> None:
    Cache(cache).store("k", {"summary.json": json.dumps({"host": {"wall_s": 2.5}}).encode()})
    Cache(cache).store("e", {"error.json": b"{}"})
    assert Cache(cache).wall_times() == [2.5]

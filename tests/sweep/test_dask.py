"""The same plan on dask.distributed: a real scheduler and two worker processes, one of which is killed in the middle."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pimsim.errors import InputError
from tests.sweep.conftest import Spec, done

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as made:
        yield made


def test_the_table_is_that_of_one_process(spec: Spec, cache: Path, tmp_path: Path, cluster: Any) -> None:
    done(spec, cache, out=tmp_path / "a")
    done(spec, tmp_path / "other", out=tmp_path / "b", scheduler=cluster.scheduler_address)
    assert (tmp_path / "a" / "results.csv").read_bytes() == (tmp_path / "b" / "results.csv").read_bytes()


def test_a_scheduler_file_names_the_scheduler(spec: Spec, cache: Path, tmp_path: Path, cluster: Any) -> None:
    file = tmp_path / "scheduler.json"
    file.write_text(__import__("json").dumps({"address": cluster.scheduler_address}))
    table = done(spec | {"axes": {"memory.channels": [1, 2]}}, cache, scheduler=str(file)).table
    assert [row["status"] for row in table.rows] == ["ok", "ok"]


def test_with_a_worker_killed_the_table_is_the_same(spec: Spec, cache: Path, tmp_path: Path, cluster: Any) -> None:
    spec = spec | {"axes": spec["axes"] | {"asic.clock": {"range": ["100 MHz", "1 GHz", "100 MHz"]}}}
    done(spec, cache, out=tmp_path / "a")
    killed: list[int] = []

    def kill(now: Any) -> None:
        if now.done >= 5 and not killed:
            killed.append(next(iter(cluster.workers.values())).pid)
            os.kill(killed[0], signal.SIGKILL)

    done(spec, tmp_path / "other", out=tmp_path / "b", scheduler=cluster.scheduler_address, progress=kill)
    assert killed
    assert (tmp_path / "a" / "results.csv").read_bytes() == (tmp_path / "b" / "results.csv").read_bytes()


def test_a_scheduler_that_does_not_answer_is_named(spec: Spec, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pimsim.sweep.executor.CONNECT_S", 0.5)
    with pytest.raises(InputError, match="no scheduler answers at 'tcp://127.0.0.1:1'"):
        done(spec, cache, scheduler="tcp://127.0.0.1:1")


def test_what_is_no_address_is_named(spec: Spec, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pimsim.sweep.executor.CONNECT_S", 0.5)
    with pytest.raises(InputError, match="no scheduler answers at 'nowhere'"):
        done(spec, cache, scheduler="nowhere")

"""Sweeps on a cluster of Dask workers, one of which is killed on the way."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest
from distributed import Client, LocalCluster

import rmtspec as rs
from rmtspec.sweeps import execution

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


COORDS = {"psi_p": np.geomspace(0.3, 100.0, 12), "psi_n": np.geomspace(0.3, 100.0, 11), "t": 0.01}


def test_cluster_gives_the_bits_of_one_process(client):
    data = rs.sweep("edges", COORDS, client=client, progress=False, chunk=10)
    assert data.identical(rs.sweep("edges", COORDS, workers=1, progress=False))


def test_killed_worker_leaves_no_trace_in_the_result(client, tmp_path):
    victim = next(iter(client.run(os.getpid).values()))
    killed, store = tmp_path / "killed", tmp_path / "store"

    def slow(psi_p, psi_n):
        if os.getpid() == victim and (store / "sweep-progress" / "finished" / "c").exists():
            killed.touch()
            os.kill(victim, signal.SIGKILL)
        time.sleep(0.01)
        if psi_p == psi_n:
            raise ArithmeticError("on the diagonal")
        return {"tau": rs.RandomFeatureModel(psi_p, psi_n, 0.1).timescales().tau_mem}

    coords = {"psi_p": np.arange(2.0, 14.0), "psi_n": np.arange(2.0, 14.0)}
    with pytest.warns(rs.ConvergenceWarning, match="12 of 144 points failed"):
        data = rs.sweep(slow, coords, client=client, store=store, progress=False, chunk=6)
    assert killed.exists()
    with pytest.warns(rs.ConvergenceWarning, match="12 of 144 points failed"):
        serial = rs.sweep(slow, coords, workers=1, progress=False)
    assert data.load().identical(serial)


def test_block_that_kills_every_worker_is_lost_and_said_to_be(client, tmp_path):
    def deadly(x):
        time.sleep(0.06)  # then only four points, and not this one, are computed beforehand
        if x == 5 and (tmp_path / "store").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return {"y": x}

    coords = {"x": np.arange(12)}
    with pytest.raises(RuntimeError, match=r"\d of 6 blocks were lost") as lost:
        rs.sweep(deadly, coords, client=client, store=tmp_path / "store", progress=False, chunk=2)
    finished = [path.name for path in (tmp_path / "store/sweep-progress/finished/c").iterdir()]
    # Dask may blame a neighbour too that waited on every worker that died: then both are said.
    assert "2" not in finished
    assert len(finished) == 6 - int(str(lost.value)[0]) >= 4


def test_a_worker_that_has_just_died_needs_no_version(client, monkeypatch):
    _wait_for_all(client)

    def require_after_a_death(*arguments, require=execution.require_version):
        os.kill(client.run(os.getpid).popitem()[1], signal.SIGKILL)
        require(*arguments)

    monkeypatch.setattr(execution, "require_version", require_after_a_death)
    data = rs.sweep("edges", COORDS, client=client, progress=False, chunk=10)
    assert data.failed == 0


def _wait_for_all(client):
    """Until the workers that tests have killed are replaced."""
    while len(client.run(os.getpid, on_error="ignore")) < 3:
        time.sleep(0.1)


def test_workers_of_another_version_are_refused(client, monkeypatch):
    _wait_for_all(client)
    monkeypatch.setattr("rmtspec.sweeps.execution.version", lambda name: "99.0")
    with pytest.raises(ValueError, match=rf"rmtspec 99.0, got {rs.__version__} on tcp"):
        rs.sweep("edges", COORDS, client=client, progress=False)


def test_closed_client_is_refused(client):
    other = Client(client.scheduler.address, set_as_default=False)
    other.close()
    with pytest.raises(ValueError, match="client must be synchronous and open"):
        rs.sweep("edges", COORDS, client=other, progress=False)

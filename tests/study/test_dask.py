"""A study on Dask: a scheduler and two worker processes on loopback, one of them killed."""

import json

import pytest

import keras_medaug as kma
import own_arms
from helpers.needs import needs

needs("distributed")

# What is tested is what Dask does; that processes give equal results, each backend tests elsewhere.
pytestmark = pytest.mark.one_backend

OPTIONS = {
    "steps": 6, "batch_size": 32, "classifier": {"filters": 4}, "seeds": 3, "verbose": False,
}  # fmt: skip


# Dask's own doings between its processes are not what is tested here.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed", "ignore::ResourceWarning")
def test_a_study_outlives_a_worker(tmp_path, monkeypatch):
    from distributed import Client, LocalCluster

    data = kma.datasets.load("phantom", size=8, train=80, val=40, test=40)
    monkeypatch.setenv(own_arms.LOG, str(tmp_path))
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    )  # fmt: skip
    with cluster, Client(cluster) as client:
        results = kma.study.run(
            data, ["none", "oversample", own_arms.killed_once],
            executor=client.get_executor(), out=tmp_path / "dask", **OPTIONS,
        )  # fmt: skip
    calls = (tmp_path / "calls").read_text().split()
    assert len(set(calls)) == 3
    assert len(calls) == 4  # the task that was lost, and no other, began again
    assert set(results["arms"]) == {"none", "oversample", "killed_once"}
    stored = json.loads((tmp_path / "dask" / "results.json").read_text(encoding="utf-8"))
    assert stored == results

"""One task, in the process that does it."""

import random
from dataclasses import replace

import numpy as np
import pytest

from keras_medaug.provenance import environment
from keras_medaug.study.execute import run_task
from keras_medaug.study.task import Task

pytestmark = pytest.mark.one_backend


def test_a_task_that_is_done_is_not_done_again(tmp_path):
    """Another process may have done it after this process looked."""
    first = Task("count", {"environment": environment()}, tmp_path, lambda *_: {"sum": 3})
    run_task(first, None)
    written = (first.folder / "result.json").stat().st_mtime_ns
    again = replace(first, work=lambda *_: {"sum": 4})
    assert run_task(again, None) == 0.0
    assert again.result()["sum"] == 3
    assert (first.folder / "result.json").stat().st_mtime_ns == written


def drawn(store, seed):
    """Return what a task of this seed draws from the generators of the process."""

    def draw(*_):
        return {"numpy": np.random.random(), "python": random.random()}  # noqa: NPY002

    task = Task("draw", {"environment": environment(), "seed": seed}, store, draw)
    run_task(task, None)
    result = task.result()
    return result["numpy"], result["python"]


def test_the_generators_of_the_process_are_seeded_by_the_seed_of_the_task(tmp_path):
    """A user's function may draw from them. The draws depend on the seed, not on the order."""
    first, second = drawn(tmp_path / "a", 0), drawn(tmp_path / "a", 1)
    assert drawn(tmp_path / "b", 1) == second
    assert drawn(tmp_path / "b", 0) == first
    assert not {*first} & {*second}

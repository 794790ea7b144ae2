"""A pool of processes of which one may die without the others."""

import os
import signal
import time
from concurrent.futures import BrokenExecutor

import pytest

from keras_medaug.study import Workers


@pytest.fixture(scope="module")
def workers():
    with Workers(2, threads=1) as pool:
        yield pool


def test_tasks_run_in_processes_of_one_thread_count(workers):
    assert workers.submit(os.getpid).result() != os.getpid()
    if hasattr(os, "sched_getaffinity"):
        assert len(workers.submit(os.sched_getaffinity, 0).result()) == 1
        assert len(os.sched_getaffinity(0)) >= 1  # ours is as it was


def test_errors_belong_to_who_submitted(workers):
    with pytest.raises(ZeroDivisionError):
        workers.submit(divmod, 1, 0).result()
    assert workers.submit(divmod, 7, 2).result() == (3, 1)


def test_a_task_that_always_dies_fails_alone(workers):
    other = workers.submit(time.sleep, 1)
    dying = workers.submit(signal.raise_signal, signal.SIGKILL)
    with pytest.raises(BrokenExecutor):
        dying.result()
    assert other.result() is None
    assert workers.submit(pow, 2, 3).result() == 8


def test_after_shutdown_nothing_is_taken():
    pool = Workers(1)
    assert pool.submit(pow, 2, 3).result() == 8
    pool.shutdown()
    pool.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        pool.submit(pow, 2, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0,), "`count`: got 0"), ((1, 0), "`threads`: got 0"), ((1, 10_000), "`threads`: got 10000")],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Workers(*arguments)

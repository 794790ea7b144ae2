"""A pool of processes of which one may die without the others."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path

import pytest

from keras_medaug.study import Workers

pytestmark = pytest.mark.backend_free


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


def test_workers_end_with_a_process_that_is_killed(tmp_path):
    script = tmp_path / "main.py"
    script.write_text(
        "import os, sys, time\n"
        "from keras_medaug.study import Workers\n"
        "if __name__ == '__main__':\n"
        "    print(Workers(1).submit(os.getpid).result(), flush=True)\n"
        "    time.sleep(60)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, env=env
    ) as main:
        worker = int(main.stdout.readline())
        main.kill()
    for _ in range(100):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker is still there")


def test_tasks_can_be_stopped_and_later_ones_run(workers):
    running = [workers.submit(time.sleep, 180) for _ in range(2)]
    waiting = workers.submit(pow, 2, 3)
    while not all(task.running() for task in running):
        time.sleep(0.01)
    workers.stop_tasks()
    for task in running:  # a process that is starting ends once it has imported the package
        assert isinstance(task.exception(timeout=120), BrokenExecutor)
    assert waiting.cancelled()
    assert workers.submit(pow, 2, 3).result() == 8


def test_what_waits_can_be_dropped_more_than_once():
    pool = Workers(1)
    first = pool.submit(time.sleep, 0.5)
    waiting = [pool.submit(pow, 2, n) for n in range(5)]
    pool.shutdown(wait=False)
    pool.shutdown(cancel_futures=True)
    assert first.done()
    assert all(future.cancelled() for future in waiting[1:])


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

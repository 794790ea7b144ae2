"""The engine: does tasks, each once, when what it needs is there, here or on an executor."""

import shutil
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from typing import Any

import keras

from keras_medaug.checks import fail
from keras_medaug.files import locked, write_json_atomic
from keras_medaug.interrupts import stop_if_interrupted
from keras_medaug.progress import Progress, Report, ignore
from keras_medaug.provenance import check_place, dtype_policy, environment
from keras_medaug.seeds import derive_seed
from keras_medaug.study.task import Task
from keras_medaug.study.workers import Workers

LOOK_EVERY = 2.0  # seconds between two looks at which tasks are running
CHECKPOINTS = "training"  # folder in that of a task, removed when the task is done

_lock = threading.Lock()


# ---- one task -------------------------------------------------------------------------------


@contextmanager
def alone_in_process() -> Iterator[None]:
    """Hold the process for the body, which has its random seeds for itself.

    Yields:
        Nothing.

    Raises:
        RuntimeError: If another thread of this process runs a task.

    Example:

    >>> from keras_medaug.study.execute import alone_in_process
    >>> with alone_in_process():
    ...     pass
    """
    if not _lock.acquire(blocking=False):
        raise RuntimeError(
            "two tasks in one process: got an executor of threads; expected one of processes, "
            "since random seeds belong to the process."
        )
    try:
        yield
    finally:
        _lock.release()


def run_task(
    task: Task,
    data: Any,
    call: str = "",  # noqa: ARG001
    report: Report = ignore,
) -> float:
    """Do one task, if it is not done, and store what it gives.

    Args:
        task: What to do.
        data: The data that its configuration names, which its work gets.
        call: Tells this call from others of the task, for executors that remember what a call
            gave, as Dask does, errors included.
        report: Called with how far the work is, as `report(done, total)`.

    Returns:
        The seconds it took, 0 where it was done before.

    Raises:
        RuntimeError: If another task is running in this process, whose seeds it would share, or
            if the process is not what the configuration says.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from keras_medaug.provenance import environment
    >>> from keras_medaug.study.execute import run_task
    >>> from keras_medaug.study.task import Task
    >>> def count(task, data, report):
    ...     return {"sum": sum(data)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     task = Task("count", {"environment": environment()}, Path(folder), count)
    ...     seconds = run_task(task, [1, 2])
    ...     task.result()["sum"]
    3
    """
    with alone_in_process():
        if task.done and task.has_files:
            return 0.0
        check_place(task.config["environment"])
        task.store.mkdir(parents=True, exist_ok=True)
        with locked(task.folder, "works on"):
            return 0.0 if task.done and task.has_files else _run(task, data, report)


def _run(task: Task, data: Any, report: Report) -> float:
    began = time.perf_counter()
    keras.utils.set_random_seed(derive_seed(task.config.get("seed", 0), task.kind))
    write_json_atomic(task.folder / "config.json", task.config)
    result = task.work(task, data, report)
    seconds = time.perf_counter() - began
    timing = {"seconds": round(seconds, 3)} | result.get("timing", {})
    write_json_atomic(task.folder / "result.json", {**result, "timing": timing})
    _remove_checkpoints(task)
    return seconds


def _remove_checkpoints(task: Task) -> None:
    shutil.rmtree(task.folder / CHECKPOINTS, ignore_errors=True)


# ---- where tasks run ------------------------------------------------------------------------


def check_executor(executor: Executor | None) -> Executor | None:
    """Return an executor, if it may run tasks.

    Args:
        executor: One of processes, or `None`.

    Returns:
        The same.

    Raises:
        ValueError: If `executor` is a pool of threads or of forked processes, or is not an
            executor.

    Example:

    >>> from keras_medaug.study.execute import check_executor
    >>> check_executor(None) is None
    True
    """
    expected = (
        "None, or an executor of processes, such as keras_medaug.study.Workers(2) or Dask's "
        "client.get_executor()"
    )
    if isinstance(executor, ThreadPoolExecutor):
        raise fail("executor", "a pool of threads, which share their random seeds", expected)
    context = getattr(executor, "_mp_context", None)
    if isinstance(executor, ProcessPoolExecutor) and (
        context is None or context.get_start_method() == "fork"
    ):
        got = "a pool of forked processes, in which backends hang"
        raise fail("executor", got, f"{expected}; or mp_context=get_context('spawn')")
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise fail("executor", f"a {type(executor).__name__}", expected)
    return executor


def place_of(executor: Executor | None) -> dict[str, Any]:
    """Return the environment that tasks will run in.

    Args:
        executor: Where they run, or `None` for this process.

    Returns:
        What `keras_medaug.provenance.environment` gives there.

    Raises:
        ValueError: If the executor's processes have another dtype policy than this process.

    Example:

    >>> from keras_medaug.study.execute import place_of
    >>> place_of(None)["threads"] >= 1
    True
    """
    if executor is None:
        return environment()
    place = executor.submit(environment).result()
    ours = dtype_policy().get("dtype", "float32")
    theirs = place.get("dtype", "float32")
    if ours != theirs:
        got = f"processes with the dtype policy {theirs}, where this one has {ours}"
        raise fail("executor", got, "one policy, such as by $KERAS_HOME/keras.json")
    return place


# ---- all tasks ------------------------------------------------------------------------------


def with_needed(tasks: Iterable[Task]) -> dict[str, tuple[Task, bool]]:
    """Return all tasks and those that they need, and whether these are done.

    Args:
        tasks: The tasks.

    Returns:
        Task and whether it is done, by key: each task after those that it needs. A task whose files
        are missing is done only where no task that is left needs them.

    Example:

    >>> from pathlib import Path
    >>> from keras_medaug.study.execute import with_needed
    >>> from keras_medaug.study.task import Task
    >>> model = Task("generator", {"seed": 0}, Path("tasks"), print)
    >>> arm = Task("classifier", {"seed": 0}, Path("tasks"), print, needs={"images": model})
    >>> [(task.kind, done) for task, done in with_needed([arm]).values()]
    [('generator', False), ('classifier', False)]
    """
    planned: dict[str, tuple[Task, bool]] = {}
    for task in tasks:
        _add_with_needed(planned, task, files_needed=False)
    return planned


def _add_with_needed(planned: dict[str, tuple[Task, bool]], task: Task, files_needed: bool) -> None:
    done = task.done and (task.has_files or not files_needed)
    for needed in task.needs.values():
        _add_with_needed(planned, needed, files_needed=not done)
    planned[task.key] = task, done and planned.get(task.key, (task, True))[1]


def plan_tasks(progress: Progress, tasks: Iterable[Task]) -> None:
    """Tell a progress what there is to do.

    Args:
        progress: The progress.
        tasks: The tasks; those that are done count, and take no time.

    Example:

    >>> from keras_medaug.progress import Progress
    >>> from keras_medaug.study.execute import plan_tasks
    >>> progress = Progress("study", verbose=False)
    >>> plan_tasks(progress, [])
    >>> progress.planned
    0
    """
    planned = with_needed(tasks)
    progress.count_done(sum(done for _, done in planned.values()))
    for key, (task, done) in planned.items():
        if not done:
            label = task.label or task.name or task.kind
            speed = task.kind if task.speed is None else task.speed
            progress.plan(key, task.seconds, speed, label=label)


def execute(
    tasks: Iterable[Task], data: Any, executor: Executor | None, progress: Progress
) -> dict[str, float]:
    """Do the tasks that are not done, and before them those that they need.

    Args:
        tasks: The tasks.
        data: The data that they are about.
        executor: Where they run, or `None` for this process.
        progress: Shows how far it is; the tasks are planned by `plan_tasks`.

    Returns:
        Seconds that went into each task that was done now, by key.

    Raises:
        KeyboardInterrupt: If Ctrl-C was pressed. The tasks of `Workers` have then ended.
        RuntimeError: If the executor lost a process, and the remaining tasks with the process.

    Example:

    >>> from keras_medaug.progress import Progress
    >>> from keras_medaug.study.execute import execute
    >>> execute([], None, None, Progress("study", verbose=False))
    {}
    """
    left = {}
    for key, (task, done) in with_needed(tasks).items():
        if done:
            _remove_checkpoints(task)  # a kill may have come before this, last time
            progress.drop(key)
        else:
            left[key] = task
    if executor is None:
        return {key: _run_here(task, data, progress) for key, task in left.items()}
    try:
        return _submit_all(left, data, executor, progress)
    except KeyboardInterrupt:
        if isinstance(executor, Workers):
            executor.stop_tasks()
        raise


def _run_here(task: Task, data: Any, progress: Progress) -> float:
    with progress.part(task.key) as report:
        return run_task(task, data, report=report)


def _submit_all(
    left: dict[str, Task], data: Any, executor: Executor, progress: Progress
) -> dict[str, float]:
    spent: dict[str, float] = {}
    waiting = dict(left)
    running: dict[Future, Task] = {}
    try:
        while waiting or running:
            pending = {*waiting, *(task.key for task in running.values())}
            for key, task in list(waiting.items()):
                if not any(needed.key in pending for needed in task.needs.values()):
                    call = uuid.uuid4().hex
                    running[executor.submit(run_task, task, data, call)] = waiting.pop(key)
            finished, _ = wait(running, timeout=LOOK_EVERY, return_when=FIRST_COMPLETED)
            stop_if_interrupted()
            for future in finished:
                task = running.pop(future)
                spent[task.key] = future.result()
                if not task.done:
                    raise RuntimeError(
                        f"store: got {task.store}, into which the executor's processes do not "
                        "write; expected a folder that they share with this one."
                    )
                progress.finish(task.key, spent[task.key])
            for future, task in running.items():
                if future.running():
                    progress.begin(task.key)
    except BrokenExecutor as error:
        raise RuntimeError(
            "the executor lost a process, and with it all that was running. What was done is kept: "
            "the same call goes on from there. keras_medaug.study.Workers outlives such a loss."
        ) from error
    finally:
        for future in running:
            future.cancel()
    return spent

"""Tasks on an executor: each when what it needs is there, none twice."""

import uuid
from collections.abc import Iterable
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)

from keras_medaug.checks import fail
from keras_medaug.datasets import Dataset
from keras_medaug.interrupts import stop_if_interrupted
from keras_medaug.metrics.duplicates import duplicates_seconds
from keras_medaug.models.step_times import expected_seconds
from keras_medaug.progress import Progress
from keras_medaug.study.running import run_task
from keras_medaug.study.task import Task
from keras_medaug.study.workers import Workers

LOOK_EVERY = 2.0  # seconds between two looks at which tasks are running


def check_executor(executor: Executor | None) -> Executor | None:
    """Return an executor, if it may run tasks.

    Args:
        executor: One of processes, or `None`.

    Returns:
        The same.

    Raises:
        ValueError: If it is a pool of threads or of forked processes, or no executor.

    Example:

    >>> from keras_medaug.study.scheduling import check_executor
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


def execute(
    tasks: Iterable[Task], data: Dataset, executor: Executor | None, progress: Progress
) -> dict[str, float]:
    """Do the tasks that are not done, and before them those that they need.

    Args:
        tasks: The tasks.
        data: The set that they are about.
        executor: Where they run, or `None` for this process.
        progress: Shows how far it is; the tasks are planned by `plan_tasks`.

    Returns:
        Seconds that went into tasks now, by kind.

    Raises:
        KeyboardInterrupt: If Ctrl-C was pressed. The tasks of `Workers` have then ended.
        RuntimeError: If the executor lost a process and with it the tasks that were left.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.progress import Progress
    >>> from keras_medaug.study.scheduling import execute
    >>> execute([], kma.datasets.load("phantom", size=8), None, Progress("study", verbose=False))
    {}
    """
    left = _left(tasks)
    if executor is not None:
        try:
            return _submit_all(left, data, executor, progress)
        except KeyboardInterrupt:
            if isinstance(executor, Workers):
                executor.stop_tasks()
            raise
    spent: dict[str, float] = {}
    for key, task in left.items():
        with progress.part(key) as report:
            _spend(spent, task, run_task(task, data, report=report))
    return spent


def _spend(spent: dict[str, float], task: Task, seconds: float) -> None:
    spent[_name(task)] = spent.get(_name(task), 0.0) + seconds


def with_needed(tasks: Iterable[Task]) -> dict[str, tuple[Task, bool]]:
    """Return all tasks and those that they need, and whether these are done.

    Args:
        tasks: The tasks.

    Returns:
        Task and whether it is done, by key: each task after the one that it needs.

    Example:

    >>> from pathlib import Path
    >>> from keras_medaug.study.task import Task
    >>> from keras_medaug.study.scheduling import with_needed
    >>> model = Task("generator", {"seed": 0}, Path("tasks"))
    >>> arm = Task("classifier", {"seed": 0}, Path("tasks"), needs=model)
    >>> [(task.kind, done) for task, done in with_needed([arm]).values()]
    [('generator', False), ('classifier', False)]
    """
    planned: dict[str, tuple[Task, bool]] = {}
    for task in tasks:
        needs = task.needs
        if needs is not None:
            done = needs.done and (task.done or needs.has_images())
            planned[needs.key] = needs, done and planned.get(needs.key, (needs, True))[1]
        planned[task.key] = task, task.done
    return planned


def _left(tasks: Iterable[Task]) -> dict[str, Task]:
    return {key: task for key, (task, done) in with_needed(tasks).items() if not done}


def _submit_all(
    left: dict[str, Task], data: Dataset, executor: Executor, progress: Progress
) -> dict[str, float]:
    spent: dict[str, float] = {}
    waiting = dict(left)
    running: dict[Future, Task] = {}
    try:
        while waiting or running:
            pending = {*waiting, *(task.key for task in running.values())}
            for key, task in list(waiting.items()):
                if task.needs is None or task.needs.key not in pending:
                    call = uuid.uuid4().hex
                    running[executor.submit(run_task, task, data, call)] = waiting.pop(key)
            finished, _ = wait(running, timeout=LOOK_EVERY, return_when=FIRST_COMPLETED)
            stop_if_interrupted()
            for future in finished:
                task = running.pop(future)
                seconds = future.result()
                if not task.done:
                    raise RuntimeError(
                        f"store: got {task.store}, into which the executor's processes do not "
                        "write; expected a folder that they share with this one."
                    )
                _spend(spent, task, seconds)
                progress.finish(task.key, seconds)
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


def plan_tasks(progress: Progress, tasks: Iterable[Task]) -> None:
    """Tell a progress what there is to do.

    Args:
        progress: The progress.
        tasks: The tasks; those that are done count, and take no time.

    Example:

    >>> from keras_medaug.progress import Progress
    >>> from keras_medaug.study.scheduling import plan_tasks
    >>> progress = Progress("study", verbose=False)
    >>> plan_tasks(progress, [])
    >>> progress.planned
    0
    """
    planned = with_needed(tasks)
    progress.count_done(sum(done for _, done in planned.values()))
    for key, (task, done) in planned.items():
        if not done:
            progress.plan(key, _seconds(task), _kind(task), label=_label(task))


def _seconds(task: Task) -> float:
    """Return about how long a task takes, before any has been measured."""
    data = task.config["data"]
    if task.kind == "audit":
        pairs = data["counts"]["test"] * data["counts"]["train"]
        return duplicates_seconds(pairs, data["image_shape"])
    return expected_seconds(task.steps, data["image_shape"])


def _name(task: Task) -> str:
    return task.config["method"] if task.kind == "generator" else task.kind


def _kind(task: Task) -> tuple[str, bool]:
    """Return what tasks of one speed have in common."""
    return _name(task), task.config.get("policy") is not None


def _label(task: Task) -> str:
    if task.kind == "audit":
        return "check of the data"
    named = task.config.get("arm") or task.config.get("method") or ""
    seed = task.config.get("seed")
    return f"{task.kind} {named}".rstrip() + ("" if seed is None else f", seed {seed}")

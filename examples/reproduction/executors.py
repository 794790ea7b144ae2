"""Where tasks run: in this process, in several on this machine, or where a Dask scheduler says."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager

import keras_medaug as kma
from keras_medaug.interrupts import stop_if_interrupted
from keras_medaug.progress import Progress
from reproduction.budgets import Budget
from reproduction.tasks import Context, Task, run

LOOK_EVERY = 2.0  # seconds between two looks at which tasks are running


@contextmanager
def chosen_executor(
    workers: int, scheduler: str | None, threads: int | None = None
) -> Iterator[Executor | None]:
    """Yield an executor of processes, or `None` for this process."""
    if scheduler:
        from distributed import Client

        with Client(scheduler) as client:
            yield client.get_executor()
    elif workers:
        with kma.study.Workers(workers, threads) as pool:
            yield pool
    else:
        yield None


def run_plans(
    plans: Sequence[Mapping[str, Task]],
    data: kma.datasets.Dataset,
    budget: Budget,
    progress: Progress,
    executor: Executor | None,
) -> None:
    """Do the tasks of all plans; `confidence`, which needs the others of its plan, after these."""
    if executor is None:
        for plan in plans:
            for kind in plan:
                _run_here(kind, plan, data, budget, progress)
        return
    waiting = [(plan, kind) for plan in plans for kind in plan]
    running: dict[Future, Task] = {}
    try:
        while waiting or running:
            for plan, kind in [each for each in waiting if _is_ready(*each)]:
                waiting.remove((plan, kind))
                task = plan[kind]
                if task.done:
                    progress.drop(task.folder)
                else:
                    context = Context(plan, data, budget)
                    running[executor.submit(run, kind, context)] = task
            if running:
                _note_finished(running, progress)
            elif waiting:
                raise _not_shared(next(iter(waiting[0][0].values())))
    finally:
        for future in running:
            future.cancel()


def _run_here(
    kind: str,
    plan: Mapping[str, Task],
    data: kma.datasets.Dataset,
    budget: Budget,
    progress: Progress,
) -> None:
    task = plan[kind]
    if task.done:
        progress.drop(task.folder)
        run(kind, Context(plan, data, budget))  # which clears away what a kill left
        return
    with progress.part(task.folder) as report:
        run(kind, Context(plan, data, budget, report))


def _note_finished(running: dict[Future, Task], progress: Progress) -> None:
    """Wait until something is done, or for some time, and take it from what is running."""
    finished, _ = wait(running, timeout=LOOK_EVERY, return_when=FIRST_COMPLETED)
    stop_if_interrupted()
    for future in finished:
        task = running.pop(future)
        seconds = future.result()
        if not task.done:
            raise _not_shared(task)
        progress.finish(task.folder, seconds)
    for future, task in running.items():
        if future.running():
            progress.begin(task.folder)


def _not_shared(task: Task) -> RuntimeError:
    return RuntimeError(
        f"--out: got {task.folder.parent}, into which the executor's processes do not write; "
        "expected a folder that they share with this one."
    )


def _is_ready(plan: Mapping[str, Task], kind: str) -> bool:
    return kind != "confidence" or _others_done(plan, kind)


def _others_done(plan: Mapping[str, Task], kind: str) -> bool:
    return all(task.done for other, task in plan.items() if other != kind)

"""Cells on an executor: each when what it needs is there, none twice."""

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
from keras_medaug.metrics.expected_times import duplicates_seconds
from keras_medaug.models.step_times import expected_seconds
from keras_medaug.progress import Progress
from keras_medaug.study.cell import Cell
from keras_medaug.study.running import run_cell
from keras_medaug.study.workers import Workers

LOOK_EVERY = 2.0  # seconds between two looks at which cells are running


def check_executor(executor: Executor | None) -> Executor | None:
    """Return an executor, if it may run cells.

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
    cells: Iterable[Cell], data: Dataset, executor: Executor | None, progress: Progress
) -> dict[str, float]:
    """Do the cells that are not done, and before them those that they need.

    Args:
        cells: The cells.
        data: The set that they are about.
        executor: Where they run, or `None` for this process.
        progress: Shows how far it is; the cells are planned by `plan_cells`.

    Returns:
        Seconds that went into cells now, by kind.

    Raises:
        KeyboardInterrupt: If Ctrl-C was pressed. The tasks of `Workers` have then ended.
        RuntimeError: If the executor lost a process and with it the cells that were left.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.progress import Progress
    >>> from keras_medaug.study.scheduling import execute
    >>> execute([], kma.datasets.load("phantom", size=8), None, Progress("study", verbose=False))
    {}
    """
    left = _left(cells)
    if executor is not None:
        try:
            return _submit_all(left, data, executor, progress)
        except KeyboardInterrupt:
            if isinstance(executor, Workers):
                executor.stop_tasks()
            raise
    spent: dict[str, float] = {}
    for key, cell in left.items():
        with progress.part(key) as report:
            _spend(spent, cell, run_cell(cell, data, report=report))
    return spent


def _spend(spent: dict[str, float], cell: Cell, seconds: float) -> None:
    spent[_name(cell)] = spent.get(_name(cell), 0.0) + seconds


def tasks_of(cells: Iterable[Cell]) -> dict[str, tuple[Cell, bool]]:
    """Return all cells and those that they need, and whether these are done.

    Args:
        cells: The cells.

    Returns:
        Cell and whether it is done, by key: each cell after the one that it needs.

    Example:

    >>> from pathlib import Path
    >>> from keras_medaug.study.cell import Cell
    >>> from keras_medaug.study.scheduling import tasks_of
    >>> model = Cell("generator", {"seed": 0}, Path("cells"))
    >>> arm = Cell("classifier", {"seed": 0}, Path("cells"), needs=model)
    >>> [(cell.kind, done) for cell, done in tasks_of([arm]).values()]
    [('generator', False), ('classifier', False)]
    """
    tasks: dict[str, tuple[Cell, bool]] = {}
    for cell in cells:
        needs = cell.needs
        if needs is not None:
            done = needs.done and (cell.done or needs.has_images())
            tasks[needs.key] = needs, done and tasks.get(needs.key, (needs, True))[1]
        tasks[cell.key] = cell, cell.done
    return tasks


def _left(cells: Iterable[Cell]) -> dict[str, Cell]:
    return {key: cell for key, (cell, done) in tasks_of(cells).items() if not done}


def _submit_all(
    left: dict[str, Cell], data: Dataset, executor: Executor, progress: Progress
) -> dict[str, float]:
    spent: dict[str, float] = {}
    waiting = dict(left)
    running: dict[Future, Cell] = {}
    try:
        while waiting or running:
            pending = {*waiting, *(cell.key for cell in running.values())}
            for key, cell in list(waiting.items()):
                if cell.needs is None or cell.needs.key not in pending:
                    call = uuid.uuid4().hex
                    running[executor.submit(run_cell, cell, data, call)] = waiting.pop(key)
            finished, _ = wait(running, timeout=LOOK_EVERY, return_when=FIRST_COMPLETED)
            stop_if_interrupted()
            for future in finished:
                cell = running.pop(future)
                seconds = future.result()
                if not cell.done:
                    raise RuntimeError(
                        f"store: got {cell.store}, into which the executor's processes do not "
                        "write; expected a folder that they share with this one."
                    )
                _spend(spent, cell, seconds)
                progress.finish(cell.key, seconds)
            for future, cell in running.items():
                if future.running():
                    progress.begin(cell.key)
    except BrokenExecutor as error:
        raise RuntimeError(
            "the executor lost a process, and with it all that was running. What was done is kept: "
            "the same call goes on from there. keras_medaug.study.Workers outlives such a loss."
        ) from error
    finally:
        for future in running:
            future.cancel()
    return spent


def plan_cells(progress: Progress, cells: Iterable[Cell]) -> None:
    """Tell a progress what there is to do.

    Args:
        progress: The progress.
        cells: The cells; those that are done count, and take no time.

    Example:

    >>> from keras_medaug.progress import Progress
    >>> from keras_medaug.study.scheduling import plan_cells
    >>> progress = Progress("study", verbose=False)
    >>> plan_cells(progress, [])
    >>> progress.planned
    0
    """
    tasks = tasks_of(cells)
    progress.count_done(sum(done for _, done in tasks.values()))
    for key, (cell, done) in tasks.items():
        if not done:
            progress.plan(key, _seconds(cell), _kind(cell), label=_label(cell))


def _seconds(cell: Cell) -> float:
    """Return about how long a cell takes, before any has been measured."""
    data = cell.config["data"]
    if cell.kind == "audit":
        pairs = data["counts"]["test"] * data["counts"]["train"]
        return duplicates_seconds(pairs, data["image_shape"])
    return expected_seconds(_name(cell), cell.steps, data["image_shape"])


def _name(cell: Cell) -> str:
    return cell.config["method"] if cell.kind == "generator" else cell.kind


def _kind(cell: Cell) -> tuple[str, bool]:
    """Return what cells of one speed have in common."""
    return _name(cell), cell.config.get("policy") is not None


def _label(cell: Cell) -> str:
    if cell.kind == "audit":
        return "check of the data"
    named = cell.config.get("arm") or cell.config.get("method") or ""
    seed = cell.config.get("seed")
    return f"{cell.kind} {named}".rstrip() + ("" if seed is None else f", seed {seed}")

"""Cells on an executor: each when what it needs is there, none twice."""

import time
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
from keras_medaug.study.cell import Cell
from keras_medaug.study.running import run_cell

# Seconds a step of 64 images of 28 x 28 pixels on two cores, before any has been measured; what
# matters is the proportions.
SECONDS_PER_STEP = {
    "classifier": 0.04, "cvae": 0.08, "dcgan": 0.15, "vaegan": 0.35, "audit": 1.0,
}  # fmt: skip
LINE_EVERY = 20.0  # seconds between two lines of progress


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
    cells: Iterable[Cell], data: Dataset, executor: Executor | None, verbose: bool
) -> dict[str, float]:
    """Do the cells that are not done, and before them those that they need.

    Args:
        cells: The cells.
        data: The set that they are about.
        executor: Where they run, or `None` for this process.
        verbose: Whether to print how far it is, and how long it will take.

    Returns:
        Seconds that went into cells now, by kind.

    Raises:
        RuntimeError: If the executor lost a process and with it the cells that were left.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.study.scheduling import execute
    >>> execute([], kma.datasets.load("phantom", size=8), None, verbose=False)
    {}
    """
    left = _left(cells)
    progress = _Progress(list(left.values()), verbose)
    if executor is None:
        for cell in left.values():
            progress.begins(cell)
            progress.done(cell, run_cell(cell, data))
    else:
        _submit_all(left, data, executor, progress)
    return progress.seconds


def _left(cells: Iterable[Cell]) -> dict[str, Cell]:
    """Return what is to be done, by key, each after what it needs."""
    left: dict[str, Cell] = {}
    for cell in cells:
        needs = cell.needs
        if needs is not None and not (needs.done and (cell.done or needs.has_images())):
            left[needs.key] = needs
        if not cell.done:
            left[cell.key] = cell
    return left


def _submit_all(
    left: dict[str, Cell], data: Dataset, executor: Executor, progress: "_Progress"
) -> None:
    waiting = dict(left)
    running: dict[Future, Cell] = {}
    try:
        while waiting or running:
            pending = {*waiting, *(cell.key for cell in running.values())}
            for key, cell in list(waiting.items()):
                if cell.needs is None or cell.needs.key not in pending:
                    call = uuid.uuid4().hex
                    running[executor.submit(run_cell, cell, data, call)] = waiting.pop(key)
            finished, _ = wait(running, timeout=LINE_EVERY, return_when=FIRST_COMPLETED)
            for future in finished:
                cell = running.pop(future)
                seconds = future.result()
                if not cell.done:
                    raise RuntimeError(
                        f"store: got {cell.store}, into which the executor's processes do not "
                        "write; expected a folder that they share with this one."
                    )
                progress.done(cell, seconds)
            if not finished:
                progress.tick()
    except BrokenExecutor as error:
        raise RuntimeError(
            "the executor lost a process, and with it all that was running. What was done is kept: "
            "the same call goes on from there. keras_medaug.study.Workers outlives such a loss."
        ) from error
    finally:
        for future in running:
            future.cancel()


class _Progress:
    """How far all cells are, and how long the rest will take, by what has been measured."""

    def __init__(self, cells: list[Cell], verbose: bool) -> None:
        self.total = len(cells)
        self.left = {cell.key: cell for cell in cells}
        self.verbose = verbose
        self.seconds: dict[str, float] = {}
        self.steps: dict[str, int] = {}
        self.began = self.printed = time.monotonic()
        self.expected_done = 0.0
        if cells:
            self._print(f"{self.total} parts to do")

    def begins(self, cell: Cell) -> None:
        """Say what is at work, where it is one thing at a time."""
        if time.monotonic() - self.printed >= LINE_EVERY:
            self._print(cell.key)

    def done(self, cell: Cell, seconds: float) -> None:
        """Say that a cell is done."""
        name = _name(cell)
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        self.steps[name] = self.steps.get(name, 0) + cell.steps
        self.expected_done += self._expected(cell)
        del self.left[cell.key]
        if time.monotonic() - self.printed >= LINE_EVERY or not self.left:
            self._print(f"{cell.key} done")

    def tick(self) -> None:
        """Say that it goes on."""
        self._print("at work")

    def seconds_left(self) -> float:
        """Return the estimate for all that is left, at the rate at which it went so far."""
        left = sum(self._expected(cell) for cell in self.left.values())
        done = sum(self.seconds.values())
        if not done:
            return left
        return left * (time.monotonic() - self.began) / done

    def _expected(self, cell: Cell) -> float:
        """Return a cell's seconds, by those of its kind, or in proportion to others."""
        name = _name(cell)
        if self.steps.get(name):
            return cell.steps * self.seconds[name] / self.steps[name]
        guessed = sum(SECONDS_PER_STEP[kind] * steps for kind, steps in self.steps.items())
        factor = sum(self.seconds.values()) / guessed if guessed else _size(cell)
        return SECONDS_PER_STEP[name] * cell.steps * factor

    def _print(self, text: str) -> None:
        self.printed = time.monotonic()
        if self.verbose:
            done = self.total - len(self.left)
            left = duration(self.seconds_left())
            print(f"[{done} of {self.total}, about {left} left] {text}", flush=True)


def _name(cell: Cell) -> str:
    return cell.config["method"] if cell.kind == "generator" else cell.kind


def _size(cell: Cell) -> float:
    """Return how much larger a cell's images are than those of `SECONDS_PER_STEP`."""
    height, width, _ = cell.config["data"]["image_shape"]
    return height * width / 28**2


def duration(seconds: float) -> str:
    """Return a time in the units that suit it.

    Args:
        seconds: The time.

    Returns:
        Words.

    Example:

    >>> from keras_medaug.study.scheduling import duration
    >>> duration(42), duration(600), duration(7500)
    ('42 s', '10 min', '2 h 05 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"

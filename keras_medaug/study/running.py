"""Does a cell, unless it is done."""

import shutil
import time

import keras

from keras_medaug.datasets import Dataset
from keras_medaug.datasets.locking import locked
from keras_medaug.files import write_json_atomic
from keras_medaug.progress import Report, ignore
from keras_medaug.seeds import derive_seed
from keras_medaug.study.alone import alone_in_process
from keras_medaug.study.auditing import run_audit
from keras_medaug.study.cell import Cell
from keras_medaug.study.classifying import run_classifier
from keras_medaug.study.compiled import forget_models
from keras_medaug.study.environment import check_place
from keras_medaug.study.generating import run_generator

WORK = {"audit": run_audit, "generator": run_generator, "classifier": run_classifier}


def run_cell(
    cell: Cell,
    data: Dataset,
    call: str = "",  # noqa: ARG001
    report: Report = ignore,
) -> float:
    """Do one cell, if it is not done, and store what it gives.

    Args:
        cell: What to do.
        data: The set that its configuration names.
        call: Tells this call from others of the cell, for executors that remember what a call
            gave, as Dask does, errors included.
        report: Called with how far the work is, as `report(done, total)`.

    Returns:
        The seconds it took, 0 where it was done before.

    Raises:
        RuntimeError: If another cell is running in this process, whose seeds it would share, or
            if the process is not what the configuration says.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import keras_medaug as kma
    >>> from keras_medaug.study.arm import resolve_arms
    >>> from keras_medaug.study.planning import plan
    >>> from keras_medaug.study.environment import environment
    >>> from keras_medaug.study.running import run_cell
    >>> from keras_medaug.study.settings import Settings
    >>> ds = kma.datasets.load("phantom", size=8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     arms = resolve_arms(["none", "cvae"])
    ...     audit, _ = plan(ds, arms, 1, Settings(), environment(), Path(folder))
    ...     seconds = run_cell(audit, ds)
    ...     audit.result()["exact_duplicates"]
    0
    """
    with alone_in_process():
        if _is_done(cell):
            return 0.0
        check_place(cell.config["environment"])
        cell.store.mkdir(parents=True, exist_ok=True)
        with locked(cell.folder, "works on"):
            return 0.0 if _is_done(cell) else _run(cell, data, report)


def _is_done(cell: Cell) -> bool:
    return cell.done and (cell.kind != "generator" or cell.has_images())


def _run(cell: Cell, data: Dataset, report: Report) -> float:
    began = time.perf_counter()
    keras.utils.set_random_seed(derive_seed(cell.config.get("seed", 0), cell.kind))
    try:
        result = WORK[cell.kind](cell, data, report)
    except BaseException:
        forget_models()
        raise
    seconds = time.perf_counter() - began
    write_json_atomic(cell.folder / "config.json", cell.config)
    write_json_atomic(
        cell.folder / "result.json", {**result, "timing": {"seconds": round(seconds, 3)}}
    )
    shutil.rmtree(cell.folder / "training", ignore_errors=True)
    return seconds

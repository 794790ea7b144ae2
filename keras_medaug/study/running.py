"""Does a task, unless it is done."""

import shutil
import time

import keras

from keras_medaug.datasets import Dataset
from keras_medaug.files import locked, write_json_atomic
from keras_medaug.progress import Report, ignore
from keras_medaug.provenance import check_place
from keras_medaug.seeds import derive_seed
from keras_medaug.study.alone import alone_in_process
from keras_medaug.study.auditing import run_audit
from keras_medaug.study.classifying import run_classifier
from keras_medaug.study.compiled import forget_models
from keras_medaug.study.generating import run_generator
from keras_medaug.study.task import Task

WORK = {"audit": run_audit, "generator": run_generator, "classifier": run_classifier}


def run_task(
    task: Task,
    data: Dataset,
    call: str = "",  # noqa: ARG001
    report: Report = ignore,
) -> float:
    """Do one task, if it is not done, and store what it gives.

    Args:
        task: What to do.
        data: The set that its configuration names.
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
    >>> import keras_medaug as kma
    >>> from keras_medaug.study.arm import resolve_arms
    >>> from keras_medaug.study.planning import plan
    >>> from keras_medaug.provenance import environment
    >>> from keras_medaug.study.running import run_task
    >>> from keras_medaug.study.settings import Settings
    >>> ds = kma.datasets.load("phantom", size=8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     arms = resolve_arms(["none", "cvae"])
    ...     audit, _ = plan(ds, arms, 1, Settings(), environment(), Path(folder))
    ...     seconds = run_task(audit, ds)
    ...     audit.result()["exact_duplicates"]
    0
    """
    with alone_in_process():
        if _is_done(task):
            return 0.0
        check_place(task.config["environment"])
        task.store.mkdir(parents=True, exist_ok=True)
        with locked(task.folder, "works on"):
            return 0.0 if _is_done(task) else _run(task, data, report)


def _is_done(task: Task) -> bool:
    return task.done and (task.kind != "generator" or task.has_images())


def _run(task: Task, data: Dataset, report: Report) -> float:
    began = time.perf_counter()
    keras.utils.set_random_seed(derive_seed(task.config.get("seed", 0), task.kind))
    try:
        result = WORK[task.kind](task, data, report)
    except BaseException:
        forget_models()
        raise
    seconds = time.perf_counter() - began
    write_json_atomic(task.folder / "config.json", task.config)
    write_json_atomic(
        task.folder / "result.json", {**result, "timing": {"seconds": round(seconds, 3)}}
    )
    shutil.rmtree(task.folder / "training", ignore_errors=True)
    return seconds

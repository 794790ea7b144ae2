"""The study: does it help?"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from keras_medaug.checks import check_flag, check_fraction, check_positive, fail
from keras_medaug.datasets import Dataset
from keras_medaug.datasets.dataset import SPLITS
from keras_medaug.files import plain, write_json_atomic
from keras_medaug.interrupts import between_steps
from keras_medaug.labels import OutOfFoldClassifier
from keras_medaug.layers import GeometricAugmentation
from keras_medaug.metrics.checking import class_word
from keras_medaug.models import generators as registered
from keras_medaug.models.registry import generator_class, new_generator
from keras_medaug.progress import Progress
from keras_medaug.result import returns_result
from keras_medaug.study.arm import (
    ARMS,
    SAFE,
    Arm,
    Function,
    check_importable,
    policy_config,
    policy_note,
    resolve_arms,
)
from keras_medaug.study.arm import safe_policy as policy_of
from keras_medaug.study.command import check_installed
from keras_medaug.study.execute import (
    check_executor,
    execute,
    place_of,
    plan_tasks,
    with_needed,
)
from keras_medaug.study.report import write_report
from keras_medaug.study.results import summarise
from keras_medaug.study.settings import Settings
from keras_medaug.study.task import Task
from keras_medaug.study.tasks import plan
from keras_medaug.study.train import new_classifier

GO_ON = "Finished tasks are kept. Run the same call again to go on."
STATISTICS_SECONDS = 1.0  # of each arm, report and figures included


@returns_result
@between_steps(GO_ON)
def run(
    ds: Dataset,
    arms: Iterable[str | Function] = ARMS,
    seeds: int = 10,
    train_fraction: float = 1.0,
    ratio: float = 1.0,
    steps: int = 1000,
    generator_steps: int = 2000,
    batch_size: int = 64,
    fidelity: float | None = None,
    margin: float = 0.01,
    classifier: Mapping[str, Any] | None = None,
    generators: Mapping[str, Mapping[str, Any]] | None = None,
    safe_policy: GeometricAugmentation | None = None,
    executor: Executor | None = None,
    store: str | os.PathLike | None = None,
    out: str | os.PathLike = "results",
    verbose: bool = True,
) -> dict[str, Any]:
    """Train the same classifier with and without each augmentation, and say which ones help.

    Every arm takes the same number of training steps with batches of the same size. Seed s fixes
    the part of the training split that is used and the initial weights for every arm, and the order
    of the images for arms with equally many of them. Each generative model is trained anew for each
    seed, on that part alone. Of every training those weights count that are best on the validation
    split, by the area under the ROC curve; the test split is looked at once, with them.

    The work is done in tasks, one for each arm and seed, and for each model and seed; what is done
    is kept, and neither a kill nor another study with the same store costs it.

    Args:
        ds: The data set, with all three splits, every class in each.
        arms: `"none"` and others among `"oversample"`, `"geometric"` (the paper's policy) and
            `"geometric-safe"`; for every generator `G` of `keras_medaug.models.generators()`, `"G"`
            and `"geometric-safe+G"`, and the diagnostic `"only-G"`, which trains on synthetic
            images alone; and functions `(x, y, seed) -> (x, y)`, defined at the top of a module,
            named as they are there. By default ten arms, those with `"cvae"`, `"dcgan"` and
            `"vaegan"` among them.
        seeds: Number of seeds; fewer than ten give no verdict.
        train_fraction: Fraction of the training split that is used, of each class, in (0, 1].
        ratio: Synthetic images for each real one.
        steps: Training steps of each classifier.
        generator_steps: Training steps of each generative model.
        batch_size: Images in a batch.
        fidelity: As in `keras_medaug.augment`, or `None`.
        margin: The smallest difference of interest, in area under the ROC curve.
        classifier: Further arguments of `keras_medaug.models.Classifier`.
        generators: Further arguments of the generative models, by their registered names.
        safe_policy: The policy of `"geometric-safe"`; by default the set's, where the set is one
            of MedMNIST's, else small rotations and shifts without flips. Where images have no up
            or down, as in histology, pass
            `keras_medaug.layers.GeometricAugmentation(rotation=180, shift=0.1)`, which also flips.
        executor: Where tasks run: `keras_medaug.study.Workers`, Dask's `client.get_executor()`,
            or another executor of processes that see the folder `store`. `None`: this process.
            The processes import the classes of generators that are not the package's own.
        store: Folder of the tasks; by default `tasks` in `out`. Studies may share one.
        out: Folder of `results.json`, `report.md` and figures.
        verbose: Whether to print what is about to be done and where the report is, and to show, on
            standard error, how far it is and how long the rest will take.

    Returns:
        The content of `results.json`: `dataset`, `config`, `versions`, `arms` (scores on `val` and
        `test`, each `{mean, sd, values}` over seeds), `comparisons` (see
        `keras_medaug.study.Comparison`), `real_against_synthetic` (how far training on synthetic
        images alone falls behind), `headline` (the arm that is best on the validation split),
        `linear_baseline` (a linear model of simple image statistics, and how far it is ahead of
        `"none"`), `warnings`, and `timing`, which alone differs between two runs of one
        configuration. A notebook shows it short; `dict(results)` shows all of it.

    Raises:
        ValueError: If an argument is not as described; before any training.
        RuntimeError: If a task cannot run where the executor runs it.
        ImportError: If SciPy, scikit-learn or Matplotlib is not installed.

    Example:

    >>> import tempfile
    >>> import keras_medaug as kma
    >>> ds = kma.datasets.load("phantom", size=8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     results = kma.study.run(
    ...         ds, ["none", "oversample"], seeds=2, steps=4, classifier={"filters": 4},
    ...         out=folder, verbose=False,
    ...     )
    >>> [(row["arm"], row["verdict"]) for row in results["comparisons"]]
    [('oversample', 'INCONCLUSIVE')]
    """
    began = time.monotonic()
    _check_data(ds)
    chosen = resolve_arms(arms)
    seeds = check_positive(seeds, "seeds", integer=True)
    executor = check_executor(executor)
    verbose = check_flag(verbose, "verbose")
    if safe_policy is not None and not isinstance(safe_policy, GeometricAugmentation):
        raise fail("safe_policy", type(safe_policy).__name__, "a GeometricAugmentation, or None")
    settings = Settings(
        train_fraction=_check_fraction(train_fraction),
        ratio=check_positive(ratio, "ratio"),
        steps=check_positive(steps, "steps", integer=True),
        generator_steps=check_positive(generator_steps, "generator_steps", integer=True),
        batch_size=check_positive(batch_size, "batch_size", integer=True),
        fidelity=None if fidelity is None else check_fraction(fidelity, "fidelity"),
        margin=check_positive(margin, "margin"),
        classifier=_plain(classifier or {}, "classifier"),
        generators=_check_generators(generators or {}),
        policies=_policies(ds.name if safe_policy is None else safe_policy),
    )
    _check_models(ds, chosen, settings, executor)
    _check_folds(ds, settings)
    check_installed()
    out = Path(out)
    place = place_of(executor)
    # Absolute, since a worker may have another folder of its own.
    folder = Path(store or out / "tasks").absolute()
    audit, tasks = plan(ds, chosen, seeds, settings, place, folder)
    wanted = [audit, *tasks.values()]
    if verbose:
        print(_announcement(ds, chosen, seeds, settings, wanted), flush=True)
        if note := policy_note(ds.name, settings.policies[SAFE], [arm.name for arm in chosen]):
            print(note, flush=True)
    config = {
        "arms": [arm.name for arm in chosen],
        "seeds": seeds,
        **asdict(settings),
        "environment": place,
    }
    part = "" if settings.train_fraction == 1 else f", {settings.train_fraction:g} of it"
    with Progress(f"study of {ds.name}{part}", verbose) as progress:
        plan_tasks(progress, wanted)
        progress.plan("statistics", STATISTICS_SECONDS * len(chosen), label="statistics and report")
        progress.announce()
        spent = execute(wanted, ds, executor, progress)
        with progress.part("statistics"):
            results = summarise(ds, chosen, seeds, config, audit.result(), tasks)
            results["timing"] = {
                "seconds": round(time.monotonic() - began, 1),
                "seconds_in_tasks": _seconds_by_name(spent, wanted),
            }
            write_json_atomic(out / "results.json", results)
            write_report(out, results)
    if verbose:
        print(f"Report: {out / 'report.md'}", flush=True)
    return results


@returns_result
@between_steps(GO_ON)
def sweep(
    ds: Dataset, train_fractions: Sequence[float] = (0.1, 0.25, 0.5, 1.0), **options: Any
) -> dict[float, dict[str, Any]]:
    """Run a study for each of several fractions of the training split, and draw learning curves.

    Args:
        ds: The data set.
        train_fractions: Fractions of the training split.
        **options: As in `run`; each study goes to a folder of its own in `out`, such as
            `fraction-0.25`, and the figure `learning_curves.png` to `out`.

    Returns:
        The results of `run` by fraction.

    Raises:
        ValueError: If `train_fractions` is not as described, or `run` raises it.

    Example:

    >>> import tempfile
    >>> import keras_medaug as kma
    >>> ds = kma.datasets.load("phantom", size=8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     by_fraction = kma.study.sweep(
    ...         ds, [0.5, 1.0], arms=["none", "oversample"], seeds=1, steps=2,
    ...         classifier={"filters": 4}, out=folder, verbose=False,
    ...     )
    >>> sorted(by_fraction)
    [0.5, 1.0]
    """
    from keras_medaug.plotting import save
    from keras_medaug.study.figures import learning_curves

    fractions = [_check_fraction(fraction, "train_fractions") for fraction in train_fractions]
    if len(fractions) < 2:
        raise fail("train_fractions", repr(train_fractions), "two fractions or more")
    out = Path(options.pop("out", "results"))
    store = options.pop("store", None) or out / "tasks"
    by_fraction = {
        fraction: run(
            ds, train_fraction=fraction, store=store, out=out / f"fraction-{fraction:g}", **options
        )
        for fraction in sorted(fractions)
    }
    save(learning_curves(list(by_fraction.values())), out / "learning_curves.png")
    return by_fraction


# ---- arguments ------------------------------------------------------------------------------


def _check_data(ds: Dataset) -> None:
    if not isinstance(ds, Dataset):
        raise fail("ds", f"a {type(ds).__name__}", "a Dataset (see keras_medaug.datasets)")
    if ds.num_classes < 2:
        raise fail("ds", "a set with one class", "two classes or more")
    for split in SPLITS:
        if not ds.counts[split]:
            raise fail("ds", f"no {split} split", "a set with train, val and test")
        missing = set(range(ds.num_classes)) - set(ds.stored(split)[1].tolist())
        if missing:
            word = class_word(min(missing), ds.class_names)
            got = f"no image of class {word} in the {split} split"
            raise fail("ds", got, "images of every class in every split")


def _check_fraction(value: float, argument: str = "train_fraction") -> float:
    fraction = check_positive(value, argument)
    if fraction > 1:
        raise fail(argument, value, "a fraction above 0, 1 at most")
    return float(fraction)


def _check_generators(given: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    unknown = sorted(set(given) - set(registered()))
    if unknown:
        raise fail("generators", repr(unknown), f"arguments by {', '.join(registered())}")
    return {
        method: _plain(settings, f"generators[{method!r}]") for method, settings in given.items()
    }


def _plain(settings: Mapping[str, Any], argument: str) -> dict[str, Any]:
    """Return settings as JSON holds them, which tasks are named after."""
    try:
        return json.loads(json.dumps(dict(settings), default=plain))
    except TypeError as error:
        raise fail(argument, str(error), "numbers, strings and lists") from error


def _policies(safe: str | GeometricAugmentation) -> dict[str, dict[str, Any]]:
    """Return the policies by name, used or not: the tasks of `none`, which try both, are shared."""
    layer = policy_of(safe) if isinstance(safe, str) else safe
    return {
        name: policy_config(policy)
        for name, policy in (("geometric", GeometricAugmentation()), (SAFE, layer))
    }


def _check_models(
    ds: Dataset, arms: Sequence[Arm], settings: Settings, executor: Executor | None
) -> None:
    """Build each model once: what they refuse is refused before any training."""
    new_classifier(ds, settings.classifier, None, 0)
    for method in {arm.generator: None for arm in arms if arm.generator}:
        if executor is not None:
            check_importable(method)
        given = settings.generators.get(method, {})
        argument = f"generators[{method!r}]"
        new_generator(generator_class(method), ds.image_shape, ds.num_classes, 0, given, argument)


def _check_folds(ds: Dataset, settings: Settings) -> None:
    fewest = np.bincount(ds.stored("train")[1]).min() * settings.train_fraction
    if settings.fidelity is not None and round(fewest) < OutOfFoldClassifier().folds:
        got = f"{settings.fidelity} where a class has {round(fewest)} training images"
        raise fail("fidelity", got, "three images of each class or more, one for each fold")


def _announcement(
    ds: Dataset, arms: Sequence[Arm], seeds: int, settings: Settings, tasks: Sequence[Task]
) -> str:
    """Return what is about to be done. The tasks are those that the progress counts."""
    planned = with_needed(tasks)
    models = sum(task.kind == "generator" for task, _ in planned.values())
    images = math.ceil(ds.counts["train"] * settings.train_fraction)
    return (
        f"Study of {ds.name}, {images} training images. {len(planned) + 1} tasks: a check of the "
        f"data, {models} generative models of {settings.generator_steps} steps, "
        f"{len(arms) * seeds} classifiers of {settings.steps} steps, statistics and report. "
        f"{sum(done for _, done in planned.values())} tasks are done already."
    )


def _seconds_by_name(spent: Mapping[str, float], tasks: Sequence[Task]) -> dict[str, float]:
    """Return seconds by generator, for classifiers and for the audit."""
    names = {
        key: task.config.get("method", task.kind) for key, (task, _) in with_needed(tasks).items()
    }
    seconds: dict[str, float] = {}
    for key, value in spent.items():
        seconds[names[key]] = seconds.get(names[key], 0.0) + value
    return {name: round(value, 1) for name, value in seconds.items()}

"""A card of a generative model: what its images are, on one page."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.cards.content import write_content
from keras_medaug.cards.figures import draw
from keras_medaug.cards.page import render, template
from keras_medaug.cards.stages import plan_stages
from keras_medaug.cards.subject import Subject
from keras_medaug.checks import check_flag, check_labels, check_positive, fail
from keras_medaug.datasets import Dataset
from keras_medaug.files import check_text, write_json_atomic, write_text_atomic
from keras_medaug.images import check_images, to_uint8
from keras_medaug.interrupts import between_steps
from keras_medaug.labels import plan_labels
from keras_medaug.metrics.samples import compute_features
from keras_medaug.progress import Progress
from keras_medaug.provenance import describe_model
from keras_medaug.result import returns_result
from keras_medaug.seeds import resolve_seed

FILES = ("model_card.html", "model_card.json")
LEAST, MOST = 100, 1000  # images that are made where nobody says how many

Extractor = Callable[[NDArray], ArrayLike]


@returns_result
@between_steps()
def model_card(
    model: keras.Model,
    ds: Dataset,
    out: str | os.PathLike,
    images: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    count: int | None = None,
    seed: int = 0,
    history: Mapping[str, Sequence[float]] | keras.callbacks.History | None = None,
    features: Mapping[str, Extractor] | None = None,
    about: Mapping[str, str] | None = None,
    classifier_steps: int = 500,
    show_real: bool = True,
    verbose: bool = True,
) -> dict[str, Any]:
    """Write a card of a generative model: one HTML page and a JSON file.

    The page, `out/model_card.html`, has everything inside, pictures too, and needs no network. Its
    first line is how well a simple classifier tells the images from real ones
    (`metrics.two_sample_auc`). Then come warnings; images beside real ones, by class; how far they
    are from training images in each feature space, beside what unseen real images get, and how
    small a difference would have been seen (`metrics.sample_quality`); which may be copies
    (`metrics.copy_audit`, `plotting.nearest_pairs`); whether a classifier sees their classes in
    them (`metrics.label_fidelity`); curves of the training; the data with checks
    (`metrics.diversity`, `near_duplicates` between splits, `prior_shift`, `collapsed_classifier`);
    and all settings. `out/model_card.json` holds the same numbers.

    The features are those of `features.PixelFeatures` and, where there are two classes or more,
    `features.ClassifierFeatures`, both fitted to the training split. Reference values are those of
    held-out images: of the validation split; where it has fewer than 20 images, of the test split
    as well. The memorization check takes both. Of more than 2,000 so many are drawn.

    **The page shows real images**, up to 20 training images of each class and those of the nearest
    pairs, unless `show_real` is false. Whether the images help a classifier is another question:
    `study.run` answers it.

    All images are looked at as they are once saved, rounded to 8 bits.

    Args:
        model: The model, trained, as `models.VAEGAN`: a Keras model with `image_shape`,
            `num_classes` and `generate(count, labels=..., seed=...)`.
        ds: What it was trained on: its training split is taken for that.
        out: Folder of the two files; made where it is missing.
        images: The images that the card is about, such as those of an exported set, `(n, h, w, c)`,
            floats in [0, 1] or `uint8`; or `None`, for those that the model makes.
        labels: Classes of the images, integers or names of `ds.class_names`, `(n,)` or `(n, 1)`.
            Required with `images` of a conditional model; without them, the classes that it is to
            make, by default as common as in the training split.
        count: How many images it makes, instead of `labels`; by default as many as there are
            training images, but 100 or more, and 1,000 or fewer.
        seed: Integer seed of the images, of the features, and of what is drawn at random.
        history: What `fit` returned, a dictionary from name to one value per epoch, or the
            `history` of `callbacks.ResumeTraining`, for the curves. By default that of the model's
            last `fit` in this process, if any, without values that not every epoch has.
        features: Further extractors by name; see `metrics.sample_quality`.
        about: What a reader of the page should know that no number tells, by heading, such as
            `{"Intended use": "...", "Licence": "...", "Contact": "..."}`.
        classifier_steps: Training steps of the classifier.
        show_real: Whether training images may be seen on the page, beside synthetic ones. Without
            them a reader can judge neither the samples nor suspected copies.
        verbose: Whether to show, on standard error, how far it is and how long the rest will take,
            and to print where the page is.

    Returns:
        The card, as in the JSON file. It has the keys that all records of the package have (see the
        reference page "Provenance records"), among them `model`, `images`, `source` (the data set)
        and `copy_audit`. And it holds: `summary` (the first line), `two_sample`, `about`,
        `features` (their cards), `held_out` (which images these are, and how many), `quality`,
        `readings` (of each number of it, whether it is worse than its reference value, and from
        which value on it would have been called so), `sharpness` (of `metrics.spectral_distance`),
        `labels`, `training`, `checks`, `warnings` (sentences) and `notes` (more of them). What
        could not be measured, for want of images or classes, is `None`. A notebook shows it short;
        `dict(card)` shows all of it.

    Raises:
        ValueError: If an argument is not as described; before anything is made.
        FileExistsError: If one of the files is there already: nothing is ever overwritten.
        ImportError: If Jinja2, Matplotlib or SciPy is not installed.
        OSError: If the folder cannot be written to.
        RuntimeError: If the model makes something else than the images that are asked for.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import keras_medaug as kma
    >>> data = kma.datasets.load("phantom", size=8)
    >>> model = kma.models.CVAE(data.image_shape, num_classes=4, latent_dim=4, seed=0)
    >>> model.compile()
    >>> history = model.fit(*data.train, epochs=1, verbose=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     card = kma.model_card(
    ...         model, data, folder, count=40, classifier_steps=5, verbose=False,
    ...         about={"Intended use": "Only to show the function."},
    ...     )
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['model_card.html', 'model_card.json']
    >>> card["images"]["counts"], sorted(card["quality"]["spaces"])
    ([10, 10, 10, 10], ['classifier', 'pixels'])

    References:
        Mitchell et al., Model cards for model reporting, FAT* 2019.
    """
    paths = _check_paths(out)
    _check_model(model, ds)
    seed = resolve_seed(seed)
    made, classes = _check_given(model, ds, images, labels, count)
    curves = _curves(model, history)
    features = _check_extractors(features, ds)
    about = _check_about(about)
    steps = int(check_positive(classifier_steps, "classifier_steps", integer=True))
    show_real = check_flag(show_real, "show_real")
    verbose = check_flag(verbose, "verbose")
    _require_libraries()
    amount = (count or _how_many(ds)) if classes is None else len(classes)
    with Progress("model card", verbose) as progress:
        if made is None:
            plan_stages(progress, ds, amount, steps, getattr(model, "passes_per_image", 1))
        else:
            plan_stages(progress, ds, len(made), steps)
        progress.announce()
        with progress.part("images"):
            if made is None:
                made = _generated(model, amount, classes, seed, ds)
        subject = Subject(model, ds, to_uint8(made), classes, seed, images is None)
        card = write_content(subject, curves, features, about, steps, show_real, progress)
        with progress.part("drawing"):
            page = render(card, draw(subject, card, show_real), show_real)
            _refuse_existing(paths)  # it may have taken long
            _write(paths, page, card)
    if verbose:
        print(f"Model card: {paths[0]}", flush=True)
    return card


def _check_paths(out: str | os.PathLike) -> list[Path]:
    """Return the paths of both files, in a folder that there is or can be made."""
    try:
        folder = Path(out).expanduser()
    except (TypeError, RuntimeError) as error:
        raise fail("out", repr(out), "a folder") from error
    parent = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not parent.is_dir():
        raise fail("out", f"{folder}, where {parent} is a file", "a folder")
    if not os.access(parent, os.W_OK):
        raise fail("out", f"{folder}, where {parent} may not be written to", "a folder to write to")
    paths = [folder / name for name in FILES]
    _refuse_existing(paths)
    return paths


def _generated(
    model: keras.Model, count: int, classes: NDArray | None, seed: int, ds: Dataset
) -> NDArray:
    """Return what the model makes, if it is as many images as were asked for."""
    try:
        made = check_images(
            model.generate(count, labels=classes, seed=seed), "model.generate", ds.image_shape
        )
        if len(made) != count:
            raise fail("model.generate", f"{len(made)} images", str(count))
    except (TypeError, ValueError) as error:
        raise RuntimeError(f"the model does not make images as it should: {error}") from error
    return made


def _refuse_existing(paths: Sequence[Path]) -> None:
    for path in paths:
        if path.exists() or path.is_symlink():
            raise FileExistsError(
                f"`out`: {path} exists already; choose another folder or move it."
            )


def _check_model(model: keras.Model, ds: Dataset) -> None:
    if not isinstance(model, keras.Model) or not callable(getattr(model, "generate", None)):
        got = f"a {type(model).__name__}"
        raise fail("model", got, "one of keras_medaug.models that generates")
    describe_model(model)  # which refuses a model whose settings cannot be written down
    if not isinstance(ds, Dataset):
        raise fail("ds", f"a {type(ds).__name__}", "a Dataset (see `datasets.from_arrays`)")
    shape = tuple(getattr(model, "image_shape", None) or ds.image_shape)
    if shape != ds.image_shape:
        raise fail("ds", f"images of shape {ds.image_shape}", f"the model's, {shape}")
    classes = getattr(model, "num_classes", None)
    if classes is not None and classes != ds.num_classes:
        raise fail("ds", f"{ds.num_classes} classes", f"the model's, {classes}")


def _check_given(
    model: keras.Model,
    ds: Dataset,
    images: ArrayLike | None,
    labels: ArrayLike | None,
    count: int | None,
) -> tuple[NDArray | None, NDArray | None]:
    """Return the images, if they are given, and the classes, if there are any."""
    conditional = getattr(model, "num_classes", None) is not None
    if count is not None:
        count = check_positive(count, "count", integer=True)
        for name, value in (("images", images), ("labels", labels)):
            if value is not None:
                raise fail("count", count, f"None, where `{name}` says how many there are")
    if images is not None:
        made = check_images(images, "images", ds.image_shape)
        if labels is None and conditional:
            raise fail("labels", "None", "the classes of `images`, made by a conditional model")
        if labels is None:
            return made, None
        return made, check_labels(
            labels, "labels", len(made), ds.num_classes, class_names=ds.class_names
        )
    if labels is not None:
        if not conditional:
            raise fail("labels", "labels", "None, for a model without `num_classes`")
        return None, check_labels(labels, "labels", class_names=ds.class_names)
    if not conditional:
        return None, None
    wanted = _how_many(ds) if count is None else count
    return None, plan_labels(ds.stored("train")[1], "proportional", total=wanted)


def _how_many(ds: Dataset) -> int:
    return min(max(ds.counts["train"], LEAST), MOST)


def _curves(model: keras.Model, history: Any) -> tuple[dict[str, list[float]], bool]:
    """Return one value per epoch, by name, if any is known; and whether they were given."""
    if history is None:
        last = getattr(getattr(model, "history", None), "history", None)
        curves = _checked_curves(last) if last else {}
        epochs = max(map(len, curves.values()), default=0)
        return {name: row for name, row in curves.items() if len(row) == epochs}, False
    curves = _checked_curves(getattr(history, "history", history))
    lengths = {name: len(row) for name, row in curves.items()}
    if len(set(lengths.values())) > 1:
        raise fail("history", f"so many values: {lengths}", "one for each epoch, of each name")
    return curves, True


def _checked_curves(values: Any) -> dict[str, list[float]]:
    if isinstance(values, list) and all(isinstance(row, Mapping) for row in values):
        names = dict.fromkeys(name for row in values for name in row)
        values = {name: [row[name] for row in values if name in row] for name in names}
    if not isinstance(values, Mapping):
        raise fail("history", f"a {type(values).__name__}", "what `fit` returned, or a dictionary")
    curves = {}
    for name, given in values.items():
        array = np.asarray(given, dtype=object)
        kinds = (int, float, np.integer, np.floating)
        numbers = [isinstance(value, kinds) for value in array.ravel()]
        if not isinstance(name, str) or array.ndim != 1 or not all(numbers):
            raise fail("history", f"{name!r}: {given!r}", "one number per epoch, by name")
        check_text(name, "history")
        curves[name] = [float(value) for value in array]
    return {name: row for name, row in curves.items() if row}


def _check_extractors(
    features: Mapping[str, Extractor] | None, ds: Dataset
) -> dict[str, Extractor]:
    """Return further extractors, each of which has been tried on two images."""
    given = {} if features is None else features
    named = isinstance(given, Mapping) and all(isinstance(name, str) and name for name in given)
    if not named or not all(callable(extractor) for extractor in given.values()):
        raise fail("features", repr(features), "functions from images to features, by name")
    taken = sorted({"pixels", "classifier"} & set(given))
    if taken:
        raise fail("features", f"the name {taken[0]!r}", "other names than the card's own")
    few = ds.stored("train")[0][:2]
    for name, extractor in given.items():
        check_text(name, "features")
        try:
            compute_features(extractor, [few], len(few))
        except Exception as error:  # a function of another's making may fail in any way
            got = f"one that fails on two images ({error})"
            raise fail(f"features[{name!r}]", got, "a function from images to features") from error
        try:
            json.dumps(getattr(extractor, "card", {}), allow_nan=False)
        except (TypeError, ValueError) as error:
            got = f"one with a `card` that JSON cannot hold ({error})"
            raise fail(f"features[{name!r}]", got, "a `card` of plain values, or none") from error
    return dict(given)


def _check_about(about: Mapping[str, str] | None) -> dict[str, str]:
    given = {} if about is None else about
    if not isinstance(given, Mapping) or not all(
        isinstance(part, str) and part for pair in given.items() for part in pair
    ):
        raise fail("about", repr(about), "texts by heading")
    for name, text in given.items():
        check_text(name + text, "about")
    return dict(given)


def _require_libraries() -> None:
    """Raise what the first figure and the first test would, after long work."""
    from keras_medaug.metrics import prior_shift
    from keras_medaug.plotting import new_figure

    template()
    new_figure((1, 1))
    prior_shift([0, 1], [0, 1])


def _write(paths: Sequence[Path], page: str, card: dict[str, Any]) -> None:
    """Write both files or, if something is raised, none."""
    with ExitStack() as undo:
        write_text_atomic(paths[0], page)
        undo.callback(paths[0].unlink)
        write_json_atomic(paths[1], card)
        undo.pop_all()

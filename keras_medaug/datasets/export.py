"""Saving a data set as a file in MedMNIST layout, with a card that says what the images are."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_medaug._version import __version__
from keras_medaug.checks import check_positive, fail
from keras_medaug.datasets.dataset import SPLITS, Dataset
from keras_medaug.datasets.download import file_md5
from keras_medaug.files import check_text, replacing, write_json_atomic
from keras_medaug.metrics import copy_audit
from keras_medaug.metrics.checking import listed
from keras_medaug.progress import Report, check_verbose
from keras_medaug.provenance import describe_model
from keras_medaug.result import returns_result

ORIGINS = ("synthetic", "real")
FORMAT = 1
DECIMALS = 6
FEW = 10  # images of a class, below which the card warns
DRAWN = "the memorization check lists them, and `plotting.nearest_pairs` draws them"
UNTRAINED = "The model has taken no step of training, as far as its optimizer knows."
NOT_ANONYMOUS = "A synthetic set is no anonymisation: it can give away what it was made from."
SCOPE = (
    "The memorization check sees most copies that are flipped, turned by quarters or by up to 10 "
    "degrees, shifted by up to a tenth of the side, inverted, or of another brightness or "
    "contrast. It sees those with noise, unless the set holds second views of one tissue. It does "
    "not see cropped or scaled ones, those shifted or turned further, or copies of a part."
)
MANY_UNIFORM = 0.05  # fraction of the images, above which uniform ones are worth a warning
EXCESS = 4  # standard errors, beyond which more near copies than of held-out images are no chance
FEW_HELD_OUT = 100  # images, below which their 1% quantile is hardly more than the nearest one


@returns_result
def save_npz(
    path: str | os.PathLike,
    data: Dataset,
    *,
    origin: str,
    model: keras.Model | None = None,
    seed: int | None = None,
    source: Dataset | None = None,
    verbose: bool | Report = False,
) -> dict[str, Any]:
    """Save a data set in MedMNIST layout, and beside it a card that says what it is.

    The file `path` holds six arrays, `train_images`, `train_labels` and the same for `val` and
    `test`: ``uint8`` images of shape `(n, h, w)`, or `(n, h, w, 3)` in colour, and integer labels
    of shape `(n, 1)`. Floats are rounded to 8 bits. A split that the set lacks is there with no
    image; `from_npz` takes it as absent. What reads MedMNIST's files can read this one.

    The card is a JSON file of the same name, ending in `.json`:

    - `made_by`, `format`: `"keras_medaug"`, and 1, the form of the card;
    - `name`: that of the data set;
    - `origin`: `"synthetic"` or `"real"`;
    - `file`: `name`, `md5` and `bytes` of the `.npz`;
    - `image_shape`: `[height, width, channels]`;
    - `class_names`: in the order of the labels;
    - `counts`: per split, the number of images of each class, in that order;
    - `model`: its `class`, the name under which Keras registers it, its `config`, and `steps`, how
      many its optimizer has taken (null where it was not compiled); or null;
    - `seed`: the one that the images were generated with, or null;
    - `source`: `name`, `md5` (see `Dataset.md5`) and `counts` of the source, or null;
    - `versions`: of `keras_medaug`, `keras` and `numpy`;
    - `copy_audit`: what `keras_medaug.metrics.copy_audit` returns, or null;
    - `notes`: sentences to read before the images are used.

    The audit compares all images, as saved, with the training split of `source`, and takes its
    validation and test images, where it has any, as the held-out ones. Floats in it have six
    decimals. The notes of a synthetic set name a model that has not been trained, exact copies,
    how many images are suspect, the share of images that are nearer to training images than real
    ones are, held-out images that are lacking, few, or near copies themselves, and a model or seed
    that is not recorded; those of any set name classes with fewer than ten images.

    There is no time in either file: with the same versions installed, the same call writes the
    same bytes. Both files come into being whole, the card first: whoever kills the process in
    between leaves a card whose file is missing, never synthetic images without their card. A file
    that was put in its place can be told by its MD5.

    Args:
        path: The file to write, ending in `.npz`; missing folders are made.
        data: What to save. Only the training split is required.
        origin: What the images are, "synthetic" or "real".
        model: The model that made the images, if one of Keras did; for synthetic ones only.
        seed: The seed that was given to its `generate`; for synthetic ones only.
        source: The real data set whose training split the model was trained on. Required for
            synthetic images, refused for real ones.
        verbose: Whether to show the progress of the audit on standard error; or a function
            `(done, total)` that is called instead.

    Returns:
        The card.

    Raises:
        ValueError: If an argument is not as described.
        FileExistsError: If `path` or the card exists already: nothing is ever overwritten.
        OSError: If the folder cannot be written to, or the disk is full.

    Example:

    >>> import os, tempfile
    >>> import keras_medaug as kma
    >>> source = kma.datasets.load("phantom")
    >>> y = source.train[1][:40]
    >>> model = kma.models.CVAE(source.image_shape, num_classes=source.num_classes, latent_dim=8)
    >>> images = model.generate(40, labels=y, seed=0)  # after training, that is
    >>> data = kma.datasets.from_arrays(images, y, class_names=source.class_names)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "made.npz")
    ...     card = kma.datasets.save_npz(
    ...         path, data, origin="synthetic", model=model, seed=0, source=source
    ...     )
    ...     kma.datasets.from_npz(path, class_names=card["class_names"])
    Dataset(name='made', image_shape=(28, 28, 1), num_classes=4, train=40)
    >>> card["counts"]["train"], card["copy_audit"]["exact_copies"]
    ([10, 10, 10, 10], 0)
    """
    check_verbose(verbose)
    path, card_path = _check_paths(path)
    seed = _check_arguments(data, origin, model, seed, source)
    made_by_model = None if model is None else describe_model(model)
    images = {split: _to_8_bit(data, split) for split in SPLITS}
    audit = None
    if source is not None:
        held_out = np.concatenate([_to_8_bit(source, split) for split in SPLITS[1:]])
        audit = copy_audit(
            np.concatenate(list(images.values())),
            _to_8_bit(source, "train"),
            held_out if len(held_out) else None,
            verbose=verbose,
        )
    card = {
        "made_by": "keras_medaug",
        "format": FORMAT,
        "name": data.name,
        "origin": origin,
        "file": {"name": path.name},
        "image_shape": list(data.image_shape),
        "class_names": list(data.class_names),
        "counts": _counts(data),
        "model": made_by_model,
        "seed": seed,
        "source": None if source is None else _describe_source(source),
        "versions": {
            "keras_medaug": __version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
        "copy_audit": _rounded(audit),
    }
    card["notes"] = _notes(card)
    _refuse_existing(path, card_path)  # the audit may have taken long
    _write(path, card_path, _arrays(data, images), card)
    return card


def _check_paths(path: str | os.PathLike) -> tuple[Path, Path]:
    path = Path(path).expanduser()
    if path.suffix != ".npz":
        raise fail("path", f"{path}", "a file name that ends in .npz")
    check_text(path.name, "path")  # the card has it
    card_path = path.with_suffix(".json")
    _refuse_existing(path, card_path)
    return path, card_path


def _refuse_existing(*files: Path) -> None:
    for file in files:
        if file.exists() or file.is_symlink():
            raise FileExistsError(f"`path`: {file} exists already; choose another name or move it.")


def _check_arguments(data, origin, model, seed, source) -> int | None:
    """Check all but the path; return the seed as a plain number."""
    if not isinstance(data, Dataset):
        raise fail("data", f"a {type(data).__name__}", "a Dataset (see `from_arrays`)")
    if not isinstance(origin, str) or origin not in ORIGINS:
        raise fail("origin", repr(origin), '"synthetic" or "real"')
    if origin == "real":
        for argument, value in (("model", model), ("seed", seed), ("source", source)):
            if value is not None:
                raise fail(argument, f"a {type(value).__name__}", 'None where origin is "real"')
        return None
    if not isinstance(source, Dataset):
        got = "None" if source is None else f"a {type(source).__name__}"
        expected = (
            "the real Dataset that the model was trained on, to look for copies of its images"
        )
        raise fail("source", got, expected)
    if source.image_shape != data.image_shape:
        got = f"images of shape {source.image_shape}"
        raise fail("source", got, f"images of shape {data.image_shape}, as in `data`")
    if model is not None and not isinstance(model, keras.Model):
        raise fail("model", f"a {type(model).__name__}", "a keras.Model, or None")
    return None if seed is None else check_positive(seed, "seed", integer=True, zero=True)


def _to_8_bit(data: Dataset, split: str) -> NDArray[np.uint8]:
    """Return the images of a split, none where there is no such split."""
    if not data.counts[split]:
        return np.empty((0, *data.image_shape), np.uint8)
    images, _ = data.stored(split)
    return images if images.dtype == np.uint8 else np.rint(images * 255).astype(np.uint8)


def _arrays(data: Dataset, images: dict[str, NDArray[np.uint8]]) -> dict[str, NDArray]:
    """Return the six arrays of the file, in MedMNIST's form: gray images have three axes."""
    gray = data.image_shape[2] == 1
    arrays = {f"{split}_images": x[..., 0] if gray else x for split, x in images.items()}
    return arrays | {f"{split}_labels": _labels(data, split) for split in SPLITS}


def _labels(data: Dataset, split: str) -> NDArray:
    dtype = np.uint8 if data.num_classes <= 256 else np.int32
    labels = data.stored(split)[1] if data.counts[split] else np.empty(0)
    return labels.astype(dtype)[:, np.newaxis]


def _counts(data: Dataset) -> dict[str, list[int]]:
    labels = {split: _labels(data, split)[:, 0] for split in SPLITS}
    return {s: np.bincount(y, minlength=data.num_classes).tolist() for s, y in labels.items()}


def _describe_source(source: Dataset) -> dict[str, Any]:
    return {"name": source.name, "md5": source.md5, "counts": _counts(source)}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return round(value, DECIMALS) if isinstance(value, float) else value


def _notes(card: dict[str, Any]) -> list[str]:
    notes = []
    if card["model"] is not None and not card["model"]["steps"]:
        notes.append(UNTRAINED)
    if card["copy_audit"] is not None:
        notes += [
            NOT_ANONYMOUS,
            SCOPE,
            *audit_notes(card["copy_audit"]),
            *(f"The {k} is not recorded." for k in ("model", "seed") if card[k] is None),
        ]
    totals = np.sum(list(card["counts"].values()), axis=0).tolist()
    few = [
        f"{total} of {name!r}"
        for name, total in zip(card["class_names"], totals, strict=True)
        if total < FEW
    ]
    if few:
        which = "One class has" if len(few) == 1 else f"{len(few)} classes have"
        notes.append(f"{which} fewer than {FEW} images in all: {listed(few)}.")
    return notes


def audit_notes(audit: dict[str, Any]) -> list[str]:
    """Return what a reader of a copy audit has to know, in sentences."""
    return [*audit_warnings(audit), *audit_remarks(audit)]


def audit_warnings(audit: dict[str, Any], where: str = DRAWN) -> list[str]:
    """Return what a copy audit found that should not be, in sentences; `where` it can be seen."""
    count, total = audit["suspect_count"], audit["count"]
    found = []
    if audit["exact_copies"]:
        found.append(
            f"{audit['exact_copies']} of {total} images are exact copies of training images."
        )
    if count:
        found.append(
            f"Suspected copies: {count} of {total} images, each much nearer to one training image "
            f"than to the next ones. Look at them: {where}."
        )
    if audit["uniform"] > MANY_UNIFORM * total:
        found.append(
            f"{audit['uniform']} of {total} images are uniform. The memorization check did not "
            "compare them with training images."
        )
    excess = _excess(audit)
    if excess is not None:
        found.append(excess)
    return found


def _excess(audit: dict[str, Any]) -> str | None:
    """Return a sentence where far more images than held-out ones are near copies."""
    held_out = audit["spaces"]["pixels"]["held_out"]
    if held_out is None:
        return None
    count, other_count = audit["count"], held_out["count"]
    pairs = [
        (found["relative"]["near_copies"], found["relative"]["held_out"]["near_copies"])
        for found in audit["spaces"].values()
        if found["relative"]["near_copies"] is not None
    ]
    near, other = max(pairs, key=lambda pair: pair[0] / count - pair[1] / other_count)
    overall = (near + other) / (count + other_count)
    error = (overall * (1 - overall) * (1 / count + 1 / other_count)) ** 0.5
    if near / count - other / other_count <= EXCESS * error or near <= audit["suspect_count"]:
        return None
    return (
        f"{near} of {count} images are near copies of a training image, and {other} of "
        f"{other_count} held-out images: more than chance explains."
    )


def audit_remarks(audit: dict[str, Any]) -> list[str]:
    """Return what else there is to say of a copy audit, in sentences."""
    notes = []
    if audit["uniform"]:
        notes.append(f"{audit['uniform']} images are uniform: they were not compared.")
    if not audit["suspect_count"] and audit["uniform"] < audit["count"]:
        of = "No image" if not audit["uniform"] else "Of the others none"
        notes.append(f"{of} is so near to one training image that it stands out as a copy.")
    pixels = audit["spaces"]["pixels"]
    if pixels["held_out"] is None:
        notes.append("There are no held-out images: how near is too near is not known.")
        return notes
    count = pixels["held_out"]["count"]
    found = [each["relative"]["held_out"]["near_copies"] for each in audit["spaces"].values()]
    near = max(each for each in found if each is not None)
    if near:
        notes.append(
            f"{near} of {count} held-out images are near copies of training images: shares that "
            "are measured by them come out too low, and only what is nearer than these is suspect."
        )
    if count < FEW_HELD_OUT:
        notes.append(
            f"There are only {count} held-out images: how near is too near is hardly known."
        )
        return notes
    notes.append(
        f"{pixels['nearer_than_held_out_01']:.1%} of the images are nearer to a training image, "
        "pixel by pixel, than 99% of the held-out real images are; relative to the next nearest "
        f"ones it is {pixels['relative']['nearer_than_held_out_01']:.1%}. New real images would "
        "have about 1%; more can mean copies, or blur, which raises the first share most."
    )
    return notes


def _write(path: Path, card_path: Path, arrays: dict[str, Any], card: dict[str, Any]) -> None:
    """Write both files or, if something is raised, none; add to the card what the file is."""
    with ExitStack() as undo:
        with replacing(path) as partial:
            np.savez_compressed(partial, **arrays)
            with partial.open("rb") as file:
                card["file"] |= {"md5": file_md5(file), "bytes": partial.stat().st_size}
            write_json_atomic(card_path, card)
            undo.callback(card_path.unlink)
        undo.pop_all()

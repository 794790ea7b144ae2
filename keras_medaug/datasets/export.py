"""Saving a data set as a file in MedMNIST layout, with its provenance record."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_medaug.checked_images import CheckedImages
from keras_medaug.checks import check_positive, fail
from keras_medaug.datasets.dataset import SPLITS, Dataset, content_md5
from keras_medaug.datasets.download import file_md5
from keras_medaug.files import check_text, replacing, write_json_atomic
from keras_medaug.images import to_uint8
from keras_medaug.metrics import copy_audit
from keras_medaug.metrics.audit_sentences import NOT_ANONYMOUS, SCOPE, audit_notes
from keras_medaug.metrics.checking import listed
from keras_medaug.progress import Report, check_verbose
from keras_medaug.provenance import (
    UNTRAINED,
    describe_images,
    describe_model,
    describe_source,
    provenance_record,
)
from keras_medaug.result import returns_result

ORIGINS = ("synthetic", "real")
DECIMALS = 6
FEW = 10  # images of a class, below which the notes warn


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
    """Save a data set in MedMNIST layout, and beside it a provenance record.

    The file `path` holds six arrays, `train_images`, `train_labels` and the same for `val` and
    `test`: ``uint8`` images of shape `(n, h, w)`, or `(n, h, w, 3)` in colour, and integer labels
    of shape `(n, 1)`. Floats are rounded to 8 bits. A split that the set lacks is there with no
    image; `from_npz` takes it as absent. What reads MedMNIST's files can read this one.

    The provenance record is a JSON file of the same name, ending in `.json`. It has the keys that
    all records of the package have; the reference page "Provenance records" lists them. `seed` and
    `images.seed` are the argument `seed`. `source` describes the real set. `notes` are sentences to
    read before the images are used. In addition, the record holds:

    - `name`: that of the data set;
    - `origin`: `"synthetic"` or `"real"`;
    - `file`: `name`, `md5` and `bytes` of the `.npz`, and `counts`: per split, the number of images
      of each class.

    The memorization check compares all images, as saved, with the training split of `source`. Its
    validation and test images, where it has any, are the held-out ones. Floats have six decimals.
    The notes of a synthetic set say what the memorization check found and how far it can be
    trusted. They also name an untrained model, and a model or seed that is not recorded. The notes
    of any set name classes with fewer than ten images.

    There is no time in either file: with the same versions installed, the same call writes the
    same bytes. Both files come into being whole, the record first: a process that is killed in
    between leaves a record whose file is missing, never synthetic images without their record. The
    MD5 tells a file that was put in its place.

    Args:
        path: The file to write, ending in `.npz`; missing folders are made.
        data: What to save. Only the training split is required.
        origin: What the images are, "synthetic" or "real".
        model: The model that made the images, if one of Keras did; for synthetic ones only.
        seed: The seed that was given to its `generate`; for synthetic ones only.
        source: The real data set whose training split the model was trained on. Required for
            synthetic images, refused for real ones.
        verbose: Whether to show the progress of the memorization check on standard error; or a
            function `(done, total)` that is called instead.

    Returns:
        The record.

    Raises:
        ValueError: If an argument is not as described.
        FileExistsError: If `path` or the record exists already: nothing is ever overwritten.
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
    ...     record = kma.datasets.save_npz(
    ...         path, data, origin="synthetic", model=model, seed=0, source=source
    ...     )
    ...     kma.datasets.from_npz(path, class_names=record["class_names"])
    Dataset(name='made', image_shape=(28, 28, 1), num_classes=4, train=40)
    >>> record["images"]["counts"], record["copy_audit"]["exact_copies"]
    ([10, 10, 10, 10], 0)
    """
    check_verbose(verbose)
    path, record_path = _check_paths(path)
    seed = _check_arguments(data, origin, model, seed, source)
    made_by_model = None if model is None else describe_model(model)
    images = {split: _to_8_bit(data, split) for split in SPLITS}
    audit = None
    if source is not None:
        held_out = np.concatenate([_to_8_bit(source, split) for split in SPLITS[1:]])
        audit = copy_audit(
            CheckedImages(np.concatenate(list(images.values()))),
            CheckedImages(_to_8_bit(source, "train")),
            CheckedImages(held_out) if len(held_out) else None,
            verbose=verbose,
        )
    counts = _counts(data)
    present = [split for split in SPLITS if data.counts[split]]
    saved = {split: (images[split], data.stored(split)[1]) for split in present}
    record = {
        **provenance_record(
            "save_npz",
            image_shape=data.image_shape,
            class_names=data.class_names,
            model=made_by_model,
            seed=seed,
            images=describe_images(np.sum(list(counts.values()), axis=0), seed, content_md5(saved)),
            source=None
            if source is None
            else describe_source(source.name, source.md5, _counts(source)),
            copy_audit=_rounded(audit),
            computed=False,
        ),
        "name": data.name,
        "origin": origin,
        "file": {"name": path.name, "counts": counts},
    }
    record["notes"] = _notes(record)
    _refuse_existing(path, record_path)  # the audit may have taken long
    _write(path, record_path, _arrays(data, images), record)
    return record


def _check_paths(path: str | os.PathLike) -> tuple[Path, Path]:
    path = Path(path).expanduser()
    if path.suffix != ".npz":
        raise fail("path", f"{path}", "a file name that ends in .npz")
    check_text(path.name, "path")  # the record has it
    record_path = path.with_suffix(".json")
    _refuse_existing(path, record_path)
    return path, record_path


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
    return to_uint8(data.stored(split)[0])


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


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return round(value, DECIMALS) if isinstance(value, float) else value


def _notes(record: dict[str, Any]) -> list[str]:
    notes = []
    if record["model"] is not None and not record["model"]["steps"]:
        notes.append(UNTRAINED)
    if record["copy_audit"] is not None:
        notes += [
            NOT_ANONYMOUS,
            SCOPE,
            *audit_notes(record["copy_audit"]),
            *(f"The {key} is not recorded." for key in ("model", "seed") if record[key] is None),
        ]
    few = [
        f"{total} of {name!r}"
        for name, total in zip(record["class_names"], record["images"]["counts"], strict=True)
        if total < FEW
    ]
    if few:
        which = "One class has" if len(few) == 1 else f"{len(few)} classes have"
        notes.append(f"{which} fewer than {FEW} images in all: {listed(few)}.")
    return notes


def _write(path: Path, record_path: Path, arrays: dict[str, Any], record: dict[str, Any]) -> None:
    """Write both files or, if something is raised, none; add to the record what the file is."""
    with ExitStack() as undo:
        with replacing(path) as partial:
            np.savez_compressed(partial, **arrays)
            with partial.open("rb") as file:
                record["file"] |= {"md5": file_md5(file), "bytes": partial.stat().st_size}
            write_json_atomic(record_path, record)
            undo.callback(record_path.unlink)
        undo.pop_all()

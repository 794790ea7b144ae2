"""A data set from a folder of image files, one sub-folder per class."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from keras_medaug.checks import check_positive, fail
from keras_medaug.datasets.class_folders import list_classes, shown
from keras_medaug.datasets.dataset import Dataset, Split
from keras_medaug.datasets.directory_warnings import (
    warn_of_conflicts,
    warn_of_few,
    warn_of_large,
    warn_of_pictures,
    warn_of_skipped,
)
from keras_medaug.datasets.picture import (
    Picture,
    check_file,
    read_picture,
    reason_of,
    without_size_warnings,
)
from keras_medaug.datasets.splitting import Member, copies_of, split_groups
from keras_medaug.images import check_image_shape
from keras_medaug.progress import Report, check_verbose, portions, reporting

T = TypeVar("T")

QUIET = 2.0  # seconds of reading, from which on progress is shown
ON_ERROR = ("raise", "skip")
HEADERS, PICTURES = 1, 9  # how long it takes to look at all headers, and to read all images


def from_directory(
    path: str | os.PathLike,
    size: int | tuple[int, int],
    val: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
    channels: int = 1,
    verbose: bool | Report = True,
    on_error: str = "raise",
) -> Dataset:
    """Return the `Dataset` of a folder with one sub-folder of PNG or JPEG files per class.

    The classes are the sub-folders, sorted by name: the order is the same on every operating
    system. Each class is split separately: each split gets its fraction of the class. A class with
    enough files has at least one file in each split; the training split always has one. Which file
    goes where is a function of `seed`, of the file names and of which files are copies of one
    another: files with equal pixels always go to the same split, as they would otherwise carry
    training images into the test. The order of the images within a split is a fixed, mixed one.
    Nothing here knows of patients: where there are several images of one, split by patient first
    and use `from_arrays`.

    Images become 8-bit gray or RGB and are resized, with antialiasing, without keeping the aspect
    ratio. Transparency is dropped, and the orientation that a camera noted is applied. 16-bit
    files, gray or in colour, are scaled from their full range, resized, and rounded once at the
    end: without resizing, a value `v` becomes `v * 255 / 65535`, rounded. Ignored are hidden files,
    files that lie beside the class folders, and what systems leave, such as `Thumbs.db`,
    `desktop.ini` and `__MACOSX`.

    A `UserWarning` with the number of images is given for each of these:

    - colour images that become gray;
    - 16-bit images that come out nearly black, because they hardly use the upper bits;
    - images whose aspect ratio changes by a factor of more than 1.5;
    - images with more pixels than Pillow's limit;
    - equal images in different classes;
    - a class with fewer than 3 images in a split;
    - skipped files.

    Needs Pillow: `pip install "keras-medaug[images]"`.

    Args:
        path: The folder.
        size: Height and width of the images, or one number for both; from 8 to 256.
        val: Fraction of each class for validation, from 0 (no such split) to below 1.
        test: The same for the test split; `val + test` must be below 1.
        seed: Which of the possible splits, an integer of 0 or more.
        channels: 1 for gray images, 3 for colour.
        verbose: Whether to show progress on standard error where reading takes more than 2
            seconds; or a function `(done, total)` that is called instead.
        on_error: What to do with files in class folders that cannot be used: `"raise"` an error
            that names them, or `"skip"` them. Those skipped are in `skipped` of the data set.

    Returns:
        The data set, named after the folder.

    Raises:
        FileNotFoundError: If `path` does not exist.
        ImportError: If Pillow is not installed.
        ValueError: If an argument is not as above; if there is no class, a class without an
            image, or too few images for the splits; if the sub-folders are splits such as
            `train` and `test`; if a class folder is a link that leads out of `path`. With
            `on_error="raise"` also if a class folder holds anything but PNG or JPEG files, a file
            that cannot be read, or a link that leads out of `path`. The message names the files.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from PIL import Image
    >>> from keras_medaug import datasets
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for number in range(60):
    ...         file = Path(folder, "skin", ("benign", "malignant")[number % 2], f"{number}.png")
    ...         file.parent.mkdir(parents=True, exist_ok=True)
    ...         Image.fromarray(np.full((50, 40), number, "uint8")).save(file)
    ...     datasets.from_directory(Path(folder, "skin"), size=32)
    Dataset(name='skin', image_shape=(32, 32, 1), num_classes=2, train=42, val=6, test=12)
    """
    path = Path(path).expanduser()
    shape = _check_shape(size, channels)
    fractions = _check_fractions(val, test)
    check_positive(seed, "seed", integer=True, zero=True)
    check_verbose(verbose)
    if on_error not in ON_ERROR:
        raise fail("on_error", repr(on_error), '"raise" or "skip"')
    pil = _import_pillow()
    classes, unusable = list_classes(path)
    members = [(label, file) for label, files in classes.items() for file in files]
    name = path.resolve().name
    with reporting(verbose, f"reading {name}", QUIET) as report, without_size_warnings(pil):
        checking, reading = portions(report, HEADERS, PICTURES)
        pixels, broken = _try_each(pil, members, lambda file: check_file(pil, file), checking)
        unusable |= broken
        _refuse(path, classes, unusable, on_error)
        # Before the images are read, which is what takes long.
        _warn(*warn_of_large(path, pixels, pil.Image.MAX_IMAGE_PIXELS))
        pictures, broken = _try_each(
            pil, [*pixels], lambda file: read_picture(pil, file, shape), reading
        )
        unusable |= broken
        _refuse(path, classes, unusable, on_error)
    groups = copies_of({member: picture.key for member, picture in pictures.items()})
    splits = split_groups(groups, fractions, seed)
    _check_splits(path, classes, splits, fractions)
    skipped = {file.relative_to(path).as_posix(): reason for file, reason in unusable.items()}
    _warn(
        *warn_of_skipped(skipped),
        *warn_of_pictures(pictures, shape),
        *warn_of_conflicts(path, groups),
        *warn_of_few(classes, splits),
    )
    pairs = _pairs(list(classes), pictures, splits)
    return Dataset(
        name,
        pairs["train"],
        pairs.get("val"),
        pairs.get("test"),
        class_names=list(classes),
        source=path,
        skipped=skipped,
    )


def _warn(*messages: str) -> None:
    for message in messages:
        warnings.warn(message, stacklevel=3)  # names the line that calls `from_directory`


def _check_shape(size: int | tuple[int, int], channels: int) -> tuple[int, int, int]:
    pair = (size, size) if isinstance(size, int | np.integer) else size
    try:
        height, width = pair
    except (TypeError, ValueError) as error:
        raise fail("size", repr(size), "a number, or a pair (height, width)") from error
    check_image_shape((height, width, 1), "size")
    return check_image_shape((height, width, channels), "channels")


def _check_fractions(val: float, test: float) -> dict[str, float]:
    check_positive(val, "val", zero=True)
    check_positive(test, "test", zero=True)
    if val + test >= 1:
        raise fail("val + test", val + test, "a sum below 1, to leave some images for train")
    return {"test": test, "val": val}


def _import_pillow():
    try:
        import PIL.Image
        import PIL.ImageOps
    except ImportError as error:
        raise ImportError(
            "from_directory reads image files with Pillow, which is not installed: "
            'pip install "keras-medaug[images]"'
        ) from error
    return PIL


def _try_each(
    pil, members: list[Member], read: Callable[[Path], T], report: Report
) -> tuple[dict[Member, T], dict[Path, str]]:
    """Return what is read of each file, and why the others cannot be read."""
    contents: dict[Member, T] = {}
    broken: dict[Path, str] = {}
    for number, (label, file) in enumerate(members):
        report(number, len(members))
        try:
            contents[label, file] = read(file)
        except Exception as error:  # noqa: BLE001  What decoders raise is not a closed list.
            broken[file] = reason_of(pil, error)
    return contents, broken


def _pairs(
    classes: list[str], pictures: Mapping[Member, Picture], splits: Mapping[str, list[Member]]
) -> dict[str, Split]:
    return {
        split: (
            np.stack([pictures[member].image for member in members]),
            np.array([classes.index(label) for label, _ in members], np.int32),
        )
        for split, members in splits.items()
        if members
    }


def _refuse(
    path: Path, classes: Mapping[str, list[Path]], unusable: Mapping[Path, str], on_error: str
) -> None:
    """Refuse files that cannot be used, unless they are skipped, and classes without any other."""
    if unusable and on_error == "raise":
        named = [f"{file.relative_to(path)} ({reason})" for file, reason in unusable.items()]
        number = f"{len(unusable)} file{'s' * (len(unusable) > 1)} that cannot be used"
        expected = "readable PNG and JPEG files alone in class folders"
        remedy = 'on_error="skip" leaves others out, and lists them'
        raise fail("path", f"{path} with {number}: {shown(named)}", f"{expected}; {remedy}")
    for label, files in classes.items():
        if all(file in unusable for file in files):
            raise fail("path", f"no image of class {label!r} in {path / label}", "at least one")


def _check_splits(
    path: Path,
    classes: Mapping[str, list[Path]],
    splits: Mapping[str, list[Member]],
    fractions: Mapping[str, float],
) -> None:
    wanted = [split for split, fraction in fractions.items() if fraction]
    for split in wanted:
        if not splits[split]:
            got = f"{path}, with too few images for {split}={fractions[split]}"
            number = {1: "two", 2: "three"}[len(wanted)]
            raise fail(
                "path",
                got,
                f"at least {number} different images of some class, one for "
                f"each split, or a fraction of 0",
            )
    for label in classes:
        if all(label != other for other, _ in splits["train"]):
            got = f"{path}, where all images of class {label!r} are copies of images of others"
            raise fail("path", got, "an image of each class that is in no other class")

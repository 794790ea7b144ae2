"""The one form in which the package holds a data set, wherever it came from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checked_images import CheckedImages
from keras_medaug.checks import as_array, check_class_names, check_labels, fail
from keras_medaug.files import check_text
from keras_medaug.images import check_images, to_float

SPLITS = ("train", "val", "test")

Split = tuple[NDArray, NDArray[np.int32]]


class Dataset:
    """Images and labels in up to three splits, checked once and ready for every other call.

    Images that came as ``uint8`` are kept so and become ``float32`` in [0, 1] at each access, so
    that a large set takes a quarter of the memory: keep what `train` returns rather than asking
    for it in a loop. The arrays that an access returns belong to the caller.

    Args:
        name: What the set is called in reports.
        train: Pair of images `(n, h, w, c)`, floats in [0, 1] or ``uint8``, and labels
            `(n,)` or `(n, 1)`: integers, or names of `class_names`. Each class must occur.
        val: The same for the validation split, or `None` where there is none.
        test: The same for the test split, or `None` where there is none.
        class_names: One distinct name per class, in the order of the labels. By default the
            classes are the labels from 0 to the largest one, named by their number.
        source: Where the data came from, if it came from a file or a folder.
        md5: MD5 of the source file. By default the MD5 of the content, see `md5`.
        arguments: How images and labels are named in error messages; `{split}` stands for the
            split.
        skipped: Files of `source` that were not read, and why.

    Raises:
        ValueError: If a split is not what is asked for above, or splits differ in image shape.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.datasets import Dataset
    >>> images = np.zeros((4, 8, 8, 1), "uint8")
    >>> ds = Dataset("toy", (images, [0, 1, 0, 1]), class_names=["benign", "malignant"])
    >>> ds
    Dataset(name='toy', image_shape=(8, 8, 1), num_classes=2, train=4)
    >>> x, y = ds.train
    >>> x.dtype, y.dtype
    (dtype('float32'), dtype('int32'))
    """

    def __init__(
        self,
        name: str,
        train: tuple[ArrayLike, ArrayLike],
        val: tuple[ArrayLike, ArrayLike] | None = None,
        test: tuple[ArrayLike, ArrayLike] | None = None,
        class_names: Sequence[str] | None = None,
        source: str | os.PathLike | None = None,
        md5: str | None = None,
        arguments: tuple[str, str] = ("x_{split}", "y_{split}"),
        skipped: Mapping[str, str] | None = None,
    ):
        if not isinstance(name, str) or not name:
            raise fail("name", repr(name), "a string that is not empty")
        check_text(name, "name")
        given = {"train": train, "val": val, "test": test}
        pairs = {split: pair for split, pair in given.items() if pair is not None}
        self._name = name
        self._splits = _check_splits(pairs, class_names, arguments)
        images, labels = self._splits["train"]
        self._image_shape = images.shape[1:]
        if class_names is None:
            class_names = [str(label) for label in range(int(labels.max()) + 1)]
        self._class_names = tuple(class_names)
        self._source = None if source is None else Path(source)
        self._md5 = content_md5(self._splits) if md5 is None else md5
        self._skipped = dict(skipped or {})

    @property
    def name(self) -> str:
        """What the set is called in reports."""
        return self._name

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        return self._image_shape

    @property
    def num_classes(self) -> int:
        """How many classes there are; labels are in `[0, num_classes)`."""
        return len(self._class_names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name per class, in the order of the labels."""
        return self._class_names

    @property
    def source(self) -> Path | None:
        """The file or folder the data came from, or `None`."""
        return self._source

    @property
    def md5(self) -> str:
        """MD5 that identifies the data.

        Of a set read from one file, that of the file. Of any other, that of the content: for
        each split present, in the order train, val, test, and in it for the images and then the
        labels, one ASCII line `{split}_images {dtype} {shape}` (or `{split}_labels`; the dtype
        by name, the shape as `n,h,w,c`, closed by a newline) followed by the values as held, row
        by row, little-endian. Names play no part. The same data gives the same MD5 on every
        machine.
        """
        return self._md5

    @property
    def skipped(self) -> dict[str, str]:
        """Files of `source` that were not read, and why; see `from_directory`."""
        return dict(self._skipped)

    @property
    def counts(self) -> dict[str, int]:
        """Images per split; 0 for a split that is absent."""
        return {s: len(self._splits[s][1]) if s in self._splits else 0 for s in SPLITS}

    @property
    def train(self) -> Split:
        """Images, `float32` in [0, 1], shape `(n, h, w, c)`, and labels, `int32`, shape `(n,)`."""
        return self._floats("train")

    @property
    def val(self) -> Split:
        """The validation split, in the form of `train`; `ValueError` where there is none."""
        return self._floats("val")

    @property
    def test(self) -> Split:
        """The test split, in the form of `train`; `ValueError` where there is none."""
        return self._floats("test")

    def stored(self, split: str) -> Split:
        """Return a split as it is held: no conversion, no copy, read-only.

        The data-taking calls of the package accept ``uint8`` as well, so this is the way to hand
        over a set that is too large to be held as floats.

        Args:
            split: "train", "val" or "test".

        Returns:
            Images, ``uint8`` or ``float32``, and ``int32`` labels; neither can be written to.

        Raises:
            ValueError: If the data set lacks this split.
        """
        images, labels = self._split(split)
        return _read_only(images), _read_only(labels)

    def checked(self, split: str) -> tuple[CheckedImages, NDArray[np.int32]]:
        """Return `stored(split)` in a form that the package does not check again.

        Args:
            split: "train", "val" or "test".

        Returns:
            Images, which every function of the package takes without looking at them, and labels.

        Raises:
            ValueError: If the data set lacks this split.
        """
        images, labels = self.stored(split)
        return CheckedImages(images), labels

    def __repr__(self) -> str:
        counts = ", ".join(f"{split}={n}" for split, n in self.counts.items() if n)
        return (
            f"Dataset(name={self.name!r}, image_shape={self.image_shape}, "
            f"num_classes={self.num_classes}, {counts})"
        )

    def _split(self, split: str) -> Split:
        if split not in self._splits:
            expected = f"one of the splits that {self.name!r} has: {', '.join(self._splits)}"
            raise fail("split", repr(split), expected)
        return self._splits[split]

    def _floats(self, split: str) -> Split:
        images, labels = self._split(split)
        floats = to_float(images)
        return (floats.copy() if floats is images else floats), labels.copy()


def from_arrays(
    x_train: ArrayLike,
    y_train: ArrayLike,
    x_val: ArrayLike | None = None,
    y_val: ArrayLike | None = None,
    x_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    *,
    name: str = "arrays",
    class_names: Sequence[str] | None = None,
) -> Dataset:
    """Return a `Dataset` of the arrays given.

    The arrays are copied, so that what is checked here is what is trained on later. A validation
    or test split may be left out; asking the result for it raises a `ValueError`.

    Args:
        x_train: Images, shape `(n, h, w, c)`, floats in [0, 1] or ``uint8`` in [0, 255]; sizes
            from 8 to 256, one or three channels.
        y_train: Class indices, integers, or names of `class_names`; shape `(n,)` or `(n, 1)`. Each
            class must occur.
        x_val: Validation images, or `None`.
        y_val: Their labels; given exactly when `x_val` is.
        x_test: Test images, or `None`.
        y_test: Their labels; given exactly when `x_test` is.
        name: What the set is called in reports.
        class_names: One distinct name per class; the numbers by default.

    Returns:
        The data set.

    Raises:
        ValueError: If an argument is not as above.

    Example:

    >>> import numpy as np
    >>> from keras_medaug import datasets
    >>> datasets.from_arrays(np.zeros((2, 28, 28, 1)), [0, 1], name="mine")
    Dataset(name='mine', image_shape=(28, 28, 1), num_classes=2, train=2)
    """
    return Dataset(
        name,
        _copies(x_train, y_train, "train"),
        None if x_val is None and y_val is None else _copies(x_val, y_val, "val"),
        None if x_test is None and y_test is None else _copies(x_test, y_test, "test"),
        class_names,
    )


def content_md5(splits: dict[str, Split]) -> str:
    """Return the MD5 of the content of `splits`, as `Dataset.md5` defines it."""
    digest = hashlib.md5(usedforsecurity=False)
    for split in SPLITS:
        for kind, array in zip(("images", "labels"), splits.get(split, ()), strict=False):
            shape = ",".join(map(str, array.shape))
            digest.update(f"{split}_{kind} {array.dtype.name} {shape}\n".encode("ascii"))
            little = array.astype(array.dtype.newbyteorder("<"), copy=False)
            digest.update(np.ascontiguousarray(little).data)
    return digest.hexdigest()


def _check_splits(
    pairs: dict[str, tuple[ArrayLike, ArrayLike]],
    class_names: Sequence[str] | None,
    arguments: tuple[str, str],
) -> dict[str, Split]:
    if "train" not in pairs:
        raise fail("train", None, "a pair of images and labels")
    names = {split: [a.format(split=split) for a in arguments] for split in pairs}
    known = None if class_names is None else check_class_names(class_names)
    shape = None
    checked = {}
    for split, (x, y) in pairs.items():
        images = check_images(x, names[split][0], shape)
        shape = images.shape[1:]
        checked[split] = images, check_labels(y, names[split][1], len(images), class_names=known)
    if known is None:
        # The largest label of all splits: a class that only train lacks is then named as such.
        num_classes = 1 + max(int(labels.max()) for _, labels in checked.values())
    else:
        num_classes = len(known)
    for split, (_, labels) in checked.items():
        check_labels(labels, names[split][1], None, num_classes, split == "train", known)
    return checked


def _read_only(array: NDArray) -> NDArray:
    view = array.view()
    view.flags.writeable = False
    return view


def _copies(x, y, split):
    for argument, array in ((f"x_{split}", x), (f"y_{split}", y)):
        if array is None:
            raise fail(argument, None, f"an array: `x_{split}` and `y_{split}` go together")
    return np.array(as_array(x, f"x_{split}")), np.array(as_array(y, f"y_{split}"))

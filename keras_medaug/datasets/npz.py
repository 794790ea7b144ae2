"""Files in MedMNIST layout: six arrays in one ``.npz``."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from keras_medaug.checks import fail
from keras_medaug.datasets.dataset import SPLITS, Dataset
from keras_medaug.datasets.download import file_md5

KEYS = tuple(f"{split}_{kind}" for split in SPLITS for kind in ("images", "labels"))

# From this size on, in bytes, an array that is not compressed stays in the file.
MAPPED_FROM = 2**25

# What the zip and array readers raise on bytes that are not what they should be.
_BROKEN = (
    ValueError,
    KeyError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


def from_npz(path: str | os.PathLike, class_names: Sequence[str] | None = None) -> Dataset:
    """Return the `Dataset` that a file in MedMNIST layout holds.

    Such a file holds `train_images`, `train_labels` and the same for `val` and `test`: images of
    shape `(n, h, w)` or `(n, h, w, c)`, ``uint8`` or floats in [0, 1], and integer labels of shape
    `(n,)` or `(n, 1)`. Labels of a float type are refused: they are more often targets of a
    regression than classes. A validation or test split without any image is taken as absent, as
    `save_npz` writes one. Pickled objects are never read.

    Arrays of 32 MiB or more in a file that is not compressed (`numpy.savez`) are not read into
    memory but mapped: let the file be while the data set is in use, and hand `stored("train")` to
    `fit` rather than `train`, which is a `float32` copy.

    Args:
        path: The file.
        class_names: One distinct name per class; the numbers by default.

    Returns:
        The data set, named after the file; `md5` is that of the file.

    Raises:
        FileNotFoundError: If `path` does not exist.
        ValueError: If the file is not as described above. The message names the file.

    Example:

    >>> import os, tempfile
    >>> import numpy as np
    >>> from keras_medaug import datasets
    >>> images, labels = np.zeros((3, 28, 28), "uint8"), np.array([[0], [1], [1]])
    >>> arrays = {f"{s}_images": images for s in ("train", "val", "test")}
    >>> arrays |= {f"{s}_labels": labels for s in ("train", "val", "test")}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "mine.npz")
    ...     np.savez_compressed(path, **arrays)
    ...     datasets.from_npz(path, class_names=["benign", "malignant"])
    Dataset(name='mine', image_shape=(28, 28, 1), num_classes=2, train=3, val=3, test=3)
    """
    path = Path(path).expanduser()
    with path.open("rb") as file:
        return read_npz(file, path, path.stem, class_names, file_md5(file))


def read_npz(
    file: BinaryIO, path: Path, name: str, class_names: Sequence[str] | None, md5: str
) -> Dataset:
    """Return the `Dataset` in an open file whose MD5 is known.

    Taking the open file, not its path, makes sure that the bytes read are the bytes hashed.
    """
    file.seek(0)
    with naming(path):
        arrays = _read(file)
        train, val, test = (_pair(arrays, split) for split in SPLITS)
        return Dataset(
            name,
            train,
            None if _is_absent(val) else val,
            None if _is_absent(test) else test,
            class_names,
            path,
            md5,
            arguments=("{split}_images", "{split}_labels"),
        )


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let every `ValueError` raised inside begin with `path`."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def add_channels(images: NDArray) -> NDArray:
    """Return gray images `(n, h, w)` as `(n, h, w, 1)` and all others unchanged."""
    return images[..., np.newaxis] if images.ndim == 3 else images


def squeeze_labels(labels: NDArray, argument: str) -> NDArray:
    """Return labels `(n, 1)` as `(n,)`; refuse more than one label an image."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        return labels[:, 0]
    if labels.ndim == 2:
        got = f"multi-label data of shape {labels.shape}"
        raise fail(argument, got, "one class index per image, shape (n,) or (n, 1)")
    return labels


def _read(file: BinaryIO) -> dict[str, NDArray]:
    expected = f"a .npz file with the arrays {', '.join(KEYS)}"
    if not zipfile.is_zipfile(file):
        raise ValueError(f"not a zip archive, or a truncated one; expected {expected}.")
    file.seek(0)
    try:
        with np.load(file, allow_pickle=False) as archive:
            missing = [key for key in KEYS if key not in archive]
            arrays = _mapped(file, archive.zip)
            arrays |= {key: archive[key] for key in KEYS if key in archive and key not in arrays}
    except _BROKEN as error:
        raise ValueError(f"cannot be read ({error}); expected {expected}.") from error
    if missing:
        raise ValueError(f"has no {', '.join(missing)}; expected {expected}.")
    for key, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise fail(key, type(array).__name__, "an array")
    return arrays


def _mapped(file: BinaryIO, archive: zipfile.ZipFile) -> dict[str, NDArray]:
    """Return the arrays that are worth mapping: those large and not compressed."""
    arrays = {}
    for key in KEYS:
        info = archive.NameToInfo.get(f"{key}.npy")
        if info and info.compress_type == zipfile.ZIP_STORED and info.file_size >= MAPPED_FROM:
            arrays[key] = _map(file, archive, info)
    return arrays


def _map(file: BinaryIO, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray:
    """Return the array in a member that is not compressed, mapped read-only."""
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        if version == (1, 0):
            shape, by_column, dtype = np.lib.format.read_array_header_1_0(member)
        else:
            shape, by_column, dtype = np.lib.format.read_array_header_2_0(member)
        header = member.tell()
        while member.read(2**20):  # at the end of the member its checksum is compared
            pass
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded")
    # Its local header: 30 bytes, the last four of which tell how long name and extra field are.
    file.seek(info.header_offset + 26)
    start = info.header_offset + 30 + sum(struct.unpack("<HH", file.read(4))) + header
    mapped = np.memmap(file, dtype, "r", start, shape, order="F" if by_column else "C")
    if mapped.nbytes + header != info.file_size:
        raise ValueError(f"{info.filename} has {info.file_size} bytes for {dtype} of {shape}")
    return mapped


def _pair(arrays: dict[str, NDArray], split: str) -> tuple[NDArray, NDArray]:
    images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
    return add_channels(images), squeeze_labels(labels, f"{split}_labels")


def _is_absent(pair: tuple[NDArray, NDArray]) -> bool:
    return all(array.shape[:1] == (0,) for array in pair)

"""A data set from a folder of image files, one sub-folder per class."""

from __future__ import annotations

import hashlib
import itertools
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keras_medaug.checks import check_image_shape, check_positive, fail
from keras_medaug.datasets.dataset import Dataset
from keras_medaug.progress import Report, check_verbose, portions, reporting

SUFFIXES = (".png", ".jpg", ".jpeg")


def from_directory(
    path: str | os.PathLike,
    size: int | tuple[int, int],
    val: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
    channels: int = 1,
    verbose: bool | Report = False,
) -> Dataset:
    """Return the `Dataset` of a folder with one sub-folder of PNG or JPEG files per class.

    The classes are the sub-folders in sorted order. Each class is split by itself, so that the
    splits have its share of it; where it has enough files, each split gets at least one, and
    train always does. Which file goes where is a function of `seed`, of the file names and of
    which files are copies of one another: copies, equal byte for byte, always go to the same
    split, as they would otherwise carry training images into the test. The order of the images
    within a split is a fixed, mixed one. Nothing here knows of patients: where there are several
    images of one, split by patient first and use `from_arrays`.

    Images become 8-bit gray or RGB and are resized, with antialiasing, without keeping the aspect
    ratio. Transparency is dropped, and the orientation that a camera noted is applied. 16-bit
    files, gray or in colour, are scaled from their full range, resized, and rounded once at the
    end: without resizing, a value `v` becomes `v * 255 / 65535`, rounded. Hidden files are
    ignored, as are files that lie beside the class folders.

    Needs Pillow: `pip install "keras-medaug[images]"`.

    Args:
        path: The folder.
        size: Height and width of the images, or one number for both; from 8 to 256.
        val: Share of each class for validation, from 0 (no such split) to below 1.
        test: The same for the test split; `val + test` must be below 1.
        seed: Which of the possible splits, an integer of 0 or more.
        channels: 1 for gray images, 3 for colour.
        verbose: Whether to show progress on standard error; or a function `(done, total)` that is
            called instead.

    Returns:
        The data set, named after the folder.

    Raises:
        FileNotFoundError: If there is no such folder.
        ImportError: If Pillow is not installed.
        ValueError: If an argument is not as above; if there is no class, a class without an
            image, or too few images for the splits; if a class folder holds anything but PNG or
            JPEG files, a file that cannot be read, or a link that leads out of `path`. The
            message names the file.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from PIL import Image
    >>> from keras_medaug import datasets
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for number in range(20):
    ...         file = Path(folder, "skin", ("benign", "malignant")[number % 2], f"{number}.png")
    ...         file.parent.mkdir(parents=True, exist_ok=True)
    ...         Image.fromarray(np.full((50, 40), number, "uint8")).save(file)
    ...     datasets.from_directory(Path(folder, "skin"), size=32)
    Dataset(name='skin', image_shape=(32, 32, 1), num_classes=2, train=14, val=2, test=4)
    """
    path = Path(path).expanduser()
    shape = _check_shape(size, channels)
    shares = _check_shares(val, test)
    check_positive(seed, "seed", integer=True, zero=True)
    check_verbose(verbose)
    pil = _import_pillow()
    classes = _list_classes(path)
    names = list(classes)
    with reporting(verbose, f"reading {path.name}") as report:
        hashing, reading = portions(report, 1, 9)
        splits = _split(path, classes, shares, seed, hashing)
        total = sum(map(len, splits.values()))
        number = itertools.count()

        def read(file: Path) -> NDArray[np.uint8]:
            reading(next(number), total)
            return _read(pil, file, shape)

        pairs = {
            split: (
                np.stack([read(file) for _, file in members]),
                np.array([names.index(label) for label, _ in members], np.int32),
            )
            for split, members in splits.items()
        }
    return Dataset(
        path.resolve().name,
        pairs["train"],
        pairs.get("val"),
        pairs.get("test"),
        class_names=names,
        source=path,
    )


def _check_shape(size: int | tuple[int, int], channels: int) -> tuple[int, int, int]:
    pair = (size, size) if isinstance(size, int | np.integer) else size
    try:
        height, width = pair
    except (TypeError, ValueError) as error:
        raise fail("size", repr(size), "a number, or a pair (height, width)") from error
    check_image_shape((height, width, 1), "size")
    return check_image_shape((height, width, channels), "channels")


def _check_shares(val: float, test: float) -> dict[str, float]:
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


def _list_classes(path: Path) -> dict[str, list[Path]]:
    if not path.exists():
        raise FileNotFoundError(f"`path`: there is no folder {path}.")
    expected = "a folder with one sub-folder of PNG or JPEG files per class"
    if not path.is_dir():
        raise fail("path", f"{path}, which is no folder", expected)
    root = path.resolve()
    folders = [entry for entry in _visible(path, root) if entry.is_dir()]
    if not folders:
        raise fail("path", f"{path}, which has no sub-folder", expected)
    return {folder.name: _list_images(folder, root) for folder in folders}


def _list_images(folder: Path, root: Path) -> list[Path]:
    files = _visible(folder, root)
    for file in files:
        if not file.is_file() or file.suffix.lower() not in SUFFIXES:
            raise fail("path", f"{file}", "nothing but PNG and JPEG files in a class folder")
    if not files:
        raise fail("path", f"no image of class {folder.name!r} in {folder}", "at least one")
    return files


def _visible(folder: Path, root: Path) -> list[Path]:
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    for entry in entries:
        if not entry.resolve().is_relative_to(root):
            raise fail("path", f"{entry}, a link that leads out of {root}", "files inside it only")
    return entries


def _split(
    path: Path, classes: dict[str, list[Path]], shares: dict[str, float], seed: int, report: Report
) -> dict[str, list[tuple[str, Path]]]:
    """Divide the files among the splits: lists of (class, file), in mixed order."""
    copies: dict[str, list[tuple[str, Path]]] = {}
    pairs = [(label, file) for label, files in classes.items() for file in files]
    for number, (label, file) in enumerate(pairs):
        report(number, len(pairs))
        copies.setdefault(_hash(file.read_bytes()), []).append((label, file))

    def order(group):  # No generator: this gives the same order on every machine and version.
        label, file = group[0]
        return _hash(os.fsencode(f"{seed}/{label}/{file.name}"))

    splits: dict[str, list[tuple[str, Path]]] = {"train": [], "val": [], "test": []}
    for label in classes:
        groups = sorted((g for g in copies.values() if g[0][0] == label), key=order)
        for split, members in _split_class(groups, shares).items():
            splits[split] += members
    for split, share in shares.items():
        if share and not splits[split]:
            got = f"{path}, with too few images for {split}={share}"
            raise fail("path", got, "at least two different images of some class, or a share of 0")
    used = {split: members for split, members in splits.items() if members}
    return {split: sorted(members, key=lambda m: order([m])) for split, members in used.items()}


def _split_class(groups: list[list], shares: dict[str, float]) -> dict[str, list]:
    total = sum(map(len, groups))
    left = list(groups)
    splits: dict[str, list] = {}
    for split, share in shares.items():
        wanted = max(1, int(total * share + 0.5)) if share else 0
        splits[split] = []
        # The last group is for train, whatever the shares are.
        while len(left) > 1 and (group := _next_group(left, wanted - len(splits[split]))):
            left.remove(group)
            splits[split] += group
        if wanted and not splits[split] and len(left) > 1:
            group = min(left, key=len)
            left.remove(group)
            splits[split] += group
    splits["train"] = [member for group in left for member in group]
    return splits


def _next_group(groups: list[list], room: int) -> list | None:
    return next((group for group in groups if len(group) <= room), None)


def _hash(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _read(pil, file: Path, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    height, width, channels = shape
    try:
        with pil.Image.open(file, formats=("PNG", "JPEG")) as image:
            values = _values_of_16_bits(pil, image, file)
            exif = image.info.get("exif")
            if values is None:
                image = pil.ImageOps.exif_transpose(image)
                if image.mode == "P":  # its transparency cannot go straight to RGB
                    image = image.convert("RGBA")
                image = image.convert("L" if channels == 1 else "RGB")
    except Exception as error:  # what a decoder raises on bad bytes is not a closed list
        raise fail(
            "path", f"{file}, which cannot be read ({error})", "PNG or JPEG files"
        ) from error
    if values is not None:
        return _round_to_8_bits(pil, _with_channels(values, channels), exif, shape)
    image = image.resize((width, height), pil.Image.Resampling.BICUBIC)
    return np.asarray(image).reshape(shape)


def _values_of_16_bits(pil, image, file: Path) -> NDArray[np.float32] | None:
    """Return what a 16-bit image holds, in [0, 255] and not rounded, `None` for any other image.

    Pillow keeps both bytes of gray images alone. Of each other value it keeps the first byte, and
    the second one where it is told that the bytes are in the opposite order.
    """
    if image.mode.startswith("I"):
        values = np.asarray(image)[..., np.newaxis]
        return values.astype(np.float32) / np.float32(257)
    form = image.tile[0][3] if image.tile else None
    if form == "LA;16B":
        both = _decode(pil, file, "RGBA")
        high, low = both[..., :1], both[..., 1:2]
    elif form in ("RGB;16B", "RGBA;16B"):
        high = np.asarray(image)[..., :3]
        low = _decode(pil, file, form.replace("16B", "16L"))[..., :3]
    else:
        return None
    return (high * np.float32(256) + low) / np.float32(257)


def _decode(pil, file: Path, form: str) -> NDArray[np.uint8]:
    """Return a PNG file's bytes, read as if they were of another form."""
    with pil.Image.open(file, formats=("PNG",)) as image:
        image.tile = [(*image.tile[0][:3], form)]
        return np.asarray(image)


def _with_channels(values: NDArray, channels: int) -> NDArray:
    """Return gray as three equal channels, and colour as gray by Pillow's weights."""
    if values.shape[2] == 3 and channels == 1:
        return values @ np.array([[0.299], [0.587], [0.114]], values.dtype)
    return np.repeat(values, channels, axis=2) if values.shape[2] < channels else values


def _round_to_8_bits(
    pil, values: NDArray, exif: bytes | None, shape: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """Turn and resize values in [0, 255], channel by channel, and round them once, at the end."""
    height, width, _ = shape
    planes = []
    for plane in np.moveaxis(values, 2, 0):
        image = pil.Image.fromarray(np.ascontiguousarray(plane))
        if exif is not None:
            image.info["exif"] = exif
        image = pil.ImageOps.exif_transpose(image)
        planes.append(np.asarray(image.resize((width, height), pil.Image.Resampling.BICUBIC)))
    return np.rint(np.clip(np.stack(planes, axis=2), 0, 255)).astype(np.uint8)

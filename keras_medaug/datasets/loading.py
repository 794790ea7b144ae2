"""`load`: a public set, or the procedural one, by name."""

from __future__ import annotations

import os

from keras_medaug.checks import fail
from keras_medaug.datasets.dataset import Dataset
from keras_medaug.datasets.medmnist import MEDMNIST, load_medmnist
from keras_medaug.datasets.phantom import make_phantom

PHANTOM_OPTIONS = ("channels", "num_classes", "seed", "train", "val", "test")


def load(
    name: str,
    size: int | tuple[int, int] = 28,
    root: str | os.PathLike | None = None,
    download: bool = True,
    **phantom: int,
) -> Dataset:
    """Return a data set by name.

    The MedMNIST sets are files in a folder that is shared with the authors' `medmnist` package.
    A file that is absent is downloaded: under a temporary name, continued where a former download
    broke off, and moved into place when its MD5 is the published one. A file that is there is
    checked against that MD5 before it is read; one that is wrong is named in the error and left
    alone. RetinaMNIST, an ordinal task, is taken as a classification of its five grades.

    "phantom" needs neither file nor network: it is drawn from a seed, tissue-like images with
    speckle, layers and blobs, and in each one structure that gives its class. The pixels are no
    one's data and stand for no real modality: it is there to try things out, to test, and to be
    fallen back on.

    Args:
        name: One of the 2D MedMNIST sets but ChestMNIST, such as "breastmnist", or "phantom".
        size: Pixels along each side: 28, 64, 128 or 224; for "phantom" any number from 8 to 256,
            or a pair (height, width).
        root: Folder of the MedMNIST files. By default `$MEDMNIST_ROOT`, else `~/.medmnist`.
        download: Whether a file that is absent is downloaded.
        **phantom: For "phantom" alone: `channels` (1 or 3; 1 by default), `num_classes` (3 to 5;
            4), `seed` (0), and how many images there are in `train` (480), `val` (96) and `test`
            (192), each at least `num_classes`.

    Returns:
        The data set.

    Raises:
        ValueError: On an unknown name or size, a multi-label set (ChestMNIST), an option that is
            not for this set, or a file that is not the published one.
        FileNotFoundError: If the file does not exist and `download` is false.
        ConnectionError: If the file cannot be downloaded. This one and the one above give
            address, MD5 and place, for a download by hand.
        OSError: If the folder cannot be written to.

    Example:

    >>> from keras_medaug import datasets
    >>> datasets.load("phantom", size=(16, 24), channels=3, train=40, val=8, test=8)
    Dataset(name='phantom', image_shape=(16, 24, 3), num_classes=4, train=40, val=8, test=8)

    References:
        Yang et al., "MedMNIST v2 - A large-scale lightweight benchmark for 2D and 3D biomedical
        image classification", Scientific Data, 2023, https://doi.org/10.1038/s41597-022-01721-8
    """
    known = (*MEDMNIST, "phantom")
    if name not in known:
        raise fail("name", repr(name), f"one of {', '.join(known)}")
    if name != "phantom" and phantom:
        got = f"`{next(iter(phantom))}`, which only 'phantom' takes"
        raise fail("name", f"{name!r} with {got}", "'phantom', or no such argument")
    unknown = [option for option in phantom if option not in PHANTOM_OPTIONS]
    if unknown:
        expected = f"one of {', '.join(PHANTOM_OPTIONS)}"
        raise fail(unknown[0], f"an argument {name!r} does not take", expected)
    if name == "phantom":
        return make_phantom(size, **phantom)
    return load_medmnist(name, size, root, download)

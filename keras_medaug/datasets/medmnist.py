"""The twelve 2D sets of MedMNIST v2: what is known of them, and loading them.

The facts are those of the authors' `medmnist` package, which is not imported: it pulls in torch.
The sets, their licences and the work each is made from: Yang et al., "MedMNIST v2 - A large-scale
lightweight benchmark for 2D and 3D biomedical image classification", Scientific Data, 2023.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from keras_medaug.checks import as_array, fail
from keras_medaug.datasets.dataset import Dataset
from keras_medaug.datasets.download import fetch, open_verified
from keras_medaug.datasets.medmnist_info import MedMNISTInfo
from keras_medaug.datasets.npz import add_channels, read_npz, squeeze_labels

SIZES = (28, 64, 128, 224)

_ORGANS = (
    "bladder",
    "femur-left",
    "femur-right",
    "heart",
    "kidney-left",
    "kidney-right",
    "liver",
    "lung-left",
    "lung-right",
    "pancreas",
    "spleen",
)

MEDMNIST: dict[str, MedMNISTInfo] = {
    info.name: info
    for info in (
        MedMNISTInfo(
            "pathmnist",
            "multi-class",
            3,
            (
                "adipose",
                "background",
                "debris",
                "lymphocytes",
                "mucus",
                "smooth muscle",
                "normal colon mucosa",
                "cancer-associated stroma",
                "colorectal adenocarcinoma epithelium",
            ),
            {"train": 89996, "val": 10004, "test": 7180},
            {
                28: "a8b06965200029087d5bd730944a56c1",
                64: "55aa9c1e0525abe5a6b9d8343a507616",
                128: "ac42d08fb904d92c244187169d1fd1d9",
                224: "2c51a510bcdc9cf8ddb2af93af1eadec",
            },
        ),
        MedMNISTInfo(
            "chestmnist",
            "multi-label, binary-class",
            1,
            (
                "atelectasis",
                "cardiomegaly",
                "effusion",
                "infiltration",
                "mass",
                "nodule",
                "pneumonia",
                "pneumothorax",
                "consolidation",
                "edema",
                "emphysema",
                "fibrosis",
                "pleural",
                "hernia",
            ),
            {"train": 78468, "val": 11219, "test": 22433},
            {
                28: "02c8a6516a18b556561a56cbdd36c4a8",
                64: "9de6cd0b934ebb5b7426cfba5efbae16",
                128: "db107e5590b27930b62dbaf558aebee3",
                224: "45bd33e6f06c3e8cdb481c74a89152aa",
            },
        ),
        MedMNISTInfo(
            "dermamnist",
            "multi-class",
            3,
            (
                "actinic keratoses and intraepithelial carcinoma",
                "basal cell carcinoma",
                "benign keratosis-like lesions",
                "dermatofibroma",
                "melanoma",
                "melanocytic nevi",
                "vascular lesions",
            ),
            {"train": 7007, "val": 1003, "test": 2005},
            {
                28: "0744692d530f8e62ec473284d019b0c7",
                64: "b70a2f5635c6199aeaa28c31d7202e1f",
                128: "2defd784463fa5243564e855ed717de1",
                224: "8974907d8e169bef5f5b96bc506ae45d",
            },
            license="CC BY-NC 4.0",
        ),
        MedMNISTInfo(
            "octmnist",
            "multi-class",
            1,
            ("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
            {"train": 97477, "val": 10832, "test": 1000},
            {
                28: "c68d92d5b585d8d81f7112f81e2d0842",
                64: "e229e9440236b774d9f0dfef9d07bdaf",
                128: "0a97e76651ace45c5d943ee3f65b63ae",
                224: "abc493b6d529d5de7569faaef2773ba3",
            },
        ),
        MedMNISTInfo(
            "pneumoniamnist",
            "binary-class",
            1,
            ("normal", "pneumonia"),
            {"train": 4708, "val": 524, "test": 624},
            {
                28: "28209eda62fecd6e6a2d98b1501bb15f",
                64: "8f4eceb4ccffa70c672198ea285246c6",
                128: "05b46931834c231683c68f40c47b2971",
                224: "d6a3c71de1b945ea11211b03746c1fe1",
            },
        ),
        MedMNISTInfo(
            "retinamnist",
            "ordinal-regression",
            3,
            ("0", "1", "2", "3", "4"),
            {"train": 1080, "val": 120, "test": 400},
            {
                28: "bd4c0672f1bba3e3a89f0e4e876791e4",
                64: "afda852cc34dcda56f86ad2b2457dbcc",
                128: "e48e916a24454daf90583d4e6efb1a18",
                224: "eae7e3b6f3fcbda4ae613ebdcbe35348",
            },
        ),
        MedMNISTInfo(
            "breastmnist",
            "binary-class",
            1,
            ("malignant", "normal, benign"),
            {"train": 546, "val": 78, "test": 156},
            {
                28: "750601b1f35ba3300ea97c75c52ff8f6",
                64: "742edef2a1fd1524b2efff4bd7ba9364",
                128: "363e4b3f8d712e9b5de15470a2aaadf1",
                224: "b56378a6eefa9fed602bb16d192d4c8b",
            },
        ),
        MedMNISTInfo(
            "bloodmnist",
            "multi-class",
            3,
            (
                "basophil",
                "eosinophil",
                "erythroblast",
                "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)",
                "lymphocyte",
                "monocyte",
                "neutrophil",
                "platelet",
            ),
            {"train": 11959, "val": 1712, "test": 3421},
            {
                28: "7053d0359d879ad8a5505303e11de1dc",
                64: "2b94928a2ae4916078ca51e05b6b800b",
                128: "adace1e0ed228fccda1f39692059dd4c",
                224: "b718ff6835fcbdb22ba9eacccd7b2601",
            },
        ),
        MedMNISTInfo(
            "tissuemnist",
            "multi-class",
            1,
            (
                "Collecting Duct, Connecting Tubule",
                "Distal Convoluted Tubule",
                "Glomerular endothelial cells",
                "Interstitial endothelial cells",
                "Leukocytes",
                "Podocytes",
                "Proximal Tubule Segments",
                "Thick Ascending Limb",
            ),
            {"train": 165466, "val": 23640, "test": 47280},
            {
                28: "ebe78ee8b05294063de985d821c1c34b",
                64: "123ece2eba09d0aa5d698fda57103344",
                128: "61b955355d7425a89687b06cca3ce0c2",
                224: "b077128c4a949f0a4eb01517f9037b9c",
            },
        ),
        MedMNISTInfo(
            "organamnist",
            "multi-class",
            1,
            _ORGANS,
            {"train": 34561, "val": 6491, "test": 17778},
            {
                28: "68e3f8846a6bd62f0c9bf841c0d9eacc",
                64: "2dcccc29b88e6da5a01161ef20cda288",
                128: "eeae80d0a227a8d099027e1b3cfd3b60",
                224: "50747347e05c87dd3aaf92c49f9f3170",
            },
        ),
        MedMNISTInfo(
            "organcmnist",
            "multi-class",
            1,
            _ORGANS,
            {"train": 12975, "val": 2392, "test": 8216},
            {
                28: "b9ceb9546e10131b32923c5bbeaea2b1",
                64: "3ce34a8724ea6f548e6db4744d03b6a9",
                128: "773c1f009daa3fe5d9a2a201b2a7ed94",
                224: "050f5e875dc056f6768abf94ec9995d1",
            },
        ),
        MedMNISTInfo(
            "organsmnist",
            "multi-class",
            1,
            _ORGANS,
            {"train": 13932, "val": 2452, "test": 8827},
            {
                28: "9ab87b696fb54e2a387ebe992d6ed5f1",
                64: "53a6d115339d874c25e309a994ff46d3",
                128: "ded0c5fa01a95dc4978b956f613e9b8e",
                224: "b354719e553fbbb2513d5533f52a4cb1",
            },
        ),
    )
}


def load_medmnist(
    name: str, size: int | tuple[int, int], root: str | os.PathLike | None, download: bool
) -> Dataset:
    """Return the MedMNIST set `name`; see `keras_medaug.datasets.load`."""
    info = MEDMNIST[name]
    if info.multi_label:
        raise fail("name", f"{name!r}, a multi-label set", "a set with one label per image")
    if not isinstance(size, int | np.integer) or size not in SIZES:
        raise fail("size", repr(size), f"one of {', '.join(map(str, SIZES))} for {name!r}")
    path = medmnist_root(root) / info.filename(size)
    md5, url = info.md5[size], info.url(size)
    if download and not os.path.lexists(path):
        fetch(url, path, md5)
    with open_verified(path, md5, url) as file:
        return read_npz(file, path, name, info.class_names, md5)


def medmnist_root(root: str | os.PathLike | None = None) -> Path:
    """Return `root`, else `$MEDMNIST_ROOT`, else `~/.medmnist`, the cache of `medmnist`."""
    return Path(root or os.environ.get("MEDMNIST_ROOT") or "~/.medmnist").expanduser()


def from_medmnist(train, val=None, test=None) -> Dataset:
    """Return the `Dataset` of objects of the authors' `medmnist` package.

    For those who already work with that package, or want a set in a form that only it reads.
    Labels of an ordinal task are taken as classes. Transforms are not applied: the images are
    those on disk, repeated to three channels where the object was made with `as_rgb=True`.

    Args:
        train: The training split, for instance `medmnist.BreastMNIST(split="train")`.
        val: The validation split, or `None`.
        test: The test split, or `None`.

    Returns:
        The data set, named after the flag of `train`.

    Raises:
        ValueError: If an object is not a split of a single-label 2D set, or belongs to another
            split or another set than its argument says.

    Example:

    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from keras_medaug import datasets
    >>> split = SimpleNamespace(  # in real use: medmnist.BreastMNIST(split="train")
    ...     flag="breastmnist",
    ...     info={"task": "binary-class", "label": {"0": "malignant", "1": "normal, benign"}},
    ...     imgs=np.zeros((2, 28, 28), "uint8"),
    ...     labels=np.array([[0], [1]]),
    ... )
    >>> datasets.from_medmnist(split)
    Dataset(name='breastmnist', image_shape=(28, 28, 1), num_classes=2, train=2)
    """
    pair = _pair(train, "train", train)
    names = [train.info["label"][str(label)] for label in range(len(train.info["label"]))]
    return Dataset(
        train.flag,
        pair,
        None if val is None else _pair(val, "val", train),
        None if test is None else _pair(test, "test", train),
        names,
        arguments=("{split}.imgs", "{split}.labels"),
    )


def _pair(part, split, train):
    missing = [a for a in ("imgs", "labels", "info", "flag") if not hasattr(part, a)]
    if missing:
        got = f"{type(part).__name__} without {', '.join(missing)}"
        raise fail(split, got, "a dataset object of the medmnist package")
    if part.flag != train.flag:
        raise fail(split, f"a split of {part.flag!r}", f"one of {train.flag!r}, as `train` is")
    if getattr(part, "split", split) != split:
        raise fail(split, f"the split {part.split!r}", f"the split {split!r}")
    if "multi-label" in part.info["task"]:
        raise fail(split, f"{part.flag!r}, a multi-label set", "a set with one label per image")
    if part.flag.endswith("3d"):
        raise fail(split, f"{part.flag!r}, a 3D set", "a 2D set")
    images = add_channels(as_array(part.imgs, f"{split}.imgs"))
    if getattr(part, "as_rgb", False) and images.shape[-1] == 1:
        images = np.repeat(images, 3, axis=-1)
    return images, squeeze_labels(as_array(part.labels, f"{split}.labels"), f"{split}.labels")

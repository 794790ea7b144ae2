"""The MedMNIST sets: the table of facts, loading, and the authors' own package."""

import hashlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.needs import needs
from keras_medaug import datasets
from keras_medaug.datasets import MEDMNIST
from keras_medaug.datasets import medmnist as ours

pytestmark = pytest.mark.backend_free

SINGLE_LABEL = [name for name in MEDMNIST if name != "chestmnist"]


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """Return the authors' package; it makes a folder in the home directory when imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        return needs("medmnist")


def make_file(path, info, size=28):
    """Write a small file in MedMNIST layout that fits `info`; return its arrays."""
    rng = np.random.default_rng(0)
    count = 2 * len(info.class_names)
    shape = (count, size, size) if info.channels == 1 else (count, size, size, 3)
    arrays = {}
    for split in ("train", "val", "test"):
        arrays[f"{split}_images"] = rng.integers(0, 256, shape, "uint8")
        arrays[f"{split}_labels"] = np.arange(count, dtype="uint8")[:, None] // 2
    np.savez_compressed(path, **arrays)
    return arrays


def with_md5(monkeypatch, name, size, path):
    """Let the table hold the MD5 of a file made here."""
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    info = MEDMNIST[name]
    monkeypatch.setitem(MEDMNIST, name, replace(info, md5={**info.md5, size: md5}))
    return md5


def test_the_table_holds_the_twelve_2d_sets_and_is_complete():
    assert len(MEDMNIST) == 12
    for name, info in MEDMNIST.items():
        assert info.name == name
        assert set(info.md5) == {28, 64, 128, 224}
        assert all(len(md5) == 32 and int(md5, 16) for md5 in info.md5.values())
        assert info.multi_label == (name == "chestmnist")
        assert len(set(info.class_names)) == len(info.class_names) >= 2
    every = [md5 for info in MEDMNIST.values() for md5 in info.md5.values()]
    assert len(set(every)) == 48


def test_the_table_equals_the_one_of_the_official_package(official):
    theirs = {name: row for name, row in official.INFO.items() if not name.endswith("3d")}
    assert set(theirs) == set(MEDMNIST)
    for name, row in theirs.items():
        info = MEDMNIST[name]
        assert info.task == row["task"]
        assert info.channels == row["n_channels"]
        assert info.license == row["license"]
        assert dict(info.counts) == row["n_samples"]
        assert dict(enumerate(info.class_names)) == {int(k): v for k, v in row["label"].items()}
        for size in (28, 64, 128, 224):
            flag = "" if size == 28 else f"_{size}"
            assert info.md5[size] == row[f"MD5{flag}"]
            assert info.url(size) == row[f"url{flag}"]


@pytest.mark.parametrize("name", SINGLE_LABEL)
def test_every_set_is_loaded(monkeypatch, tmp_path, name):
    path = tmp_path / f"{name}.npz"
    arrays = make_file(path, MEDMNIST[name])
    md5 = with_md5(monkeypatch, name, 28, path)
    ds = datasets.load(name, root=tmp_path, download=False)
    assert (ds.name, ds.md5, ds.source) == (name, md5, path)
    assert ds.image_shape == (28, 28, MEDMNIST[name].channels)
    assert ds.class_names == MEDMNIST[name].class_names
    for split in ("train", "val", "test"):
        images, labels = ds.stored(split)
        np.testing.assert_array_equal(
            images, arrays[f"{split}_images"].reshape(len(labels), *ds.image_shape)
        )
        np.testing.assert_array_equal(labels, arrays[f"{split}_labels"][:, 0])


@pytest.mark.parametrize("size", [64, 128, 224])
def test_every_size_has_a_file_of_its_own(monkeypatch, tmp_path, size):
    path = tmp_path / f"retinamnist_{size}.npz"
    make_file(path, MEDMNIST["retinamnist"], size)
    with_md5(monkeypatch, "retinamnist", size, path)
    ds = datasets.load("retinamnist", size=size, root=tmp_path, download=False)
    assert ds.image_shape == (size, size, 3)


@pytest.mark.parametrize("by", ["argument", "environment", "home", "empty environment"])
def test_the_folder(monkeypatch, tmp_path, by):
    folder = tmp_path / (".medmnist" if "e" in by[1:] and by != "argument" else "cache")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("MEDMNIST_ROOT", raising=False)
    root = None
    if by == "argument":
        root = folder
        monkeypatch.setenv("MEDMNIST_ROOT", str(tmp_path / "elsewhere"))
    elif by == "environment":
        monkeypatch.setenv("MEDMNIST_ROOT", str(folder))
    elif by == "empty environment":
        monkeypatch.setenv("MEDMNIST_ROOT", "")
    folder.mkdir()
    path = folder / "octmnist.npz"
    make_file(path, MEDMNIST["octmnist"])
    with_md5(monkeypatch, "octmnist", 28, path)
    assert datasets.load("octmnist", root=root, download=False).source == path


def test_an_absent_file_without_download_says_how_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        datasets.load("bloodmnist", size=64, root=tmp_path, download=False)
    for part in (
        "https://zenodo.org/records/10519652/files/bloodmnist_64.npz",
        MEDMNIST["bloodmnist"].md5[64],
        str(tmp_path / "bloodmnist_64.npz"),
    ):
        assert part in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("download", [True, False])
@pytest.mark.parametrize("content", ["wrong", "truncated", "empty"])
def test_a_wrong_file_is_named_and_never_used_nor_changed(monkeypatch, tmp_path, content, download):
    path = tmp_path / "dermamnist.npz"
    make_file(path, MEDMNIST["dermamnist"])
    expected = with_md5(monkeypatch, "dermamnist", 28, path)
    data = path.read_bytes()
    if content == "wrong":
        make_file(path, replace(MEDMNIST["dermamnist"], channels=1))
    else:
        path.write_bytes(data[: len(data) // 2] if content == "truncated" else b"")
    left = path.read_bytes()
    with pytest.raises(ValueError, match=r"dermamnist\.npz") as caught:
        datasets.load("dermamnist", root=tmp_path, download=download)
    assert expected in str(caught.value)
    assert hashlib.md5(left).hexdigest() in str(caught.value)
    assert path.read_bytes() == left
    assert [p.name for p in tmp_path.iterdir()] == ["dermamnist.npz"]


BAD = {
    "unknown name": ({"name": "mnist"}, "name", "'mnist'", "pathmnist, chestmnist"),
    "no name": ({"name": None}, "name", "None", "phantom"),
    "multi-label": ({"name": "chestmnist"}, "name", "multi-label", "one label per image"),
    "size": ({"size": 32}, "size", "32", "28, 64, 128, 224"),
    "pair of sizes": ({"size": (28, 28)}, "size", "(28, 28)", "28, 64, 128, 224"),
    "fractional size": ({"size": 28.0}, "size", "28.0", "28, 64"),
    "phantom's argument": ({"seed": 1}, "name", "`seed`", "'phantom'"),
    "phantom's channels": ({"channels": 1}, "name", "`channels`", "'phantom'"),
    "unknown argument": ({"name": "phantom", "colour": 1}, "colour", "'phantom'", "channels"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_are_named(tmp_path, case):
    changes, argument, got, expected = BAD[case]
    arguments = {"name": "breastmnist", "root": tmp_path, "download": False} | changes
    with pytest.raises(ValueError, match=f"`{argument}`: got .*; expected ") as caught:
        datasets.load(**arguments)
    assert got in str(caught.value).split("; expected")[0]
    assert expected in str(caught.value).split("; expected")[1]


@pytest.mark.parametrize("name", ["breastmnist", "pneumoniamnist"])
def test_a_real_file(medmnist_file, name):
    info = MEDMNIST[name]
    ds = datasets.load(name, root=medmnist_file(name).parent, download=False)
    assert ds.md5 == info.md5[28]
    assert ds.counts == dict(info.counts)
    assert ds.class_names == info.class_names
    minority = {"breastmnist": (147, 399), "pneumoniamnist": (1214, 3494)}[name]
    assert tuple(np.bincount(ds.train[1])) == minority


@pytest.mark.parametrize("name", ["breastmnist", "pneumoniamnist"])
def test_arrays_equal_those_of_the_official_package(official, medmnist_file, name):
    root = medmnist_file(name).parent
    kind = getattr(official, official.INFO[name]["python_class"])
    parts = {split: kind(split=split, root=str(root)) for split in ("train", "val", "test")}
    ours_read = datasets.load(name, root=root, download=False)
    taken_over = datasets.from_medmnist(**parts)
    for split, part in parts.items():
        for ds in (ours_read, taken_over):
            x, y = getattr(ds, split)
            np.testing.assert_array_equal(x[..., 0], part.imgs.astype("float32") / 255)
            np.testing.assert_array_equal(y, part.labels[:, 0])
    assert (taken_over.name, taken_over.class_names) == (name, ours_read.class_names)


def test_colour_on_demand_as_the_official_package_has_it(official, medmnist_file):
    root = str(medmnist_file("breastmnist").parent)
    part = official.BreastMNIST(split="train", root=root, as_rgb=True)
    images, _ = datasets.from_medmnist(part).stored("train")
    for index in (0, 7):
        np.testing.assert_array_equal(images[index], np.asarray(part[index][0]))


def part(split="train", flag="breastmnist", task="binary-class", images=None, labels=None):
    images = np.zeros((2, 28, 28), "uint8") if images is None else images
    return SimpleNamespace(
        flag=flag,
        split=split,
        info={"task": task, "label": {"0": "malignant", "1": "benign"}},
        imgs=images,
        labels=np.array([[0], [1]]) if labels is None else labels,
    )


def test_gray_images_are_repeated_where_colour_was_asked_for():
    asked = part()
    asked.as_rgb = True
    asked.imgs = np.arange(2 * 28 * 28, dtype="uint8").reshape(2, 28, 28)
    images, _ = datasets.from_medmnist(asked).stored("train")
    assert images.shape == (2, 28, 28, 3)
    for channel in range(3):
        np.testing.assert_array_equal(images[..., channel], asked.imgs)


BAD_PARTS = {
    "array": ((np.zeros((2, 28, 28, 1)),), "train", "ndarray without imgs", "medmnist package"),
    "nothing": ((None,), "train", "NoneType without imgs", "medmnist package"),
    "other split": ((part("test"),), "train", "'test'", "'train'"),
    "test for val": ((part(), part("test")), "val", "'test'", "'val'"),
    "other set": ((part(), part("val", "octmnist")), "val", "'octmnist'", "'breastmnist'"),
    "multi-label": ((part(task="multi-label, binary-class"),), "train", "multi-label", "one label"),
    "3D": ((part(flag="organmnist3d"),), "train", "3D", "2D"),
    "two labels": ((part(labels=np.zeros((2, 2), int)),), "train.labels", "(2, 2)", "(n, 1)"),
    "floats": ((part(images=np.ones((2, 28, 28)) * 255),), "train.imgs", "255", "[0, 1]"),
    "other size": (
        (part(), None, part("test", images=np.zeros((2, 64, 64), "uint8"))),
        "test.imgs",
        "(64, 64, 1)",
        "(28, 28, 1)",
    ),
}


@pytest.mark.parametrize("case", BAD_PARTS)
def test_bad_objects_are_named(case):
    parts, argument, got, expected = BAD_PARTS[case]
    with pytest.raises(ValueError, match=f"`{argument}`: got .*; expected ") as caught:
        datasets.from_medmnist(*parts)
    assert got in str(caught.value).split("; expected")[0]
    assert expected in str(caught.value).split("; expected")[1]


def test_our_module_is_not_taken_for_the_package():
    assert ours.__name__ == "keras_medaug.datasets.medmnist"
    assert not hasattr(ours, "INFO")

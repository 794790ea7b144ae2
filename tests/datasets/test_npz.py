"""Files in MedMNIST layout."""

import hashlib
import io
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_medaug import datasets
from keras_medaug.datasets import npz

pytestmark = pytest.mark.backend_free

MEDNIST = Path(__file__).parents[3] / "shared/data/mednist"


def layout(channels=None, dtype="uint8", labels=2):
    shape = (4, 10, 12) if channels is None else (4, 10, 12, channels)
    images = np.random.default_rng(0).integers(0, 256, shape, "uint8")
    if dtype != "uint8":
        images = (images / 255).astype(dtype)
    index = np.arange(4, dtype="uint8") % labels
    return {f"{s}_images": images for s in ("train", "val", "test")} | {
        f"{s}_labels": index[:, None] for s in ("train", "val", "test")
    }


def save(path, arrays):
    np.savez_compressed(path, **arrays)
    return path


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float64"])
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_it_is_read(tmp_path, channels, dtype):
    arrays = layout(channels, dtype)
    arrays["val_labels"] = arrays["val_labels"][:, 0]
    path = save(tmp_path / "mine.npz", arrays)
    ds = datasets.from_npz(path, class_names=("a", "b"))
    assert ds.name == "mine"
    assert ds.source == path
    assert ds.md5 == hashlib.md5(path.read_bytes()).hexdigest()
    assert ds.image_shape == (10, 12, channels or 1)
    assert ds.class_names == ("a", "b")
    scale = 255 if dtype == "uint8" else 1
    for split in ("train", "val", "test"):
        x, y = getattr(ds, split)
        expected = arrays[f"{split}_images"].reshape(x.shape).astype("float32") / scale
        np.testing.assert_allclose(x, expected, rtol=0, atol=1e-7)
        np.testing.assert_array_equal(y, arrays[f"{split}_labels"].ravel())


def test_an_uncompressed_file_and_a_string_as_path(tmp_path):
    np.savez(tmp_path / "plain.npz", **layout())
    assert datasets.from_npz(str(tmp_path / "plain.npz")).counts["test"] == 4


def is_mapped(array):
    while array is not None and not isinstance(array, np.memmap):
        array = array.base
    return array is not None


@pytest.fixture
def all_mapped(monkeypatch):
    monkeypatch.setattr(npz, "MAPPED_FROM", 1)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("channels", [None, 3])
@pytest.mark.usefixtures("all_mapped")
def test_large_arrays_that_are_not_compressed_are_mapped(tmp_path, channels, order):
    arrays = layout(channels)
    np.savez(tmp_path / "large.npz", **{k: np.asarray(v, order=order) for k, v in arrays.items()})
    ds = datasets.from_npz(tmp_path / "large.npz")
    for split in ("train", "val", "test"):
        images, labels = ds.stored(split)
        assert is_mapped(images)
        np.testing.assert_array_equal(images.ravel(), arrays[f"{split}_images"].ravel())
        np.testing.assert_array_equal(labels, arrays[f"{split}_labels"].ravel())
        with pytest.raises(ValueError, match="read-only"):
            images[0] = 0


@pytest.mark.usefixtures("all_mapped")
def test_damage_deep_in_a_mapped_array_is_found(tmp_path):
    """Beyond what reading the array's header brings into memory."""
    images = np.zeros((400, 64, 64), "uint8")
    path = tmp_path / "deep.npz"
    np.savez(path, **layout() | {"train_images": images, "train_labels": np.arange(400) % 2})
    data = bytearray(path.read_bytes())
    data[images.nbytes // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"deep\.npz: cannot be read .*Bad CRC"):
        datasets.from_npz(path)


@pytest.mark.parametrize("saved", [np.savez, np.savez_compressed])
def test_small_and_compressed_arrays_are_read(tmp_path, monkeypatch, saved):
    saved(tmp_path / "some.npz", **layout())
    if saved is np.savez_compressed:
        monkeypatch.setattr(npz, "MAPPED_FROM", 1)
    assert not is_mapped(datasets.from_npz(tmp_path / "some.npz").stored("train")[0])


@pytest.mark.usefixtures("all_mapped")
def test_an_absent_split_in_a_file_that_is_mapped(tmp_path):
    arrays = layout() | {f"val_{kind}": empty for kind, empty in EMPTY.items()}
    np.savez(tmp_path / "short.npz", **arrays)
    assert datasets.from_npz(tmp_path / "short.npz").counts == {"train": 4, "val": 0, "test": 4}


def test_there_is_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        datasets.from_npz(tmp_path / "none.npz")


def as_npy(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def as_other_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        for key in layout():
            archive.writestr(f"{key}.npy", "not an array")


def as_raw_members(path):
    with zipfile.ZipFile(path, "w") as archive:
        for key in layout():
            archive.writestr(key, "not an array")


def as_truncated(path):
    save(path, layout())
    path.write_bytes(path.read_bytes()[:-100])


def as_damaged(path):
    save(path, layout())
    data = bytearray(path.read_bytes())
    data[200:260] = bytes(60)
    path.write_bytes(data)


def as_unknown_compression(path):
    """Name a method in each member's headers that `zipfile` does not know."""
    save(path, layout())
    data = bytearray(path.read_bytes())
    for signature, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        start = data.find(signature)
        while start >= 0:
            data[start + place : start + place + 2] = (99).to_bytes(2, "little")
            start = data.find(signature, start + 4)
    path.write_bytes(data)


def as_objects(path):
    save(path, layout() | {"train_labels": np.array([None, 1, {}, "x"], object)})


BROKEN = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("no archive"),
    "one array": as_npy,
    "zip of other things": as_other_zip,
    "members that are no arrays": as_raw_members,
    "truncated": as_truncated,
    "damaged": as_damaged,
    "pickled objects": as_objects,
    "unknown compression": as_unknown_compression,
}


@pytest.mark.parametrize("saved", ["savez_compressed", "savez"])
@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.usefixtures("all_mapped")
def test_a_broken_file_is_named(tmp_path, monkeypatch, how, saved):
    monkeypatch.setattr(np, "savez_compressed", getattr(np, saved))
    path = tmp_path / "broken.npz"
    BROKEN[how](path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"broken\.npz: ") as caught:
        datasets.from_npz(path)
    assert "expected" in str(caught.value)
    assert path.read_bytes() == before


WRONG = {
    "val_images": (None, "has no val_images"),
    "train_labels": (np.zeros((4, 14), "uint8"), "multi-label"),
    "test_labels": (np.zeros((4, 1), "float32"), "`test_labels`: got dtype float32"),
    "train_images": (np.zeros((4, 10, 12, 4), "uint8"), "1 or 3 channels"),
    "test_images": (np.zeros((4, 12, 10), "uint8"), "`test_images`"),
    "val_labels": (np.full((4, 1), 5), "class 2"),
}


@pytest.mark.parametrize("key", WRONG)
def test_wrong_content_is_named_with_the_file(tmp_path, key):
    array, message = WRONG[key]
    arrays = layout() | {key: array}
    if array is None:
        del arrays[key]
    with pytest.raises(ValueError, match=r"wrong\.npz: ") as caught:
        datasets.from_npz(save(tmp_path / "wrong.npz", arrays))
    assert message in str(caught.value)
    assert "expected" in str(caught.value)


def _bytes(saved):
    buffer = io.BytesIO()
    saved(buffer, **layout())
    return buffer.getvalue()


@pytest.mark.parametrize("saved", [np.savez, np.savez_compressed])
@given(data=st.data())
@settings(deadline=None, derandomize=True, max_examples=60)
def test_damage_anywhere_is_harmless_or_named(tmp_path_factory, saved, data):
    """Every byte that is read is under a check sum; what is not may change without harm."""
    original = _bytes(saved)
    damaged = bytearray(original)
    start = data.draw(st.integers(0, len(original) - 1))
    patch = data.draw(st.binary(min_size=1, max_size=8))
    damaged[start : start + len(patch)] = patch
    path = tmp_path_factory.mktemp("damage") / "damaged.npz"
    path.write_bytes(damaged)
    try:
        with mock.patch.object(npz, "MAPPED_FROM", 1):
            ds = datasets.from_npz(path)
    except ValueError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        np.testing.assert_array_equal(ds.stored("train")[0][..., 0], layout()["train_images"])


EMPTY = {"images": np.empty((0, 10, 12), "uint8"), "labels": np.empty((0, 1), "uint8")}


@pytest.mark.parametrize("labels", [(0, 1), (0,)])
@pytest.mark.parametrize("absent", [("val",), ("test",), ("val", "test")])
def test_a_split_without_images_is_absent(tmp_path, absent, labels):
    arrays = layout()
    for split in absent:
        arrays[f"{split}_images"] = EMPTY["images"]
        arrays[f"{split}_labels"] = EMPTY["labels"].reshape(labels)
    ds = datasets.from_npz(save(tmp_path / "short.npz", arrays))
    assert ds.counts == {s: 0 if s in absent else 4 for s in ("train", "val", "test")}
    with pytest.raises(ValueError, match=f"'{absent[0]}'.*expected one of"):
        getattr(ds, absent[0])


@pytest.mark.parametrize(
    ("split", "kind", "message"),
    [
        ("train", ("images", "labels"), "`train_images`: got shape .*at least one image"),
        ("val", ("images",), "`val_images`: got shape .*at least one image"),
        ("test", ("labels",), "`test_labels`: got no label"),
    ],
)
def test_train_is_not_absent_nor_is_half_a_split(tmp_path, split, kind, message):
    arrays = layout() | {f"{split}_{suffix}": EMPTY[suffix] for suffix in kind}
    with pytest.raises(ValueError, match=rf"half\.npz: {message}"):
        datasets.from_npz(save(tmp_path / "half.npz", arrays))


@pytest.mark.parametrize(("file", "size"), [("mednist.npz", 28), ("mednist_64.npz", 64)])
def test_a_real_file_of_six_classes(file, size):
    path = MEDNIST / file
    if not path.is_file():
        pytest.skip(f"{file} is not in {MEDNIST}")
    ds = datasets.from_npz(path)
    assert ds.image_shape == (size, size, 1)
    assert ds.num_classes == 6
    assert ds.counts == {"train": 1800, "val": 300, "test": 600}

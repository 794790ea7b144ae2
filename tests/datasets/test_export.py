"""Files in MedMNIST layout that are written here, and the records beside them."""

import json
import os
import subprocess
import sys
import time
import zipfile

import keras
import numpy as np
import pytest

import keras_medaug as kma
from helpers.small_sets import (
    DATA,
    SOURCE,
    SPLITS,
    has,
    make,
    names,
    pair,
    read,
    rounded,
    save,
    to_8_bit,
)
from keras_medaug import datasets

pytestmark = pytest.mark.backend_free

# ---- the file ---------------------------------------------------------------------------------


@pytest.mark.parametrize("counts", [(24, 0, 0), (24, 6, 0), (24, 0, 6), (24, 6, 4)])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_layout_is_that_of_medmnist(tmp_path, channels, counts):
    data = make(shape=(8, 9, channels), counts=counts)
    datasets.save_npz(tmp_path / "a.npz", data, origin="real")
    arrays = read(tmp_path / "a.npz")
    assert set(arrays) == {f"{s}_{kind}" for s in SPLITS for kind in ("images", "labels")}
    for split, count in zip(SPLITS, counts, strict=True):
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
        assert images.dtype == labels.dtype == np.uint8
        assert images.shape == ((count, 8, 9) if channels == 1 else (count, 8, 9, 3))
        assert labels.shape == (count, 1)
        if count:
            x, y = getattr(data, split)
            np.testing.assert_array_equal(images.reshape(x.shape), to_8_bit(x))
            np.testing.assert_array_equal(labels[:, 0], y)


@pytest.mark.parametrize("counts", [(24, 0, 0), (24, 6, 0), (24, 0, 6), (24, 6, 4)])
@pytest.mark.parametrize("channels", [1, 3])
def test_from_npz_reads_it_back(tmp_path, channels, counts):
    data = make(shape=(8, 9, channels), counts=counts, class_names=["b", "a"])
    record = datasets.save_npz(tmp_path / "a.npz", data, origin="real")
    back = datasets.from_npz(tmp_path / "a.npz", class_names=record["class_names"])
    assert back.md5 == record["file"]["md5"]
    assert (back.image_shape, back.counts) == (data.image_shape, data.counts)
    assert back.class_names == data.class_names
    for split in (s for s, count in data.counts.items() if count):
        (x, y), (expected, labels) = getattr(back, split), getattr(data, split)
        np.testing.assert_allclose(x, expected, rtol=0, atol=0.5001 / 255)
        np.testing.assert_array_equal(y, labels)


def test_8_bit_images_stay_as_they_are(tmp_path, medmnist_file):
    path = medmnist_file("breastmnist")
    datasets.save_npz(tmp_path / "again.npz", datasets.from_npz(path), origin="real")
    original, again = read(path), read(tmp_path / "again.npz")
    assert set(original) == set(again)
    for key, array in original.items():
        assert again[key].dtype == array.dtype
        np.testing.assert_array_equal(again[key], array)


def test_labels_that_do_not_fit_8_bits(tmp_path):
    images = np.zeros((300, 8, 8, 1), "uint8")
    data = datasets.from_arrays(images, np.arange(300))
    record = datasets.save_npz(tmp_path / "many.npz", data, origin="real")
    labels = read(tmp_path / "many.npz")["train_labels"]
    assert np.issubdtype(labels.dtype, np.integer)
    np.testing.assert_array_equal(labels, np.arange(300)[:, None])
    assert record["images"]["counts"] == [1] * 300
    exactly = datasets.from_arrays(images[:256], np.arange(256))
    datasets.save_npz(tmp_path / "fits.npz", exactly, origin="real")
    labels = read(tmp_path / "fits.npz")["train_labels"]
    assert (labels.dtype, labels[-1, 0]) == (np.uint8, 255)


def test_the_same_call_gives_the_same_bytes(tmp_path, monkeypatch):
    save(tmp_path / "one" / "a.npz", seed=3)
    later = time.time() + 1e6
    monkeypatch.setattr(time, "time", lambda: later)
    save(tmp_path / "two" / "a.npz", seed=3)
    for name in ("a.npz", "a.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    with zipfile.ZipFile(tmp_path / "one" / "a.npz") as archive:
        assert {info.date_time[0] for info in archive.infolist()} == {1980}


# ---- the record -------------------------------------------------------------------------------


def test_the_record_of_a_real_set(tmp_path):
    record = datasets.save_npz(str(tmp_path / "r.npz"), SOURCE, origin="real")
    assert json.loads((tmp_path / "r.json").read_text("utf-8")) == record
    assert record["origin"] == "real"
    assert record["file"]["counts"] == {"train": [20, 20], "val": [6, 6], "test": [4, 4]}
    assert record["model"] is record["seed"] is record["source"] is record["copy_audit"] is None
    assert record["notes"] == []


@pytest.mark.parametrize("counts", [(40, 12, 8), (40, 12, 0), (40, 0, 8), (40, 0, 0)])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_audit_is_that_of_the_saved_images(tmp_path, channels, counts):
    source = make(seed=1, shape=(8, 9, channels), counts=counts)
    x, y = make(shape=(8, 9, channels), counts=(24, 6, 5)).train
    near = to_8_bit(source.train[0][:6])  # four copies, and two that are a step away in one pixel
    near[4:, 0, 0, 0] ^= 1
    test = pair(5, seed=7, shape=(8, 9, channels))
    data = datasets.from_arrays(x, y, near, y[:6], *test)
    audit = save(tmp_path / "a.npz", data, source)["copy_audit"]
    saved = [getattr(datasets.from_npz(tmp_path / "a.npz"), split)[0] for split in SPLITS]
    others = [to_8_bit(getattr(source, s)[0]) for s in SPLITS if source.counts[s]]
    held_out = np.concatenate(others[1:]) if others[1:] else None
    expected = kma.metrics.copy_audit(to_8_bit(np.concatenate(saved)), others[0], held_out)
    expected = rounded(expected)
    assert audit == expected
    assert (audit["count"], audit["exact_copies"]) == (35, 4)


def test_the_audit_goes_over_chunks_of_both_sets(tmp_path):
    """600 images on either side, more than are compared at a time; bytes beside floats."""
    x, y = pair(600, seed=4)
    source = datasets.from_arrays(to_8_bit(x), y, x[:300] ** 2, y[:300], to_8_bit(x[300:]), y[300:])
    data = datasets.from_arrays(*pair(600, seed=5), x[590:], y[590:])
    audit = save(tmp_path / "a.npz", data, source)["copy_audit"]
    assert audit["exact_copies"] == 10
    assert audit["suspect_count"] == 10
    pixels = audit["spaces"]["pixels"]
    assert (audit["count"], audit["training_count"], pixels["held_out"]["count"]) == (610, 600, 600)
    assert pixels["held_out"]["min"] == 0
    images = np.concatenate([data.train[0], data.val[0]])
    nearest, _ = kma.metrics.nearest_images(to_8_bit(images), to_8_bit(x))
    assert pixels["nearest"]["median"] == round(float(np.median(nearest)), 6)


def test_notes_name_copies(tmp_path):
    source = make(seed=1, counts=(40, 60, 50))
    x, y = source.train
    mixed = x[:20].copy()
    mixed[3:] = pair(17, seed=6)[0]
    mixed[5] = x[30][::-1]
    record = save(tmp_path / "a.npz", datasets.from_arrays(mixed, y[:20]), source)
    notes, pixels = record["notes"], record["copy_audit"]["spaces"]["pixels"]
    plain, relative = (part["nearer_than_held_out_01"] for part in (pixels, pixels["relative"]))
    assert min(plain, relative) >= 0.15
    assert has(notes, "no anonymisation")
    assert has(notes, "3 of 20 images are exact copies")
    assert has(notes, "Suspected copies: 4 of 20 images", "nearest_pairs")
    assert has(notes, f"{plain:.1%} of the images are nearer", f"it is {relative:.1%}")
    assert not has(notes, "eld-out images of the source")
    honest = save(tmp_path / "b.npz", source=source)["notes"]
    assert has(honest, "no anonymisation")
    assert has(honest, "% of the images are nearer")
    assert has(honest, "No image", "stands out")
    assert not has(honest, "exact copies")
    assert not has(honest, "Suspected copies")


def test_notes_name_small_classes(tmp_path):
    images, _ = pair(19, seed=0)
    data = datasets.from_arrays(images, [0] * 10 + [1] * 9, class_names=["many", "few"])
    notes = datasets.save_npz(tmp_path / "a.npz", data, origin="real")["notes"]
    assert notes == ["One class has fewer than 10 images in all: 9 of 'few'."]


def test_many_small_classes_take_one_note(tmp_path):
    images, _ = pair(18, seed=0)
    data = datasets.from_arrays(images, range(18), class_names=[f"kind {n}" for n in range(18)])
    (note,) = datasets.save_npz(tmp_path / "a.npz", data, origin="real")["notes"]
    assert note.startswith("18 classes have fewer than 10 images in all: 1 of 'kind 0', 1 of ")


# ---- refusals ---------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("test_export")
class Opaque(keras.Model):
    """A model whose config holds what its maker likes."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def get_config(self):
        return {"value": self.value}


REFUSED = {
    "no npz": ({"path": "a.zip"}, r"`path`: got .*a\.zip; expected .*\.npz"),
    "no suffix": ({"path": ".npz"}, "`path`: got"),
    "other data": ({"data": SOURCE.train}, "`data`: got a tuple"),
    "other origin": ({"origin": "fake"}, "`origin`: got 'fake'; expected \"synthetic\" or"),
    "no origin": ({"origin": None}, "`origin`: got None"),
    "no source": ({"source": None}, "`source`: got None; expected the real Dataset .* copies"),
    "array as source": ({"source": SOURCE.train[0]}, "`source`: got a ndarray"),
    "source of another shape": (
        {"source": make(shape=(8, 8, 1))},
        r"`source`: got images of shape \(8, 8, 1\); expected .*\(8, 9, 1\)",
    ),
    "model by name": ({"model": "vaegan"}, "`model`: got a str"),
    "class": ({"model": keras.Sequential}, "`model`: got a"),
    "seed": ({"seed": 1.5}, "`seed`: got 1.5"),
    "negative seed": ({"seed": -1}, "`seed`: got -1"),
    "real with source": ({"origin": "real"}, "`source`: got a Dataset; expected None"),
    "real with seed": ({"origin": "real", "source": None, "seed": 0}, "`seed`: got a int"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(tmp_path, case):
    changes, message = REFUSED[case]
    arguments = {"path": "a.npz", "data": DATA, "origin": "synthetic", "source": SOURCE} | changes
    arguments["path"] = tmp_path / arguments["path"]
    with pytest.raises(ValueError, match=message):
        datasets.save_npz(**arguments)
    assert names(tmp_path) == []


def test_a_real_set_has_no_model(tmp_path):
    with pytest.raises(ValueError, match="`model`: got a Sequential; expected None"):
        datasets.save_npz(tmp_path / "a.npz", DATA, origin="real", model=keras.Sequential())


@pytest.mark.parametrize("value", [float("nan"), object()], ids=["nan", "object"])
def test_a_model_that_json_cannot_hold(tmp_path, value):
    with pytest.raises(ValueError, match=r"`model`: got a test_export>Opaque .*`get_config`"):
        save(tmp_path / "a.npz", model=Opaque(value))
    assert names(tmp_path) == []


def test_origin_must_be_given(tmp_path):
    with pytest.raises(TypeError, match="origin"):
        datasets.save_npz(tmp_path / "a.npz", DATA)


@pytest.mark.parametrize("name", ["a.npz", "a.json"])
@pytest.mark.parametrize("link", [False, True])
def test_what_exists_is_not_replaced(tmp_path, monkeypatch, name, link):
    monkeypatch.setattr("keras_medaug.datasets.export._to_8_bit", None)  # no work is done
    taken = tmp_path / name
    if link:
        taken.symlink_to(tmp_path / "gone")
    else:
        taken.write_text("mine")
    with pytest.raises(FileExistsError, match=f"{name} exists"):
        save(tmp_path / "a.npz")
    assert names(tmp_path) == [name]
    assert taken.is_symlink() if link else taken.read_text() == "mine"


# ---- failures while writing -------------------------------------------------------------------


def breaking(function, call, error=KeyboardInterrupt):
    """Return `function`, which raises instead of running for the `call`-th time."""
    calls = []

    def broken(*arguments, **options):
        calls.append(arguments)
        if len(calls) == call:
            raise error
        return function(*arguments, **options)

    return broken


@pytest.mark.parametrize(
    ("where", "what", "call"),
    [
        ("numpy", "savez_compressed", 1),
        ("os", "fsync", 1),
        ("os", "replace", 1),
        ("os", "replace", 2),
    ],
)
def test_a_failure_leaves_nothing(tmp_path, monkeypatch, where, what, call):
    (tmp_path / "other.npz").write_text("mine")
    module = {"numpy": np, "os": os}[where]
    with monkeypatch.context() as patch:
        patch.setattr(module, what, breaking(getattr(module, what), call))
        with pytest.raises(KeyboardInterrupt):
            save(tmp_path / "a.npz")
    assert names(tmp_path) == ["other.npz"]
    save(tmp_path / "a.npz")
    assert names(tmp_path) == ["a.json", "a.npz", "other.npz"]


def test_a_kill_between_the_two_leaves_a_record_without_a_file(tmp_path):
    """Not synthetic images whose origin nothing tells; what takes their place has another MD5."""
    code = (
        "import os, sys\n"
        "import numpy as np\n"
        "from keras_medaug import datasets\n"
        "data = datasets.from_arrays(np.zeros((2, 8, 8, 1)), [0, 1])\n"
        "move = os.replace\n"
        "def die(source, target):\n"
        "    move(source, target)\n"
        "    os._exit(9)\n"
        "os.replace = die\n"
        "datasets.save_npz(sys.argv[1], data, origin='synthetic', source=data)\n"
    )
    path = tmp_path / "a.npz"
    run = subprocess.run([sys.executable, "-c", code, str(path)], check=False, capture_output=True)
    assert run.returncode == 9, run.stderr
    assert not path.exists()
    assert json.loads((tmp_path / "a.json").read_text("utf-8"))["file"]["name"] == "a.npz"
    with pytest.raises(FileExistsError, match=r"a\.json exists"):
        save(path)

"""Files of data beside models: the records of what a model made, and training from a file."""

import hashlib
import json
import sys
import tracemalloc

import keras
import numpy as np

import keras_medaug as kma
from helpers.small_sets import SOURCE, has, make, names, save
from keras_medaug import datasets


def test_the_card_of_a_synthetic_set(tmp_path):
    model = kma.models.CVAE((8, 9, 1), num_classes=2, latent_dim=2, encoder_filters=2)
    path = tmp_path / "new" / "made.2.npz"
    card = save(path, model=model, seed=np.int64(7))
    content = path.read_bytes()
    assert card == {
        "made_by": "keras_medaug",
        "format": 1,
        "kind": "save_npz",
        "name": "made",
        "origin": "synthetic",
        "file": {
            "name": "made.2.npz",
            "md5": hashlib.md5(content).hexdigest(),
            "bytes": len(content),
            "counts": {"train": [12, 12], "val": [0, 0], "test": [0, 0]},
        },
        "image_shape": [8, 9, 1],
        "class_names": ["benign", "malignant"],
        "model": {"class": "keras_medaug>CVAE", "config": model.get_config(), "steps": None},
        "seed": 7,
        "images": {
            "count": 24,
            "counts": [12, 12],
            "seed": 7,
            "md5": datasets.from_arrays(*datasets.from_npz(path).stored("train")).md5,
        },
        "source": {
            "name": "real",
            "md5": SOURCE.md5,
            "counts": {"train": [20, 20], "val": [6, 6], "test": [4, 4]},
        },
        "versions": {
            "keras-medaug": kma.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
            "backend": keras.config.backend(),
            keras.config.backend(): sys.modules[keras.config.backend()].__version__,
        },
        "device": None,
        "dtype": "float32",
        "copy_audit": card["copy_audit"],
        "notes": card["notes"],
    }
    assert json.loads((tmp_path / "new" / "made.2.json").read_text("utf-8")) == card
    assert names(tmp_path / "new") == ["made.2.json", "made.2.npz"]
    assert type(card["seed"]) is int


def test_the_model_in_the_card_can_be_built_again(tmp_path):
    stock = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(72), keras.layers.Reshape((8, 9, 1))]
    )
    described = save(tmp_path / "a.npz", model=stock)["model"]
    assert described["class"] == "Sequential"
    again = keras.Sequential.from_config(described["config"])
    assert json.dumps(again.get_config()) == json.dumps(stock.get_config())


def test_the_card_says_how_long_the_model_was_trained(tmp_path):
    model = kma.models.CVAE((8, 9, 1), num_classes=2, latent_dim=2, encoder_filters=2)
    assert has(save(tmp_path / "a.npz", model=model)["notes"], "no step of training")
    model.compile()
    card = save(tmp_path / "b.npz", model=model)
    assert card["model"]["steps"] == 0
    assert has(card["notes"], "no step of training")
    model.fit(*SOURCE.train, batch_size=20, epochs=3, verbose=0)
    card = save(tmp_path / "c.npz", model=model)
    assert card["model"]["steps"] == 6
    assert not has(card["notes"], "no step of training")


def test_notes_name_what_is_lacking(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    bare = save(tmp_path / "a.npz", source=make(seed=1))["notes"]
    assert has(bare, "no held-out images")
    assert has(bare, "The model is not recorded")
    assert has(bare, "The seed is not recorded")
    full = save(tmp_path / "b.npz", model=model, seed=0)["notes"]
    assert not has(full, "not recorded")
    assert not has(full, "no held-out")
    few = datasets.from_arrays(*SOURCE.train, *SOURCE.test)
    notes = save(tmp_path / "few.npz", source=few)["notes"]
    assert has(notes, "only 8 held-out images")
    assert not has(notes, "% of the images are nearer")
    leaking = datasets.from_arrays(*SOURCE.train, SOURCE.train[0][:3], SOURCE.train[1][:3])
    notes = save(tmp_path / "c.npz", source=leaking)["notes"]
    assert has(notes, "3 of 3 held-out images are near copies")


def test_a_large_set_never_becomes_floats(tmp_path):
    images = np.zeros((100_000, 28, 28), "uint8")
    images[::2, 3:9] = 200
    labels = (np.arange(100_000) % 2).astype("uint8")
    arrays = {f"{s}_images": images[:n] for s, n in (("train", None), ("val", 2), ("test", 2))}
    arrays |= {f"{s}_labels": labels[:n] for s, n in (("train", None), ("val", 2), ("test", 2))}
    np.savez(tmp_path / "large.npz", **arrays)
    del arrays, images
    model = kma.models.Classifier((28, 28, 1), num_classes=2, filters=2, seed=0)
    model.compile()
    tracemalloc.start()
    ds = datasets.from_npz(tmp_path / "large.npz")
    model.fit(*ds.stored("train"), batch_size=50, epochs=2, steps_per_epoch=2, verbose=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30e6  # as floats they are 314 MB, as they stand in the file 78

"""A small model, its data, and the card that was written of it."""

import json

import numpy as np
import pytest

import keras_medaug as kma

HOSTILE = "<script>document.title='taken'</script> & \"benign\""


TAKEN = {"train": (40, 30, 24, 36), "val": (30, 20, 25, 22), "test": (10, 9, 8, 5)}


def small_data():
    """Return the phantom at 8 pixels, its classes not as common, one with a name of markup."""
    data = kma.datasets.load("phantom", size=8, train=160, val=120, test=40)
    splits = {}
    for split, counts in TAKEN.items():
        x, y = data.stored(split)
        taken = [np.flatnonzero(y == label)[:count] for label, count in enumerate(counts)]
        kept = np.sort(np.concatenate(taken))
        splits[split] = x[kept], y[kept]
    names = [HOSTILE, *data.class_names[1:]]
    return kma.datasets.Dataset("phantom <b>8</b>", **splits, class_names=names)


def small_model(num_classes=4, **arguments):
    """Return a model of narrow networks."""
    return kma.models.CVAE(
        (8, 8, 1), num_classes=num_classes, latent_dim=4, encoder_filters=4, decoder_filters=4,
        seed=0, **arguments,
    )  # fmt: skip


@pytest.fixture(scope="session")
def data():
    return small_data()


@pytest.fixture(scope="session")
def plain(data):
    """Return the same images as one class: no classifier is fitted to it, which takes long."""
    splits = {split: data.stored(split) for split in ("train", "val", "test")}
    return kma.datasets.Dataset("plain", **{k: (x, y * 0) for k, (x, y) in splits.items()})


@pytest.fixture(scope="session")
def model(data):
    """Return a model of four classes after two epochs."""
    model = small_model()
    model.compile()
    model.fit(*data.train, epochs=2, verbose=0)
    return model


@pytest.fixture(scope="session")
def untrained():
    """Return a model of four classes as it begins."""
    model = small_model()
    model.compile()
    return model


@pytest.fixture(scope="session")
def unconditional():
    """Return a model without classes as it begins."""
    model = small_model(num_classes=None)
    model.compile()
    return model


@pytest.fixture(scope="session")
def written(model, data, tmp_path_factory):
    """Return the folder of a card, and the card that was returned."""
    folder = tmp_path_factory.mktemp("card")
    card = kma.model_card(
        model, data, folder, labels=np.repeat(range(4), [35, 20, 25, 22]), classifier_steps=5,
        verbose=False,
        about={"Intended use": f"None. {HOSTILE}"},
        features={"means": lambda images: np.asarray(images).mean(axis=(1, 2))},
    )  # fmt: skip
    return folder, card


@pytest.fixture(scope="session")
def page(written):
    return (written[0] / "model_card.html").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def stored(written):
    return json.loads((written[0] / "model_card.json").read_text(encoding="utf-8"))

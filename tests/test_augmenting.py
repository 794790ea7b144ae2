"""From a small labelled set to synthetic images with labels."""

import json

import numpy as np
import pytest

import keras_medaug as kma
from keras_medaug import augmenting
from keras_medaug.augmenting import classified_images, conditional_images

TINY = {
    "cvae": {"latent_dim": 4, "encoder_filters": 4, "decoder_filters": 4},
    "dcgan": {"latent_dim": 4, "generator_filters": 4, "discriminator_filters": 4},
    "vaegan": {
        "latent_dim": 4, "encoder_filters": 4, "decoder_filters": 4, "discriminator_filters": 4,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def data():
    return kma.datasets.load("phantom", size=8, train=80, val=40, test=40)


@pytest.mark.parametrize("method", TINY)
def test_every_method_gives_images_labels_and_a_card(data, method):
    x, y = data.stored("train")
    x_new, y_new, card = kma.augment(
        x, y, method, per_class={0: 3, 2: 2}, steps=4, batch_size=32, held_out=data.val[0],
        seed=5, verbose=0, **TINY[method],
    )  # fmt: skip
    assert x_new.shape == (5, 8, 8, 1)
    assert x_new.dtype == np.float32
    assert 0 <= x_new.min() < x_new.max() <= 1
    assert y_new.tolist() == [0, 0, 0, 2, 2]
    assert card["counts"] == card["requested"] == [3, 0, 2, 0]
    assert card["model"]["class"].endswith(kma.augmenting.METHODS[method].__name__)
    assert card["model"]["steps"] == 6  # two whole epochs of three batches
    assert card["model"]["config"]["num_classes"] == 4
    assert card["copy_audit"]["spaces"]["pixels"]["held_out"]["count"] == 40
    assert any("only 40 held-out" in note for note in card["notes"])
    assert card["source"]["md5"] == kma.datasets.Dataset("training", (x, y)).md5
    assert json.loads(json.dumps(card)) == card
    if method != "cvae":  # one is enough for what is the same for all
        return
    again, _, _ = kma.augment(
        x, y, method, per_class={0: 3, 2: 2}, steps=4, batch_size=32, seed=5, verbose=0,
        **TINY[method],
    )  # fmt: skip
    np.testing.assert_array_equal(again, x_new)


def test_by_default_the_set_is_doubled_in_its_proportions(data):
    x, y = data.train
    keep = np.concatenate([np.flatnonzero(y == 0), np.flatnonzero(y > 0)[::3]])
    _, y_new, _ = kma.augment(x[keep], y[keep], "cvae", steps=2, seed=0, verbose=0, **TINY["cvae"])
    assert np.array_equal(np.bincount(y_new), np.bincount(y[keep]))


class Fake:
    """A model whose images show a class by their brightness, half of them the wrong one."""

    def __init__(self, classes):
        self.classes, self.calls = classes, 0

    def generate(self, n, labels=None, seed=None):
        rng = np.random.default_rng(seed)
        self.calls += 1
        asked = rng.integers(0, self.classes, n) if labels is None else labels
        shown = np.where(rng.random(n) < 0.5, asked, (asked + 1) % self.classes)
        return np.broadcast_to(shown[:, None, None, None] / 10, (n, 8, 8, 1)).astype("float32")

    def predict(self, images, **_):
        shown = np.rint(images[:, 0, 0, 0] * 10).astype(int)
        return np.eye(self.classes, dtype="float32")[shown]


def shown(images):
    return np.rint(images[:, 0, 0, 0] * 10).astype(int)


def test_the_filter_keeps_what_is_what_it_says_and_makes_more():
    wanted = np.repeat([0, 1, 2], [10, 0, 30]).astype("int32")
    images, labels, made = conditional_images(
        Fake(3), wanted, seed=1, judge=lambda images, labels: shown(images) == labels
    )
    assert np.array_equal(labels, wanted)
    assert np.array_equal(shown(images), labels)
    assert made > len(wanted)
    images, labels, made = conditional_images(Fake(3), wanted, seed=1)
    assert (shown(images) != labels).any()
    assert made == len(wanted)


def test_a_filter_that_nothing_passes_ends():
    wanted = np.int32([0, 1])
    images, labels, made = conditional_images(
        Fake(2), wanted, seed=1, judge=lambda images, labels: labels == 1
    )
    assert labels.tolist() == [1]
    assert len(images) == 1
    assert made <= augmenting.MOST_TRIES * 2 + 2


def test_a_classifier_labels_images_of_a_model_without_classes():
    wanted = np.repeat([0, 1, 2], [4, 0, 9]).astype("int32")
    images, labels, _ = classified_images(Fake(3), Fake(3), wanted, seed=0, confidence=0.9)
    assert np.array_equal(labels, wanted)
    assert np.array_equal(shown(images), labels)

    class Unsure(Fake):
        def predict(self, images, **_):
            return super().predict(images) * 0.4 + 0.2

    images, _, _ = classified_images(Fake(3), Unsure(3), wanted, seed=0, confidence=0.9)
    assert len(images) == 0


def test_labels_by_a_classifier_and_the_filter(data, monkeypatch):
    monkeypatch.setattr(augmenting, "CLASSIFIER_STEPS", 3)
    x, y = data.train
    options = {"steps": 2, "seed": 0, "verbose": 0, "per_class": 2, **TINY["cvae"]}
    _, y_new, card = kma.augment(x, y, "cvae", labels="classifier", confidence=0.01, **options)
    assert card["model"]["config"]["num_classes"] is None
    assert card["labels"] == {"by": "classifier", "confidence": 0.01}
    assert card["counts"] == np.bincount(y_new, minlength=4).tolist()
    assert any("classifier's" in note for note in card["notes"])
    lacking = [w > c for w, c in zip(card["requested"], card["counts"], strict=True)]
    assert sum("too few passed" in note for note in card["notes"]) == sum(lacking)
    with pytest.raises(RuntimeError, match="passed the filter"):
        kma.augment(x, y, "cvae", labels="classifier", confidence=0.999, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "gan"}, "`method`: got 'gan'"),
        ({"per_class": "all"}, "`per_class`: got 'all'"),
        ({"per_class": {}}, "`per_class`: got {}"),
        ({"steps": 0}, "`steps`: got 0"),
        ({"labels": "none"}, "`labels`: got 'none'"),
        ({"fidelity": 1.5}, "`fidelity`: got 1.5"),
        ({"y": np.zeros(80, int) + 1}, "`y`"),
        ({"held_out": np.zeros((2, 9, 9, 1))}, "`held_out`"),
    ],
)
def test_arguments_are_refused_before_training(data, monkeypatch, change, message):
    monkeypatch.setattr(augmenting, "train_generator", None)
    x, y = data.train
    with pytest.raises(ValueError, match=message):
        kma.augment(**{"x": x, "y": y, "method": "cvae", **change})


def test_the_images_can_be_saved(data, tmp_path):
    x, y = data.train
    x_new, y_new, _ = kma.augment(
        x, y, "cvae", per_class=3, steps=2, seed=0, verbose=0, **TINY["cvae"]
    )
    made = kma.datasets.from_arrays(x_new, y_new, class_names=data.class_names)
    card = kma.datasets.save_npz(tmp_path / "a.npz", made, origin="synthetic", source=data)
    assert card["counts"]["train"] == [3, 3, 3, 3]
    assert len(kma.datasets.from_npz(tmp_path / "a.npz").train[1]) == 12

"""From a small labelled set to synthetic images with labels."""

import hashlib
import json

import keras
import numpy as np
import pytest

import keras_medaug as kma
from keras_medaug import augmenting
from keras_medaug.models import registry
from keras_medaug.models.step_times import image_seconds
from keras_medaug.progress import Progress

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
def test_every_method_gives_images_labels_and_a_record(data, method):
    x, y = data.stored("train")
    x_new, y_new, card = kma.augment(
        x, y, method, per_class={0: 3, 2: 2}, steps=4, batch_size=32, held_out=data.val[0],
        seed=5, verbose=0, **TINY[method],
    )  # fmt: skip
    assert x_new.shape == (5, 8, 8, 1)
    assert x_new.dtype == np.float32
    assert 0 <= x_new.min() < x_new.max() <= 1
    assert y_new.tolist() == [0, 0, 0, 2, 2]
    assert card["images"]["counts"] == card["requested"] == [3, 0, 2, 0]
    assert card["model"]["class"].endswith(kma.models.generators()[method].__name__)
    assert card["model"]["steps"] == 6  # two whole epochs of three batches
    assert card["model"]["config"]["num_classes"] == 4
    assert card["copy_audit"]["spaces"]["pixels"]["held_out"]["count"] == 40
    assert any("only 40 held-out" in note for note in card["notes"])
    assert card["source"]["md5"] == kma.datasets.Dataset("training", (x, y)).md5
    assert json.loads(json.dumps(card)) == card
    if method != "cvae":  # one is enough for what is the same for all
        return
    again, _, record = kma.augment(
        x, y, method, per_class={0: 3, 2: 2}, steps=4, batch_size=32, held_out=data.val[0],
        seed=5, verbose=0, **TINY[method],
    )  # fmt: skip
    np.testing.assert_array_equal(again, x_new)
    assert record | {"model": None} == card | {"model": None}  # Keras numbers the names of models


@pytest.fixture(scope="module")
def saved(data, tmp_path_factory):
    """Return images, labels and record of a call that kept the model, and the model's file."""
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    made = kma.augment(
        *data.stored("train"), "vaegan", per_class=6, steps=6, batch_size=32,
        held_out=data.val[0], seed=3, verbose=0, save=path, **TINY["vaegan"],
    )  # fmt: skip
    return *made, path


def test_a_saved_model_makes_the_same_images_and_more(saved):
    """And is the one that the record speaks of."""
    x_new, y_new, record, path = saved
    model = keras.saving.load_model(path)
    again = model.generate(len(y_new), y_new, seed=record["images"]["seed"])
    np.testing.assert_array_equal(again, x_new)
    assert not np.array_equal(model.generate(len(y_new), y_new, seed=1), x_new)
    content = path.read_bytes()
    assert record["model_file"] == {
        "name": "model.keras",
        "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "bytes": len(content),
    }
    assert [file.name for file in path.parent.iterdir()] == ["model.keras"]


@pytest.mark.one_backend
def test_a_card_needs_no_second_training(saved, data, tmp_path):
    _, _, record, path = saved
    model = keras.saving.load_model(path)
    card = kma.model_card(
        model, data, tmp_path, count=40, classifier_steps=2, verbose=False
    )  # fmt: skip
    assert card["model"]["steps"] == record["model"]["steps"] == 6
    assert card["model"]["config"] == record["model"]["config"]


def test_the_record_says_first_how_well_images_can_be_told_from_real_ones(saved, data):
    x_new, y_new, record, _ = saved
    assert list(record)[:2] == ["summary", "two_sample"]
    assert record["two_sample"]["count"] == 24
    assert record["two_sample"]["reference"]["count"] == 24
    assert f"AUC {record['two_sample']['auc']:.2f}" in record["summary"]
    images, training = (np.rint(part * 255).astype("uint8") for part in (x_new, data.train[0]))
    seed = kma.seeds.derive_seed(3, "diversity")
    apart = kma.metrics.diversity(images, training, y_new, data.train[1], seed)
    assert record["diversity"] == apart
    assert set(record["quality"]["spaces"]) == {"pixels"}
    sharpness = kma.metrics.spectral_distance(training, images)
    assert record["sharpness"]["high_frequency_ratio"] == sharpness["high_frequency_ratio"]
    assert record["sharpness"]["reference"]["ci95"][0] < 0 < record["sharpness"]["ci95"][1]
    assert record["readings"]["pixels"].keys() <= record["quality"]["spaces"]["pixels"].keys()


def test_label_figures_are_those_of_classifiers_that_have_not_seen_the_image(saved):
    """After six steps they know next to nothing, and it is said."""
    *_, record, _ = saved
    fidelity = record["label_fidelity"]
    assert (fidelity["folds"], fidelity["steps"], fidelity["count"]) == (3, 6, 24)
    assert fidelity["filtered"] is False
    assert fidelity["warning"] in [None, *record["warnings"]]
    assert len(fidelity["by_class"]) == 4


def test_without_held_out_images_the_record_says_that_nothing_has_a_reference(data):
    x, y = data.train
    *_, record = kma.augment(
        x, y, "cvae", per_class=5, steps=2, seed=0, verbose=0, **TINY["cvae"]
    )  # fmt: skip
    assert record["two_sample"]["reference"] is None
    assert 0 <= record["two_sample"]["auc"] <= 1
    assert "no reference value, as there are too few held-out images" in record["summary"]
    assert record["quality"] is None
    assert any("there are 0 held-out" in warning for warning in record["warnings"])
    assert record["model_file"] is None


@pytest.mark.one_backend
def test_a_class_of_one_image_of_which_many_are_planned_is_warned_of(data, tmp_path):
    x, y = data.train
    keep = np.concatenate([np.flatnonzero(y != 3), np.flatnonzero(y == 3)[:1]])
    *_, record = kma.augment(
        x[keep], y[keep], "cvae", per_class={3: 144}, steps=2, seed=0, verbose=0, **TINY["cvae"]
    )  # fmt: skip
    assert any("144 synthetic images are planned of class 3" in w for w in record["warnings"])
    assert any("of class 3 there is one" in warning for warning in record["warnings"])
    assert record["label_fidelity"] is None
    few = kma.datasets.Dataset("few", (x[keep], y[keep]), data.val)
    model = kma.models.CVAE((8, 8, 1), num_classes=4, **TINY["cvae"])
    card = kma.model_card(
        model, few, tmp_path, labels=[3] * 30, classifier_steps=2, verbose=False
    )  # fmt: skip
    assert any("30 synthetic images are planned of class" in text for text in card["warnings"])


@pytest.mark.one_backend
def test_the_record_warns_as_the_card_does(data, tmp_path, monkeypatch):
    """A generator of one image over and over, which is a training image."""
    x, y = data.train
    first = x[:1]

    class Stuck(kma.models.CVAE):
        def generate(self, n, labels=None, seed=None, **_):
            return np.repeat(first, n, axis=0)

    monkeypatch.setitem(registry._GENERATORS, "cvae", Stuck)
    x_new, y_new, record = kma.augment(
        x, y, "cvae", per_class=10, steps=2, held_out=data.val[0], seed=0, verbose=0,
        class_names=data.class_names, **TINY["cvae"],
    )  # fmt: skip
    model = kma.models.CVAE((8, 8, 1), num_classes=4, **TINY["cvae"])
    card = kma.model_card(
        model, data, tmp_path, images=x_new, labels=y_new, classifier_steps=2, verbose=False
    )
    assert any("exact copies of training images" in text for text in record["warnings"])
    assert any("may be one image over and over" in text for text in record["warnings"])
    assert any(repr(data.class_names[0]) in text for text in record["warnings"])
    for text in record["warnings"]:
        if not text.startswith(("Suspected copies", "In the space", "The classifier", "A class")):
            assert text in card["warnings"]


def test_by_default_the_set_is_doubled_in_its_proportions(data):
    x, y = data.train
    keep = np.concatenate([np.flatnonzero(y == 0), np.flatnonzero(y > 0)[::3]])
    _, y_new, _ = kma.augment(x[keep], y[keep], "cvae", steps=2, seed=0, verbose=0, **TINY["cvae"])
    assert np.array_equal(np.bincount(y_new), np.bincount(y[keep]))


def test_labels_by_a_classifier_and_the_filter(data, monkeypatch):
    monkeypatch.setattr(augmenting, "CLASSIFIER_STEPS", 3)
    x, y = data.train
    options = {"steps": 2, "seed": 0, "verbose": 0, "per_class": 2, **TINY["cvae"]}
    _, y_new, card = kma.augment(x, y, "cvae", labels="classifier", confidence=0.01, **options)
    assert card["model"]["config"]["num_classes"] is None
    assert card["labels"] == {"by": "classifier", "confidence": 0.01}
    assert card["images"]["counts"] == np.bincount(y_new, minlength=4).tolist()
    assert any("classifier's" in note for note in card["notes"])
    assert card["requested"] != card["images"]["counts"]
    assert len(repr(card).splitlines()) == len(card)  # a line for each key
    assert sum("Too few images passed" in note for note in card["notes"]) == 1
    with pytest.raises(RuntimeError, match="passed the filter"):
        kma.augment(x, y, "cvae", labels="classifier", confidence=0.999, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "gan"}, "`method`: got 'gan'"),
        ({"method": kma.models.CVAE}, "`method`: got <class"),
        ({"method": ["cvae"]}, r"`method`: got \['cvae'\]"),
        ({"per_class": "all"}, "`per_class`: got 'all'"),
        ({"per_class": {}}, "`per_class`: got {}"),
        ({"steps": 0}, "`steps`: got 0"),
        ({"verbose": "loud"}, "`verbose`: got 'loud'; expected 0, 1, 2, 'auto', True or False"),
        ({"labels": "none"}, "`labels`: got 'none'"),
        ({"fidelity": 1.5}, "`fidelity`: got 1.5"),
        ({"y": np.zeros(80, int) + 1}, "`y`"),
        ({"y": np.zeros(80, int)}, "`y`: got one class; expected two classes or more"),
        (
            {"y": np.zeros(80, int), "labels": "classifier"},
            "`y`: got one class; expected two classes or more",
        ),
        ({"held_out": np.zeros((2, 9, 9, 1))}, "`held_out`"),
        ({"save": "model.h5"}, r"`save`: got model.h5; expected a file name that ends in .keras"),
        ({"save": "missing/model.keras"}, r"`save`: got missing.model.keras; .* missing does not"),
        ({"save": "there.keras"}, "`save`: got there.keras, which exists"),
        ({"save": "link.keras"}, "`save`: got link.keras, which exists"),
        ({"save": 3}, "`save`: got 3"),
    ],
)
def test_arguments_are_refused_before_training(data, monkeypatch, tmp_path, change, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.keras").write_text("mine")
    (tmp_path / "link.keras").symlink_to("nowhere")
    monkeypatch.setattr(augmenting, "train_generator", None)
    x, y = data.train
    with pytest.raises(ValueError, match=message):
        kma.augment(**{"x": x, "y": y, "method": "cvae", **change})
    assert (tmp_path / "there.keras").read_text() == "mine"


def test_a_file_that_came_in_the_meantime_is_not_overwritten(data, monkeypatch, tmp_path):
    path = tmp_path / "model.keras"
    monkeypatch.setattr(augmenting, "train_generator", lambda *_, **__: path.write_text("mine"))
    with pytest.raises(ValueError, match="which exists"):
        kma.augment(*data.train, "cvae", seed=0, save=path, **TINY["cvae"])
    assert path.read_text() == "mine"
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]


def test_the_images_can_be_saved(data, tmp_path):
    x, y = data.train
    x_new, y_new, _ = kma.augment(
        x, y, "cvae", per_class=3, steps=2, seed=0, verbose=0, **TINY["cvae"]
    )
    made = kma.datasets.from_arrays(x_new, y_new, class_names=data.class_names)
    record = kma.datasets.save_npz(tmp_path / "a.npz", made, origin="synthetic", source=data)
    assert record["images"]["counts"] == [3, 3, 3, 3]
    assert len(kma.datasets.from_npz(tmp_path / "a.npz").train[1]) == 12


@pytest.mark.one_backend
@pytest.mark.parametrize("labels", augmenting.LABELS)
def test_names_give_names(data, monkeypatch, labels):
    monkeypatch.setattr(augmenting, "CLASSIFIER_STEPS", 2)
    x, y = data.stored("train")
    options = {"steps": 2, "seed": 0, "verbose": 0, "labels": labels, "confidence": 1e-9}
    names = ["blob", "cross", "disk", "ring"]
    by_name, names_new, record = kma.augment(
        x, np.array(names)[y], "cvae", per_class=dict.fromkeys(names, 2), class_names=names,
        **options, **TINY["cvae"],
    )  # fmt: skip
    by_number, y_new, other = kma.augment(x, y, "cvae", per_class=2, **options, **TINY["cvae"])
    np.testing.assert_array_equal(by_name, by_number)
    assert names_new.tolist() == [names[label] for label in y_new]
    assert record["class_names"] == names
    assert other["class_names"] is None
    known = names if labels == "conditional" else None
    assert record["model"]["config"]["class_names"] == known
    assert json.loads(json.dumps(record)) == record


@pytest.mark.one_backend
def test_names_that_are_not_known_are_refused_before_training(data):
    x, y = data.stored("train")
    names = ["blob", "cross", "disk", "ring"]
    with pytest.raises(ValueError, match=r"`y`: got names, such as .*class_names="):
        kma.augment(x, np.array(names)[y], "cvae")
    with pytest.raises(ValueError, match=r"`y`: got names that are not known: 'ring'"):
        kma.augment(x, np.array(names)[y], "cvae", class_names=["blob", "cross", "disk", "Ring"])
    with pytest.raises(ValueError, match=r"`per_class`: got class 'star'.*among blob, cross"):
        kma.augment(x, y, "cvae", per_class={"star": 1}, class_names=names)


def test_settings_reach_the_default_model_its_augmentation_too(data):
    *_, record = kma.augment(
        *data.train, per_class=1, steps=1, seed=0, verbose=0, filters=4, augmentation=None
    )
    assert record["method"] == "flow"
    assert record["model"]["config"]["augmentation"] is None


def test_images_of_many_passes_are_expected_to_take_longer(data):
    planned = {}
    for method in ("cvae", "flow"):
        progress = Progress(method, verbose=False)
        x, wanted = data.train[0], np.zeros(1000, int)
        augmenting._plan(progress, x, wanted, x[:0], method, 100, 64, None, conditional=True)
        planned[method] = progress.planned
    difference = planned["flow"] - planned["cvae"]
    assert difference == pytest.approx(image_seconds(1000, data.image_shape, 38), rel=1e-6)

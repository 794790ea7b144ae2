"""Everything that takes long says how far it is: on standard error, or to whom it is told."""

from functools import partial

import numpy as np
import pytest

import keras_medaug as kma
from helpers.needs import needs
from keras_medaug import augmenting
from keras_medaug.study.data import run_audit
from keras_medaug.study.task import Task
from keras_medaug.study.train import run_classifier, run_generator


@pytest.fixture(scope="module")
def data():
    return kma.datasets.load("phantom", size=8, train=600, val=24, test=24)


def duplicates(data, verbose):
    return kma.metrics.near_duplicates(data.test[0], data.train[0], verbose=verbose)


def duplicates_within(data, verbose):
    return kma.metrics.near_duplicates(data.train[0], verbose=verbose)


def nearest(data, verbose):
    return kma.metrics.nearest_images(data.test[0], data.train[0], 16, verbose=verbose)[0].tolist()


def audit(data, verbose):
    return kma.metrics.copy_audit(
        data.test[0], data.train[0], data.val[0], lambda x: x.reshape(len(x), -1), 16, verbose
    )


def quality(data, verbose):
    pixels = kma.features.PixelFeatures(data.train[0], components=4)
    images, training, held_out = data.test[0], data.train[0], data.val[0]
    spaces, labels = {"pixels": pixels}, (data.test[1], data.train[1], data.val[1])
    return kma.metrics.sample_quality(
        images, training, held_out, spaces, *labels, 3, verbose=verbose
    )


def folder(data, verbose, tmp_path):
    image = needs("PIL.Image")
    for number, pixels in enumerate(data.stored("train")[0][:60]):
        file = tmp_path / "set" / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        image.fromarray(pixels[..., 0]).save(file)
    return kma.datasets.from_directory(tmp_path / "set", size=8, verbose=verbose).md5


def saved(data, verbose, tmp_path):
    made = kma.datasets.from_arrays(*data.test)
    path = tmp_path / f"{bool(verbose)}.npz"
    record = kma.datasets.save_npz(path, made, origin="synthetic", source=data, verbose=verbose)
    return record["copy_audit"]


def classifier_features(data, verbose):
    features = kma.features.ClassifierFeatures(*data.train, steps=6, verbose=verbose, filters=4)
    return features.card


def out_of_fold(data, verbose):
    classifiers = kma.labels.OutOfFoldClassifier(folds=2, steps=6, seed=0, filters=4)
    return classifiers.fit(*data.train, verbose=verbose).real_agreement


def generated(data, verbose):
    model = kma.models.CVAE(data.image_shape, latent_dim=2, seed=0)
    return model.generate(40, seed=0, batch_size=4, verbose=verbose).tolist()


WITHOUT_KERAS = [duplicates, duplicates_within, nearest, audit, quality, folder, saved]
WITH_KERAS = [classifier_features, out_of_fold, generated]


@pytest.fixture
def call(request, data, tmp_path):
    if request.param in (folder, saved):
        return lambda verbose: request.param(data, verbose, tmp_path)
    return lambda verbose: request.param(data, verbose)


def check(call, capfd):
    told = []
    silent = call(False)
    assert capfd.readouterr() == ("", "")
    # The result is the same, whoever is told.
    assert call(lambda done, total: told.append(done / total)) == silent
    assert len(told) >= 3
    assert np.all(np.diff(told) >= 0)
    assert told[0] < 0.6
    assert told[-1] == 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.backend_free
@pytest.mark.parametrize("call", WITHOUT_KERAS, indirect=True)
def test_what_needs_no_model_says_how_far_it_is(call, capfd):
    check(call, capfd)


@pytest.mark.one_backend
@pytest.mark.parametrize("call", WITH_KERAS, indirect=True)
def test_what_needs_a_model_says_how_far_it_is(call, capfd):
    check(call, capfd)


@pytest.mark.backend_free
@pytest.mark.parametrize("call", [duplicates, audit], indirect=True)
def test_it_is_shown_on_standard_error(call, capfd):
    call(True)
    out, err = capfd.readouterr()
    assert not out
    assert len(err.splitlines()) == 2
    with pytest.raises(ValueError, match="`verbose`: got 2"):
        call(2)


@pytest.mark.backend_free
@pytest.mark.parametrize("call", WITHOUT_KERAS, indirect=True)
def test_what_is_no_verbose_is_refused_before_any_work(call, monkeypatch):
    for name in ("memorization.digests", "duplicates.uniform_images"):
        monkeypatch.setattr(f"keras_medaug.metrics.{name}", None)
    monkeypatch.setattr("keras_medaug.datasets.directory.list_classes", None)
    monkeypatch.setattr("keras_medaug.datasets.export._to_8_bit", None)
    with pytest.raises(ValueError, match="`verbose`: got 'loud'"):
        call("loud")


@pytest.mark.one_backend
@pytest.mark.parametrize("wrong", ["loud", 3, -1, None])
def test_models_refuse_what_is_no_verbose_of_keras(data, wrong):
    model = kma.models.Classifier(data.image_shape, data.num_classes, filters=4, seed=0)
    model.compile()
    x, y = data.test
    expected = "`verbose`: got .*; expected 0, 1, 2, 'auto', True or False"
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=expected):
            call(x, y, verbose=wrong)
    for call in (model.predict, model.logits):
        with pytest.raises(ValueError, match=expected):
            call(x, verbose=wrong)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"fidelity": 0.01}, 6),
        ({"labels": "classifier", "confidence": 0.01}, 6),
    ],
)
def test_augment_shows_all_of_its_parts(data, capfd, monkeypatch, options, parts):
    monkeypatch.setattr("keras_medaug.status_line.LINE_EVERY", 0.0)
    monkeypatch.setattr("keras_medaug.progress.DRAW_EVERY", 0.0)
    monkeypatch.setattr("keras_medaug.augmenting.CLASSIFIER_STEPS", 4)
    monkeypatch.setattr("keras_medaug.labels.labelled_images.MOST_TRIES", 1)
    quick = partial(augmenting.fit_label_filter, steps=4)
    monkeypatch.setattr("keras_medaug.augmenting.fit_label_filter", quick)
    settings = {"method": "cvae", "per_class": 2, "steps": 4, "latent_dim": 2, "seed": 0}
    few = [part[:96] for part in data.train]
    kma.augment(*few, batch_size=32, **settings, **options)
    out, err = capfd.readouterr()
    assert not out
    lines = err.splitlines()
    assert any(f"0/{parts}: " in line for line in lines)
    assert any(f"{parts - 2}/{parts}: looking for copies of training" in line for line in lines)
    assert any(": training cvae: 3 of 6" in line for line in lines)
    assert lines[-1].startswith("augment with cvae: done in ")
    kma.augment(*few, verbose=0, **settings)
    assert capfd.readouterr() == ("", "")
    kma.augment(*few, verbose=2, **settings)
    assert "Epoch 1/2" in capfd.readouterr().out  # Keras's own lines, with the losses


@pytest.mark.one_backend
def test_the_work_of_a_study_says_how_far_it_is(data, tmp_path):
    common = {"seed": 0, "train_fraction": 1.0}
    generator = {
        "method": "cvae", "ratio": 0.5, "fidelity": None,
        "training": {"steps": 6, "batch_size": 32},
        "model": {"latent_dim": 2, "encoder_filters": 4, "decoder_filters": 4},
    }  # fmt: skip
    classifier = {
        "arm": "none", "oversample": False, "policy": None, "model": {"filters": 4},
        "training": {"steps": 8, "batch_size": 16, "rounds": 2},
    }  # fmt: skip
    for work, config in [(run_audit, {"near": 0.02}), (run_generator, generator),
                         (run_classifier, classifier)]:  # fmt: skip
        told = []
        task = Task(work.__name__, common | config, tmp_path, work)
        task.work(task, data, lambda done, total: told.append(done / total))  # noqa: B023
        assert told
        assert np.all(np.diff(told) >= 0)
        assert told[-1] == 1

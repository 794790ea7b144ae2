"""The registry of metrics: what it holds, what it refuses, and who reads it."""

from dataclasses import replace

import numpy as np
import pytest

import keras_medaug as kma
from keras_medaug.metrics import manifold, sample_quality
from keras_medaug.metrics.metric import Metric
from keras_medaug.metrics.registry import metrics, register_metric, unregister_metric
from keras_medaug.metrics.samples import Samples

pytestmark = pytest.mark.backend_free

DATA = kma.datasets.load("phantom", size=8)
PIXELS = kma.features.PixelFeatures(DATA.train[0], components=6)


def difference_of_norms(samples):
    norms = [np.linalg.norm(rows, axis=1).mean() for rows in (samples.real, samples.drawn)]
    return {"value": abs(float(norms[1] - norms[0])), "ci95": [0.0, 9.0], "note": len(samples.real)}


NORMS = Metric(
    "toy", "difference of norms", "less", "How far mean norms are apart.",
    measure=difference_of_norms,
)  # fmt: skip
BRIGHTNESS = Metric(
    "brightness", "difference of brightness", "less", "How far mean pixels are apart.", "images",
    measure=difference_of_norms, rows=lambda x: x.mean(axis=(1, 2)), reference_keys=("value",),
)  # fmt: skip


@pytest.fixture
def registered():
    """Two more metrics, for one test."""
    for metric in (NORMS, BRIGHTNESS):
        register_metric(metric)
    yield
    for metric in (NORMS, BRIGHTNESS):
        unregister_metric(metric.name)


def quality():
    images = DATA.test[0] ** 1.2
    return sample_quality(images, DATA.train[0], DATA.val[0], {"pixels": PIXELS})


def test_the_metrics_stand_in_one_order():
    names = ["kernel", "frechet", "precision", "recall", "density", "coverage", "spectral"]
    assert list(metrics()) == names
    assert [metrics()[name].direction for name in names] == ["less"] * 2 + ["more"] * 4 + ["less"]
    assert [name for name in names if metrics()[name].space == "images"] == ["spectral"]


@pytest.mark.usefixtures("registered")
def test_quality_measures_what_is_registered():
    record = quality()
    assert list(record)[3:6] == ["spectral", "brightness", "spaces"]
    assert list(record["spaces"]["pixels"])[-2:] == ["coverage", "toy"]
    vectors = [PIXELS(x) for x in (DATA.train[0], DATA.val[0])]
    rows = np.random.default_rng(0).permutation(len(vectors[1]))
    floor = difference_of_norms(Samples(vectors[0], vectors[1], drawn=np.sort(rows)))
    measured = record["spaces"]["pixels"]["toy"]
    assert list(measured) == ["value", "ci95", "note", "floor"]
    assert measured["floor"] == {"value": pytest.approx(floor["value"]), "ci95": [0.0, 9.0]}
    assert list(record["brightness"]["floor"]) == ["value"]
    means = [x.mean(axis=(1, 2, 3)).mean() for x in (DATA.train[0], DATA.test[0] ** 1.2)]
    assert record["brightness"]["value"] == pytest.approx(abs(means[1] - means[0]), rel=0.2)


@pytest.mark.usefixtures("registered")
def test_quality_forgets_what_is_no_longer_registered():
    unregister_metric("toy")
    try:
        assert list(quality()["spaces"]["pixels"])[-1] == "coverage"
    finally:
        register_metric(NORMS)


@pytest.mark.usefixtures("registered")
def test_each_class_is_measured_as_well():
    record = sample_quality(
        DATA.test[0], DATA.train[0], DATA.val[0], {"pixels": PIXELS},
        DATA.test[1], DATA.train[1], DATA.val[1],
    )  # fmt: skip
    assert record["classes"]["1"]["spaces"]["pixels"]["toy"]["note"] == np.sum(DATA.train[1] == 1)
    assert "brightness" in record["classes"]["1"]


def test_neighbours_are_looked_for_once(monkeypatch):
    """Precision, recall, density and coverage share them."""
    calls = []
    original = manifold.manifold_scores
    monkeypatch.setattr(manifold, "manifold_scores", lambda *x: calls.append(1) or original(*x))
    quality()
    assert len(calls) == 2  # of the synthetic images, and of the held-out ones


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "kernel"}, "`metric.name`: got 'kernel'; expected a new name"),
        ({"name": "spaces"}, "`metric.name`: got 'spaces'; expected a new name"),
        ({"name": "Mean norm"}, "`metric.name`: got 'Mean norm'; expected a name in lower case"),
        ({"direction": "up"}, "`metric.direction`: got 'up'"),
        ({"space": "words"}, "`metric.space`: got 'words'"),
        ({"caption": " "}, "`metric.caption`: got an empty text"),
        ({"title": ""}, "`metric.title`: got an empty text"),
        ({"measure": 3}, "`metric.measure`: got a int"),
    ],
)
def test_what_is_refused(change, message):
    before = metrics()
    with pytest.raises(ValueError, match=message):
        register_metric(replace(NORMS, **change))
    assert metrics() == before


def test_an_unknown_name_cannot_be_forgotten():
    with pytest.raises(ValueError, match="`name`: got 'toy'; expected one of kernel"):
        unregister_metric("toy")


def test_a_record_that_lacks_a_number_names_the_metric():
    register_metric(replace(NORMS, measure=lambda _: {"value": 1.0}))
    try:
        with pytest.raises(ValueError, match=r"metric 'toy'.*'ci95'"):
            quality()
    finally:
        unregister_metric("toy")

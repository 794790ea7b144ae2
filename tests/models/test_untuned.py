"""Arrays are fed to TensorFlow without the thread that tunes the input, and are fed the same."""

import itertools

import keras
import numpy as np
import pytest

from keras_medaug import models
from keras_medaug.models import image_model
from keras_medaug.models.array_batches import ArrayBatches
from keras_medaug.models.untuned import untuned

TUNES = keras.config.backend() == "tensorflow"


def arrays(count=10):
    x = np.arange(count, dtype="uint8").reshape(-1, 1, 1, 1)
    return x, np.arange(count), np.linspace(0.0, 1.0, count)


def values(batches):
    return [[np.asarray(part) for part in batch] for batch in batches]


def assert_same(one, other):
    assert len(one) == len(other)
    for mine, theirs in zip(one, other, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("seed", [None, 3])
def test_the_batches_and_their_order_stay_the_same(seed):
    batches = ArrayBatches(arrays(), 4, None if seed is None else lambda: seed)
    fed = untuned(batches)
    assert len(fed) == 3
    for epoch in (0, 1):  # each pass asks anew for the order of its epoch
        batches.begin_epoch(epoch)
        assert_same(values(fed), values(batches[number] for number in range(3)))


def test_a_stream_does_not_end():
    batches = ArrayBatches(arrays(), 4, lambda: 3, steps_per_epoch=2)
    fed = untuned(batches)
    first = itertools.islice(iter(fed) if TUNES else (fed[n] for n in itertools.count()), 8)
    assert_same(values(first), values(batches[number] for number in range(8)))


@pytest.mark.skipif(not TUNES, reason="only TensorFlow's input tunes itself")
def test_nothing_tunes_on_tensorflow():
    assert untuned(ArrayBatches(arrays(), 4)).options().autotune.enabled is False


@pytest.mark.skipif(TUNES, reason="on TensorFlow it is a `tf.data.Dataset`")
def test_elsewhere_nothing_changes():
    batches = ArrayBatches(arrays(), 4)
    assert untuned(batches) is batches


def test_all_that_models_read_of_arrays_is_fed_so(monkeypatch):
    fed = []
    monkeypatch.setattr(image_model, "untuned", lambda batches: fed.append(batches) or batches)
    x, y = np.random.default_rng(0).random((6, 8, 8, 1), dtype="float32"), np.arange(6) % 2
    model = models.Classifier((8, 8, 1), num_classes=2, seed=0)
    model.compile()
    model.fit(x, y, validation_data=(x[:4], y[:4]), verbose=0)
    model.evaluate(x[:5], y[:5], verbose=0)
    assert [len(batches.arrays[0]) for batches in fed] == [6, 4, 5]


def test_class_weights_and_steps_work_as_ever():
    x, y = np.random.default_rng(0).random((6, 8, 8, 1), dtype="float32"), np.arange(6) % 2
    losses = {}
    for name, weight in {"none": None, "equal": {0: 2.0, 1: 2.0}}.items():
        model = models.Classifier((8, 8, 1), num_classes=2, dropout=0.0, seed=0)
        model.compile()
        settings = {"batch_size": 4, "epochs": 2, "steps_per_epoch": 3, "verbose": 0}
        losses[name] = model.fit(x, y, class_weight=weight, **settings).history["loss"][0]
    assert losses["equal"] == pytest.approx(2 * losses["none"], rel=0.2)
    assert losses["equal"] != losses["none"]

"""A generator and a classifier trained on a small set; `nox -s quick` runs it."""

import keras
import numpy as np

import keras_medaug as kma


def test_a_small_set_grows_and_a_classifier_trains_on_it(tmp_path):
    data = kma.datasets.load("phantom", size=8, train=40, val=20, test=20)
    x, y = data.train
    model = kma.models.CVAE(
        (8, 8, 1), 3, num_classes=data.num_classes, encoder_filters=2, decoder_filters=2, seed=0
    )
    model.compile()
    model.fit(x, y, batch_size=20, epochs=2, verbose=0)
    model.save(tmp_path / "cvae.keras")
    loaded = keras.saving.load_model(tmp_path / "cvae.keras")
    labels = np.arange(20) % data.num_classes
    images = loaded.generate(20, labels, seed=1)
    np.testing.assert_array_equal(images, model.generate(20, labels, seed=1))
    classifier = kma.models.Classifier((8, 8, 1), data.num_classes, filters=2, seed=0)
    classifier.compile()
    larger = np.concatenate([x, images]), np.append(y, labels)
    history = classifier.fit(
        *larger, batch_size=20, epochs=2, validation_data=data.val, verbose=0
    ).history
    assert all(np.isfinite(values).all() for values in history.values())
    assert 0 < kma.metrics.mean_confidence(classifier, images) <= 1

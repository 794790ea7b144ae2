"""Running statistics in the models: each kind of batch has its own, as it has in training."""

import keras
import numpy as np
import pytest

from harness import CONVOLUTIONAL
from harness.state import equal

AUTOENCODERS = ["CVAE", "VAEGAN"]


def numpy(variable):
    return np.array(keras.ops.convert_to_numpy(variable))


def state(variables):
    return [numpy(variable) for variable in variables]


@pytest.fixture
def images():
    """Return images of two kinds, whose features have neither mean 0 nor variance 1."""
    rng = np.random.default_rng(0)
    flat = rng.uniform(0.0, 0.4, (16, 1, 1, 1)) + np.zeros((16, 8, 8, 1))
    return np.clip(flat + rng.normal(0, 0.1, flat.shape), 0, 1).astype("float32")


def dense_statistics(network):
    """Return the moving mean of a decoder's first normalisation."""
    return network.get_layer("logits").get_layer("normalization").moving_mean


def still(model):
    """Compile a model so that steps change its statistics alone."""
    model.compile(keras.optimizers.SGD(0.0))
    return model


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_the_decoders_own_statistics_are_those_of_the_prior(build, images, name):
    """Codes of mean 40 leave no trace in what `generate` uses, and all in what `reconstruct` does.

    The mean of the first layer's outputs is the kernel's image of the mean of the codes.
    """
    model = still(build(name, compiled=False))
    head = model.encoder.get_layer("z_mean")
    head.kernel.assign(np.zeros(head.kernel.shape))
    head.bias.assign(np.full(head.bias.shape, 40.0))
    for _ in range(30):
        model.train_on_batch(images)
    kernel = numpy(model.decoder.get_layer("logits").get_layer("dense").kernel)
    outputs = np.full(kernel.shape[0], 40.0) @ kernel
    expected = outputs.reshape(-1, len(numpy(dense_statistics(model.decoder)))).mean(axis=0)
    reconstructions = numpy(model.reconstruction_statistics.values[0])
    np.testing.assert_allclose(reconstructions, expected, atol=0.15 * np.abs(expected).max())
    assert np.abs(numpy(dense_statistics(model.decoder))).max() < 0.05 * np.abs(expected).max()
    variance = numpy(model.decoder.get_layer("logits").get_layer("normalization").moving_variance)
    of_prior = (kernel**2).sum(axis=0).reshape(-1, len(variance)).mean(axis=0)
    np.testing.assert_allclose(variance, of_prior, rtol=0.6)
    assert np.all(variance < 0.9)  # the pass of the prior has moved it from 1


@pytest.mark.parametrize(
    ("name", "conditional"), [("CVAE", False), ("DCGAN", False), ("VAEGAN", True)]
)
def test_evaluate_normalises_each_kind_as_training_does(build, images, name, conditional):
    """With weights that stay, the losses outside training come to those of training."""
    arguments = {"num_classes": 2} if conditional else {}
    images = np.concatenate([images] * 6)
    labels = np.arange(96, dtype="int32") % 2 if conditional else None
    model = still(build(name, compiled=False, **arguments))
    model.fit(images, labels, batch_size=96, epochs=80, verbose=0)
    inside = model.fit(images, labels, batch_size=96, epochs=20, verbose=0).history
    outside = [
        model.evaluate(images, labels, batch_size=96, verbose=0, return_dict=True)
        for _ in range(10)
    ]
    for key, values in inside.items():
        mean = np.mean([losses[key] for losses in outside])
        assert mean == pytest.approx(np.mean(values), rel=0.06), key


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_codes_of_images_are_decoded_as_such(build, images, name):
    model = build(name)
    model.fit(images, batch_size=8, epochs=4, verbose=0)
    codes, before = model.encode(images), state(model.variables)
    reconstructed = model.reconstruct(images)
    np.testing.assert_array_equal(reconstructed, model.decode(codes, encoded=True))
    np.testing.assert_allclose(model.predict(images, verbose=0), reconstructed, atol=1e-6)
    assert np.abs(reconstructed - model.decode(codes)).max() > 1e-3
    assert equal(before, state(model.variables))
    with pytest.raises(ValueError, match="`encoded`: got 1; expected True or False"):
        model.decode(codes, encoded=1)


def test_the_average_has_statistics_of_reconstructions_too(build, images):
    """Against the recursion written out."""
    model = build("VAEGAN", compiled=False, ema_momentum=0.3)
    model.compile(keras.optimizers.SGD(0.05), run_eagerly=True)
    averages = state(model.averaged.statistics.values)
    for step in range(3):
        model.train_on_batch(images)
        kept = min(0.3, (1 + step) / (10 + step))
        present = state(model.reconstruction_statistics.values)
        averages = [kept * a + (1 - kept) * b for a, b in zip(averages, present, strict=True)]
    for statistic, expected in zip(state(model.averaged.statistics.values), averages, strict=True):
        np.testing.assert_allclose(statistic, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_they_are_saved_and_restarted(build, images, name, tmp_path):
    model = build(name)
    model.fit(images, batch_size=8, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    statistics = [v for v in model.non_trainable_variables if "moving" in v.path]
    assert len(statistics) > 4
    others = [v for v in loaded.non_trainable_variables if "moving" in v.path]
    assert equal(state(statistics), state(others))
    model.reinitialize(seed=5)
    for variable in statistics:
        assert np.all(numpy(variable) == ("variance" in variable.path)), variable.path


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_a_callback_that_reconstructs_changes_nothing_of_the_training(build, images, name):
    states = []
    for looking in (False, True):
        model = build(name, compiled=False)
        model.compile(keras.optimizers.Adam(0.01))
        seen = []
        look = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda *_, model=model, seen=seen: seen.append(model.reconstruct(images))
        )
        model.fit(images, batch_size=8, epochs=2, verbose=0, callbacks=[look] if looking else [])
        states.append(state(model.weights))
    assert equal(*states)
    assert len({images.tobytes() for images in seen}) == 2

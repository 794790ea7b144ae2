"""Networks that a user hands in train, are saved and begun anew as those of the package."""

import json

import keras
import numpy as np
import pytest
from keras import layers

import harness
import keras_medaug as kma
from harness.bad_input import X, Y
from harness.models import eager
from harness.state import numpy, same, state
from helpers.own_networks import NETWORKS, decoder, discriminator, encoder, own_networks, velocity


def made(name, num_classes=2, compiled=True, **arguments):
    networks = own_networks(name, num_classes)
    given = {"num_classes": num_classes, "seed": 0, **networks, **arguments}
    model = getattr(kma.models, name)((8, 8, 1), **given)
    if compiled:
        model.compile(run_eagerly=True)
    return eager(model)


@pytest.fixture(params=list(NETWORKS))
def name(request):
    return request.param


def test_the_model_trains_the_networks_themselves(name):
    networks = own_networks(name, 2)
    model = getattr(kma.models, name)((8, 8, 1), num_classes=2, seed=0, **networks)
    assert getattr(model, "latent_dim", 5) == 5
    before = {argument: network.get_weights() for argument, network in networks.items()}
    model.compile(run_eagerly=True)
    harness.fit(eager(model))
    for argument, network in networks.items():
        assert getattr(model, argument) is network
        assert not all(map(np.array_equal, before[argument], network.get_weights()))
    assert model.generate(3, labels=1, seed=0).shape == (3, 8, 8, 1)


def test_they_are_saved_with_the_model_which_trains_on_alike(name, tmp_path):
    model = made(name)
    harness.fit(model)
    model.save(tmp_path / "model.keras")
    loaded = eager(keras.saving.load_model(tmp_path / "model.keras"))
    configs = [json.dumps(either.get_config(), sort_keys=True) for either in (loaded, model)]
    assert configs[0] == configs[1]
    assert same(loaded, model)
    np.testing.assert_array_equal(harness.models.outputs(loaded), harness.models.outputs(model))
    for trained in (model, loaded):
        harness.fit(trained, initial_epoch=1, epochs=2)
    assert same(loaded, model)


def test_reinitialize_makes_them_anew_from_the_seed_alone(name):
    model, other = made(name), made(name)
    harness.fit(model)
    fresh = state(made(name))
    for trained in (model, other):
        trained.reinitialize(5)
    assert same(model, other)
    assert model.seed == 5
    assert not all(map(np.array_equal, fresh, state(model)))
    five = state(model)
    harness.fit(model)
    model.reinitialize(6)
    assert not all(map(np.array_equal, five, state(model)))
    model.reinitialize(5)
    assert all(map(np.array_equal, five, state(model)))
    network = getattr(model, "generator", None) or model.network
    kernels = [v for v in network.trainable_variables if "kernel" in v.path]
    assert len({numpy(kernel).std() for kernel in kernels}) == len(kernels)


def test_one_may_be_handed_in_beside_sizes_for_the_others():
    model = kma.models.VAEGAN((8, 8, 1), latent_dim=5, encoder=encoder(), decoder_filters=3, seed=0)
    assert model.get_config()["decoder"] is None
    assert model.get_config()["encoder"]["class_name"] == "Functional"
    model.compile(run_eagerly=True)
    harness.fit(eager(model))


def test_statistics_are_kept_by_kind_of_batch():
    """Real images move the discriminator's own statistics, generated ones those beside it."""
    model = made("DCGAN", None)
    norm = next(x for x in model.discriminator.layers if isinstance(x, layers.BatchNormalization))
    convolution = next(x for x in model.discriminator.layers if isinstance(x, layers.Conv2D))
    convolution.kernel.assign(np.zeros(convolution.kernel.shape))
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    model.fit(X, batch_size=8, verbose=0)
    np.testing.assert_allclose(numpy(norm.moving_variance), 0.99, rtol=1e-5)
    assert len(model.generated_statistics.values) == 2
    np.testing.assert_allclose(numpy(model.generated_statistics.values[1]), 0.99, rtol=1e-5)
    model = made("CVAE", None)
    own = [numpy(v) for v in model.decoder.non_trainable_variables]
    harness.fit(model)
    moved = [numpy(v) for v in model.decoder.non_trainable_variables]
    assert not any(map(np.array_equal, own, moved))
    codes = [numpy(v) for v in model.reconstruction_statistics.values]
    assert not any(map(np.array_equal, codes, moved))


def plain(inputs, outputs):
    return keras.Model(inputs, outputs)


def unregistered():
    class Unknown(layers.Layer):
        def call(self, inputs):
            return inputs

    images = keras.Input((8, 8, 1))
    x = layers.Flatten()(Unknown()(images))
    return plain(images, [layers.Dense(64)(x), layers.Dense(64)(x)])


def shared():
    images = keras.Input((8, 8, 1))
    dense = layers.Dense(5)
    x = dense(layers.Flatten()(images))
    logit = layers.Dense(1)(x)
    judge = plain(images, {"logit": logit, "features": x})
    return {"encoder": plain(images, [x, layers.Dense(5)(x)]), "discriminator": judge}


def of_logits(**outputs):
    images = keras.Input((8, 8, 1))
    x = layers.Dense(2)(layers.Flatten()(images))
    return plain(images, dict.fromkeys(outputs, x) or x)


def unseeded():
    images = keras.Input((8, 8, 1))
    x = layers.Dropout(0.5)(layers.Flatten()(images))
    return plain(images, {"logit": layers.Dense(1)(x), "features": x})


def late():
    latent = keras.Input((5,))
    x = layers.Reshape((8, 8, 1), name="logits")(layers.Dense(64)(latent))
    return plain(latent, layers.Activation("sigmoid")(layers.Dense(1)(x)))


REFUSED = {
    "no model": ("CVAE", {"encoder": layers.Dense(3)}, "got Dense; expected a Keras model"),
    "not built": ("CVAE", {"encoder": keras.Sequential([layers.Dense(3)])}, "begins with Input"),
    "labels missing": ("CVAE", {"encoder": encoder(), "num_classes": 2}, "and labels of shape"),
    "labels too many": ("CVAE", {"encoder": encoder(2)}, "got inputs of shapes"),
    "another size": ("CVAE", {"encoder": encoder(latent_dim=3)}, r"both of shape \(n, 64\)"),
    "one output": ("VAEGAN", {"encoder": of_logits()}, r"expected outputs \[z_mean, z_log_var\]"),
    "not registered": ("CVAE", {"encoder": unregistered()}, "cannot be made from its"),
    "images": (
        "CVAE", {"decoder": decoder(), "image_shape": (8, 9, 1)}, r"images of shape \(n, 8, 9"
    ),
    "no logits": ("CVAE", {"decoder": decoder(logits="x")}, "got no layer named 'logits'"),
    "no sigmoid": (
        "CVAE", {"decoder": decoder(activation="relu")}, "(values in|not the sigmoid of)"
    ),
    "weights after": ("CVAE", {"decoder": late()}, "weights that are not before 'logits'"),
    "range": ("DCGAN", {"generator": decoder(activation="softplus")}, "`generator`: got"),
    "no features": ("DCGAN", {"discriminator": of_logits(logit=1)}, '"features": .*a dictionary'),
    "logit of two": (
        "VAEGAN", {"discriminator": of_logits(logit=1, features=1)}, r'"logit": \(n, 1\)'
    ),
    "no seed": (
        "DCGAN", {"discriminator": unseeded()}, "got a layer 'dropout.*' without a seed"
    ),
    "shared": ("VAEGAN", {**shared(), "decoder": decoder()}, "a layer that `encoder` has as well"),
    "filters": ("CVAE", {"encoder": encoder(), "encoder_filters": 3}, "`encoder_filters`: got 3"),
    "dropout": ("DCGAN", {"discriminator": discriminator(), "dropout": 0.1}, "`dropout`: got 0.1"),
    "normalised": (
        "DCGAN",
        {"generator": decoder(), "discriminator": discriminator(), "batch_normalization": False},
        "`batch_normalization`: got False; expected no such argument beside `generator` and",
    ),
    "velocities of no flags": (
        "Flow", {"network": velocity(augmented=False)}, "`network`: got inputs .*and augmented of"
    ),
    "velocities of flags": (
        "Flow", {"network": velocity(), "augmentation": None}, r"`network`: got .*and times of"
    ),
    "velocities of no labels": (
        "Flow", {"network": velocity(), "num_classes": 2}, "`network`: got .*and labels of shape"
    ),
    "velocities of another size": (
        "Flow", {"network": velocity(), "image_shape": (8, 9, 1)}, r"`network`: .*\(8, 9, 1\)"
    ),
    "velocities of two channels": (
        "Flow", {"network": velocity(channels=2)},
        r"`network`: got outputs .*velocities of shape \(n, 8, 8, 1\)",
    ),
    "velocities of no time": ("Flow", {"network": of_logits()}, "`network`: got .*and times of"),
    "velocities and filters": (
        "Flow", {"network": velocity(), "filters": 8},
        "`filters`: got 8; expected no such argument beside `network`",
    ),
    "velocities and blocks": ("Flow", {"network": velocity(), "blocks": 2}, "`blocks`: got 2"),
    "velocities and dropout": ("Flow", {"network": velocity(), "dropout": 0}, "`dropout`: got 0"),
    "latent": ("CVAE", {"decoder": decoder(), "latent_dim": 7}, "`latent_dim`: got 7; expected 5"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_such_network_is_refused_before_training(case):
    name, arguments, message = REFUSED[case]
    with pytest.raises(ValueError, match=f"(?s){message}"):
        getattr(kma.models, name)(**{"image_shape": (8, 8, 1), **arguments})


def test_a_gaussian_likelihood_needs_no_logits():
    model = kma.models.CVAE((8, 8, 1), decoder=decoder(logits="x"), likelihood="gaussian", seed=0)
    model.compile(run_eagerly=True)
    harness.fit(eager(model))
    assert model.latent_dim == 5


@pytest.mark.parametrize("augmentation", ["geometric", None])
@pytest.mark.parametrize("num_classes", [None, 2])
def test_a_network_of_velocities_is_told_what_the_model_knows(num_classes, augmentation):
    network = velocity(num_classes, augmented=augmentation is not None)
    given = {"num_classes": num_classes, "augmentation": augmentation, "network": network}
    model = kma.models.Flow((8, 8, 1), seed=0, **given)
    model.compile(run_eagerly=True)
    harness.fit(eager(model))
    labels = None if num_classes is None else [0, 1, -1]
    assert model.generate(3, labels, seed=0, steps=2).shape == (3, 8, 8, 1)
    assert model.vary(X, num_classes and Y, seed=0, steps=2).shape == X.shape


def test_the_labels_reach_them():
    model = made("VAEGAN")
    harness.fit(model)
    images = model.decode(np.zeros((2, 5)), labels=[0, 1])
    assert not np.array_equal(*images)
    assert model.reconstruct(X, Y).shape == X.shape


def test_an_argument_of_a_subclass_that_is_called_network_is_kept():
    class Named(kma.models.CVAE):
        def __init__(self, image_shape, network="small", **kwargs):
            super().__init__(image_shape, **kwargs)
            self.network = network

    assert Named((8, 8, 1), network="large", seed=0).get_config()["network"] == "large"

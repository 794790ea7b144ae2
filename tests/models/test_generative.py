"""What the generative models return: images, codes, logits, and losses that add up."""

import tracemalloc

import keras
import numpy as np
import pytest

from harness import CONVOLUTIONAL, GENERATIVE, INFERRING, LATENT
from harness.models import few_steps, woken
from keras_medaug.models import LatentModel
from keras_medaug.models.quiet_model import QuietModel

AUTOENCODERS = ["CVAE", "VAEGAN"]


@pytest.fixture(scope="module")
def models(build):
    """Return an unconditional and a conditional model of each kind, uncompiled."""
    made = {(name, False): build(name, compiled=False) for name in GENERATIVE}
    made.update({(name, True): build(name, compiled=False, num_classes=2) for name in GENERATIVE})
    return {key: woken(model) for key, model in made.items()}


@pytest.fixture(
    params=[(name, conditional) for name in GENERATIVE for conditional in (False, True)]
)
def model(request, models):
    return models[request.param]


def for_model(model, labels):
    return labels if model.num_classes else None


# ---- generate ----------------------------------------------------------------------------------


def test_generate_is_governed_by_its_seed_alone(model, y):
    labels, few = for_model(model, y), few_steps(model)
    images = model.generate(8, labels, seed=3, **few)
    assert images.dtype == np.float32
    assert images.shape == (8, 8, 8, 1)
    assert 0 <= images.min() < images.max() <= 1
    np.random.default_rng().random()
    np.testing.assert_array_equal(images, model.generate(8, labels, seed=3, **few))
    if isinstance(model, LatentModel):  # else each batch has a seed of its own
        in_threes = model.generate(8, labels, seed=3, batch_size=3)
        np.testing.assert_allclose(images, in_threes, atol=1e-6)
    assert np.abs(images - model.generate(8, labels, seed=4, **few)).max() > 1e-4
    # Each image is one of its own.
    assert len({image.tobytes() for image in images}) == 8


def test_generate_without_a_seed(models):
    model = models["CVAE", False]
    keras.utils.set_random_seed(1)
    first, second = model.generate(4), model.generate(4)
    keras.utils.set_random_seed(1)
    np.testing.assert_array_equal(first, model.generate(4))
    assert not np.array_equal(first, second)


def test_the_first_images_are_the_same_however_many_follow(models):
    model = models["DCGAN", False]
    np.testing.assert_allclose(model.generate(4, seed=0), model.generate(8, seed=0)[:4], atol=1e-6)


def peak_beside_the_result(model, count):
    """Return how much NumPy had in memory at most, in bytes, beside the images themselves."""
    tracemalloc.start()
    try:
        images = model.generate(count, seed=0)
        return tracemalloc.get_traced_memory()[1] - images.nbytes
    finally:
        tracemalloc.stop()


def test_many_images_take_no_more_memory_than_few_beside_themselves(models):
    model = models["DCGAN", False]
    model.generate(1024, seed=0)
    few, many = (peak_beside_the_result(model, count) for count in (2048, 16384))
    assert many - few < 0.2 * 16384 * 8 * 8 * 4


@pytest.mark.parametrize("name", LATENT)
def test_every_image_stands_in_its_place(models, name):
    """Also where there are more than are held at a time."""
    model = models[name, True]
    z = np.random.default_rng(0).normal(size=(11, 3)).astype("float32")
    labels = np.arange(11) % 2
    whole = model.decode(z, labels, batch_size=11)
    np.testing.assert_allclose(model.decode(z, labels, batch_size=2), whole, atol=1e-6)
    np.testing.assert_allclose(model.decode(z[8:], labels[8:], batch_size=1), whole[8:], atol=1e-6)


def test_every_batch_that_is_made_has_the_same_size(models, monkeypatch):
    """Another size would be compiled for."""
    model, sizes = models["DCGAN", True], []
    predict = QuietModel.predict

    def watched(network, inputs, batch_size, **kwargs):
        sizes.append((len(inputs[0]), len(inputs[1]), batch_size))
        return predict(network, inputs, batch_size=batch_size, **kwargs)

    monkeypatch.setattr(QuietModel, "predict", watched)
    images = model.generate(50, np.arange(50) % 2, batch_size=8)
    assert sizes == [(32, 32, 8), (24, 24, 8)]
    assert images.shape[0] == 50
    assert len({image.tobytes() for image in images}) == 50


@pytest.mark.parametrize("name", GENERATIVE)
def test_labels_change_the_image_and_only_its_own(models, name):
    model = models[name, True]
    zeros, mixed = np.zeros(4, int), np.array([0, 1, 0, 1])
    one, other = (
        model.generate(4, labels, seed=0, **few_steps(model)) for labels in (zeros, mixed)
    )
    difference = np.abs(one - other).max(axis=(1, 2, 3))
    assert (difference[[1, 3]] > 1e-4).all()
    assert (difference[[0, 2]] < 1e-6).all()


@pytest.mark.parametrize(
    "model", [(name, known) for name in LATENT for known in (False, True)], indirect=True
)
def test_generate_is_decode_of_the_prior(model, y):
    labels = for_model(model, y)
    z = np.random.default_rng(5).standard_normal((8, 3), dtype="float32")
    np.testing.assert_array_equal(model.generate(8, labels, seed=5), model.decode(z, labels))


# ---- encode, decode, reconstruct, predict ------------------------------------------------------


@pytest.mark.parametrize("name", AUTOENCODERS)
@pytest.mark.parametrize("conditional", [False, True])
def test_reconstruction(models, x, y, name, conditional):
    model = models[name, conditional]
    labels = y if conditional else None
    z = model.encode(x, labels)
    assert (z.shape, z.dtype) == ((8, 3), np.float32)
    images = model.decode(z, labels)
    assert (images.shape, images.dtype) == ((8, 8, 8, 1), np.float32)
    reconstructed = model.reconstruct(x, labels, batch_size=3)
    np.testing.assert_allclose(reconstructed, images, atol=1e-6)
    inputs = [x, y] if conditional else x
    np.testing.assert_allclose(model.predict(inputs, verbose=0), images, atol=1e-6)
    np.testing.assert_allclose(
        z, np.asarray(model.encoder.predict(inputs, verbose=0)[0]), atol=1e-6
    )
    # It is deterministic, and each image has a code of its own.
    np.testing.assert_array_equal(z, model.encode(x, labels))
    assert len({code.tobytes() for code in z}) == 8


# Keras warns of every generator that ends.
@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
@pytest.mark.parametrize("name", INFERRING)
def test_images_and_labels_in_a_list_or_a_tuple(models, x, y, name):
    """One batch, several, by arrays or by an iterable of batches: the same."""
    model = models[name, True]
    expected = model.predict([x, y], verbose=0)
    for images in (
        model.predict((x, y), verbose=0),
        model.predict((x, y.tolist()), verbose=0),
        model.predict_on_batch([x, y]),
        model.predict(((a, b) for a, b in ((x[:4], y[:4]), (x[4:], y[4:]))), verbose=0),
    ):
        np.testing.assert_allclose(images, expected, atol=1e-6)
    with pytest.raises(ValueError, match="images alone"):
        model.predict((images for images in (x[:4], x[4:])), verbose=0)
    alone = models[name, False]
    np.testing.assert_allclose(
        alone.predict((x[:4], x[4:]), verbose=0), alone.predict(x, verbose=0), atol=1e-6
    )


@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
def test_tensors_that_numpy_cannot_read(build, models, x):
    """In half precision, and on torch with a gradient."""
    half = keras.ops.convert_to_tensor(x, dtype="bfloat16")
    rounded = keras.ops.convert_to_numpy(keras.ops.cast(half, "float32"))
    model = models["CVAE", False]
    np.testing.assert_array_equal(model.encode(half), model.encode(rounded))
    z = keras.Variable(np.ones((4, 3), "float32"))
    np.testing.assert_array_equal(model.decode(z.value), model.decode(np.ones((4, 3))))
    fresh = build("CVAE")
    parameter = keras.Variable(x[:4])
    history = fresh.fit(iter([x[:4], parameter.value]), verbose=0).history
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize(
    "z",
    [np.ones((2, 3), complex), [[1, 2, 3], [4]], np.full((2, 3), 1e300), np.full((2, 3), np.nan)],
)
def test_latent_vectors_that_are_none(models, z):
    with pytest.raises(ValueError, match=r"`z`: got .*; expected "):
        models["CVAE", False].decode(z)


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_labels_reach_encoder_and_decoder(models, x, name):
    model = models[name, True]
    zeros, ones = np.zeros(8, int), np.ones(8, int)
    assert np.abs(model.encode(x, zeros) - model.encode(x, ones)).max() > 1e-4
    z = np.zeros((8, 3))
    assert np.abs(model.decode(z, zeros) - model.decode(z, ones)).max() > 1e-4


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_the_generator_is_the_decoder(models, name):
    assert models[name, False].generator is models[name, False].decoder


@pytest.mark.parametrize("conditional", [False, True])
def test_predict_of_the_gan_is_the_discriminators_logit(models, x, y, conditional):
    model = models["DCGAN", conditional]
    inputs = [x, y] if conditional else x
    logits = model.predict(inputs, verbose=0)
    assert logits.shape == (8, 1)
    expected = model.discriminator.predict(inputs, verbose=0)
    np.testing.assert_allclose(logits, expected["logit"], atol=1e-6)
    if conditional:
        other = model.predict([x, 1 - y], verbose=0)
        assert np.abs(other - logits).max() > 1e-4


@pytest.mark.parametrize("name", ["DCGAN", "VAEGAN"])
@pytest.mark.parametrize("conditional", [False, True])
def test_what_a_discriminator_returns(models, x, y, name, conditional):
    outputs = models[name, conditional].discriminator([x, y] if conditional else x)
    assert set(outputs) == {"logit", "features"}
    assert tuple(outputs["logit"].shape) == (8, 1)
    assert next(iter(outputs["features"].shape)) == 8


@pytest.mark.parametrize("name", GENERATIVE)
def test_uint8_images(build, models, name):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 1), dtype="uint8")
    floats = pixels.astype("float32") / 255
    model = models[name, False]
    if name in INFERRING:
        np.testing.assert_allclose(
            model.predict(pixels, verbose=0, batch_size=4),
            model.predict(floats, verbose=0, batch_size=4),
            atol=1e-6,
        )
    if name in AUTOENCODERS:
        np.testing.assert_allclose(model.encode(pixels), model.encode(floats), atol=1e-6)
    logs = []
    for images in (pixels, floats):
        fresh = build(name)
        history = fresh.fit(images, batch_size=4, verbose=0).history
        logs.append({**history, "evaluated": fresh.evaluate(images, batch_size=4, verbose=0)})
    for key, value in logs[0].items():
        np.testing.assert_allclose(value, logs[1][key], rtol=1e-5, err_msg=key)


# ---- losses ------------------------------------------------------------------------------------

SUMS = {
    "CVAE": {"reconstruction": 1.0, "kl": 2.5},
    "DCGAN": {"generator_loss": 1.0, "discriminator_loss": 1.0},
    "VAEGAN": {"encoder_loss": 1.0, "decoder_loss": 1.0, "discriminator_loss": 1.0},
}


@pytest.mark.parametrize("name", SUMS)
def test_losses_add_up_with_a_short_last_batch(build, x, name):
    extra = {"beta": 2.5} if name in AUTOENCODERS else {}
    if name == "VAEGAN":
        extra.update(gamma=0.3, gamma_reduction="mean")
    model = build(name, **extra)
    x = x.copy()
    x[4:] *= 0.01  # batches that differ, so that their weights show
    logs = {key: v[0] for key, v in model.fit(x[:6], batch_size=4, verbose=0).history.items()}
    evaluated = model.evaluate(x[:6], batch_size=4, verbose=0, return_dict=True)
    for values in (logs, evaluated):
        assert set(SUMS[name]) | {"loss"} <= set(values)
        total = sum(weight * values[term] for term, weight in SUMS[name].items())
        assert values["loss"] == pytest.approx(total, rel=1e-5)
    if name == "VAEGAN":
        assert evaluated["encoder_loss"] == pytest.approx(
            2.5 * evaluated["kl"] + evaluated["similarity"], rel=1e-5
        )
        size = np.prod(model.discriminator.output["features"].shape[1:])
        assert evaluated["decoder_loss"] == pytest.approx(
            evaluated["similarity"] / size * model.gamma + evaluated["adversarial"], rel=1e-4
        )


@pytest.mark.parametrize("name", GENERATIVE)
def test_an_epochs_value_is_the_mean_over_images(build, x, name):
    x = x.copy()
    x[4:] *= 0.01
    batches = [x[:4], x[4:6]]
    epoch = build(name).fit(x[:6], batch_size=4, shuffle=False, verbose=0).history
    model = build(name)
    steps = []
    for batch in batches:
        model.reset_metrics()
        steps.append(model.train_on_batch(batch, return_dict=True))
    for key, value in epoch.items():
        expected = (4 * steps[0][key] + 2 * steps[1][key]) / 6
        assert value[0] == pytest.approx(expected, rel=1e-5), key
    assert steps[0]["loss"] != pytest.approx(steps[1]["loss"], rel=1e-5)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("estimator", ["analytic", "sample"])
def test_the_bound_against_numpy(build, x, likelihood, estimator):
    """Encode, draw and decode by hand; the seed of the draw is the layer's own."""
    x = x[:4]
    model = build("CVAE", likelihood=likelihood, kl_estimator=estimator, pixel_scale=0.3)
    mean, log_var = (np.asarray(a, "float64") for a in model.encoder.predict(x, verbose=0))
    z = keras.ops.convert_to_numpy(
        type(model.sampling)(seed=model.part_seed("sampling"))(
            [mean.astype("float32"), log_var.astype("float32")]
        )
    )
    p = model.decode(z).astype("float64")
    if likelihood == "bernoulli":
        pixel = -(x * np.log(p) + (1 - x) * np.log1p(-p))
    else:
        pixel = 0.5 * ((x - p) / 0.3) ** 2 + np.log(0.3) + 0.5 * np.log(2 * np.pi)
    if estimator == "analytic":
        kl = 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var)
    else:
        kl = 0.5 * (z**2 - log_var - (z - mean) ** 2 / np.exp(log_var))
    logs = model.evaluate(x, verbose=0, return_dict=True)
    assert logs["reconstruction"] == pytest.approx(pixel.sum(axis=(1, 2, 3)).mean(), rel=1e-4)
    assert logs["kl"] == pytest.approx(kl.sum(axis=1).mean(), rel=1e-4, abs=1e-5)


# ---- dropout and statistics --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["DCGAN", "VAEGAN"])
def test_dropout_is_off_outside_training(build, x, name):
    """A loss on the same noise is the same with any dropout, but in training."""
    logs = {}
    for dropout in (0.0, 0.6):
        model = build(name, dropout=dropout)
        logs[dropout] = model.test_on_batch(x, return_dict=True)
        logs[dropout, "training"] = build(name, dropout=dropout).train_on_batch(x, return_dict=True)
    for key, value in logs[0.0].items():
        assert logs[0.6][key] == pytest.approx(value, rel=1e-5), key
    key = "discriminator_loss"
    assert logs[0.6, "training"][key] != pytest.approx(logs[0.0, "training"][key], rel=1e-3)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_one_argument_normalises_the_decoder_and_the_discriminator(build, name):
    for wanted in (True, False):
        model = build(name, compiled=False, batch_normalization=wanted)
        for part in ("generator", "discriminator", "encoder"):
            network = getattr(model, part, None)
            if network is not None:
                normalised = any("moving_mean" in variable.path for variable in network.variables)
                assert normalised == (wanted and part != "encoder"), part


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_each_kernel_size_is_its_own_networks(build, name):
    networks = build(name, compiled=False)._named_networks()
    sizes = {network: size for size, network in enumerate(networks, start=5)}
    arguments = {f"{network}_kernel_size": size for network, size in sizes.items()}
    model = build(name, compiled=False, **arguments)
    for network, size in sizes.items():
        kernels = [v for v in getattr(model, network).trainable_variables if len(v.shape) == 4]
        assert kernels
        assert {tuple(v.shape[:2]) for v in kernels} == {(size, size)}, network


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_only_training_moves_statistics(build, x, name):
    model = build(name)

    def moving():
        return [
            np.array(keras.ops.convert_to_numpy(v.value))
            for v in model.non_trainable_variables
            if "moving" in v.path
        ]

    start = moving()
    assert start
    model.evaluate(x, batch_size=4, verbose=0)
    model.predict(x, batch_size=4, verbose=0)
    model.generate(4)
    assert all(np.array_equal(a, b) for a, b in zip(start, moving(), strict=True))
    model.fit(x, batch_size=4, verbose=0)
    assert not any(np.array_equal(a, b) for a, b in zip(start, moving(), strict=True))


def test_a_pass_of_the_decoder_moves_its_statistics_once(build, x):
    """It is the pass of the prior, once a step; reconstructions have statistics of their own."""
    for name in CONVOLUTIONAL:
        model = build(name)
        variance = next(v for v in model.non_trainable_variables if "moving_variance" in v.path)
        constant = np.zeros_like(x[:4])
        model.generator.get_layer("logits").get_layer("dense").kernel.assign(
            np.zeros((3, model.generator.get_layer("logits").get_layer("dense").units))
        )  # every image alike: a batch variance of 0
        model.train_on_batch(constant)
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(variance.value), 0.9, rtol=1e-5, err_msg=name
        )

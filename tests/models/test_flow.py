"""`Flow` learns the field that it should, and follows it where it leads.

The errors that the tests bound are printed at the end of a run.
"""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

import keras_medaug as kma
from helpers.known_fields import learner_of_constants, mixture_network
from keras_medaug.models.flow_sampler import FlowSampler

SIDE = 8
SHAPE = (SIDE, SIDE, 1)
# Two images that are far apart, in [-1, 1]: bright above, and bright on the left.
MEANS = np.stack([np.repeat(np.linspace(0.5, -0.5, SIDE), SIDE).reshape(SHAPE)] * 2)
MEANS[1] = MEANS[1].transpose(1, 0, 2)
SPREAD = 0.15


def known(**arguments):
    """Return a model of two classes whose field is that of two Gaussians, known exactly."""
    network = mixture_network(MEANS, SPREAD)
    return kma.models.Flow(
        SHAPE, 2, network=network, augmentation=None, ema_momentum=None, seed=0, **arguments
    )


@pytest.fixture(scope="module")
def of_two_gaussians():
    return known()


def as_images(values):
    """Return what lies in [-1, 1] as images in [0, 1]."""
    return 0.5 + 0.5 * values


# ---- learning -----------------------------------------------------------------------------------


def test_the_learned_field_is_that_of_the_data(report_error):
    """Constant images from two Gaussians: the field is known, and a small network finds it."""
    centres, spread, share = np.array([-0.2, 0.25]), 0.06, np.array([0.3, 0.7])
    rng = np.random.default_rng(0)
    chosen = rng.choice(2, 4096, p=share)
    values = centres[chosen] + spread * rng.standard_normal(4096)
    x = np.broadcast_to(as_images(values)[:, None, None, None], (4096, *SHAPE)).astype("float32")
    model = kma.models.Flow(
        SHAPE, network=learner_of_constants(), augmentation=None, ema_momentum=0.99, seed=0
    )
    rate = keras.optimizers.schedules.CosineDecay(1e-2, 1600)
    model.compile(keras.optimizers.Adam(rate))
    model.fit(x, batch_size=256, epochs=100, verbose=0)

    times, means = np.meshgrid([0.1, 0.3, 0.5, 0.7, 0.9], np.linspace(-1, 1, 161), indexing="ij")
    deviations = np.sqrt((1 - times) ** 2 / SIDE**2 + (times * spread) ** 2)[..., None]
    distances = (means[..., None] - times[..., None] * centres) / deviations
    densities = share * np.exp(-(distances**2) / 2) / deviations
    density = densities.sum(-1)
    within = centres + (times[..., None] * spread**2 / deviations**2) * (
        means[..., None] - times[..., None] * centres
    )
    expected = (densities * within).sum(-1) / np.maximum(density, 1e-30)
    velocity = (expected - means) / (1 - times)
    learned = model.averaged.network.predict(
        [
            np.broadcast_to(means.reshape(-1, 1, 1, 1), (means.size, *SHAPE)).astype("float32"),
            times.reshape(-1).astype("float32"),
        ],
        verbose=0,
    )
    errors = np.abs(learned.mean((1, 2, 3)) - velocity.reshape(-1)) * (1 - times.reshape(-1))
    error = float((errors * density.reshape(-1)).sum() / density.sum())
    report_error("learned field, mean error where the data is", error)
    assert error < 0.04  # where the two means are 0.45 apart

    made = 2 * model.generate(4000, seed=1, steps=100).mean((1, 2, 3)) - 1
    high = made > 0.025
    report_error("learned mixture, share of the second", abs(high.mean() - share[1]))
    assert abs(high.mean() - share[1]) < 0.15
    for side, centre in zip((~high, high), centres, strict=True):
        report_error("learned mixture, mean of a part", abs(made[side].mean() - centre))
        assert abs(made[side].mean() - centre) < 0.08


# ---- following ----------------------------------------------------------------------------------


def test_images_of_a_gaussian_have_its_mean_and_covariance(of_two_gaussians, report_error):
    """Of class 0 alone the images are normal about its mean, each pixel by itself."""
    count = 4000
    images = of_two_gaussians.generate(count, labels=0, seed=0, batch_size=1000, steps=40)
    flat = 2 * images.reshape(count, -1).astype("float64") - 1
    away = (flat.mean(0) - MEANS[0].reshape(-1)) / (SPREAD / np.sqrt(count))
    report_error("mean of Gaussian images, largest z", np.abs(away).max())
    assert np.abs(away).max() < 4.5  # of 64 normal numbers: one in a thousand is above 4.2
    covariance = np.cov(flat.T) / SPREAD**2
    error = (covariance - np.eye(SIDE**2)) * np.sqrt(count)
    on, off = np.diag(error) / np.sqrt(2), error[~np.eye(SIDE**2, dtype=bool)]
    report_error("variances of Gaussian images, largest z", np.abs(on).max())
    report_error("covariances of Gaussian images, largest z", np.abs(off).max())
    assert np.abs(on).max() < 4.5
    assert np.abs(off).max() < 5.5  # of 2,016 normal numbers
    assert abs(off.std() - 1) < 0.1


def test_steps_of_half_the_length_have_a_quarter_of_the_error(of_two_gaussians, report_error):
    """Heun's method is of second order."""

    def made(steps):
        return of_two_gaussians.generate(64, labels=-1, seed=0, steps=steps).astype("float64")

    fine = made(1280)
    errors = [np.sqrt(((made(steps) - fine) ** 2).mean()) for steps in (10, 20, 40, 80)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    for steps, error in zip((10, 20, 40, 80), errors, strict=True):
        report_error(f"sampler, {steps} steps to 1,280", error)
    report_error("sampler, order of convergence", orders[-1])
    assert 1.7 < orders[-1] < 2.4
    assert errors[1] < 0.01


def test_one_step_is_eulers(of_two_gaussians):
    noise = np.random.default_rng(kma.seeds.derive_seed(0, "batch", 0)).standard_normal(
        (4, *SHAPE), dtype="float32"
    )
    velocity = of_two_gaussians.network.predict(
        [noise, np.zeros(4, "float32"), np.int32([0, 0, 1, 2])], verbose=0
    )
    made = of_two_gaussians.generate(4, labels=[0, 0, 1, -1], seed=0, steps=1)
    np.testing.assert_allclose(made, np.clip(as_images(noise + velocity), 0, 1), atol=1e-5)


@pytest.mark.parametrize("label", [0, 1])
def test_guidance_one_is_the_class_and_zero_the_unknown(of_two_gaussians, label):
    """A guidance next to 1 goes the way of all guided images, and comes out where 1 does."""
    model = of_two_gaussians
    of_class = model.generate(16, labels=label, seed=0)
    unknown = model.generate(16, labels=None, seed=0)
    assert np.abs(of_class - unknown).max() > 0.1
    np.testing.assert_allclose(
        model.generate(16, labels=label, seed=0, guidance=1 + 1e-7), of_class, atol=1e-4
    )
    np.testing.assert_allclose(
        model.generate(16, labels=label, seed=0, guidance=0), unknown, atol=1e-4
    )


def test_guidance_leads_away_from_the_unknown(of_two_gaussians):
    """At 2 the velocity is the class's and as much again of what tells it from the unknown's."""
    noise = np.random.default_rng(kma.seeds.derive_seed(0, "batch", 0)).standard_normal(
        (4, *SHAPE), dtype="float32"
    )

    def velocity(label):
        inputs = [noise, np.zeros(4, "float32"), np.full(4, label, "int32")]
        return of_two_gaussians.network.predict(inputs, verbose=0)

    expected = velocity(2) + 2.0 * (velocity(1) - velocity(2))
    made = of_two_gaussians.generate(4, labels=1, seed=0, steps=1, guidance=2.0)
    np.testing.assert_allclose(made, np.clip(as_images(noise + expected), 0, 1), atol=1e-5)


def test_an_unknown_label_is_one_of_all_classes(of_two_gaussians):
    images = 2 * of_two_gaussians.generate(400, seed=0) - 1
    distances = ((images[:, None] - MEANS[None]) ** 2).mean((2, 3, 4))
    share = (distances.argmin(1) == 0).mean()
    assert distances.min(1).max() < 4 * SPREAD**2
    assert 0.4 < share < 0.6


# ---- variations ---------------------------------------------------------------------------------


def test_variations_go_from_the_image_to_new_ones(of_two_gaussians):
    model = of_two_gaussians
    x = model.generate(32, labels=0, seed=1)
    far = [
        np.sqrt(((model.vary(x, 0, strength=s, seed=2) - x) ** 2).mean()) for s in (0.05, 0.3, 0.9)
    ]
    assert far[0] < 0.03
    assert far[0] < far[1] < far[2]
    new = model.generate(32, labels=0, seed=2)
    np.testing.assert_allclose(model.vary(x, 0, strength=1.0, seed=2), new, atol=1e-6)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(model.vary(x, 0, strength=0.9, seed=2), new, atol=1e-3)


def test_variations_have_the_distribution_of_the_data(of_two_gaussians, report_error):
    """Where the field is exact, variations of images of a class are images of that class."""
    count = 2000
    x = of_two_gaussians.generate(count, labels=1, seed=1, steps=40)
    varied = 2 * of_two_gaussians.vary(x, 1, strength=0.5, seed=2, steps=40).astype("float64") - 1
    flat = varied.reshape(count, -1)
    away = (flat.mean(0) - MEANS[1].reshape(-1)) / (SPREAD / np.sqrt(count))
    report_error("mean of variations, largest z", np.abs(away).max())
    assert np.abs(away).max() < 4.5
    assert abs(flat.std(0).mean() / SPREAD - 1) < 0.02


def test_strength_and_steps_are_checked(of_two_gaussians):
    x = np.zeros((1, *SHAPE), "float32")
    for strength in (0, -0.1, 1.1, None, "half"):
        with pytest.raises(ValueError, match="`strength`"):
            of_two_gaussians.vary(x, strength=strength)
    for options in ({"steps": 0}, {"steps": 2.5}, {"guidance": -1}, {"guidance": "strong"}):
        with pytest.raises(ValueError, match=f"`{next(iter(options))}`"):
            of_two_gaussians.generate(1, 0, **options)
    with pytest.raises(ValueError, match="`x`"):
        of_two_gaussians.vary(np.zeros((1, 9, 8, 1)))
    with pytest.raises(ValueError, match="`guidance`"):
        kma.models.Flow(SHAPE, filters=8, seed=0).generate(1, guidance=2.0)


# ---- once compiled, always the same -------------------------------------------------------------


def test_neither_steps_nor_guidance_compile_anew(monkeypatch):
    """The network is traced once by a sampler, and once more by the one with guidance."""
    model = known()
    traced = []
    layer = model.network.layers[-1]
    original = type(layer).call

    def counted(self, inputs):
        traced.append(keras.backend.is_keras_tensor(inputs[0]))
        return original(self, inputs)

    monkeypatch.setattr(type(layer), "call", counted)
    model.generate(8, 0, seed=0, steps=3)
    once = len(traced)
    model.generate(8, 1, seed=1, steps=3)
    model.generate(8, -1, seed=1, steps=3)
    model.vary(np.zeros((8, *SHAPE)), 0, seed=1, steps=6)
    if keras.config.backend() == "torch":  # which compiles nothing: five velocities each
        assert len(traced) == 4 * 5
        return
    assert len(traced) == once
    model.generate(8, 0, seed=0, steps=7, guidance=2.0)
    guided = len(traced)
    model.generate(8, 0, seed=0, steps=2, guidance=3.0)
    assert len(traced) == guided


def test_a_seed_gives_the_same_images_whatever_came_before(of_two_gaussians):
    model = of_two_gaussians
    first = model.generate(10, [0, 1] * 5, seed=5, batch_size=4)
    model.generate(3, seed=6, steps=3, guidance=2)
    np.testing.assert_array_equal(model.generate(10, [0, 1] * 5, seed=5, batch_size=4), first)
    assert not np.array_equal(model.generate(10, [0, 1] * 5, seed=6, batch_size=4), first)
    half = model.generate(8, [0, 1] * 4, seed=5, batch_size=4)
    np.testing.assert_array_equal(half, first[:8])
    assert len(np.unique(first.reshape(10, -1), axis=0)) == 10
    x = model.generate(5, 0, seed=0)
    varied = model.vary(x, 0, seed=5, batch_size=2)
    np.testing.assert_array_equal(model.vary(x, 0, seed=5, batch_size=2), varied)
    assert not np.array_equal(model.vary(x, 0, seed=6, batch_size=2), varied)


def test_steps_are_added_up_in_single_precision(of_two_gaussians):
    """Whatever the policy of the day is, when the sampler is made."""
    expected = of_two_gaussians.generate(4, 0, seed=0)
    model = known()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        made = model.generate(4, 0, seed=0)
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(made, expected)


def test_the_average_makes_the_images():
    model = kma.models.Flow(SHAPE, filters=8, blocks=1, seed=0)
    before = model.generate(2, seed=0)
    for variable in model.network.trainable_variables:
        variable.assign(variable.value + 0.1)
    np.testing.assert_array_equal(model.generate(2, seed=0), before)
    model.averaged.network.set_weights(model.network.get_weights())
    assert not np.array_equal(model.generate(2, seed=0), before)


# ---- what the network is told -------------------------------------------------------------------


class Told:
    """Stands in for a network, and keeps what it was called with."""

    def __init__(self, network):
        self.network = network
        self.inputs = []

    def __call__(self, inputs, training=None):
        self.inputs.append([ops.convert_to_numpy(part) for part in inputs])
        return self.network(inputs, training=training)


def told(model, x, y=None, training=True):
    """Return what the network is called with in a step."""
    listener = Told(model.network)
    inner = model.network
    object.__setattr__(model, "network", listener)
    try:
        model.compute_loss(ops.convert_to_tensor(x), y, None, None, training=training)
    finally:
        object.__setattr__(model, "network", inner)
    return listener.inputs[0]


def small(**arguments):
    return kma.models.Flow(SHAPE, 3, filters=4, blocks=1, ema_momentum=None, seed=0, **arguments)


def test_labels_are_hidden_in_training_alone():
    x, y = np.zeros((1000, *SHAPE), "float32"), np.int32([0, 1, 2, -1] * 250)
    labels = told(small(label_dropout=0.2), x, y)[2]
    assert set(labels[3::4]) == {3}
    hidden = (labels == 3)[y >= 0]
    assert 0.15 < hidden.mean() < 0.25
    known_labels = y[y >= 0][~hidden]
    np.testing.assert_array_equal(labels[y >= 0][~hidden], known_labels)
    shown = told(small(label_dropout=0.2), x, y, training=False)[2]
    np.testing.assert_array_equal(shown, np.where(y < 0, 3, y))
    np.testing.assert_array_equal(told(small(label_dropout=0.0), x, y)[2], np.where(y < 0, 3, y))


def test_flags_say_which_images_were_augmented():
    """Images are black but for one corner, which a turn by 180 degrees puts elsewhere."""
    x = np.zeros((1000, *SHAPE), "float32")
    x[:, 0, 0] = 1.0
    turn = kma.layers.GeometricAugmentation(0, 0, True, True, seed=1)
    turn.random_parameters = lambda count: {"horizontal_flip": True, "vertical_flip": True}
    model = small(augmentation=turn, augmented_fraction=0.3)
    model.augmentation.random_parameters = turn.random_parameters
    images, times, _, flags = told(model, x, np.zeros(1000, "int32"))
    late = times > 0.75  # hardly any noise is left
    assert late.sum() > 50
    turned = images[late, -1, -1, 0] > images[late, 0, 0, 0]
    np.testing.assert_array_equal(flags[late] == 1, turned)
    assert 0.25 < flags.mean() < 0.35
    assert set(np.unique(flags)) == {0, 1}
    *_, flags = told(model, x, np.zeros(1000, "int32"), training=False)
    assert not flags.any()


def test_times_are_logit_normal_and_noise_is_normal():
    x = np.full((2000, *SHAPE), 0.5, "float32")  # 0 on the scale of -1 to 1
    images, times, *_ = told(small(augmentation=None), x, np.zeros(2000, "int32"))
    logits = np.log(times / (1 - times))
    assert abs(logits.mean() + 0.4) < 0.1
    assert abs(logits.std() - 1) < 0.1
    noise = images / (1 - times.reshape(-1, 1, 1, 1))
    assert abs(noise.mean()) < 0.01
    assert abs(noise.std() - 1) < 0.01
    assert not np.array_equal(noise[0], noise[1])


def test_images_of_8_bits_are_seen_as_their_floats():
    x = np.random.default_rng(0).integers(0, 256, (4, *SHAPE)).astype("uint8")
    y = np.zeros(4, "int32")
    one, other = (told(small(augmentation=None), given, y) for given in (x, np.float32(x / 255)))
    np.testing.assert_allclose(one[0], other[0], atol=1e-5)


def test_estimates_of_the_time_left_know_how_many_passes_an_image_takes():
    """Two for a step of Heun's method, one for the last, which is Euler's."""
    steps = inspect.signature(kma.models.Flow.generate).parameters["steps"].default
    assert kma.models.Flow.passes_per_image == 2 * steps - 1


def test_a_sampler_is_eager_where_the_last_compile_was():
    model = small()
    samplers = []
    for eager in (False, True, False):
        model.compile(run_eagerly=eager)
        (sampler,) = model._samplers.predict_of(model, guided=False).args
        samplers.append(sampler)
        assert sampler.run_eagerly is eager
    assert samplers[0] is samplers[2]  # it is compiled already


def test_a_failure_while_images_are_made_leaves_the_model_whole(monkeypatch):
    """A lack of memory, say. On JAX, Keras has then taken the values out of the variables."""
    model = small()
    before = model.generate(2, labels=[0, 1], seed=0, steps=2)

    def fail(*_):
        raise MemoryError("no memory")

    with monkeypatch.context() as patched:
        patched.setattr(FlowSampler, "_velocity", fail)
        for options in ({"guidance": 2.0}, {}):
            model._samplers = type(model._samplers)()
            with pytest.raises(Exception, match="no memory"):
                model.generate(2, labels=[0, 1], seed=0, steps=2, **options)
    model._samplers = type(model._samplers)()
    np.testing.assert_array_equal(model.generate(2, labels=[0, 1], seed=0, steps=2), before)


def test_labels_of_minus_one_and_one_alone_are_warned_of():
    """They may be the signs of two classes, of which one would then never be learned."""
    model = kma.models.Flow(SHAPE, 2, filters=4, seed=0)
    model.compile()
    x = np.zeros((4, *SHAPE), "float32")
    with pytest.warns(UserWarning, match=r"-1 and 1 alone.*\(y \+ 1\) // 2"):
        model.fit(x, [-1, 1, 1, -1], verbose=0)
    model.fit(x, [-1, 1, 1, 0], verbose=0)
    model.generate(2, labels=[-1, 1], seed=0, steps=1)

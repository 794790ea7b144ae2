"""Whose gradient goes where: every weight gets that of its own player's objective, and no other.

The objectives are written out here as the literature has them, with live networks and nothing
stopped, and differentiated with respect to one player at a time. What the model's one loss gives
each weight must be the same.
"""

import functools

import keras
import numpy as np
import pytest
from keras import ops

import keras_medaug as kma

DROPOUT = 0.25
BETA = 0.5
GAMMA = 0.3


def real_answer(scores):
    """Return the cross-entropy against the answer "real"."""
    return ops.mean(ops.log(1 + ops.exp(-scores)))


def fake_answer(scores):
    """Return the cross-entropy against the answer "fake"."""
    return ops.mean(ops.log(1 + ops.exp(scores)))


def fooling(scores, form):
    """Return what the generator descends."""
    return real_answer(scores) if form == "nonsaturating" else -fake_answer(scores)


def half_square(one, other):
    axes = tuple(range(1, len(one.shape)))
    return 0.5 * ops.mean(ops.sum(ops.square(one - other), axis=axes))


def joined(tensor, labels):
    return tensor if labels is None else [tensor, labels]


def noise(model, count):
    return keras.random.normal((count, model.latent_dim), seed=model.seed_generator)


class Plain:
    """The objectives of a model, written out with live networks."""

    def __init__(self, model, x, labels):
        self.model, self.x = model, ops.convert_to_tensor(x)
        self.labels = None if labels is None else ops.convert_to_tensor(labels)
        self.seeds = [v for v in model.discriminator.non_trainable_variables if "seed" in v.path]
        self.start = [np.array(ops.convert_to_numpy(v.value)) for v in self.seeds]

    def rewind(self):
        for seed, value in zip(self.seeds, self.start, strict=True):
            seed.assign(value)

    def judge(self, pictures, rewind=True):
        """Pass pictures through the live discriminator, under its first mask with `rewind`."""
        if rewind:
            self.rewind()
        return self.model.discriminator(joined(pictures, self.labels), training=True)

    def decode(self, z):
        network = self.model.generator
        return network(joined(z, self.labels), training=True)

    def sampled(self):
        return self.decode(noise(self.model, len(self.x)))

    def encoded(self):
        mean, log_var = self.model.encoder(joined(self.x, self.labels), training=True)
        return self.model.sampling([mean, log_var]), mean, log_var


class PlainGAN(Plain):
    """Equations of section 2.3."""

    def generator(self):
        return fooling(self.judge(self.sampled())["logit"], self.model.adversarial)

    def discriminator(self):
        generated = self.sampled()
        real = self.judge(self.x)["logit"]
        return real_answer(real) + fake_answer(self.judge(generated, rewind=False)["logit"])

    def score(self):
        return ops.mean(self.judge(self.sampled())["logit"])


class PlainVAEGAN(Plain):
    """Algorithm 1, with the signs that descend."""

    def similarity(self, decoded):
        return half_square(self.judge(self.x)["features"], self.judge(decoded)["features"])

    def kl(self, mean, log_var):
        return 0.5 * ops.mean(ops.sum(ops.square(mean) + ops.exp(log_var) - 1 - log_var, axis=-1))

    def encoder(self):
        z, mean, log_var = self.encoded()
        return BETA * self.kl(mean, log_var) + self.similarity(self.decode(z))

    def decoder(self):
        z, _, _ = self.encoded()
        decoded = self.decode(z)
        weight = GAMMA
        if self.model.gamma_reduction == "mean":
            features = self.judge(self.x)["features"]
            weight = GAMMA / float(np.prod(tuple(features.shape)[1:]))
        adversarial = sum(
            fooling(self.judge(pictures)["logit"], self.model.adversarial)
            for pictures in (decoded, self.sampled())
        )
        return weight * self.similarity(decoded) + adversarial

    def discriminator(self):
        z, _, _ = self.encoded()
        decoded, sampled = self.decode(z), self.sampled()
        real = self.judge(self.x)["logit"]
        return (
            real_answer(real)
            + fake_answer(self.judge(decoded, rewind=False)["logit"])
            + fake_answer(self.judge(sampled, rewind=False)["logit"])
        )

    def score(self):
        return ops.mean(self.judge(self.sampled())["logit"])


CASES = {
    "DCGAN": ("DCGAN", {}),
    "DCGAN minimax": ("DCGAN", {"adversarial": "minimax"}),
    "DCGAN conditional": ("DCGAN", {"num_classes": 2}),
    "VAEGAN": ("VAEGAN", {"gamma_reduction": "mean"}),
    "VAEGAN minimax, sum": ("VAEGAN", {"adversarial": "minimax", "gamma_reduction": "sum"}),
    "VAEGAN conditional": ("VAEGAN", {"num_classes": 2}),
    "VAEGAN gate open": ("VAEGAN", {"gate": kma.players.Gate(0.68, 100.0)}),
}


FEW = ["DCGAN minimax", "VAEGAN", "VAEGAN minimax, sum"]


@pytest.fixture
def case(request, build, batch):
    name, arguments = CASES[request.param]
    if name == "VAEGAN":
        arguments = {"beta": BETA, "gamma": GAMMA, **arguments}
    model = build(name, dropout=DROPOUT, **arguments)
    x, labels = batch
    labels = labels if model.num_classes else None
    plain = (PlainGAN if name == "DCGAN" else PlainVAEGAN)(model, x, labels)
    return model, plain


def joint(plain):
    return functools.partial(plain.model.compute_loss, x=plain.x, y=plain.labels, training=True)


def close(found, expected, rtol=1e-4):
    scale = max(np.abs(e).max() for e in expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-4 * scale)


@pytest.mark.parametrize("case", CASES, indirect=True)
def test_each_network_gets_the_gradient_of_its_own_objective(case, gradients):
    model, plain = case
    players = model.players
    variables = [v for network in players.values() for v in network.trainable_variables]
    found = gradients(joint(plain), variables, model)
    for name, network in players.items():
        own = network.trainable_variables
        part, found = found[: len(own)], found[len(own) :]
        expected = gradients(getattr(plain, name), own, model)
        assert all(gradient.any() for gradient in expected), name
        close(part, expected)


@pytest.mark.parametrize("case", FEW, indirect=True)
def test_a_step_of_one_player_serves_it(case, gradients, value):
    model, plain = case
    for name, network in model.players.items():
        own = network.trainable_variables
        before = value(getattr(plain, name), model)
        score = value(plain.score, model)
        step = gradients(joint(plain), own, model)
        kept = [np.array(ops.convert_to_numpy(v.value)) for v in own]
        size = 1e-2 / np.sqrt(sum((gradient**2).sum() for gradient in step))
        for variable, old, gradient in zip(own, kept, step, strict=True):
            variable.assign(old - size * gradient)
        assert value(getattr(plain, name), model) < before, name
        after = value(plain.score, model)
        if name in {"generator", "decoder"}:
            assert after > score, name
        for variable, old in zip(own, kept, strict=True):
            variable.assign(old)


@pytest.mark.parametrize("name", ["DCGAN", "VAEGAN"])
def test_the_logged_losses_are_the_objectives(build, batch, value, name):
    x, _ = batch
    extra = {"beta": BETA, "gamma": GAMMA} if name == "VAEGAN" else {}
    model = build(name, dropout=DROPOUT, **extra)
    plain = (PlainGAN if name == "DCGAN" else PlainVAEGAN)(model, x, None)
    expected = {f"{player}_loss": value(getattr(plain, player), model) for player in model.players}
    model.compile(run_eagerly=True)
    logs = model.train_on_batch(x, return_dict=True)
    for key, number in expected.items():
        assert logs[key] == pytest.approx(number, rel=1e-4), key


@pytest.mark.parametrize("name", ["DCGAN", "VAEGAN"])
def test_only_live_passes_leave_a_trace(build, batch, name):
    """The discriminator's random state and its moving statistics move once a live pass.

    A live pass is on real images, and on each kind of generated ones. Under statistics of constant
    images, the running variance shrinks by its momentum at each.
    """
    x, _ = batch
    model = build(name, dropout=DROPOUT)
    seed = next(v for v in model.discriminator.non_trainable_variables if "seed" in v.path)
    twin = build(name, dropout=DROPOUT)
    live = 3 if name == "VAEGAN" else 2
    for _ in range(live):
        twin.discriminator(x, training=True)
    expected = next(v for v in twin.discriminator.non_trainable_variables if "seed" in v.path)
    block = model.discriminator.get_layer("block_1")
    block.convolution.kernel.assign(np.zeros(block.convolution.kernel.shape))
    model.compute_loss(x=ops.convert_to_tensor(x), training=True)
    variance = ops.convert_to_numpy(block.normalization.moving_variance.value)
    np.testing.assert_allclose(variance, 0.9**live, rtol=1e-5)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(seed.value), ops.convert_to_numpy(expected.value)
    )

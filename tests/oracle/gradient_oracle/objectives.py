"""The objectives as the literature has them: live networks, nothing stopped, one for each network.

The networks are the model's own; no objective, loss or routing is shared with the package. An
objective is differentiated with respect to its own network; nothing else keeps it from the others.
"""

import math

import numpy as np
from keras import ops

from gradient_oracle.autodiff import as_numpy, gradients, value


def real_target(scores):
    """Return the cross-entropy against the target "real"."""
    return ops.mean(ops.log(1 + ops.exp(-scores)))


def fake_target(scores):
    """Return the cross-entropy against the target "fake"."""
    return ops.mean(ops.log(1 + ops.exp(scores)))


def fooling(scores, form):
    """Return what the generator descends: -log D, or log(1 - D)."""
    return real_target(scores) if form == "nonsaturating" else -fake_target(scores)


def half_square(first, second):
    """Return half the squared distance, summed over an image, averaged over images."""
    axes = tuple(range(1, len(first.shape)))
    return 0.5 * ops.mean(ops.sum(ops.square(first - second), axis=axes))


def divergence(mean, log_var):
    """Return KL(N(mean, exp(log_var)) || N(0, I)), averaged over images."""
    return 0.5 * ops.mean(ops.sum(ops.square(mean) + ops.exp(log_var) - 1 - log_var, axis=-1))


class Objectives:
    """The objectives of a model on one batch, under noise that is given.

    Args:
        model: The model.
        x: Images, `(n, h, w, c)`.
        labels: Their labels, or `None`.
        prior: Draws from the prior, `(n, latent_dim)`.
        epsilon: What the encoder's distribution is sampled with, likewise.
    """

    def __init__(self, model, x, labels, prior, epsilon=None):
        self.model = model
        self.x, self.prior = ops.convert_to_tensor(x), ops.convert_to_tensor(prior)
        self.epsilon = None if epsilon is None else ops.convert_to_tensor(epsilon)
        self.labels = None if labels is None else ops.convert_to_tensor(labels)
        discriminator = getattr(model, "discriminator", None)
        states = [] if discriminator is None else discriminator.non_trainable_variables
        self.masks = [(v, as_numpy(v.value)) for v in states if "seed" in v.path]

    def with_labels(self, tensor):
        return tensor if self.labels is None else [tensor, self.labels]

    def discriminate(self, pictures, first_mask=True):
        """Pass pictures through the discriminator, by default under its first dropout mask."""
        for state, start in self.masks if first_mask else []:
            state.assign(start)
        return self.model.discriminator(self.with_labels(pictures), training=True)

    def decode(self, z):
        return self.model.generator(self.with_labels(z), training=True)

    def encoded(self):
        mean, log_var = self.model.encoder(self.with_labels(self.x), training=True)
        return mean + ops.exp(log_var / 2) * self.epsilon, mean, log_var

    def score(self):
        """Return what the discriminator makes of images from the prior: above 0 is real."""
        return ops.mean(self.discriminate(self.decode(self.prior))["logit"])

    @property
    def networks(self):
        """The networks by the names of their objectives."""
        return self.model.networks

    def gradients(self, name):
        """Return the gradient of a network's objective with respect to its own weights."""
        return gradients(getattr(self, name), self.networks[name].trainable_variables, self.model)

    def value(self, name):
        """Return the value of an objective, or of `score`."""
        return value(getattr(self, name), self.model)


class CVAEObjectives(Objectives):
    """The negative evidence lower bound, which one optimizer descends for both networks."""

    @property
    def networks(self):
        return {"both": self.model}

    def likelihood(self, z):
        model = self.model
        if model.likelihood == "bernoulli":
            chance = self.decode(z)
            pixels = self.x * ops.log(chance) + (1 - self.x) * ops.log(1 - chance)
        else:
            scale = model.pixel_scale
            pixels = -(((self.x - self.decode(z)) / scale) ** 2) / 2
            pixels -= math.log(scale * math.sqrt(2 * math.pi))
        return ops.mean(ops.sum(pixels, axis=(1, 2, 3)))

    def both(self):
        z, mean, log_var = self.encoded()
        kl = divergence(mean, log_var)
        if self.model.kl_estimator == "sample":
            log_q = -((z - mean) ** 2) / (2 * ops.exp(log_var)) - log_var / 2
            kl = ops.mean(ops.sum(log_q + z**2 / 2, axis=-1))
        return self.model.beta * kl - self.likelihood(z)


class DCGANObjectives(Objectives):
    """Goodfellow et al. (2014), section 3."""

    def generator(self):
        return fooling(self.discriminate(self.decode(self.prior))["logit"], self.model.adversarial)

    def discriminator(self):
        real = self.discriminate(self.x)["logit"]
        fake = self.discriminate(self.decode(self.prior), first_mask=False)["logit"]
        return real_target(real) + fake_target(fake)


class VAEGANObjectives(Objectives):
    """Larsen et al. (2016), algorithm 1, with the signs that descend."""

    def similarity(self, decoded):
        return half_square(
            self.discriminate(self.x)["features"], self.discriminate(decoded)["features"]
        )

    def encoder(self):
        z, mean, log_var = self.encoded()
        return self.model.beta * divergence(mean, log_var) + self.similarity(self.decode(z))

    def decoder(self):
        z, _, _ = self.encoded()
        decoded, form = self.decode(z), self.model.adversarial
        weight = self.model.gamma
        if self.model.gamma_reduction == "mean":
            weight /= float(np.prod(tuple(self.discriminate(self.x)["features"].shape)[1:]))
        adversarial = fooling(self.discriminate(decoded)["logit"], form)
        adversarial += fooling(self.discriminate(self.decode(self.prior))["logit"], form)
        return weight * self.similarity(decoded) + adversarial

    def discriminator(self):
        z, _, _ = self.encoded()
        decoded, sampled = self.decode(z), self.decode(self.prior)
        loss = real_target(self.discriminate(self.x)["logit"])
        for pictures in (decoded, sampled):
            loss += fake_target(self.discriminate(pictures, first_mask=False)["logit"])
        return loss


OF = {"CVAE": CVAEObjectives, "DCGAN": DCGANObjectives, "VAEGAN": VAEGANObjectives}

"""What the oracle is asked about: models, their arguments and their data."""

import dataclasses

import numpy as np

import keras_medaug as kma
from gradient_oracle.noise import Noise
from gradient_oracle.objectives import OF
from gradient_oracle.recorder import Recorder, received
from harness import MODELS
from helpers.own_networks import own_networks
from keras_medaug.networks import Gate

COUNT = 4


@dataclasses.dataclass(frozen=True)
class Case:
    """A model and what is asked of it."""

    name: str
    arguments: dict = dataclasses.field(default_factory=dict)
    as_shipped: bool = False
    accumulate: int | None = None
    waits: str | None = None
    images: np.ndarray | None = None
    own_networks: bool = False

    def model(self, **more):
        """Return the model: tiny, or of the size that users get, on the paper's images."""
        given = {"seed": 0, **self.arguments, **more}
        if self.own_networks:
            networks = own_networks(self.name, given.get("num_classes"))
            return getattr(kma.models, self.name)((8, 8, 1), **given, **networks)
        if self.as_shipped:
            return getattr(kma.models, self.name)((28, 28, 1), **given)
        return getattr(kma.models, self.name)((8, 8, 1), **{**MODELS[self.name].small, **given})

    def batch(self, number=0):
        """Return images, those given or random ones, and labels where the model takes them."""
        if self.images is not None:
            return self.images, None
        side = 28 if self.as_shipped else 8
        x = np.random.default_rng(number).random((COUNT, side, side, 1), dtype="float32")
        return x, np.int32([0, 1, 1, 0]) if "num_classes" in self.arguments else None


# With an equilibrium of 50 both cross-entropies are below the band, so that the discriminator is
# "winning" and waits; with one of 1e-3 both are above it, and the decoder waits.
CASES = {
    "CVAE": Case("CVAE", {"beta": 0.5}),
    "CVAE, Gaussian, sampled divergence, conditional": Case(
        "CVAE", {"likelihood": "gaussian", "kl_estimator": "sample", "num_classes": 2}
    ),
    "CVAE as shipped": Case("CVAE", as_shipped=True),
    "DCGAN": Case("DCGAN", {"dropout": 0.25, "seed": 1}),
    "DCGAN, minimax, accumulating": Case("DCGAN", {"adversarial": "minimax"}, accumulate=2),
    "DCGAN, conditional, not normalised": Case(
        "DCGAN", {"num_classes": 2, "batch_normalization": False}
    ),
    "DCGAN as shipped": Case("DCGAN", {"seed": 1}, as_shipped=True),
    "VAEGAN": Case("VAEGAN", {"gamma": 0.3, "beta": 0.5, "dropout": 0.25}),
    "VAEGAN, minimax, mean, accumulating": Case(
        "VAEGAN", {"adversarial": "minimax", "gamma_reduction": "mean", "gamma": 3.0}, accumulate=2
    ),
    "VAEGAN, conditional, gate open": Case("VAEGAN", {"num_classes": 2, "gate": Gate(0.68, 100.0)}),
    "VAEGAN, discriminator closed": Case(
        "VAEGAN", {"gate": Gate(50.0, 0.0)}, waits="discriminator"
    ),
    "VAEGAN, conditional, decoder closed": Case(
        "VAEGAN", {"num_classes": 2, "gate": Gate(1e-3, 0.0)}, waits="decoder"
    ),
    "CVAE, networks handed in": Case("CVAE", own_networks=True),
    "DCGAN, networks handed in, conditional": Case("DCGAN", {"num_classes": 2}, own_networks=True),
    "VAEGAN, networks handed in": Case("VAEGAN", {"gamma": 0.3}, own_networks=True),
    "VAEGAN as shipped": Case("VAEGAN", {"seed": 1}, as_shipped=True),
}


def noise_for(case, model):
    """Return noise for each step of a case."""
    return Noise(case.accumulate or 1, len(case.batch()[0]), model.latent_dim)


def gradients_in_fit(case, model=None, eagerly=False):
    """Return what each network's optimizer receives in `fit`, compiled as users' is by default."""
    model = model or case.model()
    recorder = Recorder(gradient_accumulation_steps=case.accumulate)
    model.compile(recorder, run_eagerly=eagerly)
    images, labels = zip(*(case.batch(n) for n in range(case.accumulate or 1)), strict=True)
    x, y = np.concatenate(images), None if labels[0] is None else np.concatenate(labels)
    with noise_for(case, model).injected():
        model.fit(x, y, batch_size=len(images[0]), shuffle=False, verbose=0)
    return received(model)


def rewind(model):
    """Put a model's random generators back to where they started, for the same noise again."""
    for generator in (model.seed_generator, getattr(model, "sampling", model).seed_generator):
        generator.state.assign([generator.get_config()["seed"], 0])


def objectives(case, model, number=0):
    """Return the objectives on a batch, under the noise that the step on it draws."""
    noise = noise_for(case, model)
    prior = noise.table(model.seed_generator)[number]
    sampling = getattr(model, "sampling", None)
    epsilon = None if sampling is None else noise.table(sampling.seed_generator)[number]
    return OF[case.name](model, *case.batch(number), prior, epsilon)


def intended_gradients(case, model=None):
    """Return the gradient of each network's own objective, zero where the gate keeps it waiting."""
    model = model or case.model()
    batches = [objectives(case, model, number) for number in range(case.accumulate or 1)]
    intended = {}
    for name in batches[0].networks:
        parts = zip(*(batch.gradients(name) for batch in batches), strict=True)
        mean = [sum(part) / len(batches) for part in parts]
        intended[name] = [0 * gradient for gradient in mean] if name == case.waits else mean
    return intended

"""Do the hand-written loops compute what the models do? Losses, and where steps lead.

    KERAS_BACKEND=jax python benchmarks/rivals/check.py

Model and loop start from the same weights and see the same images and noise. Compared are the
losses, the numbers of trainable parameters, and where two steps take each network, the running
average and the moving statistics included.
"""

import argparse
import importlib
import sys
from typing import Any
from unittest import mock

import keras
import numpy as np

import keras_medaug as kma

SHAPE = (28, 28, 1)
BATCH = 32
NETWORKS = {
    "CVAE": ("encoder", "decoder"),
    "DCGAN": ("generator", "discriminator"),
    "VAEGAN": ("encoder", "decoder", "discriminator"),
    "Classifier": ("network",),
}
DRAWS = {"CVAE": ("epsilon",), "DCGAN": ("prior",), "VAEGAN": ("epsilon", "prior")}
LOSS_TOLERANCE = 1e-4
# bfloat16 has eight bits; where steps lead is then not compared.
HALF_TOLERANCE = 5e-3
STEPS = 2
# Adam's first step is a sign: gradients near zero may take either.
STRAY_TOLERANCE = 0.05


def new_model(name: str) -> Any:
    """Return a compiled model without dropout."""
    if name == "Classifier":
        model = kma.models.Classifier(SHAPE, num_classes=2, dropout=0.0, seed=0)
    else:
        model = getattr(kma.models, name)(SHAPE, seed=0)
    model.compile()
    return model


def handing_over(name: str, noise: dict[str, np.ndarray]) -> Any:
    """Return a patch under which a model draws the noise given, again and again."""
    draws = DRAWS.get(name, ())
    calls = iter(range(10**6))

    def normal(*_args: Any, **_settings: Any) -> Any:
        return keras.ops.convert_to_tensor(noise[draws[next(calls) % len(draws)]])

    return mock.patch.object(keras.random, "normal", normal)


def weights_of(model: Any, name: str) -> dict[str, list[np.ndarray]]:
    """Return the weights of a model's networks."""
    return {network: getattr(model, network).get_weights() for network in NETWORKS[name]}


def model_losses(
    model: Any, name: str, images: np.ndarray, labels: np.ndarray, noise: dict[str, np.ndarray]
) -> dict[str, float]:
    """Return the losses of a batch by the model's own `compute_loss`."""
    x, y = keras.ops.convert_to_tensor(images), keras.ops.convert_to_tensor(labels)
    if name == "Classifier":
        loss = model.compute_loss(x, y, model(x, training=True))
        return {"loss": float(keras.ops.stop_gradient(loss))}
    for tracker in model._trackers.values():
        tracker.reset_state()
    with handing_over(name, noise):
        model.compute_loss(x, None, None, training=True)
    trackers = model._trackers.items()
    return {key: float(tracker.result()) for key, tracker in trackers}


def step_differences(
    name: str, loop: Any, images: np.ndarray, labels: np.ndarray, noise: dict[str, np.ndarray]
) -> dict[str, float]:
    """Return, for each network, how much of it took other steps in the loop than in the model."""
    model = new_model(name)
    before = weights_of(model, name)
    arguments = (images, labels) if name == "Classifier" else (images,)
    with handing_over(name, noise):
        for _ in range(STEPS):
            model.train_on_batch(*arguments)
    for _ in range(STEPS):
        loop.step(images, labels if name == "Classifier" else None, noise)
    after, of_loop = weights_of(model, name), loop.weights()
    if "averaged" in of_loop:
        followed = "generator" if name == "DCGAN" else "decoder"
        before["averaged"] = before[followed]
        after["averaged"] = model.averaged.network.get_weights()
    return {net: _apart(before[net], after[net], of_loop[net]) for net in of_loop}


def _apart(before: list, after: list, of_loop: list) -> float:
    """Return the fraction of a weight's entries that moved elsewhere, the worst weight's."""
    worst = 0.0
    for old, new, other in zip(before, after, of_loop, strict=True):
        allowed = 0.05 * np.abs(new - old).max() + 1e-6
        worst = max(worst, float(np.mean(np.abs(new - other) > allowed)))
    return worst


def check(module: Any, name: str, options: dict[str, Any]) -> bool:
    """Compare one model with its loop, print what came out, and return whether they agree."""
    generator = np.random.default_rng(0)
    images = generator.random((BATCH, *SHAPE), dtype="float32")
    labels = generator.integers(0, 2, BATCH).astype("int32")
    noise = {
        key: generator.standard_normal((BATCH, 64), dtype="float32") for key in DRAWS.get(name, ())
    }
    half = "half" in options
    model = new_model(name)
    loop = module.make(name, weights_of(model, name), seed=0, dropout=0.0, **options)
    expected = model_losses(model, name, images, labels, noise)
    of_loop = loop.losses(images, labels if name == "Classifier" else None, noise)
    agrees = set(expected) == set(of_loop)
    for key, value in expected.items():
        error = abs(of_loop[key] - value) / max(abs(value), 1e-12)
        agrees &= error <= (HALF_TOLERANCE if half else LOSS_TOLERANCE)
        print(f"{name:10} {key:18} {value:12.6f} {of_loop[key]:12.6f}  relative {error:.1e}")
    counts = sum(int(np.prod(w.shape)) for w in model.trainable_weights), loop.trainable_count()
    agrees &= counts[0] == counts[1]
    print(f"{name:10} trainable parameters {counts[0]} {counts[1]}")
    differences = {} if half else step_differences(name, loop, images, labels, noise)
    for net, difference in differences.items():
        agrees &= difference <= STRAY_TOLERANCE
        print(f"{name:10} steps of {net:15} differ in {difference:.2%} of entries")
    print(f"{name:10} {'agrees' if agrees else 'DIFFERS'}")
    return agrees


def main() -> int:
    """Check the models asked for and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=[*NETWORKS])
    parser.add_argument(
        "--option", default=None, help="compiled, jit, stock or half: an option of the module"
    )
    arguments = parser.parse_args()
    module = importlib.import_module(f"{keras.backend.backend()}_loops")
    options = {} if arguments.option is None else {arguments.option: True}
    agreements = [check(module, name, options) for name in arguments.models]
    return 0 if all(agreements) else 1


if __name__ == "__main__":
    sys.exit(main())

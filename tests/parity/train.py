"""Train each model for twenty steps from weights and noise that every backend is given alike.

    KERAS_BACKEND=jax PYTHONPATH=tests/oracle python tests/parity/train.py .nox/left/parity/jax.npz

`compare.py` then says whether the backends agree.
"""

import sys
from pathlib import Path

import keras
import numpy as np

import keras_medaug as kma
from digest import package_digest
from gradient_oracle.noise import Noise

STEPS, EPOCHS = 20, 4
FILTERS = {
    "CVAE": ("encoder_filters", "decoder_filters"),
    "DCGAN": ("generator_filters", "discriminator_filters"),
    "VAEGAN": ("encoder_filters", "decoder_filters", "discriminator_filters"),
}
# Sixteen filters are two channels a group: a bias before a normalisation of its channel alone has
# a gradient of nothing but rounding errors.
SMALL = {"Flow": {"filters": 16, "blocks": 1}}
# What draws other random numbers than normal ones, which `Noise` does not give to all alike.
WITHOUT = {"Flow": {"augmentation": None, "dropout": 0.0}}
# Each with the learning rate of its plain gradient descent, the side of its images, its batch size
# and whether it is made small.
CASES = {
    "CVAE": (1e-2, 8, 4, True),
    "DCGAN": (1e-2, 8, 4, True),
    "VAEGAN": (1e-2, 8, 4, True),
    "Flow": (1e-2, 8, 4, True),
    "CVAE as shipped": (1e-4, 28, 16, False),
    "DCGAN as shipped": (1e-4, 28, 16, False),
    "VAEGAN as shipped": (1e-4, 28, 16, False),
    "Flow as shipped": (1e-2, 28, 16, False),
}


def made(case):
    """Return a case's model."""
    name, (_, side, _, small) = case.split()[0], CASES[case]
    few = SMALL.get(name) or dict.fromkeys(FILTERS[name], 4) | {"latent_dim": 4}
    arguments = (few if small else {}) | WITHOUT.get(name, {})
    model = getattr(kma.models, name)((side, side, 1), seed=0, **arguments)
    set_weights(model)
    return model


def set_weights(model):
    """Give every kernel NumPy's draws, at the scale of Glorot and Bengio (2010)."""
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        shape = tuple(variable.shape)
        if len(shape) > 1:
            field = int(np.prod(shape[:-2]))
            scale = np.sqrt(2 / (field * (shape[-2] + shape[-1])))
            variable.assign(scale * rng.standard_normal(shape, dtype="float32"))
    if getattr(model, "averaged", None) is not None:
        trained = getattr(model, "generator", None) or model.network
        model.averaged.network.set_weights(trained.get_weights())


def images_of(case):
    """Return images with grain: on flat ground, normalised values are rounding errors, no more."""
    _, side, batch, _ = CASES[case]
    images, _ = kma.datasets.load("phantom", size=side, seed=0).train
    grain = np.random.default_rng(0).random((STEPS // EPOCHS * batch, side, side, 1))
    return (0.5 * images[: len(grain)] + 0.5 * grain).astype("float32")


def weights(model, case, when):
    """Return a model's weights, trained, followed and averaged ones, under names that sort."""
    networks = getattr(model, "networks", {}) or {
        name: getattr(model, name)
        for name in ("encoder", "decoder", "network")
        if hasattr(model, name)
    }
    groups = {f"{case}/{name}": net.trainable_variables for name, net in networks.items()}
    averaged = getattr(model, "averaged", None)
    of_average = {id(v) for v in averaged.weights} if averaged is not None else set()
    groups[f"{case}/moving"] = [
        v for v in model.weights if "moving" in v.path and id(v) not in of_average
    ]
    if averaged is not None:
        groups[f"{case}/averaged"] = averaged.network.variables
    return {
        f"{group}/{number:02}/{when}": keras.ops.convert_to_numpy(variable.value).copy()
        for group, variables in groups.items()
        for number, variable in enumerate(variables)
    }


def main():
    """Write the weights of every model to the file that is named."""
    arrays = {"package": package_digest(), "keras": keras.__version__}
    for case, (rate, _, batch, _) in CASES.items():
        model = made(case)
        model.compile(keras.optimizers.SGD(rate))
        arrays |= weights(model, case, "before") | {f"{case}/rate": rate}
        # Flow draws twice a step: noise of the size of an image, and a time.
        size = getattr(model, "latent_dim", int(np.prod(model.image_shape)))
        with Noise(2 * STEPS, batch, size).injected():
            model.fit(images_of(case), batch_size=batch, epochs=EPOCHS, verbose=0)
        arrays |= weights(model, case, "after")
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)


if __name__ == "__main__":
    main()

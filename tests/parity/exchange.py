"""Save each model on one backend, load it on another where the first is not installed.

    KERAS_BACKEND=jax python tests/parity/exchange.py save .nox/left/exchange
    KERAS_BACKEND=torch python tests/parity/exchange.py load .nox/left/exchange

Two processes stand between a file and its reader, so nothing but the file can carry the state.
"""

import importlib.util
import sys
from pathlib import Path

import keras
import numpy as np

import keras_medaug as kma
from digest import package_digest

BACKENDS = ("jax", "torch", "tensorflow")
FEW = {"encoder_filters": 2, "decoder_filters": 2}
MODELS = {
    "CVAE": FEW,
    "DCGAN": {"generator_filters": 2, "discriminator_filters": 2, "num_classes": 2},
    "VAEGAN": FEW | {"discriminator_filters": 2, "gate": kma.networks.Gate(0.68, 100.0)},
    "Flow": {"filters": 2, "blocks": 1, "num_classes": 2},
    "Classifier": {"filters": 2, "num_classes": 2},
}
EPOCHS = 2


def fit(model, **arguments):
    """Train on eight images, two steps an epoch."""
    rng = np.random.default_rng(0)
    x, y = rng.random((8, 8, 8, 1), dtype="float32"), np.arange(8) % 2
    model.fit(x, y if model.num_classes else None, batch_size=4, verbose=0, **arguments)


def images(model):
    """Return what a model makes of latent vectors, or from noise; a classifier, of images."""
    rng = np.random.default_rng(1)
    if not hasattr(model, "generate"):
        return model.predict(rng.random((4, 8, 8, 1), dtype="float32"), verbose=0)
    if not hasattr(model, "decode"):  # its noise is NumPy's
        return model.generate(4, [0, 1, 0, 1], seed=1, steps=4, guidance=1.5)
    z = rng.standard_normal((4, model.latent_dim), dtype="float32")
    return model.decode(z, np.int32([0, 1, 0, 1]) if model.num_classes else None)


def optimizers(model):
    """Return the optimizers that step, by the name of their network."""
    return getattr(model.optimizer, "by_network", {"model": model.optimizer})


def state(model):
    """Return weights, slots, counts of steps and random states, as arrays by name."""
    held = {f"weight {k}": v for k, v in enumerate(model.get_weights())}
    for name, optimizer in optimizers(model).items():
        values = [keras.ops.convert_to_numpy(v.value) for v in optimizer.variables]
        held |= {f"slot {name} {k}": v for k, v in enumerate(values)}
    states = [v for v in model.non_trainable_variables if "seed_generator_state" in v.path]
    held |= {f"random {k}": keras.ops.convert_to_numpy(v.value) for k, v in enumerate(states)}
    return held


def wake(model):
    """Give kernels that begin at zero, and would hide all before them, other values."""
    for variable in model.weights:
        value = keras.ops.convert_to_numpy(variable.value)
        if value.ndim > 1 and not value.any():
            variable.assign(np.random.default_rng(0).normal(0, 0.1, value.shape))


def save(folder):
    """Write each model, and beside it what a reader should find."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, arguments in MODELS.items():
        latent = {} if name in {"Flow", "Classifier"} else {"latent_dim": 3}
        model = getattr(kma.models, name)((8, 8, 1), seed=0, **latent, **arguments)
        wake(model)
        model.compile()
        fit(model, epochs=EPOCHS)
        path = folder / f"{name}-{keras.config.backend()}.keras"
        model.save(path)
        expected = {"images": images(model), "package": package_digest(), **state(model)}
        np.savez(path.with_suffix(".npz"), **expected)


def check(path):
    """Load a file; exit with a message where anything is not as it was saved."""
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as file:
        expected = {key: file[key] for key in file.files}
    if str(expected.pop("package")) != package_digest():
        raise SystemExit(f"{path} was made with another state of the package")
    model = keras.saving.load_model(path)
    error = float(np.abs(images(model) - expected.pop("images")).max())
    held = state(model)
    if held.keys() != expected.keys():
        raise SystemExit(f"{path}: holds {sorted(expected)}, gives {sorted(held)}")
    different = [key for key in held if not np.array_equal(held[key], expected[key])]
    if different or error > 1e-5:
        raise SystemExit(f"{path}: {different} differ, images by {error:.1e}")
    fit(model, initial_epoch=EPOCHS, epochs=EPOCHS + 1)
    steps = {name: int(optimizer.iterations) for name, optimizer in optimizers(model).items()}
    if set(steps.values()) != {2 * (EPOCHS + 1)}:
        raise SystemExit(f"{path}: after another epoch the steps are {steps}")
    print(f"{path.stem}: images differ by {error:.1e}, all else is equal, training goes on")


def load(folder, *backends):
    """Load every file that the backends wrote, here where the other backends are missing."""
    here = keras.config.backend()
    others = [b for b in BACKENDS if b != here and importlib.util.find_spec(b) is not None]
    if others:
        raise SystemExit(f"{', '.join(others)} is installed beside {here}: nothing would be shown")
    print(f"On {here}:")
    for backend in backends or BACKENDS:
        for name in MODELS:
            check(folder / f"{name}-{backend}.keras")


if __name__ == "__main__":
    {"save": save, "load": load}[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])

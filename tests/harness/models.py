"""The models, and `run_model_test`: what each of them has to do, whatever it learns."""

import dataclasses
import inspect
import json
import zipfile

import keras
import numpy as np
import pytest

import keras_medaug as kma
from harness.bad_input import (
    IMAGES,
    LABELS,
    X,
    Y,
    check_bad_images,
    check_bad_labels,
    infers,
    refused,
)
from harness.state import equal, numpy, same, state
from keras_medaug.models.configuration import constructor_arguments
from keras_medaug.models.registry import has_ability
from keras_medaug.networks import Gate
from keras_medaug.networks.contracts import CONTRACTS

SHAPE = (8, 8, 1)
NOT_A_SIZE = [0, -2, 1.5, "4"]
NOT_A_FLAG = ["no", None, 1]
NAMES = ("benign", "malignant", "normal")


@dataclasses.dataclass(frozen=True)
class ModelCase:
    """A model, and what is asked of it. Of a model without an entry here, what `derived` finds.

    Args:
        model: The class.
        small: Arguments beside the image shape that make it small.
        rich: Arguments that give it all the state it may have: dropout, a gate, labels.
        every: Arguments at another value than the default: all but networks, where `whole`.
        refused: For each argument, values that are not valid.
        refused_optimizers: What `compile` has to refuse, and what it says that it expected.
        optimizer: Name of the class of the optimizers that `compile` chooses.
        epochs: Epochs of two steps after which every weight has moved. What lies behind weights
            that begin at zero moves later than they do.
        eagerly: Whether tests that take a few steps of it take them eagerly. On JAX, such a step of
            a network of many layers takes longer than compiling it.
        whole: Whether `every` and `refused` hold every argument.
    """

    model: type
    small: dict
    rich: dict
    every: dict
    refused: dict
    refused_optimizers: tuple = ()
    optimizer: str = "Adam"
    epochs: int = 1
    eagerly: bool = True
    whole: bool = True

    @property
    def name(self):
        return self.model.__name__

    @property
    def labelled(self):
        """Whether it takes labels when it is made small."""
        return "num_classes" in self.small

    @property
    def generates(self):
        return hasattr(self.model, "generate")

    def made(self, shape=SHAPE, **arguments):
        """Return a small model."""
        return self.model(shape, **{**self.small, **arguments})


def defaults_of(kind):
    """Return the arguments of a model's constructor with their defaults."""
    arguments = constructor_arguments(kind).items()
    return {name: parameter.default for name, parameter in arguments}


def derived(kind):
    """Return the case of a generative model that has no entry in `CASES`."""
    defaults = defaults_of(kind)
    sizes = {name for name in defaults if name.endswith("filters")}
    other = {"num_classes": 3, "class_names": NAMES}
    for name, value in defaults.items():
        if isinstance(value, bool):
            other[name] = not value
        elif isinstance(value, int | float):
            other[name] = value + 1 if isinstance(value, int) else value / 2
    return ModelCase(
        kind,
        small=dict.fromkeys(sizes, 2) | ({"latent_dim": 3} if "latent_dim" in defaults else {}),
        rich={"num_classes": 2},
        every=other,
        refused=all_refused(num_classes=[0, 1, -1, 2.0, "2", True]),
        whole=False,
    )


def case_of(model):
    """Return what is asked of a model: of its class, of its name, or of a case itself."""
    if isinstance(model, ModelCase):
        return model
    kind = MODELS[model].model if isinstance(model, str) else model
    return CASES.get(kind.__name__) or derived(kind)


def optimizers(*names):
    """Return an optimizer for each name."""
    return {name: keras.optimizers.SGD() for name in names}


def all_refused(sizes=(), **arguments):
    """Return invalid values by argument, with those of the arguments that all models share."""
    return {
        "image_shape": [(8, 8), (7, 8, 1), (8, 300, 1), (8, 8, 2), None],
        "seed": [-1, 0.5, "0"],
        "class_names": ["ab", ["a", "a"], [0, 1], []],
        **dict.fromkeys(sizes, NOT_A_SIZE),
        **arguments,
    }


GENERATIVE_ARGUMENTS = {
    "latent_dim": [0, -1, 2.5, None, True],
    "num_classes": [0, 1, -1, 2.0, "2", True],
    "batch_normalization": NOT_A_FLAG,
}
AUTOENCODER = (
    "encoder_filters", "decoder_filters", "encoder_kernel_size", "decoder_kernel_size",
)  # fmt: skip
DISCRIMINATOR = ("discriminator_filters", "discriminator_kernel_size")
SHARED = keras.optimizers.SGD()

CASES = {
    case.name: case
    for case in (
        ModelCase(
            kma.models.CVAE,
            small={"latent_dim": 3, "encoder_filters": 2, "decoder_filters": 2},
            rich={"num_classes": 2},
            every={
                "latent_dim": 5, "likelihood": "gaussian", "pixel_scale": 0.2, "beta": 0.5,
                "kl_estimator": "sample", "encoder_filters": 2, "decoder_filters": 3,
                "batch_normalization": False, "encoder_kernel_size": 5, "decoder_kernel_size": 2,
                "num_classes": 3, "class_names": NAMES,
            },
            refused=all_refused(
                AUTOENCODER,
                **GENERATIVE_ARGUMENTS,
                likelihood=["poisson", None],
                kl_estimator=["exact", None],
                beta=[-1, np.nan, "1"],
                pixel_scale=[0, -1],
            ),
            refused_optimizers=(
                (optimizers("encoder", "decoder"), "a single optimizer"),
                (3, "a Keras optimizer"),
            ),
        ),
        ModelCase(
            kma.models.DCGAN,
            small={"latent_dim": 3, "generator_filters": 2, "discriminator_filters": 2},
            rich={"dropout": 0.3, "num_classes": 2},
            every={
                "latent_dim": 5, "adversarial": "minimax", "generator_filters": 2,
                "discriminator_filters": 3, "dropout": 0.1, "batch_normalization": False,
                "num_classes": 3, "generator_kernel_size": 5, "discriminator_kernel_size": 2,
                "ema_momentum": 0.5, "class_names": NAMES,
            },
            refused=all_refused(
                ("generator_filters", "generator_kernel_size", *DISCRIMINATOR),
                **GENERATIVE_ARGUMENTS,
                adversarial=["wasserstein", None],
                dropout=[1, 1.5, -0.1, None],
                ema_momentum=[0, 1, "0.9", True],
            ),
            refused_optimizers=(
                (optimizers("generator"), "one for each of"),
                (optimizers("decoder", "discriminator"), "one for each of"),
                (optimizers("generator", "discriminator", "encoder"), "one for each of"),
                ({"generator": SHARED, "discriminator": SHARED}, "one for each network"),
                ({"generator": SHARED, "discriminator": None}, "a Keras optimizer"),
            ),
        ),
        ModelCase(
            kma.models.VAEGAN,
            small={
                "latent_dim": 3, "encoder_filters": 2, "decoder_filters": 2,
                "discriminator_filters": 2,
            },
            rich={"dropout": 0.3, "gate": Gate(0.6, 0.05), "num_classes": 2},
            every={
                "latent_dim": 5, "gamma": 0.2, "gamma_reduction": "mean", "beta": 0.5,
                "adversarial": "minimax", "gate": Gate(0.5, 0.1), "encoder_filters": 2,
                "decoder_filters": 3, "discriminator_filters": 4, "dropout": 0.1,
                "batch_normalization": False, "encoder_kernel_size": 5, "decoder_kernel_size": 2,
                "discriminator_kernel_size": 6, "feature_block": 1, "ema_momentum": None,
                "num_classes": 3, "class_names": NAMES,
            },
            refused=all_refused(
                (*AUTOENCODER, *DISCRIMINATOR),
                **GENERATIVE_ARGUMENTS,
                adversarial=["wasserstein"],
                gamma=[-1, np.inf],
                gamma_reduction=["max", None],
                beta=[-1],
                dropout=[1, -0.1],
                gate=[0.68, "on"],
                ema_momentum=[0, 1],
                feature_block=[0, 3, "2", True],
            ),
            refused_optimizers=(
                (optimizers("generator", "encoder", "discriminator"), "one for each of"),
                (optimizers("encoder", "decoder"), "one for each of"),
                (
                    {**optimizers("encoder"), "decoder": SHARED, "discriminator": SHARED},
                    "for each network",
                ),
            ),
        ),
        ModelCase(
            kma.models.Flow,
            # Two channels a group: with one, biases before a normalisation have no gradient.
            small={"filters": 16, "blocks": 1},
            rich={"dropout": 0.3, "num_classes": 2},
            every={
                "num_classes": 3, "filters": 3, "blocks": 2, "dropout": 0.2,
                "augmentation": keras.layers.GaussianNoise(0.1, seed=3),
                "augmented_fraction": 0.3, "label_dropout": 0.2, "ema_momentum": None,
                "class_names": NAMES,
            },
            refused=all_refused(
                ("filters", "blocks"),
                num_classes=GENERATIVE_ARGUMENTS["num_classes"],
                dropout=[1, -0.1, None],
                augmentation=[True, "trivial", keras.layers.GaussianNoise],
                augmented_fraction=[0, 1, -0.5, "0.5", None],
                label_dropout=[1, -0.1, None],
                ema_momentum=[0, 1, "0.9", True],
            ),
            refused_optimizers=((optimizers("network"), "a single optimizer"),),
            optimizer="AdamW",
            epochs=2,
            eagerly=keras.config.backend() != "jax",
        ),
        ModelCase(
            kma.models.Classifier,
            small={"num_classes": 2, "filters": 2},
            rich={"dropout": 0.3},
            every={
                "num_classes": 3, "dropout": 0.1, "filters": 3, "kernel_size": 5,
                "augmentation": keras.layers.GaussianNoise(0.1, seed=3), "class_names": NAMES,
            },
            refused=all_refused(
                ("filters", "kernel_size"),
                num_classes=[0, 1, -1, 2.0, None],
                dropout=[1, -0.1],
                augmentation=[True, "geometric", keras.layers.GaussianNoise],
            ),
        ),
    )
}  # fmt: skip
# All public models, those with an entry and those without.
KINDS = (*kma.models.generators().values(), kma.models.Classifier)
MODELS = {kind.__name__: case_of(kind) for kind in KINDS}
GENERATIVE = [name for name, case in MODELS.items() if case.generates]
# Those whose `predict` makes something of the images that it is given.
INFERRING = [name for name in GENERATIVE if infers(MODELS[name].model)]
LATENT = [name for name in GENERATIVE if issubclass(MODELS[name].model, kma.models.LatentModel)]
CONVOLUTIONAL = [
    name for name in GENERATIVE if "batch_normalization" in defaults_of(MODELS[name].model)
]


# ---- models to test with ------------------------------------------------------------------------


def build(name, compiled=True, **arguments):
    """Return a small model of gray images, 8 x 8, whose steps run eagerly where that is faster."""
    case = case_of(name)
    model = case.made(**{"seed": 0, **arguments})
    if compiled:
        model.compile(run_eagerly=case.eagerly)
    return eager(model) if case.eagerly else model


def eager(model):
    """Return `model`, whose networks run eagerly as well when called through `predict`."""
    for name in ("encoder", "decoder", "generator", "discriminator"):
        network = getattr(model, name, None)
        if network is not None:
            network.run_eagerly = True
    if not model.compiled:
        model.run_eagerly = True
    return model


def new(name, seed=0):
    """Return a model that is compiled as users' models are, with all the state it may have."""
    case = case_of(name)
    model = case.made(**case.rich, seed=seed)
    model.compile()
    return model


_COMPILED = {}


def compiled(name, seed=0):
    """Return the one model of its class that is compiled for all tests, restarted with a seed."""
    kind = case_of(name).model
    if kind not in _COMPILED:
        _COMPILED[kind] = new(name)
    _COMPILED[kind].reinitialize(seed)
    return _COMPILED[kind]


def fit(model, x=X, y=Y, **arguments):
    """Train in batches of four, with labels where the model takes them; return the history."""
    labels = None if model.num_classes is None else y
    return model.fit(x, labels, **{"batch_size": 4, "verbose": 0, **arguments}).history


def outputs(model):
    """Return what a model makes: images, or of a classifier probabilities."""
    if not hasattr(model, "generate"):
        return model.predict(X, verbose=0)
    labels = None if model.num_classes is None else Y
    return model.generate(len(Y), labels, seed=0, **few_steps(model))


def few_steps(model):
    """Return the argument of `generate` by which a model that goes in steps takes few."""
    return {"steps": 2} if "steps" in inspect.signature(model.generate).parameters else {}


def woken(model):
    """Return `model`, whose kernels that begin at zero, and hide all before them, are random."""
    for variable in model.weights:
        if len(variable.shape) > 1 and not numpy(variable).any():
            variable.assign(np.random.default_rng(0).normal(0, 0.1, variable.shape))
    return model


# ---- what is asked ------------------------------------------------------------------------------


def run_model_test(case, folder):
    """Run the checks that every model must pass.

    Args:
        case: A `ModelCase`, or a generative model without an entry here.
        folder: Where files may be written.
    """
    case = case_of(case)
    check_build(case)
    check_configuration(case, folder)
    check_dtype_policies(case, folder)
    check_compiled_step(case)
    check_saving(case, folder)
    check_refused_arguments(case)
    check_refused_data(case)


def check_build(case):
    """Its networks are plain Keras models, and seeds decide what they start from."""
    model, twin, other = (build(case, compiled=False, seed=seed) for seed in (0, 0, 1))
    for name, network in model._named_networks().items():
        assert isinstance(network, keras.Model)
        assert network is model or type(network).__module__.split(".")[0] == "keras", name
    assert same(model, twin)
    assert not same(model, other)
    with pytest.raises(ValueError, match="compile"):
        fit(model)


def check_configuration(case, folder):
    """Every argument goes through JSON, and through a file, and is an attribute."""
    defaults = defaults_of(case.model)
    elsewhere = {
        "image_shape",
        "seed",
        *CONTRACTS,
        "network",
    }  # the networks: tests/models/test_own_networks.py
    assert set(case.every) == set(defaults) - elsewhere or not case.whole
    assert all(value != defaults[argument] for argument, value in case.every.items())
    model = case.model((9, 10, 3), seed=4, name="mine", **case.every)
    config = json.loads(json.dumps(model.get_config()))
    assert json.loads(json.dumps(case.model.from_config(config).get_config())) == config
    model.save(folder / "every.keras")
    loaded = keras.saving.load_model(folder / "every.keras")
    assert (loaded.image_shape, loaded.seed, loaded.name) == ((9, 10, 3), 4, "mine")
    for argument, value in case.every.items():
        restored = getattr(loaded, argument)
        if isinstance(value, keras.layers.Layer):
            assert restored.get_config() == getattr(model, argument).get_config()
        else:
            assert restored == value, argument
    assert same(loaded, model)


def check_dtype_policies(case, folder):
    """Steps in half precision are finite, reach every weight, and scale losses where they must."""
    arguments = {name: value for name, value in case.rich.items() if name != "gate"}
    for policy in ("mixed_bfloat16", "mixed_float16"):
        model = build(case, dtype=policy, **arguments)
        scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        assert scaled == (policy == "mixed_float16")
        if scaled:
            model.optimizer.dynamic_scale.assign(256.0)  # from which no step of so few overflows
        before = [numpy(variable) for variable in model.trainable_variables]
        history = fit(model, epochs=case.epochs)
        assert all(np.isfinite(values).all() for values in history.values())
        moved = [
            not np.array_equal(old, numpy(variable))
            for old, variable in zip(before, model.trainable_variables, strict=True)
        ]
        assert all(moved)
        assert steps_taken(model) == {2 * case.epochs}
        assert keras.config.dtype_policy().name == "float32"
        assert policy in {layer.dtype_policy.name for layer in model._flatten_layers()}
        assert outputs(model).dtype == np.float32
        model.save(folder / f"{policy}.keras")
        loaded = eager(keras.saving.load_model(folder / f"{policy}.keras"))
        assert loaded.dtype_policy.name == policy
        assert type(loaded.optimizer) is type(model.optimizer)
        assert same(loaded, model)
        np.testing.assert_array_equal(outputs(loaded), outputs(model))


def steps_taken(model):
    """Return the numbers of steps that the optimizers of a model have taken."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    by_network = getattr(optimizer, "by_network", {"model": optimizer})
    return {int(optimizer.iterations) for optimizer in by_network.values()}


def check_compiled_step(case):
    """It compiles wherever the backend does, and a compiled step does what an eager one does."""
    model = compiled(case)
    assert model.supports_jit
    # On TensorFlow Keras's "auto" leaves XLA off; on torch there is nothing to turn on.
    assert bool(model.jit_compile) is (keras.config.backend() == "jax")
    history = fit(model, epochs=2)
    assert max(steps_taken(model)) == 4  # a gate lets a network skip steps
    eager_model = eager(build(case, compiled=False, **case.rich))
    eager_model.compile(run_eagerly=True)
    expected = fit(eager_model, epochs=2)
    for key, values in expected.items():
        np.testing.assert_allclose(history[key], values, rtol=2e-3, atol=1e-5, err_msg=key)


def check_saving(case, folder):
    """A model from a file has the same outputs, slots and random states, and trains on alike."""
    model = compiled(case)
    fit(model)
    path = folder / "trained.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert type(loaded) is case.model
    assert same(loaded, model)
    np.testing.assert_array_equal(outputs(loaded), outputs(model))
    trained = state(model)
    model.save_weights(folder / "trained.weights.h5")
    fit(loaded, initial_epoch=1, epochs=2)
    whole = compiled(case)
    fit(whole, epochs=2)
    assert same(loaded, whole)
    fresh = new(case, seed=9)
    assert not equal(state(fresh), trained)
    fresh.load_weights(folder / "trained.weights.h5")
    assert equal(state(fresh), trained)
    check_that_no_backend_is_named(path, case.optimizer)


def check_that_no_backend_is_named(path, optimizer_class):
    """What "auto" comes to on one backend is not forced upon another."""
    with zipfile.ZipFile(path) as file:
        config = json.loads(file.read("config.json"))
    for name in ("torch", "jax", "tensorflow"):
        assert name not in json.dumps(config), name
    given = config["compile_config"]
    assert given["jit_compile"] == "auto"
    assert given["auto_scale_loss"] is True
    optimizer = given["optimizer"]
    chosen = list(optimizer.values()) if "class_name" not in optimizer else [optimizer]
    assert {config["module"] for config in chosen} == {"keras.optimizers"}
    assert {config["class_name"] for config in chosen} == {optimizer_class}


def check_refused_arguments(case):
    """Each argument of the constructor and of `compile` refuses what it is not made for."""
    for argument, values in case.refused.items():
        for value in values:
            needed = {"num_classes": 2} if case.labelled else {}
            with refused(argument):
                case.model(**{"image_shape": SHAPE, **needed, argument: value})
    assert set(case.refused) >= set(case.every) or not case.whole
    if not case.generates:
        return
    model = build(case, compiled=False)
    wrapped = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())
    for optimizer, expected in (*case.refused_optimizers, (wrapped, "loss scaling is added")):
        with refused("optimizer", expected=expected):
            model.compile(optimizer)
    with refused("optimizer", "no such optimizer", "a Keras optimizer"):
        model.compile("no such optimizer")


def check_refused_data(case):
    """One of each kind of bad data, in every method that takes data."""
    model = build(case)
    check_bad_images(model, *IMAGES["another size"])
    check_bad_images(model, *IMAGES["NaN"])
    conditional = model if case.labelled else build(case, num_classes=2)
    check_bad_labels(conditional, *LABELS["too large"])
    check_bad_labels(conditional, *LABELS["missing"])
    if not has_ability(conditional, "takes_unlabelled"):
        check_bad_labels(conditional, *LABELS["negative"])
        with refused("y", "no image of class 1", "2 classes"):
            conditional.fit(X, 0 * Y, verbose=0)
        return
    check_bad_labels(conditional, *LABELS["far below"])
    for labels in (0 * Y, Y[:, None] - 1, [-1] * 8):
        validation = (X[4:], labels[4:])
        history = fit(conditional, X[:4], labels[:4], validation_data=validation)
        assert np.isfinite([*history["loss"], *history["val_loss"]]).all()

"""Each bad input of the contract: a `ValueError` with argument, got and expected, and no step."""

import keras
import numpy as np
import pytest

import keras_medaug as kma

GENERATIVE = ["CVAE", "DCGAN", "VAEGAN"]
MODELS = [*GENERATIVE, "Classifier"]
MESSAGE = r"(?s)`{}`: got .*{}.*; expected .*{}"
X = np.random.default_rng(0).random((8, 8, 8, 1), dtype="float32")
Y = np.arange(8, dtype="int32") % 2


def spoilt(value):
    x = X.copy()
    x[-1, -1, -1, -1] = value
    return x


IMAGES = {
    "rank 3": (X[0], r"shape \(8, 8, 1\)", "four axes"),
    "rank 5": (X[None], r"shape \(1, 8, 8, 8, 1\)", "four axes"),
    "empty": (X[:0], r"shape \(0, 8, 8, 1\)", "at least one image"),
    "NaN": (spoilt(np.nan), "NaN", "finite"),
    "infinite": (spoilt(np.inf), "infinite", "finite"),
    "below 0": (spoilt(-0.1), "-0.1", r"\[0, 1\]"),
    "8-bit floats": (X * 255, "values from", "divide by 255"),
    "two channels": (np.zeros((8, 8, 8, 2)), r"\(8, 8, 2\)", "1 or 3 channels"),
    "too small": (np.zeros((8, 7, 8, 1)), r"\(7, 8, 1\)", "sizes from 8 to 256"),
    "too large": (np.zeros((1, 8, 257, 1)), r"\(8, 257, 1\)", "sizes from 8 to 256"),
    "int64": (np.zeros((8, 8, 8, 1), int), "dtype int64", "uint8"),
    "another size": (np.zeros((8, 9, 8, 1)), r"\(9, 8, 1\)", r"\(8, 8, 1\)"),
    "colour": (np.zeros((8, 8, 8, 3)), r"\(8, 8, 3\)", r"\(8, 8, 1\)"),
}
LABELS = {
    "missing": (None, "None", r"labels in \[0, 2\)"),
    "too large": (Y + 1, "labels from 1 to 2", r"\[0, 2\)"),
    "negative": (Y - 1, "labels from -1 to 0", r"\[0, 2\)"),
    "float": (Y.astype("float32"), "dtype float32", "integers"),
    "one-hot": (np.eye(2, dtype=int)[Y], r"shape \(8, 2\)", "one axis"),
    "too few": (Y[:-1], "7 labels", "8, one per image"),
}


def keras_calls(model):
    """Return the calls that take images, by name."""
    return {
        "fit": lambda x, y: model.fit(x, y, batch_size=4, verbose=0),
        "evaluate": lambda x, y: model.evaluate(x, y, verbose=0),
        "train_on_batch": model.train_on_batch,
        "test_on_batch": model.test_on_batch,
    }


@pytest.fixture(scope="module")
def models(build):
    """Return a model of each kind, with and without labels."""
    made = {(name, False): build(name) for name in GENERATIVE}
    made.update({(name, True): build(name, num_classes=2) for name in MODELS})
    return made


@pytest.fixture
def untouched(all_state):
    """Return a context in which a model must stay as it is."""

    class Untouched:
        def __init__(self, model):
            self.model = model

        def __enter__(self):
            self.before = all_state(self.model)

        def __exit__(self, *error):
            after = all_state(self.model)
            # Optimizer slots may come into being; nothing that was there may move.
            assert all(np.array_equal(a, b) for a, b in zip(self.before, after, strict=False))

    return Untouched


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("case", IMAGES)
def test_images(models, untouched, name, case):
    bad, got, expected = IMAGES[case]
    labelled = name == "Classifier"
    model = models[name, labelled]
    for call, run in keras_calls(model).items():
        with (
            untouched(model),
            pytest.raises(ValueError, match=MESSAGE.format(r"x(\.shape\[1:\])?", got, expected)),
        ):
            run(bad, Y if labelled else None)
        assert call
    for predict in (model.predict, model.predict_on_batch):
        with pytest.raises(ValueError, match=MESSAGE.format(r"x(\.shape\[1:\])?", got, expected)):
            predict(bad)
    if name in {"CVAE", "VAEGAN"}:
        for run in (model.encode, model.reconstruct):
            with pytest.raises(ValueError, match=MESSAGE.format(r"x(\..*)?", got, expected)):
                run(bad)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("case", LABELS)
def test_labels(models, untouched, name, case):
    bad, got, expected = LABELS[case]
    model = models[name, True]
    for run in keras_calls(model).values():
        with (
            untouched(model),
            pytest.raises(ValueError, match=MESSAGE.format("y", got, expected)),
        ):
            run(X, bad)
    if name == "Classifier":
        return
    calls = [lambda labels: model.generate(8, labels)]
    if name != "DCGAN":
        calls += [lambda labels: model.encode(X, labels), lambda y: model.reconstruct(X, y)]
    calls.append(lambda labels: model.decode(np.zeros((8, 3)), labels))
    for run in calls:
        with pytest.raises(ValueError, match=MESSAGE.format("labels", got, expected)):
            run(bad)
    if case != "missing":
        with pytest.raises(ValueError, match=MESSAGE.format(r"x\[1\]", got, expected)):
            model.predict([X, bad], verbose=0)


@pytest.mark.parametrize("name", MODELS)
def test_a_class_with_no_image(models, name):
    model = models[name, True]
    with pytest.raises(ValueError, match=MESSAGE.format("y", "no image of class 1", "2 classes")):
        model.fit(X, 0 * Y, verbose=0)


@pytest.mark.parametrize("name", GENERATIVE)
def test_labels_for_a_model_without(models, name):
    model = models[name, False]
    for run in keras_calls(model).values():
        with pytest.raises(ValueError, match=MESSAGE.format("y", "labels", "None, since")):
            run(X, Y)
    with pytest.raises(ValueError, match=MESSAGE.format("labels", "labels", "None, since")):
        model.generate(8, labels=Y)
    for pair in ([X, Y], (X, Y), (X, Y[:, None]), (X, Y.tolist())):
        for predict in (model.predict, model.predict_on_batch):
            with pytest.raises(
                ValueError, match=MESSAGE.format("x", "images and labels", "images")
            ):
                predict(pair)


@pytest.mark.parametrize("name", GENERATIVE)
def test_images_alone_for_a_conditional_model(models, name):
    with pytest.raises(ValueError, match=MESSAGE.format("x", "images alone", "images, labels")):
        models[name, True].predict(X, verbose=0)


@pytest.mark.parametrize("name", GENERATIVE)
def test_weights_for_a_generative_model(models, name):
    model = models[name, False]
    with pytest.raises(ValueError, match=MESSAGE.format("sample_weight", "weights", "None")):
        model.fit(X, sample_weight=np.ones(8), verbose=0)
    with pytest.raises(ValueError, match=MESSAGE.format("class_weight", "", "None")):
        model.fit(X, class_weight={0: 1.0}, verbose=0)


@pytest.mark.parametrize("weight", [np.nan, np.inf, 1e300, "heavy", None])
def test_weights_that_are_no_numbers(models, untouched, weight):
    model = models["Classifier", True]
    weights = np.array([1.0] * 7 + [weight])
    with (
        untouched(model),
        pytest.raises(ValueError, match=MESSAGE.format("sample_weight", "", "finite numbers")),
    ):
        model.fit(X, Y, sample_weight=weights, verbose=0)


def test_weights_of_another_length(models):
    with pytest.raises(ValueError, match=MESSAGE.format("sample_weight", r"\(3,\)", r"\(8,\)")):
        models["Classifier", True].fit(X, Y, sample_weight=np.ones(3), verbose=0)


@pytest.mark.parametrize("name", ["CVAE", "Classifier"])
def test_validation_data(models, untouched, name):
    model = models[name, True]
    for pair, argument in (
        ((X * 255, Y), r"validation_data\[0\]"),
        ((X, Y + 1), r"validation_data\[1\]"),
        ((X, None), "y"),
    ):
        with untouched(model), pytest.raises(ValueError, match=f"`{argument}`: got "):
            model.fit(X, Y, validation_data=pair, verbose=0)


@pytest.mark.parametrize("share", [-0.1, 1.0, 1.5, 0.99])
def test_validation_split(models, share):
    with pytest.raises(ValueError, match=MESSAGE.format("validation_split", "", "a share")):
        models["CVAE", False].fit(X, validation_split=share, verbose=0)


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "4"])
def test_batch_size(models, batch_size):
    model = models["CVAE", False]
    expected = MESSAGE.format("batch_size", "", "an integer above 0")
    for run in (model.fit, model.evaluate, model.predict):
        with pytest.raises(ValueError, match=expected):
            run(X, batch_size=batch_size, verbose=0)
    with pytest.raises(ValueError, match=expected):
        model.generate(2, batch_size=batch_size)


@pytest.mark.parametrize("steps", [0, -1, 2.5, "2"])
def test_steps(models, steps):
    model = models["CVAE", False]
    batches = [X[:4], X[4:]]
    calls = {
        "steps_per_epoch": lambda: model.fit(X, steps_per_epoch=steps, verbose=0),
        "validation_steps": lambda: model.fit(X, validation_data=X, validation_steps=steps),
        "steps": lambda: model.evaluate((x for x in batches), steps=steps, verbose=0),
    }
    for argument, call in calls.items():
        with pytest.raises(ValueError, match=MESSAGE.format(argument, "", "an integer above 0")):
            call()
    with pytest.raises(ValueError, match=MESSAGE.format("steps", "", "an integer above 0")):
        model.predict((x for x in batches), steps=steps, verbose=0)


@pytest.mark.parametrize("n", [0, -1, 2.5, None, "2"])
def test_number_of_images(models, n):
    with pytest.raises(ValueError, match=MESSAGE.format("n", "", "an integer above 0")):
        models["CVAE", False].generate(n)


@pytest.mark.parametrize(
    "z",
    [np.zeros(3), np.zeros((2, 4)), np.zeros((0, 3)), np.full((2, 3), np.nan), [["a", "b", "c"]]],
)
def test_latent_vectors(models, z):
    for name in GENERATIVE:
        with pytest.raises(ValueError, match=r"`z`: got .*; expected"):
            models[name, False].decode(z)


@pytest.mark.parametrize("data", [None, 3, [], "images"])
def test_what_is_no_data_at_all(models, data):
    model = models["CVAE", False]
    for run in (model.fit, model.evaluate, model.predict):
        with pytest.raises(ValueError, match=r"`x`: got .*; expected"):
            run(data, verbose=0)


# ---- constructors and compile ----------------------------------------------------------------

COMMON = {
    "image_shape": [(8, 8), (7, 8, 1), (8, 300, 1), (8, 8, 2), None],
    "seed": [-1, 0.5, "0"],
}
FILTERS = [0, -2, 1.5, "4"]
FLAG = ["no", None, 1]
GENERATIVE_ARGUMENTS = {
    **COMMON,
    "latent_dim": [0, -1, 2.5, None, True],
    "num_classes": [0, 1, -1, 2.0, "2", True],
}
ARGUMENTS = {
    "CVAE": {
        **GENERATIVE_ARGUMENTS,
        "likelihood": ["poisson", None],
        "kl_estimator": ["exact", None],
        "beta": [-1, np.nan, "1"],
        "pixel_scale": [0, -1],
        "batch_normalization": FLAG,
        "encoder_kernel_size": FILTERS,
        "decoder_kernel_size": FILTERS,
        "encoder_filters": FILTERS,
        "decoder_filters": FILTERS,
    },
    "DCGAN": {
        **GENERATIVE_ARGUMENTS,
        "adversarial": ["wasserstein", None],
        "dropout": [1, 1.5, -0.1, None],
        "batch_normalization": FLAG,
        "ema_momentum": [0, 1, "0.9", True],
        "generator_kernel_size": FILTERS,
        "discriminator_kernel_size": FILTERS,
        "generator_filters": FILTERS,
        "discriminator_filters": FILTERS,
    },
    "VAEGAN": {
        **GENERATIVE_ARGUMENTS,
        "adversarial": ["wasserstein"],
        "gamma": [-1, np.inf],
        "gamma_reduction": ["max", None],
        "beta": [-1],
        "dropout": [1, -0.1],
        "gate": [0.68, "on"],
        "batch_normalization": FLAG,
        "ema_momentum": [0, 1],
        "feature_block": [0, 3, "2", True],
        "encoder_kernel_size": FILTERS,
        "decoder_kernel_size": FILTERS,
        "discriminator_kernel_size": FILTERS,
        "encoder_filters": FILTERS,
        "decoder_filters": FILTERS,
        "discriminator_filters": FILTERS,
    },
    "Classifier": {
        **COMMON,
        "num_classes": [0, 1, -1, 2.0, None],
        "dropout": [1, -0.1],
        "filters": FILTERS,
        "kernel_size": FILTERS,
    },
}
CONSTRUCTORS = [
    (name, argument, value)
    for name, table in ARGUMENTS.items()
    for argument, values in table.items()
    for value in values
]


@pytest.mark.parametrize(("name", "argument", "value"), CONSTRUCTORS)
def test_constructor_arguments(name, argument, value):
    arguments = {"image_shape": (8, 8, 1), argument: value}
    if name == "Classifier":
        arguments.setdefault("num_classes", 2)
    with pytest.raises(ValueError, match=MESSAGE.format(argument, "", "")):
        getattr(kma.models, name)(**arguments)


def optimizers(*names):
    return {name: keras.optimizers.SGD() for name in names}


SHARED = keras.optimizers.SGD()
OPTIMIZERS = {
    "CVAE": [
        (optimizers("encoder", "decoder"), "a single optimizer"),
        (3, "a Keras optimizer"),
    ],
    "DCGAN": [
        (optimizers("generator"), "one for each of"),
        (optimizers("decoder", "discriminator"), "one for each of"),
        (optimizers("generator", "discriminator", "encoder"), "one for each of"),
        ({"generator": SHARED, "discriminator": SHARED}, "one for each network"),
        ({"generator": SHARED, "discriminator": None}, "a Keras optimizer"),
    ],
    "VAEGAN": [
        (optimizers("generator", "encoder", "discriminator"), "one for each of"),
        (optimizers("encoder", "decoder"), "one for each of"),
        ({**optimizers("encoder"), "decoder": SHARED, "discriminator": SHARED}, "for each network"),
    ],
}


@pytest.mark.parametrize(
    ("name", "optimizer", "expected"),
    [(name, *case) for name, cases in OPTIMIZERS.items() for case in cases],
)
def test_optimizers(models, name, optimizer, expected):
    model = kma.models.__dict__[name].from_config(models[name, False].get_config())
    with pytest.raises(ValueError, match=MESSAGE.format("optimizer", "", expected)):
        model.compile(optimizer)


@pytest.mark.parametrize("name", GENERATIVE)
def test_wrapped_optimizers(models, name):
    model = kma.models.__dict__[name].from_config(models[name, False].get_config())
    wrapped = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())
    with pytest.raises(ValueError, match=MESSAGE.format("optimizer", "", "loss scaling is added")):
        model.compile(wrapped)
    unknown = MESSAGE.format("optimizer", "no such optimizer", "a Keras optimizer")
    with pytest.raises(ValueError, match=unknown):
        model.compile("no such optimizer")


@pytest.mark.parametrize("name", MODELS)
def test_fit_before_compile(name):
    extra = {"num_classes": 2} if name == "Classifier" else {}
    model = getattr(kma.models, name)((8, 8, 1), **extra)
    with pytest.raises(ValueError, match="compile"):
        model.fit(X, Y if extra else None, verbose=0)

"""What `fit`, `evaluate`, `predict`, `compile` and `save` hand on to Keras is checked before."""

import keras
import numpy as np
import pytest

from harness.bad_input import X, Y, refused, untouched

NO_FLAG = [3, "yes", None]
# Keras says so of every iterable of unknown length that ends.
pytestmark = pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")


@pytest.fixture(scope="module")
def model(build):
    return build("Classifier")


FIT = {
    "class_weight": [
        {"0": 9.0, "1": 0.1}, {5: 9.0}, {-1: 1.0}, {True: 1.0}, {0.0: 1.0}, [9.0, 0.1], "balanced",
        {}, {0: -1.0}, {0: np.nan}, {0: "heavy"}, {0: 0.0, 1: 0.0},
    ],
    "epochs": [-1, 2.5, "3", True, None],
    "initial_epoch": [-1, 0.5, "1", None],
    "callbacks": [3, "checkpoint", [3], [keras.callbacks.Callback]],
    "shuffle": ["batch", None, 3],
    "validation_split": [-0.1, 1, "a", True, None],
    "validation_freq": [0, -1, [0], [], "a", 1.5],
    "validation_batch_size": [0, "4", 2.5],
    "validation_steps": [0, "4", 2.5],
}  # fmt: skip


@pytest.mark.parametrize(
    ("argument", "value"), [(name, value) for name, values in FIT.items() for value in values]
)
def test_fit(model, argument, value):
    pattern = rf"{argument}(\[0\])?"
    with untouched(model), refused(pattern, expected="."):
        model.fit(X, Y, validation_data=None, verbose=0, **{argument: value})


@pytest.mark.parametrize("argument", ["workers", "use_multiprocessing", "sample_weights"])
def test_arguments_that_no_one_takes(model, argument):
    for run, arrays in ((model.fit, (X, Y)), (model.evaluate, (X, Y)), (model.predict, (X,))):
        with pytest.raises((TypeError, ValueError), match=argument):
            run(*arrays, verbose=0, **{argument: 2})


def test_validation_steps_without_validation_data(model):
    with untouched(model), refused("validation_steps", "3", "None without validation data"):
        model.fit(X, Y, validation_steps=3, verbose=0)


def test_evaluate_and_predict(model):
    for run in (model.evaluate, model.predict):
        with refused("callbacks"):
            run(X, *((Y,) if run == model.evaluate else ()), verbose=0, callbacks=[3])
    for flag in NO_FLAG:
        with refused("return_dict"):
            model.evaluate(X, Y, verbose=0, return_dict=flag)
        with untouched(model), refused("return_dict"):
            model.train_on_batch(X, Y, return_dict=flag)
        with refused("return_dict"):
            model.test_on_batch(X, Y, return_dict=flag)
    with refused("y", "labels beside an iterable"):
        model.evaluate(iter([(X, Y)]), Y, verbose=0)
    with untouched(model), refused("class_weight"):
        model.train_on_batch(X, Y, class_weight={"0": 2.0})


def test_batches_with_too_many_parts(model):
    four = (X, Y, np.ones(8), Y)
    for call in (
        lambda: model.fit(iter([four]), verbose=0),
        lambda: model.evaluate(iter([four]), verbose=0),
    ):
        with untouched(model), refused("x", "a tuple of 4", "images"):
            call()
    with untouched(model), refused("validation_data", "a tuple of 4", "images"):
        model.fit(X, Y, validation_data=four, verbose=0)


# ---- class weights ----------------------------------------------------------------------------


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return X[4 * index : 4 * index + 4], Y[4 * index : 4 * index + 4]


ROUTES = {
    "arrays": lambda: (X, Y),
    "PyDataset": lambda: (Batches(),),
    "tuple of batches": lambda: (tuple(Batches()),),
    "generator": lambda: (iter(list(Batches())),),
}


@pytest.mark.parametrize("route", ROUTES)
def test_class_weights_by_every_route(build, same, route):
    data = {"batch_size": 4, "shuffle": False, "verbose": 0}
    weighted, expected, plain = (build("Classifier") for _ in range(3))
    weighted.fit(*ROUTES[route](), class_weight={1: 5.0}, **data)
    expected.fit(X, Y, sample_weight=np.where(Y == 1, 5.0, 1.0), **data)
    plain.fit(X, Y, **data)
    assert same(weighted, expected)
    assert not same(weighted, plain)


def test_class_weights_do_not_touch_validation(build):
    data = {"batch_size": 8, "shuffle": False, "verbose": 0}
    history = build("Classifier").fit(X, Y, class_weight={1: 5.0}, validation_data=(X, Y), **data)
    model = build("Classifier")
    model.fit(X, Y, class_weight={1: 5.0}, **data)
    loss = model.evaluate(X, Y, batch_size=8, verbose=0)[0]
    assert history.history["val_loss"][0] == pytest.approx(loss, rel=1e-5)


def test_two_weights_for_a_class(build):
    model = build("Classifier", class_names=["benign", "malignant"])
    with refused("class_weight", "two weights for class 1"):
        model.fit(X, Y, class_weight={1: 2.0, "malignant": 5.0}, verbose=0)


@pytest.mark.parametrize(
    ("data", "argument"),
    [
        (5, "validation_data"),
        ((X,), r"validation_data\[1\]"),
        ((X, Y, -np.ones(8)), r"validation_data\[2\]"),
        (iter([(X, Y + 1)]), r"validation_data\[1\]"),
        (iter([(X * 255, Y)]), r"validation_data\[0\]"),
        (iter([]), "validation_data"),
    ],
)
def test_validation_data_is_blamed_by_its_name(model, data, argument):
    with untouched(model), refused(argument):
        model.fit(X, Y, validation_data=data, verbose=0)


def test_class_weights_by_name(build, same):
    named = build("Classifier", class_names=["benign", "malignant"])
    numbered = build("Classifier")
    named.fit(X, Y, class_weight={"malignant": 5.0}, verbose=0)
    numbered.fit(X, Y, class_weight={1: 5.0}, verbose=0)
    assert same(named, numbered)
    with refused("class_weight", "the key 'good'", "names of classes"):
        named.fit(X, Y, class_weight={"good": 5.0}, verbose=0)


def test_class_weights_of_one_step(build, same):
    one, other = build("Classifier"), build("Classifier")
    one.train_on_batch(X, Y, class_weight={1: 5.0})
    other.train_on_batch(X, Y, sample_weight=np.where(Y == 1, 5.0, 1.0))
    assert same(one, other)


def test_both_kinds_of_weights(model):
    both = {"class_weight": {0: 2.0}, "verbose": 0}
    with untouched(model), refused("sample_weight", "beside `class_weight`"):
        model.fit(X, Y, sample_weight=np.ones(8), **both)
    with untouched(model), refused("class_weight", "beside those that `x` yields"):
        model.fit(iter([(X, Y, np.ones(8))]), **both)


def test_negative_sample_weights(model):
    weights = np.array([1.0] * 7 + [-1.0])
    with untouched(model), refused("sample_weight", "weights down to -1", "0 or more"):
        model.fit(X, Y, sample_weight=weights, verbose=0)


# ---- every class ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Classifier", "CVAE"])
def test_what_validation_split_leaves_holds_every_class(build, name):
    model, order = build(name, num_classes=2), np.argsort(Y)
    with untouched(model), refused("validation_split", "no image of class 1", "shuffle"):
        model.fit(X[order], Y[order], validation_split=0.5, verbose=0)
    model.fit(X[order], Y[order], validation_split=0.25, verbose=0)


# ---- compile, save, constructors --------------------------------------------------------------

RUNS = {
    "run_eagerly": ["yes", 1, None],
    "steps_per_execution": [0, 2.5, "2", None],
    "jit_compile": ["a", 3],
    "auto_scale_loss": ["no", 1, None],
    "optimizer": [3, "nope"],
}


@pytest.mark.parametrize("name", ["Classifier", "CVAE"])
@pytest.mark.parametrize(
    ("argument", "value"), [(name, value) for name, values in RUNS.items() for value in values]
)
def test_compile(build, name, argument, value):
    with refused(argument):
        build(name, compiled=False).compile(**{argument: value})


@pytest.mark.parametrize("loss", ["mse", "categorical_crossentropy", "nope", 3])
def test_losses_that_do_not_fit_labels(build, loss):
    with refused("loss", expected="class indices"):
        build("Classifier", compiled=False).compile(loss=loss)


@pytest.mark.parametrize("metrics", ["accuracy", ["auc"], ["mse"], [3], [keras.metrics.Precision]])
@pytest.mark.parametrize("argument", ["metrics", "weighted_metrics"])
def test_metrics_that_do_not_fit_labels(build, argument, metrics):
    with refused(argument, expected="a list of metrics of class indices"):
        build("Classifier", compiled=False).compile(**{argument: metrics})


def of_the_backend(backend):
    """Return a loss of the backend's own functions, as users write them."""
    if backend == "torch":
        import torch

        def loss(truth, probabilities):
            return torch.nn.functional.nll_loss(
                torch.log(probabilities), truth.long().ravel(), reduction="none"
            )
    elif backend == "jax":

        def loss(truth, probabilities):
            return -keras.ops.log(probabilities.at[:, 0].get()) + 0.0 * truth.ravel()
    else:

        def loss(truth, probabilities):
            assert probabilities.get_shape()[1] == 2
            return -keras.ops.log(probabilities[:, 0]) + 0.0 * keras.ops.cast(truth, "float32")

    return loss


def test_losses_and_metrics_of_the_backend(build):
    mine = of_the_backend(keras.config.backend())
    model = build("Classifier", compiled=False)
    model.compile(loss=mine, metrics=[mine], run_eagerly=True)
    model.fit(X, Y, batch_size=8, verbose=0)


def test_losses_and_metrics_that_fit(build):
    def surprise(truth, probabilities):
        return -keras.ops.log(probabilities[:, 0]) * keras.ops.cast(truth, "float32")

    metric = keras.metrics.SparseCategoricalAccuracy(name="right")
    for loss in (None, surprise, keras.losses.SparseCategoricalCrossentropy()):
        model = build("Classifier", compiled=False)
        model.compile(loss=loss, metrics=[metric, "ce"], weighted_metrics=["acc"])
    assert float(metric.result()) == 0  # the trial is forgotten


@pytest.mark.parametrize(
    "given",
    [
        {"loss": ["sparse_categorical_crossentropy"]},
        {"metrics": {"x": "accuracy"}},
        {"jit_compile": None},
        {"loss_weights": 2.0},
    ],
)
def test_what_was_compiled_otherwise_is_loaded(build, tmp_path, load, given):
    """A trained model is not lost because of an argument that `compile` would refuse now."""
    model = build("Classifier", compiled=False)
    usual = {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "run_eagerly": True}
    model._compile_checked(**{**usual, **given})
    model.save(tmp_path / "model.keras")
    kept = load(tmp_path / "model.keras").evaluate(X, Y, verbose=0, return_dict=True)
    assert kept["loss"] == pytest.approx(model.evaluate(X, Y, verbose=0, return_dict=True)["loss"])


@pytest.mark.parametrize("name", ["m.h5", "m", "m.weights.h5", "m.KERAS", "m.tf"])
def test_save_under_another_name(model, tmp_path, name):
    with refused("filepath", name, "ends in .keras"):
        model.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_checkpoints_under_another_name(build, tmp_path):
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras")
    checkpoint.filepath = str(tmp_path / "best.h5")
    with refused("filepath", "best.h5"):
        build("CVAE").fit(X, verbose=0, callbacks=[checkpoint])


@pytest.mark.parametrize("name", ["Classifier", "VAEGAN"])
@pytest.mark.parametrize("argument", ["activity_regularizer", "autocast", "inputs", "latent"])
def test_constructors_take_what_they_know(build, name, argument):
    with refused(argument):
        build(name, **{argument: "l2"})

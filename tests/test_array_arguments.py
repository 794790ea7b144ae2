"""Each array argument of each public function, in every form in which users hold an array.

The result is that of the NumPy array, or a `ValueError` names the argument and says what to do.
"""

import contextlib
import dataclasses
import functools
import importlib
import inspect
import types
from collections.abc import Callable
from unittest import mock

import keras
import numpy as np
import pytest

import harness
import keras_medaug as kma
from harness.models import woken
from helpers.array_forms import accepted, refused, same
from keras_medaug import augmenting
from keras_medaug.features import classifier_features
from keras_medaug.labels.label_filter import LabelFilter
from keras_medaug.models.quiet_model import QuietModel

RNG = np.random.default_rng(0)
X, X2, X3 = (RNG.random((20, 8, 8, 1), dtype="float32") for _ in range(3))
Y = np.arange(20, dtype="int32") % 2
FEW, FEW_Y = X[:8], Y[:8]
SOME_Y = np.where(np.arange(8) < 3, np.int32(-1), FEW_Y)  # -1 for an unknown class
SCORES = np.stack([1 - X[:, 0, 0, 0], X[:, 0, 0, 0]], axis=-1)
ARMS = np.stack([SCORES, SCORES[::-1], SCORES**2]), np.stack([SCORES, SCORES, SCORES[::-1]])
ROWS, ROWS2 = X[:, 0, :4, 0], X2[:, 0, :4, 0]
Z = RNG.standard_normal((8, 3), dtype="float32")


class Reached(Exception):
    """The checks are over; what would take long begins."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A call, and its array arguments.

    Args:
        call: Takes the arrays by name, and returns something that can be compared.
        arrays: The arrays.
        names: How messages name an argument, where that is not its own name.
        stop: Function in which the call stops; what it was given is the result.
    """

    call: Callable
    arrays: dict
    names: dict = dataclasses.field(default_factory=dict)
    stop: tuple | None = None

    def result(self, **changed):
        if self.stop is None:
            return self.call(**(self.arrays | changed))
        with mock.patch.object(*self.stop, side_effect=lambda *given, **_: _reach(given)):
            try:
                self.call(**(self.arrays | changed))
            except Reached as reached:
                return reached.args[0]
        raise AssertionError("the call never came to its end")


def _reach(given):
    raise Reached([value for value in given if isinstance(value, np.ndarray)])


@functools.cache
def model(name="CVAE", **arguments):
    return harness.build(name, **({"num_classes": 2} | arguments))


def method(name, kind="CVAE", **fixed):
    return lambda **arrays: getattr(woken(model(kind)), name)(**fixed, **arrays)


@contextlib.contextmanager
def nothing_trained():
    """Let the methods of Keras return the arrays that they were given."""
    names = ("fit", "evaluate", "train_on_batch", "test_on_batch", "predict", "predict_on_batch")
    with mock.patch.multiple(QuietModel, **dict.fromkeys(names, _given)):
        yield


def _given(_, *args, validation_data=None, **__):
    whole = [*args, validation_data]
    return [getattr(value, "arrays", value) for value in whole if value is not None]


def trained(name, **fixed):
    """Return a call of a training method that says what Keras would be given."""

    def call(**arrays):
        with nothing_trained():
            return getattr(model("Classifier"), name)(**fixed, **arrays)

    return call


def fit_unlabelled(**arrays):
    with nothing_trained():
        return model("Flow").fit(**arrays, verbose=0)


def predict_labelled(x, labels):
    with nothing_trained():
        return model().predict([x, labels])


def augment(**arrays):
    with mock.patch.object(augmenting, "new_generator"):
        return kma.augment(**arrays, method="cvae", verbose=0)


def fit_with_validation(validation_data, **arrays):
    call = trained("fit", verbose=0)
    return call(**arrays, validation_data=(validation_data, FEW_Y))


@functools.cache
def fitted():
    classifier = kma.labels.OutOfFoldClassifier(folds=2)
    classifier._classifier = model("Classifier")
    classifier._weights = [model("Classifier").get_weights()]
    return classifier


def classifier_features_of(images):
    features = object.__new__(kma.features.ClassifierFeatures)
    features.image_shape = FEW.shape[1:]
    features._outputs = lambda given: {"features": sized(given)}
    return features(images)


def classifier_outputs_of(images):
    features = object.__new__(kma.features.ClassifierFeatures)
    features.image_shape = FEW.shape[1:]
    features._outputs = lambda given: {"features": sized(given)}
    return features.outputs(images)["features"]


def model_features(images):
    return kma.features.ModelFeatures(model("Classifier").network)(images)


def pixel_features(images):
    return kma.features.PixelFeatures(X2, 4)(images)


def filtered(**arrays):
    return LabelFilter(fitted(), 0.5)(**arrays)


def stored(ds):
    return [array for split, count in ds.counts.items() if count for array in ds.stored(split)]


def dataset(**splits):
    pairs = {name: (images, Y[: len(SPLITS[name])]) for name, images in splits.items()}
    return stored(kma.datasets.Dataset("set", **pairs))


def looked(**arrays):
    monitor = kma.callbacks.SampleMonitor("unused", features={"few": sized}, **arrays)
    return [monitor.labels, monitor._real]


def card(**arrays):
    ds = kma.datasets.from_arrays(X, Y)
    module = importlib.import_module("keras_medaug.cards.model_card")
    return module._check_given(model(), ds, count=None, **arrays)


def drawn(figure):
    return [np.asarray(picture.get_array()) for axes in figure.axes for picture in axes.images]


def curves(history):
    lines = kma.plotting.loss_curves({"loss": history}).axes[0].lines
    return [np.asarray(line.get_ydata()) for line in lines]


def probabilities(images):
    return np.stack([1 - images[:, 0, 0, 0], images[:, 0, 0, 0]], axis=-1)


def sized(images):
    return images.reshape(len(images), -1)[:, :4]


M = kma.metrics
SPLITS = {"train": X, "val": FEW, "test": FEW}
LABELLED = {"x": FEW, "y": FEW_Y}
WEIGHTED = LABELLED | {"sample_weight": np.abs(Z[:, 0])}
PAIR = {"x": r"x\[0\]", "labels": r"x\[1\]"}
OF_SETS = {"images": X, "labels": Y}
TABLE = {
    "augment": Case(
        augment,
        {"x": X, "y": Y, "held_out": X2},
        stop=(augmenting, "_plan"),
    ),
    "model_card": Case(card, OF_SETS),
    "SampleMonitor": Case(looked, {"held_out": X, "labels": Y}),
    "Dataset": Case(dataset, SPLITS, {name: f"x_{name}" for name in SPLITS}),
    "from_arrays": Case(
        lambda **arrays: stored(kma.datasets.from_arrays(**arrays)),
        {f"x_{split}": images for split, images in SPLITS.items()}
        | {f"y_{split}": Y[: len(images)] for split, images in SPLITS.items()},
    ),
    "ClassifierFeatures": Case(
        kma.features.ClassifierFeatures, OF_SETS, stop=(classifier_features, "fit_steps")
    ),
    "ClassifierFeatures.__call__": Case(classifier_features_of, {"images": FEW}),
    "ClassifierFeatures.outputs": Case(classifier_outputs_of, {"images": FEW}),
    "ModelFeatures.__call__": Case(
        model_features,
        {"images": FEW},
    ),
    "PixelFeatures": Case(
        lambda images: kma.features.PixelFeatures(images, 4)(X2), {"images": X}
    ),
    "PixelFeatures.__call__": Case(
        pixel_features, {"images": X}
    ),
    "OutOfFoldClassifier.fit": Case(
        lambda **arrays: kma.labels.OutOfFoldClassifier(folds=2).fit(**arrays),
        {"x": X, "y": Y},
        stop=(kma.labels.OutOfFoldClassifier, "_fit"),
    ),
    "OutOfFoldClassifier.predict": Case(lambda x: fitted().predict(x), {"x": FEW}),
    "OutOfFoldClassifier.agrees": Case(lambda **arrays: fitted().agrees(**arrays), LABELLED),
    "LabelFilter.__call__": Case(
        filtered,
        {"images": FEW, "labels": FEW_Y},
        {"images": "x"},
    ),
    "plan_labels": Case(kma.labels.plan_labels, {"y": Y}),
    "collapsed_classifier": Case(M.collapsed_classifier, {"labels": Y, "probabilities": SCORES}),
    "copy_audit": Case(M.copy_audit, {"images": FEW, "training": X2, "held_out": X3}),
    "diversity": Case(M.diversity, OF_SETS | {"real": X2, "real_labels": Y}),
    "frechet_distance": Case(
        functools.partial(M.frechet_distance, resamples=2), {"real": ROWS, "synthetic": ROWS2}
    ),
    "kernel_distance": Case(
        functools.partial(M.kernel_distance, blocks=2), {"real": ROWS, "synthetic": ROWS2}
    ),
    "label_agreement": Case(
        lambda **arrays: M.label_agreement(probabilities, transform=lambda x: x[:, ::-1], **arrays),
        OF_SETS,
    ),
    "label_fidelity": Case(
        functools.partial(M.label_fidelity, probabilities),
        OF_SETS | {"held_out": X2, "held_out_labels": Y},
    ),
    "manifold_scores": Case(M.manifold_scores, {"real": ROWS, "synthetic": ROWS2}),
    "mean_confidence": Case(
        lambda images: M.mean_confidence(model("Classifier"), images), {"images": FEW}
    ),
    "near_duplicates": Case(
        M.near_duplicates, OF_SETS | {"training": X2, "training_labels": Y}
    ),
    "nearest_images": Case(
        M.nearest_images, {"images": FEW, "training": X2}
    ),
    "prior_shift": Case(M.prior_shift, {"labels": Y, "other_labels": FEW_Y}),
    "sample_quality": Case(
        functools.partial(M.sample_quality, features={"few": sized}),
        {
            "images": X, "training": X2, "held_out": X3, "labels": Y, "training_labels": Y,
            "held_out_labels": Y,
        },
    ),
    "spectral_distance": Case(M.spectral_distance, {"real": X, "images": X2}),
    "two_sample_auc": Case(
        functools.partial(M.two_sample_auc, folds=2), {"images": X, "real": X2, "held_out": X3}),
    "EntryPoints.fit": Case(trained("fit", verbose=0), WEIGHTED),
    "EntryPoints.evaluate": Case(trained("evaluate", verbose=0), WEIGHTED),
    "EntryPoints.train_on_batch": Case(trained("train_on_batch"), WEIGHTED),
    "EntryPoints.test_on_batch": Case(trained("test_on_batch"), WEIGHTED),
    "EntryPoints.predict": Case(trained("predict"), {"x": FEW}),
    "EntryPoints.predict_on_batch": Case(trained("predict_on_batch"), {"x": FEW}),
    "fit, validation_data": Case(
        fit_with_validation,
        LABELLED | {"validation_data": FEW},
        {"validation_data": r"validation_data\[0\]"},
    ),
    "predict of labelled images": Case(predict_labelled, {"x": FEW, "labels": FEW_Y}, PAIR),
    "AutoencodingModel.encode": Case(method("encode"), {"x": FEW, "labels": FEW_Y}),
    "AutoencodingModel.reconstruct": Case(method("reconstruct"), {"x": FEW, "labels": FEW_Y}),
    "AutoencodingModel.decode": Case(method("decode"), {"z": Z, "labels": FEW_Y}),
    "LatentModel.decode": Case(method("decode", "DCGAN"), {"z": Z, "labels": FEW_Y}),
    "GenerativeModel.generate": Case(method("generate", n=8, seed=0), {"labels": FEW_Y}),
    "Flow.generate": Case(
        method("generate", "Flow", n=8, seed=0, steps=1), {"labels": SOME_Y}
    ),
    "Flow.vary": Case(
        method("vary", "Flow", seed=0, steps=1), {"x": FEW, "labels": SOME_Y}
    ),
    "fit, some images without a label": Case(fit_unlabelled, {"x": FEW, "y": SOME_Y}),
    "Classifier.logits": Case(method("logits", "Classifier"), {"x": FEW}),
    "before_after": Case(
        lambda **arrays: drawn(kma.plotting.before_after(**arrays)),
        {"before": FEW, "after": X2[:8]},
    ),
    "image_grid": Case(lambda images: drawn(kma.plotting.image_grid(images)), {"images": FEW}),
    "nearest_pairs": Case(
        lambda **arrays: drawn(kma.plotting.nearest_pairs(**arrays, audit=audit())),
        {"images": FEW, "training": X2},
    ),
    "loss_curves": Case(curves, {"history": Z[:, 0]}),
    "compare": Case(
        lambda **arrays: vars(kma.study.compare(**arrays)),
        {"labels": Y, "arm": ARMS[0], "against": ARMS[1]},
    ),
}  # fmt: skip


@functools.cache
def audit():
    return M.copy_audit(FEW, X2, X3)


# ---- the table is whole ---------------------------------------------------------------------


# They take tensors of the backend, as Keras's own do.
OF_TENSORS = {"layers", "losses", "networks"}
OVERRIDDEN = {"call", "compute_loss"}
UNTYPED = {"x", "y", "z", "images", "labels", "sample_weight", "validation_data"}


def public_calls():
    """Yield all public functions and classes, and the methods of those, but for layers."""
    for name in kma.__all__:
        value = getattr(kma, name)
        if callable(value):
            yield value
        if not isinstance(value, types.ModuleType) or name in OF_TENSORS:
            continue
        for member in filter(callable, (getattr(value, inner) for inner in value.__all__)):
            yield member
            if inspect.isclass(member):
                yield from own_methods(member)


def own_methods(kind):
    for name, function in inspect.getmembers(kind, inspect.isfunction):
        is_ours = function.__module__.startswith("keras_medaug")
        is_public = name == "__call__" or name[0] != "_"
        if is_ours and is_public and name not in OVERRIDDEN:
            yield function


def array_arguments(function):
    """Return the names of the arguments that are arrays, by their types or, without, by name."""
    names = []
    for name, parameter in inspect.signature(function).parameters.items():
        typed = str(parameter.annotation)  # a name alone where annotations are postponed
        untyped = parameter.annotation is inspect.Parameter.empty and name in UNTYPED
        is_array = any(word in typed for word in ("numpy", "ArrayLike", "NDArray"))
        if untyped or (is_array and "Callable" not in typed and "Mapping" not in typed):
            names.append(name)
    return names


@pytest.mark.backend_free
def test_every_array_argument_is_in_the_table():
    missing = {
        f"{function.__qualname__}: {name}"
        for function in public_calls()
        for name in array_arguments(function)
        if name not in TABLE.get(function.__qualname__, Case(None, {})).arrays
    }
    assert missing <= {"EntryPoints.fit: validation_data"}  # which has a line of its own
    assert len(list(public_calls())) > 50


# ---- what becomes of each form ------------------------------------------------------------


ARGUMENTS = [(name, argument) for name, case in TABLE.items() for argument in case.arrays]


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_forms_that_are_taken(name, argument):
    case = TABLE[name]
    expected = case.result()
    for form, array, given in accepted(case.arrays[argument]):
        if form == "bfloat16":
            expected = case.result(**{argument: array})
        assert same(case.result(**{argument: given}), expected), form


def turned(images):
    layer = kma.layers.GeometricAugmentation(seed=0)
    return keras.ops.convert_to_numpy(keras.ops.cast(layer(images, training=True), "float32"))


def test_the_augmentation_layer():
    """Layers take tensors of the backend; this one also looks at arrays by itself."""
    for form, array, given in accepted(FEW):
        if form == "list":
            with pytest.raises(ValueError, match=r"`inputs`: got list; .*`np.asarray\(x\)`"):
                turned(given)
        else:
            np.testing.assert_allclose(turned(given), turned(array), atol=1e-6, err_msg=form)


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_forms_that_are_refused(name, argument):
    case = TABLE[name]
    called = case.names.get(argument, argument)
    for _, given, remedy in refused(case.arrays[argument]):
        with pytest.raises(ValueError, match=rf"`{called}[^`]*`: got .*expected .*{remedy}"):
            case.result(**{argument: given})

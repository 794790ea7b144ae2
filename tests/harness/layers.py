"""The layers, and `run_layer_test`: what each of them has to do, whatever it computes."""

import dataclasses
import json

import keras
import numpy as np
import pytest

import keras_medaug as kma
from harness.state import numpy

IMAGES = np.random.default_rng(0).random((4, 8, 8, 3), dtype="float32")
TIMES = np.float32([0, 0.2, 0.95, 1])
VECTORS = np.random.default_rng(1).normal(size=(4, 3)).astype("float32")


@dataclasses.dataclass(frozen=True)
class LayerCase:
    """A layer, and what is asked of it.

    Args:
        layer: The class.
        arguments: Arguments, most of them at other values than the defaults.
        inputs: What the layer is called on.
        refused: For each argument, values that are not valid.
        stock: The layer of Keras for which it stands in.
    """

    layer: type
    arguments: dict
    inputs: object
    refused: dict = dataclasses.field(default_factory=dict)
    stock: type | None = None

    @property
    def name(self):
        return self.layer.__name__

    def made(self, **more):
        """Return the layer."""
        return self.layer(**{**self.arguments, **more})


BLOCK = {"filters": 4, "kernel_size": 3, "strides": 1, "batch_normalization": True, "seed": 5}
CONVOLUTION = {
    "filters": 3, "kernel_size": (5, 4), "strides": (2, 1), "padding": "same", "activation": "relu",
}  # fmt: skip
NO_CONVOLUTION = {"filters": [0], "kernel_size": [0], "strides": [0], "padding": ["sideways"]}
LAYERS = {
    case.name: case
    for case in (
        LayerCase(
            kma.layers.BatchNormalization, {"momentum": 0.7, "epsilon": 1e-2}, IMAGES,
            stock=keras.layers.BatchNormalization,
        ),
        LayerCase(
            kma.layers.Conv2D, CONVOLUTION, IMAGES,
            refused=NO_CONVOLUTION, stock=keras.layers.Conv2D,
        ),
        LayerCase(
            kma.layers.Conv2DTranspose, CONVOLUTION, IMAGES,
            refused=NO_CONVOLUTION, stock=keras.layers.Conv2DTranspose,
        ),
        LayerCase(
            kma.layers.Dropout, {"rate": 0.4, "seed": 5}, IMAGES,
            refused={"rate": [-0.1, 1.5]}, stock=keras.layers.Dropout,
        ),
        LayerCase(
            kma.layers.AdaptiveGroupNormalization, {"groups": 3, "epsilon": 1e-2},
            [IMAGES, VECTORS], refused={"groups": [0, -1, 2.5], "epsilon": [0, -1]},
        ),
        LayerCase(
            kma.layers.ResidualBlock, {"filters": 4, "dropout": 0.25, "groups": 2, "seed": 5},
            [IMAGES, VECTORS],
            refused={
                "filters": [0, 2.5, "4"], "dropout": [-0.1, 1, "0.5"], "groups": [0],
                "seed": [-1, 0.5],
            },
        ),
        LayerCase(
            kma.layers.TimeEmbedding, {"features": 6}, np.float32([0, 0.2, 0.21, 1]),
            refused={"features": [0, 3, "4"]},
        ),
        LayerCase(
            kma.layers.VelocityFromImage, {"shortest": 0.1}, [IMAGES, IMAGES[::-1], TIMES],
            refused={"shortest": [0, 1, -0.1, "0.1"]},
        ),
        LayerCase(kma.layers.EncoderBlock, BLOCK, IMAGES, refused={"seed": [-1, 0.5]}),
        LayerCase(
            kma.layers.DecoderBlock, {**BLOCK, "negative_slope": 0.1}, IMAGES,
            refused={"seed": [-1, 0.5]},
        ),
        LayerCase(
            kma.layers.DiscriminatorBlock,
            {**BLOCK, "negative_slope": 0.1, "dropout": 0.25, "return_convolution": True},
            IMAGES,
            refused={"seed": [-1, 0.5]},
        ),
        LayerCase(
            kma.layers.GeometricAugmentation,
            {
                "rotation": 30, "shift": 0.1, "horizontal_flip": False, "vertical_flip": True,
                "zoom": 0.2, "fill_mode": "reflect", "seed": 11,
            },
            IMAGES,
            refused={
                "rotation": [-1, 181, "90", np.nan], "shift": [1.5, -0.1], "zoom": [1.0, -0.5],
                "horizontal_flip": [1], "vertical_flip": ["yes"], "fill_mode": ["mirror", None],
                "seed": [-1, 0.5],
            },
        ),
        LayerCase(
            kma.layers.LabelEmbedding, {"input_dim": 4, "output_dim": 5}, np.int32([0, 3, 1, 1]),
            stock=keras.layers.Embedding,
        ),
        LayerCase(
            kma.layers.Sampling, {"seed": 3}, [VECTORS, VECTORS - 1],
            refused={"seed": [-1, 0.5]},
        ),
    )
}  # fmt: skip


def arrays(outputs):
    """Return outputs, of half precision too, as a flat list of float32 arrays."""
    return [
        keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))
        for tensor in keras.tree.flatten(outputs)
    ]


def types(outputs):
    """Return the types of outputs."""
    return {keras.backend.standardize_dtype(t.dtype) for t in keras.tree.flatten(outputs)}


def in_training(layer, training):
    """Return the argument of `call` that says whether it trains, where there is one."""
    return {"training": training} if layer._call_has_training_arg else {}


def model_of(case, layer):
    """Return a model of the layer and a dense layer after it, which gives its weights gradients."""
    inputs = keras.tree.map_structure(
        lambda array: keras.Input(array.shape[1:], dtype=str(array.dtype)), case.inputs
    )
    outputs = [keras.layers.Flatten()(output) for output in keras.tree.flatten(layer(inputs))]
    joined = keras.layers.Concatenate()(outputs) if len(outputs) > 1 else outputs[0]
    return keras.Model(inputs, keras.layers.Dense(1)(joined))


def run_layer_test(case, folder):
    """Run the checks that every layer must pass.

    Args:
        case: A `LayerCase`.
        folder: Where files may be written.
    """
    check_build(case)
    check_configuration(case)
    check_dtype_policies(case)
    check_compiled_step_and_saving(case, folder)
    check_refusals(case)
    if case.stock is not None:
        check_stock(case)


def check_build(case):
    """Its outputs have the shape that it says, and the weights are there once it is built."""
    shapes = keras.tree.map_structure(lambda array: array.shape, case.inputs)
    layer, said = case.made(), case.made().compute_output_shape(shapes)
    outputs = layer(case.inputs)
    expected = said if isinstance(said[0], tuple) else [said]
    shapes_of_outputs = [tuple(output.shape) for output in keras.tree.flatten(outputs)]
    assert shapes_of_outputs == [tuple(shape) for shape in expected]
    assert layer.built
    built = case.made()
    built.build(shapes)
    assert [weight.shape for weight in built.weights] == [weight.shape for weight in layer.weights]


def check_configuration(case):
    """Every argument goes through JSON, and with equal weights comes an equal output."""
    layer = case.made(name="mine")
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    assert config["registered_name"] == f"keras_medaug>{case.name}"
    twin = keras.saving.deserialize_keras_object(config)
    assert type(twin) is case.layer
    assert twin.get_config() == layer.get_config()
    assert case.arguments.items() <= twin.get_config().items()
    for copy in (layer, twin):
        copy.build(keras.tree.map_structure(lambda array: array.shape, case.inputs))
    twin.set_weights(layer.get_weights())
    for training in (False, True):
        outputs = [copy(case.inputs, **in_training(copy, training)) for copy in (layer, twin)]
        for one, other in zip(*map(arrays, outputs), strict=True):
            np.testing.assert_array_equal(one, other)


def check_dtype_policies(case):
    """It computes in the type of its policy, and its weights stay float32."""
    for policy in ("float32", "mixed_bfloat16", "mixed_float16"):
        layer = case.made(dtype=policy)
        expected = "float32" if policy == "float32" else policy.removeprefix("mixed_")
        for training in (False, True):
            outputs = layer(case.inputs, **in_training(layer, training))
            assert types(outputs) == {expected}, (policy, training)
        assert {variable.dtype for variable in layer.trainable_variables} <= {"float32"}
        assert all(np.isfinite(array).all() for array in arrays(outputs))


def check_compiled_step_and_saving(case, folder):
    """It never turns compilation off, trains, and comes back from a file with its next draws."""
    layer = case.made()
    model = model_of(case, layer)
    model.compile("adam", "mse")
    assert model.supports_jit
    # On TensorFlow Keras's "auto" leaves XLA off; on torch there is nothing to turn on.
    assert bool(model.jit_compile) is (keras.config.backend() == "jax")
    before = [numpy(variable) for variable in layer.trainable_variables]
    # Two steps: what lies behind weights that begin at zero moves in the second.
    history = model.fit(case.inputs, np.zeros((4, 1)), epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    for old, variable in zip(before, layer.trainable_variables, strict=True):
        assert not np.array_equal(old, numpy(variable)), variable.path
    model.save(folder / f"{case.name}.keras")
    loaded = keras.saving.load_model(folder / f"{case.name}.keras")
    (again,) = (inner for inner in loaded.layers if type(inner) is case.layer)
    for training in (False, True):
        outputs = [copy(case.inputs, **in_training(copy, training)) for copy in (layer, again)]
        for one, other in zip(*map(arrays, outputs), strict=True):
            np.testing.assert_array_equal(one, other)


def check_refusals(case):
    """Each argument refuses invalid values; layers of ours name the argument and what came."""
    for argument, values in case.refused.items():
        message = argument if case.stock else f"`{argument}`: got .*; expected "
        for value in values:
            with pytest.raises(ValueError, match=message):
                case.made(**{argument: value})


def check_stock(case):
    """What stands in for a layer of Keras has its configuration, and the names of its weights."""
    ours, stock = case.made(name="same"), case.stock(**case.arguments, name="same")
    assert ours.get_config() == stock.get_config()
    for layer in (ours, stock):
        layer(case.inputs)
    assert [weight.path for weight in ours.weights] == [weight.path for weight in stock.weights]
    assert [weight.shape for weight in ours.weights] == [weight.shape for weight in stock.weights]

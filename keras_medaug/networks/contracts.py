"""What networks have to be that users hand in: inputs, outputs, and a configuration."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_medaug.array_checks import without_copy_warning
from keras_medaug.checks import fail

Shape = tuple[int, ...]
ROWS = 4  # of the inputs that a network is tried with


def latent_size(network: keras.Model | None, argument: str, latent_dim: int, default: int) -> int:
    """Return the size of the latent vector: that of the network that makes images of it.

    Args:
        network: A decoder that was handed in, or `None`.
        argument: Its name.
        latent_dim: The size that the user gave.
        default: What `latent_dim` is where the user gives none.

    Returns:
        The size; `latent_dim` without a network.

    Raises:
        ValueError: If the user gave another size than the network has.

    Example:

    >>> from keras_medaug.networks import builders
    >>> from keras_medaug.networks.contracts import latent_size
    >>> latent_size(builders.build_decoder((8, 8, 1), 5), "decoder", 64, default=64)
    5
    """
    if network is None:
        return latent_dim
    _check_model(network, argument)
    shape = tuple(network.inputs[0].shape)[1:]
    if len(shape) != 1 or shape[0] is None:
        raise fail(argument, f"a first input of shape {shape}", "latent vectors, (latent_dim,)")
    size = int(shape[0])
    if latent_dim not in (default, size):
        expected = f"{size}, the size of the latent vectors of `{argument}`, or no such argument"
        raise fail("latent_dim", repr(latent_dim), expected)
    return size


def check_encoder(
    network: keras.Model,
    argument: str,
    image_shape: Shape,
    latent_dim: int,
    num_classes: int | None,
) -> None:
    """Check an encoder: images to `[z_mean, z_log_var]`, both `(n, latent_dim)`.

    Raises:
        ValueError: If the network is not an encoder of this shape.

    Example:

    >>> from keras_medaug.networks import builders
    >>> from keras_medaug.networks.contracts import check_encoder
    >>> encoder = builders.build_encoder((8, 8, 1), 5)
    >>> check_encoder(encoder, "encoder", (8, 8, 1), 5, None)
    """
    outputs = _outputs(network, argument, _with_labels({"images": image_shape}, num_classes))
    expected = f"outputs [z_mean, z_log_var], both of shape (n, {latent_dim})"
    if not isinstance(outputs, list | tuple):
        raise fail(argument, _told(outputs), expected)
    if [output.shape for output in outputs] != [(ROWS, latent_dim)] * 2:
        raise fail(argument, _told(outputs), expected)


def check_decoder(
    network: keras.Model,
    argument: str,
    image_shape: Shape,
    latent_dim: int,
    num_classes: int | None,
) -> None:
    """Check a decoder: latent vectors to `float32` images in [0, 1].

    Raises:
        ValueError: If the network is not a decoder of this shape.

    Example:

    >>> from keras_medaug.networks import builders
    >>> from keras_medaug.networks.contracts import check_decoder
    >>> decoder = builders.build_decoder((8, 8, 1), 5)
    >>> check_decoder(decoder, "decoder", (8, 8, 1), 5, None)
    """
    images = _outputs(network, argument, _with_labels({"latent": (latent_dim,)}, num_classes))
    expected = f"images of shape (n, {', '.join(map(str, image_shape))})"
    if not isinstance(images, np.ndarray) or images.shape != (ROWS, *image_shape):
        raise fail(argument, _told(images), expected)
    if images.dtype != np.float32:
        got = f"images of dtype {images.dtype}"
        raise fail(argument, got, "float32 images: `dtype='float32'` for the last layer")
    if not (images.min() >= 0 and images.max() <= 1):
        got = f"images with values from {images.min():.4g} to {images.max():.4g}"
        raise fail(argument, got, "values in [0, 1], such as those of a sigmoid")


def check_discriminator(
    network: keras.Model,
    argument: str,
    image_shape: Shape,
    _latent_dim: int,
    num_classes: int | None,
) -> None:
    """Check a discriminator: images to `{"logit", "features"}`.

    Raises:
        ValueError: If the network is not a discriminator of this shape.

    Example:

    >>> from keras_medaug.networks import builders
    >>> from keras_medaug.networks.contracts import check_discriminator
    >>> discriminator = builders.build_discriminator((8, 8, 1))
    >>> check_discriminator(discriminator, "discriminator", (8, 8, 1), 5, None)
    """
    outputs = _outputs(network, argument, _with_labels({"images": image_shape}, num_classes))
    expected = 'outputs {"logit": (n, 1), "features": (n, ...)}, a dictionary'
    if not isinstance(outputs, Mapping) or set(outputs) != {"logit", "features"}:
        raise fail(argument, _told(outputs), expected)
    features = outputs["features"].shape
    if outputs["logit"].shape != (ROWS, 1) or len(features) < 2 or features[0] != ROWS:
        raise fail(argument, _told(outputs), expected)


def check_velocity_network(
    network: keras.Model,
    argument: str,
    image_shape: Shape,
    num_classes: int | None,
    augmented: bool,
) -> None:
    """Check a network of velocities: `[images, times, ...]` to what goes with the images.

    Raises:
        ValueError: If the network is not a network of velocities of this shape.

    Example:

    >>> from keras_medaug.networks.contracts import check_velocity_network
    >>> from keras_medaug.networks.unet import build_unet
    >>> check_velocity_network(build_unet((8, 8, 1), 2), "network", (8, 8, 1), 2, augmented=False)
    """
    inputs = _with_labels({"images": image_shape, "times": ()}, num_classes)
    if augmented:
        inputs["augmented"] = ()
    velocities = _outputs(network, argument, inputs)
    expected = f"velocities of shape (n, {', '.join(map(str, image_shape))})"
    if not isinstance(velocities, np.ndarray) or velocities.shape != (ROWS, *image_shape):
        raise fail(argument, _told(velocities), expected)


CONTRACTS: Mapping[str, Callable[..., None]] = {
    "encoder": check_encoder,
    "decoder": check_decoder,
    "generator": check_decoder,
    "discriminator": check_discriminator,
}


def check_apart(networks: Mapping[str, keras.Model]) -> None:
    """Check that no weight belongs to two networks.

    Raises:
        ValueError: If two networks share a weight.

    Example:

    >>> from keras_medaug.networks.contracts import check_apart
    >>> check_apart({})
    """
    owners: dict[int, str] = {}
    for name, network in networks.items():
        for variable in network.variables:
            owner = owners.setdefault(id(variable), name)
            if owner != name:
                raise fail(name, f"a layer that `{owner}` has as well", "layers of its own")


def logits_of(decoder: keras.Model) -> keras.Model:
    """Return the model of a decoder's layer `"logits"`, which has the weights of the decoder.

    Args:
        decoder: A functional model from latent vectors to images, the sigmoid of that layer.

    Returns:
        The layer itself where it is a model of the decoder's inputs, else a model that ends there.

    Raises:
        ValueError: If the decoder has no layer named `"logits"`, or its images are not the sigmoid
            of that layer.

    Example:

    >>> from keras_medaug.networks import builders
    >>> from keras_medaug.networks.contracts import logits_of
    >>> logits_of(builders.build_decoder((8, 8, 1), 5)).output_shape
    (None, 8, 8, 1)
    """
    expected = (
        "a decoder with a layer named 'logits', whose sigmoid the images are, for the Bernoulli "
        "likelihood; or likelihood='gaussian'"
    )
    try:
        layer = decoder.get_layer("logits")
    except ValueError as error:
        raise fail("decoder", "no layer named 'logits'", expected) from error
    logits = layer
    if not isinstance(layer, keras.Model) or len(layer.inputs) != len(decoder.inputs):
        inputs = decoder.inputs if len(decoder.inputs) > 1 else decoder.inputs[0]
        logits = keras.Model(inputs, layer.output)
    if list(map(id, logits.variables)) != list(map(id, decoder.variables)):
        raise fail("decoder", "layers with weights that are not before 'logits'", expected)
    latent = {"latent": tuple(decoder.inputs[0].shape)[1:]}
    rows = _rows(_with_labels(latent, None if len(decoder.inputs) == 1 else 1))
    images, values = (_arrays(network(rows, training=False)) for network in (decoder, logits))
    if images.shape != values.shape or not np.allclose(images, _sigmoid(values), atol=1e-2):
        raise fail("decoder", "images that are not the sigmoid of its layer 'logits'", expected)
    return logits


def _sigmoid(values: NDArray) -> NDArray:
    return 1 / (1 + np.exp(-values.astype("float64")))


def _check_model(network: object, argument: str) -> None:
    if not isinstance(network, keras.Model) or not getattr(network, "inputs", None):
        expected = "a Keras model with inputs: functional, or a Sequential that begins with Input"
        raise fail(argument, type(network).__name__, expected)


def _with_labels(inputs: dict[str, Shape], num_classes: int | None) -> dict[str, Shape]:
    """Return the shapes of inputs by name, with the labels of a conditional network."""
    return inputs if num_classes is None else {**inputs, "labels": ()}


def _outputs(network: keras.Model, argument: str, wanted: Mapping[str, Shape]) -> Any:
    """Return what a network makes of a few rows, as arrays, after checking its inputs."""
    _check_model(network, argument)
    shapes = [tuple(tensor.shape)[1:] for tensor in network.inputs]
    if len(shapes) != len(wanted) or not all(map(_fits, shapes, wanted.values())):
        (_, first), *others = wanted.items()
        further = "".join(f", and {name} of shape ()" for name, _ in others)
        expected = f"an input of shape {first}{further}{', in a list' * bool(others)}"
        raise fail(argument, f"inputs of shapes {shapes}", expected)
    _check_configuration(network, argument)
    try:
        return _arrays(network(_rows(wanted), training=False))
    except Exception as error:  # a layer of the user's may raise anything
        got = f"a network that fails on {ROWS} rows ({type(error).__name__}: {error})"
        raise fail(argument, got, "one that takes what its inputs describe") from error


def _fits(shape: tuple[int | None, ...], wanted: Shape) -> bool:
    pairs = zip(shape, wanted, strict=False)
    return len(shape) == len(wanted) and all(size in (None, other) for size, other in pairs)


def _rows(inputs: Mapping[str, Shape]) -> Any:
    """Return inputs to try a network with."""
    generator = np.random.default_rng(0)
    draws: Mapping[str, Callable[[Shape], NDArray]] = {
        # Latent vectors far out: what is not bounded shows there.
        "latent": lambda shape: 10 * generator.standard_normal(shape, dtype="float32"),
        "labels": lambda shape: np.zeros(shape, "int32"),
    }

    def uniform(shape: Shape) -> NDArray:
        return generator.random(shape, dtype="float32")

    rows = [
        ops.convert_to_tensor(draws.get(name, uniform)((ROWS, *shape)))
        for name, shape in inputs.items()
    ]
    return rows if len(rows) > 1 else rows[0]


def _arrays(outputs: Any) -> Any:
    def array(tensor: Any) -> NDArray:
        # NumPy has no bfloat16 of its own.
        half = keras.backend.standardize_dtype(tensor.dtype) in ("bfloat16", "float16")
        with without_copy_warning():
            return ops.convert_to_numpy(ops.cast(tensor, "float16") if half else tensor)

    return keras.tree.map_structure(array, outputs)


def _told(outputs: Any) -> str:
    return f"outputs of shapes {keras.tree.map_structure(lambda array: array.shape, outputs)}"


def _check_configuration(network: keras.Model, argument: str) -> None:
    """Check that the network can be made again, from a file and by `reinitialize`."""
    for layer in network._flatten_layers(include_self=False):
        # Keras has layers that then draw from the backend's own generator, which no file holds.
        if layer.get_config().get("seed", 0) is None:
            got = f"a layer {layer.name!r} without a seed"
            expected = "an integer `seed` for each layer that draws random numbers"
            raise fail(argument, got, f"{expected}, so that training can be repeated and resumed")
    try:
        with without_copy_warning():
            config = json.loads(json.dumps(keras.saving.serialize_keras_object(network)))
            twin = keras.saving.deserialize_keras_object(config)
    except Exception as error:  # Keras raises many kinds
        got = f"a network that cannot be made from its configuration ({error})"
        expected = "layers that `keras.saving.register_keras_serializable` registers, and no Lambda"
        raise fail(argument, got, expected) from error
    if [v.shape for v in twin.weights] != [v.shape for v in network.weights]:
        got = "a network whose configuration makes another network"
        raise fail(argument, got, "layers whose `get_config` holds all their arguments")

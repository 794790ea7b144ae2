"""Random rotation, shift, zoom and flips, drawn anew for every image of every batch.

The parameters' meaning, the order in which they are composed, and interpolation and filling at the
borders are those of Keras's `ImageDataGenerator`, which the paper used; its arithmetic is SciPy's
`ndimage.affine_transform`. Here all of it runs inside the compiled step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from keras_medaug.checks import check_flag, check_positive, fail
from keras_medaug.layers.exact_masks import native, same_values
from keras_medaug.layers.seed_generator import SeedGenerator
from keras_medaug.seeds import resolve_seed

FILL_MODES = ("nearest", "constant", "reflect", "wrap")
IDENTITY = {
    "rotation": 0.0,
    "height_shift": 0.0,
    "width_shift": 0.0,
    "height_zoom": 1.0,
    "width_zoom": 1.0,
    "horizontal_flip": False,
    "vertical_flip": False,
}
_MOST_PIXELS = 2**31 - 1  # pixels are numbered in `int32`
# In pixels: rounding must not push a border pixel out of the image, as at rotations of 90 degrees.
_TOLERANCE = 1e-4


@keras.saving.register_keras_serializable(package="keras_medaug")
class GeometricAugmentation(keras.layers.Layer):
    """Rotates, shifts, zooms and flips images at random, and masks along with them.

    Each image has a draw of its own: the rotation about the centre is uniform in
    [-rotation, rotation] degrees, the shifts along height and width are uniform in [-shift, shift]
    of the size, the zooms along height and width in [1 - zoom, 1 + zoom], and either flip happens
    with probability 1/2. Images are interpolated bilinearly, masks by nearest neighbour, so that
    labels stay labels. The defaults are the policy of the paper.

    Only `training=True` augments. Otherwise images pass as they are, but for their type: the
    output is in the layer's compute dtype either way, and `uint8` images come out in [0, 1].

    The drawing and the applying can be had separately: `random_parameters` and `transform`.

    The layer may be part of a data pipeline. The copies of it in worker processes draw numbers of
    their own, in every epoch new ones: those of a PyTorch `DataLoader`, and those of a
    `keras.utils.PyDataset` with `use_multiprocessing=True`. With a `DataLoader` the draws repeat
    when `torch.manual_seed` is called with the same number before; with a `PyDataset` they never
    do, as it is chance which process makes which batch. Threads never draw the same numbers, but
    it is chance which thread draws first. In `tf.data.Dataset.map` leave out `num_parallel_calls`:
    calls that run at the same time can draw the same numbers. The original layer, in the process
    that made or loaded it, draws by its seed alone, and so do the layers of a model of this package
    that trains in another process. A layer that is pickled into a queue, as for a pool of processes
    that runs already, goes on where it was pickled.

    Args:
        rotation: Largest rotation in degrees, from 0 to 180.
        shift: Largest shift as a fraction of height and width, from 0 to 1.
        horizontal_flip: Whether images may be flipped left to right.
        vertical_flip: Whether images may be flipped top to bottom.
        zoom: Largest deviation of the zoom from 1, from 0 to below 1.
        fill_mode: What lies beyond the border, as in SciPy: `"nearest"` (the border pixel),
            `"constant"` (zero), `"reflect"` (the image mirrored about its edge) or `"wrap"`.
        seed: Integer seed of the layer's own generator, or `None` for one that
            `keras.utils.set_random_seed` governs.
        **kwargs: Passed to `keras.layers.Layer`.

    Input shape:
        Images `(n, h, w, c)`, floats or `uint8`; or a dictionary `{"images": ..., "masks": ...}`
        whose masks are `(n, h, w)` or `(n, h, w, k)`, booleans, integers or floats.

    Output shape:
        As the input. Masks keep their type and their values; every backend has `bool`, `uint8`,
        `int8`, `int16`, `int32` and `float32`. NumPy arrays of `int64` and `float64` become
        `int32` and `float32` where the backend has nothing wider (JAX, as it is set by default),
        if that changes no value.

    Raises:
        ValueError: If an argument is out of its range, the input has another form, or the backend
            cannot hold masks of that type, or not all of their values.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> x = np.random.default_rng(0).random((2, 8, 8, 1), "float32")
    >>> layer = kma.layers.GeometricAugmentation(rotation=10, shift=0.1, seed=0)
    >>> pair = layer({"images": x, "masks": x > 0.5}, training=True)
    >>> tuple(pair["images"].shape), tuple(pair["masks"].shape)
    ((2, 8, 8, 1), (2, 8, 8, 1))

    References:
        Section 2.1 and figure 1 of the paper this library implements.
    """

    def __init__(
        self,
        rotation: float = 90.0,
        shift: float = 0.2,
        horizontal_flip: bool = True,
        vertical_flip: bool = True,
        zoom: float = 0.0,
        fill_mode: str = "nearest",
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        # Automatic casting would turn the labels of a float mask into half-precision numbers.
        super().__init__(**{"autocast": False, **kwargs})
        self.rotation = _check_range(rotation, "rotation", 180.0)
        self.shift = _check_range(shift, "shift", 1.0)
        self.horizontal_flip = check_flag(horizontal_flip, "horizontal_flip")
        self.vertical_flip = check_flag(vertical_flip, "vertical_flip")
        self.zoom = _check_range(zoom, "zoom", 1.0, open_end=True)
        if fill_mode not in FILL_MODES:
            raise fail("fill_mode", repr(fill_mode), f"one of {', '.join(FILL_MODES)}")
        self.fill_mode = fill_mode
        self.seed = seed
        self.seed_generator = SeedGenerator(resolve_seed(seed))
        self.built = True

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Check the inputs before Keras converts them, which may change values; then `call`."""
        return super().__call__(_join(*_split(inputs)), *args, **kwargs)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the images, and masks if any, each transformed by a draw of its own.

        Args:
            inputs: Images, or a dictionary of images and masks.
            training: Whether to augment.

        Returns:
            What came in, transformed; images in the layer's compute dtype.
        """
        images, masks = _split(inputs)
        if not training:
            images = ops.cast(_as_float(images), self.compute_dtype)
            return _join(images, masks)
        return self.transform(inputs, self.random_parameters(ops.shape(images)[0]))

    def random_parameters(self, batch_size: int) -> dict[str, Any]:
        """Draw the parameters of a batch; each call draws the next ones.

        Args:
            batch_size: How many images.

        Returns:
            Tensors of shape `(batch_size,)`: `rotation` in degrees, positive anticlockwise;
            `height_shift` and `width_shift` in fractions of the size, positive up and left;
            `height_zoom` and `width_zoom`, factors on the coordinates, so that more than 1 shows
            more; `horizontal_flip` and `vertical_flip`, booleans. As in `ImageDataGenerator`, an
            image is seen through the rotation of the shift of the zoom, then flipped.
        """
        # One draw for all, however many are switched off: the sequence of one parameter does not
        # depend on the settings of another.
        draws = keras.random.uniform(
            (len(IDENTITY), batch_size), -1.0, 1.0, "float32", seed=self.seed_generator
        )
        rotation, height_shift, width_shift, height_zoom, width_zoom, across, down = ops.unstack(
            draws, len(IDENTITY)
        )
        return {
            "rotation": self.rotation * rotation,
            "height_shift": self.shift * height_shift,
            "width_shift": self.shift * width_shift,
            "height_zoom": 1.0 + self.zoom * height_zoom,
            "width_zoom": 1.0 + self.zoom * width_zoom,
            "horizontal_flip": across < (0.0 if self.horizontal_flip else -2.0),
            "vertical_flip": down < (0.0 if self.vertical_flip else -2.0),
        }

    def transform(self, inputs: Any, parameters: Mapping[str, Any]) -> Any:
        """Apply given parameters.

        Args:
            inputs: Images, or a dictionary of images and masks, as for the call.
            parameters: As `random_parameters` returns them, or numbers that hold for every image.
                What is missing stays as it is: `{"rotation": 45.0}` only rotates.

        Returns:
            What came in, transformed; images in the layer's compute dtype.

        Raises:
            ValueError: On an unknown parameter.

        Example:

        >>> import keras
        >>> import numpy as np
        >>> import keras_medaug as kma
        >>> layer = kma.layers.GeometricAugmentation()
        >>> x = np.random.default_rng(0).random((2, 8, 8, 1), "float32")
        >>> flipped = layer.transform(x, {"horizontal_flip": True})
        >>> np.array_equal(keras.ops.convert_to_numpy(flipped), x[:, :, ::-1])
        True
        """
        unknown = set(parameters) - set(IDENTITY)
        if unknown:
            raise fail("parameters", sorted(unknown), f"names among {', '.join(IDENTITY)}")
        images, masks = _split(inputs)
        images = _as_float(images)
        height, width = ops.shape(images)[1:3]
        rows, columns = _source_coordinates({**IDENTITY, **parameters}, height, width)
        rows, rows_inside = _fill(rows, height, self.fill_mode)
        columns, columns_inside = _fill(columns, width, self.fill_mode)
        inside = None if rows_inside is None else ops.logical_and(rows_inside, columns_inside)
        images = ops.cast(_bilinear(images, rows, columns, inside), self.compute_dtype)
        if masks is not None:
            masks = _nearest(masks, rows, columns, inside)
        return _join(images, masks)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the input's shapes, with the types of the outputs."""
        images, masks = _split(inputs)
        images = keras.KerasTensor(images.shape, dtype=self.compute_dtype)
        if masks is not None:
            masks = keras.KerasTensor(masks.shape, dtype=masks.dtype)
        return _join(images, masks)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the input's shape, or shapes."""
        return input_shape

    def save_own_variables(self, store: Any) -> None:
        """Save where the layer's generator is, so that a resumed run goes on with the next draw."""
        self.seed_generator.save(store)

    def load_own_variables(self, store: Any) -> None:
        """Load where the layer's generator was."""
        self.seed_generator.load(store)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the layer."""
        return {
            **super().get_config(),
            "rotation": self.rotation,
            "shift": self.shift,
            "horizontal_flip": self.horizontal_flip,
            "vertical_flip": self.vertical_flip,
            "zoom": self.zoom,
            "fill_mode": self.fill_mode,
            "seed": self.seed,
        }


def _check_range(value: float, argument: str, high: float, open_end: bool = False) -> float:
    number = float(check_positive(value, argument, zero=True))
    if number > high or (open_end and number == high):
        raise fail(
            argument, repr(value), f"a number from 0 to {'below ' if open_end else ''}{high:g}"
        )
    return number


def _split(inputs: Any) -> tuple[Any, Any]:
    """Return the images, and the masks or `None`; arrays of NumPy in the type of the tensor."""
    images, masks = inputs, None
    if isinstance(inputs, Mapping):
        if set(inputs) != {"images", "masks"}:
            raise fail("inputs", f"keys {sorted(inputs)}", "the keys 'images' and 'masks'")
        images, masks = inputs["images"], inputs["masks"]
    if not hasattr(images, "shape") or len(images.shape) != 4:
        got = f"shape {tuple(images.shape)}" if hasattr(images, "shape") else type(images).__name__
        expected = "images (n, height, width, channels), or a dictionary"
        if isinstance(images, list | tuple):
            expected += "; `np.asarray(x)` makes an array of a list"
        raise fail("inputs", got, expected)
    images = native(images)
    dtype = keras.backend.standardize_dtype(images.dtype)
    if dtype != "uint8" and "float" not in dtype:
        raise fail("inputs", f"images of dtype {dtype}", "floats in [0, 1], or uint8 in [0, 255]")
    sizes = tuple(images.shape)[:3]
    if all(isinstance(size, int) for size in sizes) and math.prod(sizes) > _MOST_PIXELS:
        raise fail("inputs", f"shape {tuple(images.shape)}", "fewer than 2**31 pixels in a batch")
    return images, None if masks is None else _check_masks(masks, tuple(images.shape)[1:3])


def _check_masks(masks: Any, size: tuple) -> Any:
    if not hasattr(masks, "shape"):
        raise fail("masks", type(masks).__name__, f"an array (n, *{size}) or (n, *{size}, k)")
    if len(masks.shape) not in (3, 4) or tuple(masks.shape)[1:3] != size:
        raise fail(
            "masks", f"shape {tuple(masks.shape)}", f"(n, *{size}) or (n, *{size}, channels)"
        )
    return same_values(native(masks), "masks")


def _join(images: Any, masks: Any) -> Any:
    return images if masks is None else {"images": images, "masks": masks}


def _as_float(images: Any) -> Any:
    """Return the images as `float32`; 8-bit ones scaled to [0, 1]."""
    is_bytes = keras.backend.standardize_dtype(images.dtype) == "uint8"
    images = ops.cast(images, "float32")
    return images / 255.0 if is_bytes else images


def _source_coordinates(parameters: Mapping[str, Any], height: Any, width: Any) -> tuple[Any, Any]:
    """Return the row and column, `(n, h, w)`, at which each output pixel looks into the image."""

    def per_image(name: str) -> Any:
        return ops.reshape(ops.cast(parameters[name], "float32"), (-1, 1, 1))

    middle_row, rows = _centred(height)
    middle_column, columns = _centred(width)
    rows = ops.reshape(rows, (1, -1, 1)) * (1.0 - 2.0 * per_image("vertical_flip"))
    columns = ops.reshape(columns, (1, 1, -1)) * (1.0 - 2.0 * per_image("horizontal_flip"))
    rows = rows * per_image("height_zoom") + per_image("height_shift") * ops.cast(height, "float32")
    columns = columns * per_image("width_zoom") + per_image("width_shift") * ops.cast(
        width, "float32"
    )
    angle = per_image("rotation") * (3.141592653589793 / 180.0)
    cosine, sine = ops.cos(angle), ops.sin(angle)
    return (
        cosine * rows + sine * columns + middle_row,
        cosine * columns - sine * rows + middle_column,
    )


def _centred(size: Any) -> tuple[Any, Any]:
    """Return the centre of an axis and the positions of its pixels relative to it."""
    middle = (ops.cast(size, "float32") - 1.0) / 2.0
    return middle, ops.cast(ops.arange(size), "float32") - middle


def _fill(positions: Any, size: Any, mode: str) -> tuple[Any, Any]:
    """Move positions into [0, size - 1]; say which were inside where the others read as zero."""
    size = ops.cast(size, "float32")
    last = size - 1.0
    inside = None
    if mode == "constant":
        inside = ops.logical_and(positions >= -_TOLERANCE, positions <= last + _TOLERANCE)
    elif mode == "reflect":
        # Half a pixel beyond either end the image begins again, mirrored.
        folded = ops.mod(positions + 0.5, 2.0 * size)
        folded = ops.minimum(folded, 2.0 * size - folded) - 0.5
        positions = ops.where(_is_within(positions, last), positions, folded)
    elif mode == "wrap":
        # SciPy's "wrap" lays the first and the last pixel on top of each other.
        period = ops.maximum(last, 1.0)
        positions = ops.where(
            positions < -_TOLERANCE,
            period - ops.mod(-positions, period),
            ops.where(positions > last + _TOLERANCE, ops.mod(positions, period), positions),
        )
    return ops.clip(positions, 0.0, last), inside


def _is_within(positions: Any, last: Any) -> Any:
    return ops.logical_and(positions >= 0.0, positions <= last)


def _bilinear(images: Any, rows: Any, columns: Any, inside: Any) -> Any:
    """Return the `float32` images at positions `(n, h, w)` within them."""
    height, width = ops.shape(images)[1:3]
    top, left = ops.floor(rows), ops.floor(columns)
    bottom = ops.minimum(top + 1.0, ops.cast(height, "float32") - 1.0)
    right = ops.minimum(left + 1.0, ops.cast(width, "float32") - 1.0)
    down, across = ops.expand_dims(rows - top, -1), ops.expand_dims(columns - left, -1)
    # Weights of the form 1 - w and w, not a + w * (b - a): these never leave the range of a and b.
    upper = _look_up(images, top, left) * (1.0 - across) + _look_up(images, top, right) * across
    lower = _look_up(images, bottom, left) * (1.0 - across)
    lower = lower + _look_up(images, bottom, right) * across
    values = upper * (1.0 - down) + lower * down
    return values if inside is None else values * ops.cast(ops.expand_dims(inside, -1), "float32")


def _nearest(masks: Any, rows: Any, columns: Any, inside: Any) -> Any:
    """Return the masks at the pixels nearest to positions `(n, h, w)`; their type stays."""
    has_channels = len(masks.shape) == 4
    masks = ops.convert_to_tensor(masks)
    masks = masks if has_channels else ops.expand_dims(masks, -1)
    values = _look_up(masks, ops.floor(rows + 0.5), ops.floor(columns + 0.5))
    if inside is not None:
        values = ops.where(ops.expand_dims(inside, -1), values, ops.zeros_like(values))
    return values if has_channels else ops.squeeze(values, -1)


def _look_up(images: Any, rows: Any, columns: Any) -> Any:
    """Return the pixels of each image at whole positions `(n, h, w)`."""
    batch, height, width, channels = ops.shape(images)
    first = ops.reshape(ops.arange(batch, dtype="int32") * (height * width), (-1, 1, 1))
    index = ops.cast(rows, "int32") * width + ops.cast(columns, "int32") + first
    flat = ops.reshape(images, (batch * height * width, channels))
    values = ops.take(flat, ops.reshape(index, (-1,)), axis=0)
    return ops.reshape(values, (batch, height, width, channels))

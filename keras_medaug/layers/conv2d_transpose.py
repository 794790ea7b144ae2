"""Transposed convolution that is fast on every backend, with the weights of the stock layer.

On a CPU, XLA's transposed convolutions have slow gradients, and so has the ordinary convolution
whose output channels are the phases of the stride. What a CPU does best is a product of matrices:
one gives what each input pixel adds to the output, in blocks of a pixel per phase, and blocks that
land on the same place are added up. The gradients are products again.

On PyTorch the stock arithmetic is fast, but not what Keras does around it: images are copied to
another layout, and the full output is cut to size by slices, whose gradients are arrays of zeros of
the full size. There the full output is made from a view, and cut by padding it negatively.
"""

import functools
from typing import Any

import keras
from keras import ops

from keras_medaug.layers.channels_first import copies, through_view

# Backends whose stock arithmetic is slow. Ours differs from it by no more than rounding.
_SLOW = ("jax",)


def _negative_pad(kernel: int, stride: int) -> tuple[int, int]:
    """Return the padding that cuts the full output to that of "same", along one axis."""
    surplus = max(kernel - stride, 0)
    return -(surplus // 2), surplus // 2 - surplus


@keras.saving.register_keras_serializable(package="keras_medaug")
class Conv2DTranspose(keras.layers.Conv2DTranspose):
    """Transposed 2D convolution: a drop-in for `keras.layers.Conv2DTranspose`.

    Arguments, weights (names and shapes) and outputs are those of the stock layer, and either
    layer's weights load into the other. Only the arithmetic differs. On JAX, where the stock layer
    is slow, one matrix product says what each input pixel adds to the output; for a time that takes
    about `kernel_size / strides` squared times the memory of the output. On PyTorch the images are
    not copied to another layout first.

    On TensorFlow, with `dilation_rate` other than 1, with `output_padding`, or with
    `data_format="channels_first"`, the stock implementation runs. The layer is needed until XLA has
    fast gradients of transposed convolutions on CPUs, and Keras makes no copies on PyTorch.

    Args:
        *args: As for `keras.layers.Conv2DTranspose`: `filters`, `kernel_size`, `strides`,
            `padding`, ...
        **kwargs: Likewise.

    Raises:
        ValueError: On arguments that the stock layer refuses.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.layers import Conv2DTranspose
    >>> layer = Conv2DTranspose(8, 5, strides=2, padding="same")
    >>> tuple(layer(np.zeros((1, 7, 7, 3), "float32")).shape)
    (1, 14, 14, 8)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)

    def call(self, inputs: Any) -> Any:
        """Return the transposed convolution of `inputs`.

        Args:
            inputs: Tensor of shape `(batch, height, width, channels)`.

        Returns:
            Tensor of shape `(batch, new_height, new_width, filters)`.
        """
        if not self._is_plain() or not (self._is_slow() or copies()):
            return super().call(inputs)
        outputs = self._overlap_add(inputs) if self._is_slow() else self._cut_out(inputs)
        if self.use_bias:
            outputs = ops.add(outputs, ops.reshape(self.bias, (1, 1, 1, self.filters)))
        return outputs if self.activation is None else self.activation(outputs)

    def _is_plain(self) -> bool:
        return (
            self.data_format == "channels_last"
            and self.output_padding is None
            and max(self.dilation_rate) == 1
        )

    def _is_slow(self) -> bool:
        return keras.config.backend() in _SLOW

    def _cut_out(self, inputs: Any) -> Any:
        """Return the stock layer's output, cut out of the full one."""
        full = through_view(self._full, inputs)
        (tall, wide), (down, right) = self.kernel_size, self.strides
        pads = _negative_pad(tall, down), _negative_pad(wide, right)
        if self.padding == "valid" or not any(pads[0] + pads[1]):
            return full  # padding by nothing would copy it
        return ops.pad(full, ((0, 0), *pads, (0, 0)))

    def _full(self, images: Any) -> Any:
        """Return all that the input pixels add to, channels first."""
        return ops.conv_transpose(
            images,
            self.kernel,
            strides=list(self.strides),
            padding="valid",
            data_format="channels_first",
        )

    def _overlap_add(self, inputs: Any) -> Any:
        """Add up what each input pixel contributes to the output, block by block."""
        batch, height, width, channels = ops.shape(inputs)
        high, broad = self._blocks()
        parts = ops.reshape(
            ops.matmul(ops.reshape(inputs, (-1, channels)), self._matrix(channels)),
            (batch, height, width, high, broad, -1),
        )
        shifted = [
            ops.pad(
                parts[:, :, :, row, column],
                ((0, 0), (row, high - 1 - row), (column, broad - 1 - column), (0, 0)),
            )
            for row in range(high)
            for column in range(broad)
        ]
        full = self._interleave(functools.reduce(ops.add, shifted))
        (tall, wide), (down, right) = self.kernel_size, self.strides
        top, tallness = self._span(tall, down, height)
        left, wideness = self._span(wide, right, width)
        return full[:, top : top + tallness, left : left + wideness]

    def _blocks(self) -> tuple[int, int]:
        """Return how many blocks of an output pixel per phase the kernel spans, either way."""
        (tall, wide), (down, right) = self.kernel_size, self.strides
        return -(-tall // down), -(-wide // right)

    def _matrix(self, channels: int) -> Any:
        """Return the kernel as `(channels, blocks * phases * filters)`, zeros where it ends."""
        (tall, wide), (down, right) = self.kernel_size, self.strides
        high, broad = self._blocks()
        ends = (0, high * down - tall), (0, broad * right - wide), (0, 0), (0, 0)
        kernel = ops.pad(self.kernel, ends)
        kernel = ops.reshape(kernel, (high, down, broad, right, self.filters, channels))
        return ops.reshape(ops.transpose(kernel, (5, 0, 2, 1, 3, 4)), (channels, -1))

    def _interleave(self, blocks: Any) -> Any:
        """Move the phases from the channels, `(row, column, filter)`, into space."""
        down, right = self.strides
        batch, height, width, _ = ops.shape(blocks)
        if down > 1:
            # Column phases lie right after one another already: only row phases have to move.
            blocks = ops.reshape(blocks, (batch, height, width, down, right * self.filters))
            blocks = ops.transpose(blocks, (0, 1, 3, 2, 4))
        return ops.reshape(blocks, (batch, height * down, width * right, self.filters))

    def _span(self, kernel: int, stride: int, size: Any) -> tuple[int, Any]:
        """Return where the stock layer's output begins in the full one, and its length."""
        if self.padding == "same":
            return max(0, (kernel - stride) // 2), size * stride
        return 0, size * stride + max(kernel - stride, 0)

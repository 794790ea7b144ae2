"""Transposed convolution that is fast on every backend, with the weights of the stock layer.

A transposed convolution of stride s writes s output pixels per input pixel and axis, and each of
these output phases sees its own subset of the kernel's taps. So it is exactly an ordinary
convolution of stride 1 to s * s times as many channels, one group per phase, whose output is
interleaved: the sub-pixel form. Ordinary convolutions are what every backend runs well; strided
transposed ones, and their gradients, are slow where XLA compiles them for a CPU.

Where there are few output channels, as in a network's last layer, a convolution is a waste even
so: there one matrix product gives what each input pixel adds to the output, and sums of shifted
arrays put that together.

On PyTorch the stock arithmetic is fast, but not what Keras does around it: images are copied to
another layout, and the full output is cut to size by slices, whose gradients are arrays of zeros of
the full size. There the full output is made from a view, and cut by padding it negatively.
"""

import functools
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_medaug.layers.channels_first import copies, through_view

# Backends whose stock arithmetic is slow. Ours differs from it by no more than rounding.
_SLOW = ("jax",)
# Up to so many output channels, those of an image, a product and shifted sums are faster.
_FEW = 4


class _Axis(NamedTuple):
    """How the transposed convolution along one axis becomes an ordinary one."""

    stride: int
    taps: int  # length of the ordinary kernel
    kernel_pad: tuple[int, int]  # zeros around the kernel, to taps * stride entries
    input_pad: tuple[int, int]
    crop: tuple[int, int]  # what the interleaved output has too much at either end

    @property
    def is_same(self) -> bool:
        """Whether `input_pad` is what a convolution with "same" padding adds by itself."""
        return self.input_pad == ((self.taps - 1) // 2, self.taps // 2)


def _plan_axis(kernel: int, stride: int, same: bool) -> _Axis:
    # Output pixel n of the stock layer is pixel n + offset of the full transposed convolution.
    offset = max(0, (kernel - stride) // 2) if same else 0
    taps = -(-kernel // stride)
    lead = 0
    if _taps(kernel, stride, offset) > taps:
        # The phases do not line up: a pixel more to crop is cheaper than a longer kernel.
        lead = offset % stride
    before, after = _reach(kernel, stride, offset - lead)
    surplus = lead + (0 if same else max(kernel - stride, 0))
    blocks = -(-surplus // stride)  # output blocks beyond one per input pixel
    front = after * stride - (offset - lead)
    return _Axis(
        stride=stride,
        taps=taps,
        kernel_pad=(front, taps * stride - kernel - front),
        input_pad=(before, after + blocks),
        crop=(lead, blocks * stride - surplus),
    )


def _reach(kernel: int, stride: int, offset: int) -> tuple[int, int]:
    """Return how many input pixels before and after its own one an output block depends on."""
    return (kernel - 1 - offset) // stride, (stride - 1 + offset) // stride


def _taps(kernel: int, stride: int, offset: int) -> int:
    return sum(_reach(kernel, stride, offset)) + 1


def _negative_pad(kernel: int, stride: int) -> tuple[int, int]:
    """Return the padding that cuts the full output to that of "same", along one axis."""
    surplus = max(kernel - stride, 0)
    return -(surplus // 2), surplus // 2 - surplus


@keras.saving.register_keras_serializable(package="keras_medaug")
class Conv2DTranspose(keras.layers.Conv2DTranspose):
    """Transposed 2D convolution: a drop-in for `keras.layers.Conv2DTranspose`.

    Arguments, weights (names and shapes) and outputs are those of the stock layer, and either
    layer's weights load into the other. Only the arithmetic differs. On JAX, where the stock layer
    is slow, the kernel is split by output phase into one convolution of stride 1, whose channels
    are then interleaved in space; for up to four output channels, one matrix product says what each
    input pixel adds to the output. On PyTorch the images are not copied to another layout first.

    On TensorFlow, with `dilation_rate` other than 1, with `output_padding`, or with
    `data_format="channels_first"`, the stock implementation runs.

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

    References:
        Shi et al., "Is the deconvolution layer the same as a convolutional layer?", 2016,
        https://arxiv.org/abs/1609.07009.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        same = self.padding == "same"
        self._rows, self._columns = (
            _plan_axis(kernel, stride, same)
            for kernel, stride in zip(self.kernel_size, self.strides, strict=True)
        )

    def call(self, inputs: Any) -> Any:
        """Return the transposed convolution of `inputs`.

        Args:
            inputs: Tensor of shape `(batch, height, width, channels)`.

        Returns:
            Tensor of shape `(batch, new_height, new_width, filters)`.
        """
        if not self._is_plain() or not (self._is_slow() or copies()):
            return super().call(inputs)
        if not self._is_slow():
            outputs = self._cut_out(inputs)
        elif self.filters <= _FEW:
            outputs = self._overlap_add(inputs)
        else:
            outputs = self._crop(self._interleave(self._convolve(inputs)))
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
        if self.padding == "valid":
            return full
        (tall, wide), (down, right) = self.kernel_size, self.strides
        pads = _negative_pad(tall, down), _negative_pad(wide, right)
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
        """Add up what each input pixel contributes to the output, tap by tap."""
        batch, height, width, channels = ops.shape(inputs)
        (down, right), (tall, wide) = self.strides, self.kernel_size
        high, broad = -(-tall // down), -(-wide // right)  # in blocks of an output pixel per phase
        kernel = ops.pad(
            self.kernel,
            ((0, high * down - tall), (0, broad * right - wide), (0, 0), (0, 0)),
        )
        matrix = ops.reshape(ops.transpose(kernel, (3, 0, 1, 2)), (channels, -1))
        parts = ops.reshape(
            ops.matmul(ops.reshape(inputs, (-1, channels)), matrix),
            (batch, height, width, high, down, broad, right, self.filters),
        )
        shifted = []
        for row in range(high):
            for column in range(broad):
                part = ops.transpose(parts[:, :, :, row, :, column], (0, 1, 3, 2, 4, 5))
                part = ops.reshape(part, (batch, height * down, width * right, self.filters))
                rows = (row * down, (high - 1 - row) * down)
                columns = (column * right, (broad - 1 - column) * right)
                shifted.append(ops.pad(part, ((0, 0), rows, columns, (0, 0))))
        total = functools.reduce(ops.add, shifted)
        top, tallness = self._span(tall, down, height)
        left, wideness = self._span(wide, right, width)
        return total[:, top : top + tallness, left : left + wideness]

    def _span(self, kernel: int, stride: int, size: Any) -> tuple[int, Any]:
        """Return where the stock layer's output begins in the full one, and its length."""
        if self.padding == "same":
            return max(0, (kernel - stride) // 2), size * stride
        return 0, size * stride + max(kernel - stride, 0)

    def _phase_kernel(self) -> Any:
        """Return the ordinary kernel, `(taps, taps, channels, stride * stride * filters)`."""
        rows, columns = self._rows, self._columns
        kernel = ops.convert_to_tensor(self.kernel)
        channels = kernel.shape[-1]
        if any(rows.kernel_pad + columns.kernel_pad):
            kernel = ops.pad(kernel, (rows.kernel_pad, columns.kernel_pad, (0, 0), (0, 0)))
        kernel = ops.reshape(
            kernel,
            (rows.taps, rows.stride, columns.taps, columns.stride, self.filters, channels),
        )
        kernel = ops.flip(kernel, axis=(0, 2))
        kernel = ops.transpose(kernel, (0, 2, 5, 1, 3, 4))
        width = rows.stride * columns.stride * self.filters
        return ops.reshape(kernel, (rows.taps, columns.taps, channels, width))

    def _convolve(self, inputs: Any) -> Any:
        same = self._rows.is_same and self._columns.is_same
        if not same:
            pad = ((0, 0), self._rows.input_pad, self._columns.input_pad, (0, 0))
            inputs = ops.pad(inputs, pad)
        return ops.conv(
            inputs,
            self._phase_kernel(),
            padding="same" if same else "valid",
            data_format="channels_last",
        )

    def _interleave(self, phases: Any) -> Any:
        """Move the phases from the channels, `(row, column, filter)`, into space."""
        down, right = self.strides
        if down == right == 1:
            return phases
        batch, height, width, _ = ops.shape(phases)
        if down > 1:
            # Column phases lie right after one another already: only row phases have to move.
            phases = ops.reshape(phases, (batch, height, width, down, right * self.filters))
            phases = ops.transpose(phases, (0, 1, 3, 2, 4))
        return ops.reshape(phases, (batch, height * down, width * right, self.filters))

    def _crop(self, outputs: Any) -> Any:
        (top, bottom), (left, right) = self._rows.crop, self._columns.crop
        if not any((top, bottom, left, right)):
            return outputs
        return outputs[:, top : -bottom or None, left : -right or None, :]

"""Convolution without the copies that Keras makes on PyTorch; weights of the stock layer."""

from typing import Any

import keras
from keras import ops

from keras_medaug.layers.channels_first import copies, through_view


@keras.saving.register_keras_serializable(package="keras_medaug")
class Conv2D(keras.layers.Conv2D):
    """2D convolution: a drop-in for `keras.layers.Conv2D`.

    Arguments, weights (names and shapes) and outputs are those of the stock layer, and either
    layer's weights load into the other. On PyTorch, images whose channels come last are convolved
    where they lie, or, where padding is uneven, in a padded copy; the stock layer copies them to
    another layout first and most of them back again, which on a CPU costs about as much as the
    convolution itself. Elsewhere the stock implementation runs. The layer is needed until Keras
    convolves such images on PyTorch without copies.

    Args:
        *args: As for `keras.layers.Conv2D`: `filters`, `kernel_size`, `strides`, `padding`, ...
        **kwargs: Likewise.

    Raises:
        ValueError: On arguments that the stock layer refuses.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.layers import Conv2D
    >>> tuple(Conv2D(8, 3, strides=2, padding="same")(np.zeros((1, 28, 28, 3), "float32")).shape)
    (1, 14, 14, 8)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Return the convolution of `inputs` without bias and activation.

        Args:
            inputs: Tensor of shape `(batch, height, width, channels)`.
            kernel: Tensor of shape `(height, width, channels / groups, filters)`.

        Returns:
            Tensor of shape `(batch, new_height, new_width, filters)`.
        """
        if self.data_format == "channels_first" or not copies():
            return super().convolution_op(inputs, kernel)
        return through_view(lambda images: self._convolve(images, kernel), inputs)

    def _convolve(self, images: Any, kernel: Any) -> Any:
        return ops.conv(
            images,
            kernel,
            strides=list(self.strides),
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format="channels_first",
        )

"""A downsampling step of the encoder (figure 6)."""

import keras

from keras_medaug.layers.batch_normalization import BatchNormalization
from keras_medaug.layers.conv2d import Conv2D
from keras_medaug.seeds import derive_seed, resolve_seed


@keras.saving.register_keras_serializable(package="keras_medaug")
class EncoderBlock(keras.layers.Layer):
    """A strided convolution, optional batch normalisation, and ReLU.

    Args:
        filters: Number of output channels.
        kernel_size: Side of the square kernel.
        strides: Factor by which height and width shrink (rounded up).
        batch_normalization: Whether to normalise before the activation.
        seed: Integer seed of the initial weights, or `None`.
        **kwargs: Passed to `keras.layers.Layer`.

    Input shape:
        `(n, h, w, c)`.

    Output shape:
        `(n, ceil(h / strides), ceil(w / strides), filters)`.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> block = kma.layers.EncoderBlock(32, seed=0)
    >>> tuple(block(np.zeros((1, 28, 28, 1), "float32")).shape)
    (1, 14, 14, 32)

    References:
        Figure 6 of the paper this library implements.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        strides: int = 2,
        batch_normalization: bool = False,
        seed: int | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.batch_normalization = batch_normalization
        self.seed = seed
        self.convolution = Conv2D(
            filters,
            kernel_size,
            strides=strides,
            padding="same",
            use_bias=not batch_normalization,
            kernel_initializer=keras.initializers.GlorotUniform(
                derive_seed(resolve_seed(seed), "kernel")
            ),
            dtype=self.dtype_policy,
            name="convolution",
        )
        self.normalization = (
            BatchNormalization(dtype=self.dtype_policy, name="normalization")
            if batch_normalization
            else None
        )
        self.activation = keras.layers.ReLU(dtype=self.dtype_policy, name="activation")

    def build(self, input_shape) -> None:
        """Create the weights."""
        self.convolution.build(input_shape)
        if self.normalization is not None:
            self.normalization.build(self.convolution.compute_output_shape(input_shape))
        self.built = True

    def call(self, inputs, training=None):
        """Return the downsampled, activated features."""
        x = self.convolution(inputs)
        if self.normalization is not None:
            x = self.normalization(x, training=training)
        return self.activation(x)

    def compute_output_shape(self, input_shape):
        """Return the shape of the convolution's output."""
        return self.convolution.compute_output_shape(input_shape)

    def get_config(self) -> dict:
        """Return the arguments that rebuild the layer."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "batch_normalization": self.batch_normalization,
            "seed": self.seed,
        }

"""An upsampling step of the decoder, which is also the generator (figure 7)."""

import keras

from keras_medaug.layers.batch_normalization import BatchNormalization
from keras_medaug.layers.conv2d_transpose import Conv2DTranspose
from keras_medaug.seeds import derive_seed, resolve_seed


@keras.saving.register_keras_serializable(package="keras_medaug")
class DecoderBlock(keras.layers.Layer):
    """A transposed convolution, optional batch normalisation, and LeakyReLU.

    Args:
        filters: Number of output channels.
        kernel_size: Side of the square kernel.
        strides: Factor by which height and width grow.
        batch_normalization: Whether to normalise before the activation.
        negative_slope: Slope of the LeakyReLU below zero.
        seed: Integer seed of the initial weights, or `None`.
        **kwargs: Passed to `keras.layers.Layer`.

    Input shape:
        `(n, h, w, c)`.

    Output shape:
        `(n, h * strides, w * strides, filters)`.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> block = kma.layers.DecoderBlock(64, seed=0)
    >>> tuple(block(np.zeros((1, 7, 7, 128), "float32")).shape)
    (1, 14, 14, 64)

    References:
        Figure 7 of the paper this library implements; Radford et al., Unsupervised Representation
        Learning with Deep Convolutional Generative Adversarial Networks, 2016.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 4,
        strides: int = 2,
        batch_normalization: bool = True,
        negative_slope: float = 0.2,
        seed: int | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.batch_normalization = batch_normalization
        self.negative_slope = negative_slope
        self.seed = seed
        self.convolution = Conv2DTranspose(
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
            BatchNormalization(momentum=0.9, dtype=self.dtype_policy, name="normalization")
            if batch_normalization
            else None
        )
        self.activation = keras.layers.LeakyReLU(
            negative_slope, dtype=self.dtype_policy, name="activation"
        )

    def build(self, input_shape) -> None:
        """Create the weights."""
        self.convolution.build(input_shape)
        if self.normalization is not None:
            self.normalization.build(self.convolution.compute_output_shape(input_shape))
        self.built = True

    def call(self, inputs, training=None):
        """Return the upsampled, activated features."""
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
            "negative_slope": self.negative_slope,
            "seed": self.seed,
        }

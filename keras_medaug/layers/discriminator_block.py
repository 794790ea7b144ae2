"""A downsampling step of the discriminator (figure 8)."""

import keras

from keras_medaug.layers.batch_normalization import BatchNormalization
from keras_medaug.layers.conv2d import Conv2D
from keras_medaug.layers.dropout import Dropout
from keras_medaug.seeds import derive_seed, resolve_seed


@keras.saving.register_keras_serializable(package="keras_medaug")
class DiscriminatorBlock(keras.layers.Layer):
    """A strided convolution, optional batch normalisation, LeakyReLU and dropout.

    Args:
        filters: Number of output channels.
        kernel_size: Side of the square kernel.
        strides: Factor by which height and width shrink (rounded up).
        dropout: Rate of the dropout that ends the block, in [0, 1).
        batch_normalization: Whether to normalise before the activation.
        negative_slope: Slope of the LeakyReLU below zero.
        return_convolution: Whether to return the convolution's raw output as well, before
            normalisation and activation: the features that the VAE/GAN compares images by.
        seed: Integer seed of the initial weights and of the dropout, or `None`.
        **kwargs: Passed to `keras.layers.Layer`.

    Input shape:
        `(n, h, w, c)`.

    Output shape:
        `(n, ceil(h / strides), ceil(w / strides), filters)`, twice with `return_convolution`: the
        block's output, then the convolution's.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> block = kma.layers.DiscriminatorBlock(64, seed=0)
    >>> tuple(block(np.zeros((1, 28, 28, 1), "float32")).shape)
    (1, 14, 14, 64)

    References:
        Figure 8 of the paper this library implements; Larsen et al., Autoencoding beyond pixels
        using a learned similarity metric, 2016, for the raw features.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 4,
        strides: int = 2,
        dropout: float = 0.0,
        batch_normalization: bool = True,
        negative_slope: float = 0.2,
        return_convolution: bool = False,
        seed: int | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.rate = dropout
        self.batch_normalization = batch_normalization
        self.negative_slope = negative_slope
        self.return_convolution = return_convolution
        self.seed = seed
        seed = resolve_seed(seed)
        self.convolution = Conv2D(
            filters,
            kernel_size,
            strides=strides,
            padding="same",
            use_bias=not batch_normalization,
            kernel_initializer=keras.initializers.GlorotUniform(derive_seed(seed, "kernel")),
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
        self.dropout = Dropout(
            dropout, seed=derive_seed(seed, "dropout"), dtype=self.dtype_policy, name="dropout"
        )

    def build(self, input_shape) -> None:
        """Create the weights."""
        self.convolution.build(input_shape)
        if self.normalization is not None:
            self.normalization.build(self.convolution.compute_output_shape(input_shape))
        self.built = True

    def call(self, inputs, training=None):
        """Return the block's output and, where asked for, the convolution's raw output."""
        convolved = self.convolution(inputs)
        x = convolved
        if self.normalization is not None:
            x = self.normalization(x, training=training)
        x = self.dropout(self.activation(x), training=training)
        return (x, convolved) if self.return_convolution else x

    def compute_output_shape(self, input_shape):
        """Return the shape, or the pair of equal shapes, that `call` returns."""
        shape = self.convolution.compute_output_shape(input_shape)
        return (shape, shape) if self.return_convolution else shape

    def get_config(self) -> dict:
        """Return the arguments that rebuild the layer."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "dropout": self.rate,
            "batch_normalization": self.batch_normalization,
            "negative_slope": self.negative_slope,
            "return_convolution": self.return_convolution,
            "seed": self.seed,
        }

"""A residual block under a condition, what the network of `Flow` is stacked from."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_medaug.checks import check_positive, fail
from keras_medaug.layers.adaptive_group_normalization import AdaptiveGroupNormalization
from keras_medaug.layers.conv2d import Conv2D
from keras_medaug.layers.dropout import Dropout
from keras_medaug.seeds import derive_seed, resolve_seed


@keras.saving.register_keras_serializable(package="keras_medaug")
class ResidualBlock(keras.layers.Layer):
    """Two convolutions, each after a normalisation under a condition, added to the input.

    The last convolution begins at zero, so that the block begins as the identity (or, where the
    number of channels changes, as a linear map of them).

    Args:
        filters: Number of output channels.
        dropout: Dropout rate before the last convolution, in [0, 1).
        groups: Largest number of groups of the normalisations.
        seed: Integer seed of the initial weights and of the dropout, or `None`.
        **kwargs: Passed to `keras.layers.Layer`.

    Input shape:
        `[features, condition]`: `(n, h, w, c)` and `(n, k)`.

    Output shape:
        `(n, h, w, filters)`.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> block = kma.layers.ResidualBlock(32, seed=0)
    >>> x, condition = np.zeros((2, 14, 14, 16), "float32"), np.zeros((2, 10), "float32")
    >>> tuple(block([x, condition]).shape)
    (2, 14, 14, 32)

    References:
        He et al., Identity Mappings in Deep Residual Networks, 2016; Dhariwal and Nichol, Diffusion
        Models Beat GANs on Image Synthesis, 2021, for the condition.
    """

    def __init__(
        self,
        filters: int,
        dropout: float = 0.0,
        groups: int = 8,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = check_positive(filters, "filters", integer=True)
        self.dropout = check_positive(dropout, "dropout", zero=True)
        if dropout >= 1:
            raise fail("dropout", dropout, "a rate in [0, 1)")
        self.groups = groups
        self.seed = seed
        own_seed = resolve_seed(seed)
        self.normalizations = [
            AdaptiveGroupNormalization(groups, dtype=self.dtype_policy, name=f"normalization_{n}")
            for n in (1, 2)
        ]
        self.convolutions = [
            self._convolution(3, derive_seed(own_seed, "kernel"), "convolution_1"),
            self._convolution(3, None, "convolution_2"),
        ]
        self.dropped = Dropout(
            dropout, seed=derive_seed(own_seed, "dropout"), dtype=self.dtype_policy, name="dropout"
        )
        self.shortcut: Conv2D | None = None  # made where the number of channels changes
        self._shortcut_seed = derive_seed(own_seed, "shortcut")

    def _convolution(self, size: int, seed: int | None, name: str) -> Conv2D:
        return Conv2D(
            self.filters,
            size,
            padding="same",
            kernel_initializer="zeros" if seed is None else keras.initializers.GlorotUniform(seed),
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, input_shape) -> None:
        """Create the weights."""
        features, condition = map(tuple, input_shape)
        widened = (*features[:-1], self.filters)
        for shape, normalization, convolution in zip(
            (features, widened), self.normalizations, self.convolutions, strict=True
        ):
            normalization.build((shape, condition))
            convolution.build(shape)
        if features[-1] != self.filters:
            self.shortcut = self._convolution(1, self._shortcut_seed, "shortcut")
            self.shortcut.build(features)
        self.built = True

    def call(self, inputs, training=None):
        """Return the features, with what the two convolutions add.

        Args:
            inputs: `[features, condition]`.
            training: Whether values are dropped.

        Returns:
            Tensor of shape `(n, h, w, filters)`.
        """
        features, condition = inputs
        x = ops.silu(self.normalizations[0]([features, condition]))
        x = ops.silu(self.normalizations[1]([self.convolutions[0](x), condition]))
        x = self.convolutions[1](self.dropped(x, training=training))
        return x + (features if self.shortcut is None else self.shortcut(features))

    def compute_output_shape(self, input_shape):
        """Return the shape of the features, with the block's number of channels."""
        return (*tuple(input_shape[0])[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the layer."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "dropout": self.dropout,
            "groups": self.groups,
            "seed": self.seed,
        }

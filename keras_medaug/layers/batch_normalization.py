"""Batch normalisation in fewer passes over memory, which is what it costs where nothing fuses."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_medaug")
class BatchNormalization(keras.layers.BatchNormalization):
    """Normalises each channel by the statistics of the batch, or outside training by running ones.

    A drop-in for `keras.layers.BatchNormalization` with the same arguments, weights and outputs.
    In training, the batch is seen as a matrix with a column for each channel, and sums stand for
    means, so that a backend that does not fuse operations (PyTorch, run eagerly) reads and writes
    the batch a few times less. The variance is that of the centred values, which keeps its digits
    where a channel's mean is large beside its deviation.

    With a mask, with `renorm` or `synchronized`, or where `axis` is not the last one, the stock
    layer's arithmetic runs. The layer is needed until Keras calls PyTorch's fused operation.

    Args:
        *args: As for `keras.layers.BatchNormalization`: `axis`, `momentum`, `epsilon`, ...
        **kwargs: Likewise.

    Raises:
        ValueError: On arguments that the stock layer refuses.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from keras_medaug.layers import BatchNormalization
    >>> x = np.random.default_rng(0).normal(3.0, 2.0, (64, 5)).astype("float32")
    >>> outputs = keras.ops.convert_to_numpy(BatchNormalization()(x, training=True))
    >>> bool(abs(outputs.mean()) < 1e-5), round(float(outputs.std()), 2)
    (True, 1.0)

    References:
        Ioffe and Szegedy, Batch Normalization, 2015, algorithm 1.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)

    def call(self, inputs, training=None, mask=None):
        """Return the normalised batch; in training, the running statistics move.

        Args:
            inputs: Tensor of shape `(batch, ..., channels)`.
            training: Whether the batch's own statistics are used.
            mask: As in Keras.

        Returns:
            Tensor of the same shape, in the layer's compute dtype.
        """
        plain = training and self.trainable and mask is None and not self.renorm
        last = self.axis in (-1, len(inputs.shape) - 1)
        if not (plain and last) or self.synchronized:
            return super().call(inputs, training=training, mask=mask)
        shape = ops.shape(inputs)
        # Squares of half-precision numbers would leave their range.
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        values = ops.cast(ops.reshape(inputs, (-1, shape[-1])), dtype)
        # Run eagerly, the gradient of a mean is an array of the batch's size, so that of a sum is
        # scaled; and that of a difference negates such an array, so the mean is negated instead.
        weight = 1.0 / ops.cast(ops.shape(values)[0], dtype)
        mean = ops.sum(values, axis=0) * weight
        centred = values + (-mean)
        variance = ops.sum(centred * centred, axis=0) * weight
        self._move(self.moving_mean, mean)
        self._move(self.moving_variance, variance)
        scale = ops.rsqrt(variance + self.epsilon)
        if self.scale:
            scale = scale * ops.cast(self.gamma, dtype)
        outputs = centred * scale
        if self.center:
            outputs = outputs + ops.cast(self.beta, dtype)
        outputs = ops.reshape(outputs, shape)
        return ops.cast(outputs, self.compute_dtype)

    def _move(self, running, value) -> None:
        """Move a running statistic towards that of a batch."""
        kept = ops.cast(running, value.dtype) * self.momentum
        running.assign(kept + value * (1.0 - self.momentum))

"""A vector for each class, with a gradient that every optimizer reads alike."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_medaug")
class LabelEmbedding(keras.layers.Embedding):
    """Drop-in for `keras.layers.Embedding` over class labels: same weights, same vectors.

    Rows are chosen by a product with one-hot labels, so that their gradient is an ordinary array.
    The gradient of a lookup is, on TensorFlow, a list of rows in which a class occurs as often as
    in the batch, and Keras's adaptive optimizers square them one by one, before they are added up:
    the second moments, and with them the steps, are then others than on JAX and PyTorch. (Keras
    3.15.1; a row that occurs three times with a gradient of 1 adds 3 to the second moment in place
    of 9.) For a few classes the product costs nothing. The layer is
    needed until Keras's optimizers add up the rows of a class first.

    A label outside `[0, input_dim)` gives zeros; the models' own methods refuse it.

    Args:
        input_dim: Number of classes.
        output_dim: Size of the vectors.
        **kwargs: The further arguments of `keras.layers.Embedding`.

    Input shape:
        Integers in `[0, input_dim)`, `(n,)`.

    Output shape:
        `(n, output_dim)`.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> embedding = kma.layers.LabelEmbedding(3, 4)
    >>> tuple(embedding(np.int32([0, 2])).shape)
    (2, 4)
    """

    def __init__(self, input_dim: int, output_dim: int, **kwargs) -> None:
        super().__init__(input_dim, output_dim, **kwargs)

    def call(self, inputs):
        """Return the vector of each label."""
        # `ops.one_hot` would raise on PyTorch alone where a label is of no class.
        is_float = "float" in keras.backend.standardize_dtype(inputs.dtype)
        # Integers are compared as they are: in `int32`, 2**32 would be class 0.
        labels = ops.expand_dims(ops.cast(inputs, "int32") if is_float else inputs, -1)
        chosen = ops.equal(labels, ops.arange(self.input_dim, dtype="int32"))
        dtype = self.compute_dtype
        return ops.matmul(ops.cast(chosen, dtype), ops.cast(self.embeddings, dtype))

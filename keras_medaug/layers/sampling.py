"""The reparameterisation trick as a layer."""

import keras
from keras import ops

from keras_medaug.layers.seed_generator import SeedGenerator
from keras_medaug.seeds import resolve_seed


@keras.saving.register_keras_serializable(package="keras_medaug")
class Sampling(keras.layers.Layer):
    """Draws a latent vector from a diagonal Gaussian, differentiably.

    Computes `z = z_mean + exp(z_log_var / 2) * epsilon` with `epsilon` from a standard normal
    distribution, so that gradients reach the mean and the variance. It samples in training and in
    inference alike; use the mean where a deterministic code is wanted.

    In worker processes that load data, copies of the layer draw anew, as those of
    `GeometricAugmentation` do.

    Args:
        seed: Integer seed of the layer's own generator, or `None` for one that
            `keras.utils.set_random_seed` governs.
        **kwargs: Passed to `keras.layers.Layer`.

    Input shape:
        A pair `[z_mean, z_log_var]`, both `(n, latent_dim)`.

    Output shape:
        `(n, latent_dim)`.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> mean, log_var = np.zeros((4, 2), "float32"), np.zeros((4, 2), "float32")
    >>> tuple(kma.layers.Sampling(seed=0)([mean, log_var]).shape)
    (4, 2)

    References:
        Kingma and Welling, Auto-Encoding Variational Bayes, 2014, section 2.4; section 2.2 of the
        paper this library implements.
    """

    def __init__(self, seed: int | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = SeedGenerator(resolve_seed(seed))
        self.built = True

    def call(self, inputs):
        """Return one draw for each row of the mean and log-variance."""
        z_mean, z_log_var = inputs
        epsilon = keras.random.normal(
            ops.shape(z_mean), dtype=self.compute_dtype, seed=self.seed_generator
        )
        return z_mean + ops.exp(0.5 * z_log_var) * epsilon

    def compute_output_shape(self, input_shape):
        """Return the shape of the mean."""
        return input_shape[0]

    def save_own_variables(self, store) -> None:
        """Save where the layer's generator is, so that a resumed run goes on with the next draw."""
        self.seed_generator.save(store)

    def load_own_variables(self, store) -> None:
        """Restore where the layer's generator was."""
        self.seed_generator.load(store)

    def get_config(self) -> dict:
        """Return the arguments that rebuild the layer."""
        return {**super().get_config(), "seed": self.seed}

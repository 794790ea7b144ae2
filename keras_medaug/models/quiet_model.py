"""A Keras model that is saved without a warning for each of its variables."""

import keras

from keras_medaug.array_checks import copied, without_copy_warning


class QuietModel(keras.Model):
    """A model whose weights Keras reads without a warning of NumPy for each; see `copied`."""

    def save(self, filepath, *args, **kwargs):
        """Save the model, as Keras does."""
        with without_copy_warning():
            return super().save(filepath, *args, **kwargs)

    def save_weights(self, filepath, *args, **kwargs):
        """Save the weights, as Keras does."""
        with without_copy_warning():
            return super().save_weights(filepath, *args, **kwargs)

    def get_weights(self):
        """Return the weights, as Keras does."""
        return [copied(variable) for variable in self.weights]

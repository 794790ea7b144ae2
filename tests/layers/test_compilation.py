"""No layer of the package turns compilation off for the model that holds it."""

import keras
import numpy as np

from keras_medaug import layers


def model_of_all_layers():
    """Return a model from images and labels in which every public layer is."""
    images, labels = keras.Input((8, 8, 1)), keras.Input((), dtype="int32")
    x = layers.GeometricAugmentation(seed=0)(images)
    x = layers.EncoderBlock(2, seed=0)(x)
    x = layers.DiscriminatorBlock(2, dropout=0.1, seed=0)(x)
    x = layers.DecoderBlock(2, seed=0)(x)
    x = layers.Conv2DTranspose(1, 4, strides=2, padding="same")(x)
    x = keras.layers.Flatten()(x)
    mean, log_var = keras.layers.Dense(3)(x), keras.layers.Dense(3)(x)
    z = layers.Sampling(seed=0)([mean, log_var])
    match = keras.layers.Dot(axes=1)([z, layers.LabelEmbedding(2, 3)(labels)])
    return keras.Model([images, labels], match)


def test_a_model_with_every_layer_is_compiled(backend):
    model = model_of_all_layers()
    used = {type(layer).__name__ for layer in model._flatten_layers()}
    assert set(layers.__all__) <= used
    model.compile("adam", "mse")
    assert model.supports_jit
    # On TensorFlow Keras's "auto" leaves XLA off; on torch there is nothing to turn on.
    assert bool(model.jit_compile) is (backend == "jax")
    x = np.random.default_rng(0).random((4, 8, 8, 1), dtype="float32")
    history = model.fit([x, np.int32([0, 1, 1, 0])], np.zeros((4, 1)), verbose=0).history
    assert np.isfinite(history["loss"]).all()

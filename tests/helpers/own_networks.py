"""Networks as a user may hand them in: Keras layers, and one of the user's own."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="tests")
class Scaled(layers.Layer):
    """Multiplies by a weight."""

    def build(self, input_shape):
        self.factor = self.add_weight(shape=(), initializer="ones")

    def call(self, inputs):
        return inputs * ops.cast(self.factor, inputs.dtype)


def _inputs(shape, num_classes):
    first = keras.Input(shape)
    if num_classes is None:
        return first, first
    labels = keras.Input((), dtype="int32")
    return [first, labels], first


def _with_label(x, inputs, num_classes):
    if num_classes is None:
        return x
    return layers.Concatenate()([x, layers.Embedding(num_classes, 2)(inputs[1])])


def encoder(num_classes=None, latent_dim=5, seed=None):
    """Return an encoder of images 8 x 8."""
    inputs, x = _inputs((8, 8, 1), num_classes)
    x = _with_label(layers.Flatten()(Scaled()(x)), inputs, num_classes)
    x = layers.Dense(8, "tanh", kernel_initializer=keras.initializers.HeNormal(seed))(x)
    return keras.Model(inputs, [layers.Dense(latent_dim)(x), layers.Dense(latent_dim)(x)])


def decoder(num_classes=None, latent_dim=5, activation="sigmoid", logits="logits"):
    """Return a decoder to images 8 x 8, normalised."""
    inputs, x = _inputs((latent_dim,), num_classes)
    x = layers.Dense(32, use_bias=False)(_with_label(x, inputs, num_classes))
    x = layers.Reshape((4, 4, 2))(layers.LeakyReLU()(layers.BatchNormalization()(x)))
    x = layers.Conv2DTranspose(1, 4, strides=2, padding="same", name=logits)(x)
    return keras.Model(inputs, layers.Activation(activation, dtype="float32")(x))


def discriminator(num_classes=None, dropout=0.25):
    """Return a discriminator of images 8 x 8, with dropout, and normalised."""
    inputs, x = _inputs((8, 8, 1), num_classes)
    features = layers.Conv2D(3, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.Dropout(dropout, seed=1)(layers.LeakyReLU()(layers.BatchNormalization()(features)))
    x = _with_label(layers.Flatten()(x), inputs, num_classes)
    return keras.Model(inputs, {"logit": layers.Dense(1)(x), "features": features})


def velocity(num_classes=None, augmented=True, channels=1):
    """Return a network of velocities of images 8 x 8, with dropout, and normalised."""
    images, times = keras.Input((8, 8, 1)), keras.Input(())
    labels, flags = keras.Input((), dtype="int32"), keras.Input(())
    inputs, told = [images, times], [layers.Reshape((1,))(times)]
    if num_classes is not None:  # one label more means "unknown"
        inputs.append(labels)
        told.append(layers.Embedding(num_classes + 1, 2)(labels))
    if augmented:
        inputs.append(flags)
        told.append(layers.Reshape((1,))(flags))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(Scaled()(images))
    condition = layers.Concatenate()(told) if len(told) > 1 else told[0]
    x = layers.Add()([x, layers.Reshape((1, 1, 4))(layers.Dense(4)(condition))])
    x = layers.Dropout(0.25, seed=1)(layers.BatchNormalization()(x))
    return keras.Model(inputs, layers.Conv2D(channels, 3, padding="same", dtype="float32")(x))


NETWORKS = {
    "CVAE": {"encoder": encoder, "decoder": decoder},
    "DCGAN": {"generator": decoder, "discriminator": discriminator},
    "VAEGAN": {"encoder": encoder, "decoder": decoder, "discriminator": discriminator},
    "Flow": {"network": velocity},
}


def own_networks(name, num_classes=None, seed=0):
    """Return networks for the model of a name; their weights depend on the seed."""
    keras.utils.set_random_seed(seed)
    return {argument: make(num_classes) for argument, make in NETWORKS[name].items()}

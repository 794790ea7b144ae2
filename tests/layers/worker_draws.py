"""Random layers in processes that load data: what the workers of the tests run."""

import keras
import numpy as np
from keras import ops

import keras_medaug as kma

ITEMS = 4


def random_layers():
    """Return a layer of each kind that draws, and one inside a model of Keras."""
    nested = keras.Sequential([keras.Input((8, 8, 1)), kma.layers.GeometricAugmentation(seed=3)])
    return {
        "geometric": kma.layers.GeometricAugmentation(seed=0),
        "sampling": kma.layers.Sampling(seed=1),
        "dropout": kma.layers.Dropout(0.5, seed=2),
        "nested": nested,
    }


def draw(name, layer):
    """Return numbers that a layer draws next, as a string that shows whether two are the same."""
    ones = np.ones((1, 8, 8, 1), "float32")
    if name == "sampling":
        drawn = layer([np.zeros((1, 8), "float32")] * 2)
    elif name == "dropout":
        drawn = layer(ones, training=True)
    else:
        layer = layer if name == "geometric" else layer.layers[-1]
        drawn = layer.random_parameters(1)["rotation"]
    return f"{name} {ops.convert_to_numpy(drawn).tobytes().hex()}"


class Draws:
    """A data set whose items are draws; what PyTorch asks of one."""

    def __init__(self, layers):
        self.layers = layers

    def __len__(self):
        return ITEMS

    def __getitem__(self, index):
        return [draw(*case) for case in self.layers.items()]


class DrawBatches(keras.utils.PyDataset):
    """Batches of which each holds a draw as numbers."""

    def __init__(self, layer, **kwargs):
        super().__init__(**kwargs)
        self.layer = layer

    def __len__(self):
        return 2 * ITEMS

    def __getitem__(self, index):
        drawn = ops.convert_to_numpy(self.layer.random_parameters(1)["rotation"])
        return drawn[:, np.newaxis], np.zeros((1, 1), "float32")


def send_draws(connection, layers):
    """Send the items of a data set, from another process."""
    draws = Draws(layers)
    connection.send([text for index in range(len(draws)) for text in draws[index]])

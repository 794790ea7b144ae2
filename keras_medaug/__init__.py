"""Generative augmentation of small medical images in Keras 3, on JAX, PyTorch and TensorFlow.

The usual alias is `kma`. All parts are imported with the package, so that Keras can load any saved
model of it; what is optional (matplotlib, SciPy, Pillow, medmnist) is imported where it is used.

Example:

>>> import keras_medaug as kma
>>> kma.datasets.load("phantom").image_shape
(28, 28, 1)
"""

from keras_medaug.backend_check import check_backend

check_backend()  # before the imports below, which import Keras

from keras_medaug import (
    callbacks,
    datasets,
    features,
    labels,
    layers,
    losses,
    metrics,
    models,
    networks,
    plotting,
    study,
)
from keras_medaug._version import __version__
from keras_medaug.augmenting import augment
from keras_medaug.cards import model_card

__all__ = [
    "__version__",
    "augment",
    "callbacks",
    "datasets",
    "features",
    "labels",
    "layers",
    "losses",
    "metrics",
    "model_card",
    "models",
    "networks",
    "plotting",
    "study",
]

"""Generative models and the classifier, as Keras models trained by Keras's own `fit`."""

from keras_medaug.models.classifier import Classifier
from keras_medaug.models.cvae import CVAE
from keras_medaug.models.dcgan import DCGAN
from keras_medaug.models.flow import Flow
from keras_medaug.models.generative_model import GenerativeModel
from keras_medaug.models.latent_model import LatentModel
from keras_medaug.models.registry import generators, register_generator
from keras_medaug.models.vaegan import VAEGAN

__all__ = [
    "CVAE",
    "DCGAN",
    "VAEGAN",
    "Classifier",
    "Flow",
    "GenerativeModel",
    "LatentModel",
    "generators",
    "register_generator",
]

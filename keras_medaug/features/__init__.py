"""Where images become vectors, in which `keras_medaug.metrics` compares them.

A feature extractor is any function from images, `(n, h, w, c)`, `float32` in [0, 1], to an array
`(n, d)`; the classes here are three, whose `card` says what they are, for a record.
"""

from keras_medaug.features.classifier_features import ClassifierFeatures
from keras_medaug.features.model_features import ModelFeatures
from keras_medaug.features.pixel_features import PixelFeatures

__all__ = ["ClassifierFeatures", "ModelFeatures", "PixelFeatures"]

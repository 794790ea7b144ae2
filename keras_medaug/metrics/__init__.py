"""Measures of images and classifiers; they know no model of the package by name."""

from keras_medaug.metrics.confidence import mean_confidence

__all__ = ["mean_confidence"]

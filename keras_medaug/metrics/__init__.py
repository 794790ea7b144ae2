"""Measures of images and classifiers; they know no model of the package by name."""

from keras_medaug.metrics.confidence import mean_confidence
from keras_medaug.metrics.copies import copy_audit, nearest_images

__all__ = ["copy_audit", "mean_confidence", "nearest_images"]

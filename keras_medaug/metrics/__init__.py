"""Measures of images and classifiers; they know no model of the package by name."""

# isort: off
# Results show the registered metrics in this order.
from keras_medaug.metrics.kernel import kernel_distance
from keras_medaug.metrics.frechet import frechet_distance
from keras_medaug.metrics.manifold import manifold_scores
from keras_medaug.metrics.spectral import spectral_distance

# isort: on
from keras_medaug.metrics.collapsed_classifier import collapsed_classifier
from keras_medaug.metrics.confidence import mean_confidence
from keras_medaug.metrics.diversity import diversity
from keras_medaug.metrics.duplicates import near_duplicates
from keras_medaug.metrics.label_agreement import label_agreement
from keras_medaug.metrics.label_fidelity import label_fidelity
from keras_medaug.metrics.memorization import copy_audit
from keras_medaug.metrics.nearest_images import nearest_images
from keras_medaug.metrics.prior_shift import prior_shift
from keras_medaug.metrics.quality import sample_quality
from keras_medaug.metrics.two_sample import two_sample_auc

__all__ = [
    "collapsed_classifier",
    "copy_audit",
    "diversity",
    "frechet_distance",
    "kernel_distance",
    "label_agreement",
    "label_fidelity",
    "manifold_scores",
    "mean_confidence",
    "near_duplicates",
    "nearest_images",
    "prior_shift",
    "sample_quality",
    "spectral_distance",
    "two_sample_auc",
]

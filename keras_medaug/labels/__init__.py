"""Labels of synthetic images: how many of which class, and whether an image is what it says."""

from keras_medaug.labels.out_of_fold_classifier import OutOfFoldClassifier
from keras_medaug.labels.plan import plan_labels

__all__ = ["OutOfFoldClassifier", "plan_labels"]

"""Whether augmentation helps a classifier, with statistics."""

from keras_medaug.study.comparison import Comparison, compare, holm_correct
from keras_medaug.study.runner import run, sweep
from keras_medaug.study.workers import Workers

__all__ = ["Comparison", "Workers", "compare", "holm_correct", "run", "sweep"]

"""Whether something helps a classifier, with statistics."""

from keras_medaug.study.comparison import Comparison, compare, correct

__all__ = ["Comparison", "compare", "correct"]

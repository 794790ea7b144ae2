"""What a study does, in numbers: all that its tasks' configurations are made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Settings:
    """Budgets and options of a study; see `keras_medaug.study.run`.

    Args:
        train_fraction: Fraction of the training split that is used.
        ratio: Synthetic images for each real one.
        steps: Training steps of each classifier.
        generator_steps: Training steps of each generative model.
        batch_size: Images in a batch.
        fidelity: Least probability of the label of a synthetic image, or `None`.
        margin: The smallest difference of interest, in area under the ROC curve.
        classifier: Further arguments of the classifier.
        generators: Further arguments of the generative models, by method.
        policies: Geometric policies by name, as `GeometricAugmentation` takes them.

    Example:

    >>> from keras_medaug.study.settings import Settings
    >>> Settings(steps=100).batch_size
    64
    """

    train_fraction: float = 1.0
    ratio: float = 1.0
    steps: int = 1000
    generator_steps: int = 2000
    batch_size: int = 64
    fidelity: float | None = None
    margin: float = 0.01
    classifier: Mapping[str, Any] = field(default_factory=dict)
    generators: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

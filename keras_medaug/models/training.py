"""Training a generative model for a number of steps."""

from collections.abc import Sequence

import keras
from numpy.typing import NDArray

from keras_medaug.checked_images import CheckedImages, is_of_package
from keras_medaug.models.generative_model import GenerativeModel
from keras_medaug.models.report_steps import ReportSteps
from keras_medaug.progress import Report, ignore


def train_generator(
    model: GenerativeModel,
    x: NDArray | CheckedImages,
    y: NDArray,
    steps: int,
    batch_size: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int | str = 0,
    report: Report = ignore,
) -> keras.callbacks.History:
    """Train a model, with labels where it takes them, for whole epochs of so many steps or more.

    Args:
        model: A compiled generative model.
        x: Training images. A `fit` that is not the package's own gets an array.
        y: Their labels.
        steps: Number of steps, at least.
        batch_size: Images in a batch.
        callbacks: As in Keras.
        verbose: As in Keras.
        report: Called with the steps so far and their number.

    Returns:
        What `fit` returns.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.models.registry import new_generator
    >>> from keras_medaug.models.training import train_generator
    >>> x, y = kma.datasets.load("phantom", size=8).train
    >>> model = new_generator(kma.models.CVAE, (8, 8, 1), 4, 0, {"latent_dim": 4})
    >>> train_generator(model, x, y, steps=9, batch_size=64).epoch
    [0, 1]
    """
    labels = None if model.num_classes is None else y
    per_epoch = -(-len(x) // batch_size)
    epochs = -(-steps // per_epoch)
    callbacks = list(callbacks)
    if isinstance(x, CheckedImages) and not is_of_package(model, "fit"):
        x = x.array
    if report is not ignore:
        callbacks.append(ReportSteps(report, epochs * per_epoch, per_epoch))
    return model.fit(x, labels, batch_size, epochs, callbacks=callbacks, verbose=verbose)

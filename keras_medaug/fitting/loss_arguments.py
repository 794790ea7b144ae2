"""Whether losses and metrics fit a classifier's labels and probabilities, tried on a few rows."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_medaug.checks import fail

KNOWN_LOSS = "sparse_categorical_crossentropy"
# Keras picks the kind of these that fits the labels.
KNOWN_METRICS = ("accuracy", "acc", "crossentropy", "ce")


def check_loss(loss: Any, num_classes: int) -> None:
    """Refuse a loss that cannot compare class indices with probabilities.

    Args:
        loss: What `compile` was given; `None` for a classifier that is not to be trained.
        num_classes: Number of classes.

    Raises:
        ValueError: If `loss` is not a loss, or fails on labels `(n,)` and probabilities
            `(n, num_classes)`.

    Example:

    >>> from keras_medaug.fitting.loss_arguments import check_loss
    >>> check_loss("sparse_categorical_crossentropy", 2)
    """
    if loss is None or (isinstance(loss, str) and loss == KNOWN_LOSS):
        return
    rows = f"class indices (n,) and probabilities (n, {num_classes})"
    try:
        keras.losses.get(loss)(*_few_rows(num_classes))
    except Exception as error:  # what a backend raises on shapes that do not fit is no closed list
        expected = f"a loss of {rows}, such as {KNOWN_LOSS!r}"
        raise fail("loss", f"{loss!r}, which fails ({error})", expected) from error


def check_metrics(metrics: Any, num_classes: int, argument: str) -> None:
    """Refuse metrics that cannot compare class indices with probabilities.

    Args:
        metrics: What `compile` was given: `None`, or a list.
        num_classes: Number of classes.
        argument: Name under which they are reported.

    Raises:
        ValueError: If `metrics` is not a list of metrics, or a metric fails on labels `(n,)` and
            probabilities `(n, num_classes)`.

    Example:

    >>> from keras_medaug.fitting.loss_arguments import check_metrics
    >>> check_metrics(["accuracy"], 2, "metrics")
    """
    if metrics is None:
        return
    expected = f"a list of metrics of class indices (n,) and probabilities (n, {num_classes})"
    if not isinstance(metrics, list | tuple):
        raise fail(argument, repr(metrics), f"{expected}, such as ['accuracy']")
    for metric in metrics:
        if isinstance(metric, str) and metric in KNOWN_METRICS:
            continue
        try:
            _try_metric(keras.metrics.get(metric), num_classes)
        except Exception as error:  # as above
            got = f"{metric!r}, which fails ({error})"
            raise fail(argument, got, f"{expected}, such as ['accuracy']") from error


def _few_rows(num_classes: int) -> tuple[Any, Any]:
    """Return labels and probabilities as tensors; more rows than classes, lest shapes fit."""
    count = num_classes + 1
    labels = np.arange(count, dtype="int32") % num_classes
    probabilities = np.full((count, num_classes), 1 / num_classes, "float32")
    return keras.ops.convert_to_tensor(labels), keras.ops.convert_to_tensor(probabilities)


def _try_metric(metric: Any, num_classes: int) -> None:
    """Let a metric see a few rows, and forget them: `fit` would reset it as well."""
    try:
        metric(*_few_rows(num_classes))
    finally:
        if isinstance(metric, keras.metrics.Metric):
            metric.reset_state()

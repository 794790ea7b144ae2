"""The registry of metrics: what quality, monitor, model card and report iterate over."""

from __future__ import annotations

import re

from keras_medaug.checks import fail
from keras_medaug.metrics.metric import Metric

_METRICS: dict[str, Metric] = {}
# Keys of `sample_quality`, and the first column of `SampleMonitor`'s table.
_RESERVED = {"count", "counts", "training_count", "spaces", "classes", "epoch"}


def register_metric(metric: Metric) -> Metric:
    """Register a metric, and return it.

    `sample_quality` measures it from then on, and `SampleMonitor` knows its name. Results show
    metrics in the order in which they were registered.

    Args:
        metric: A metric with a new name.

    Returns:
        The same metric.

    Raises:
        ValueError: If another metric has the name, or the name is not a lower-case identifier; if
            the direction is neither `"less"` nor `"more"`, or the space neither `"features"` nor
            `"images"`; if title or caption is empty; or if `measure` is not a function.

    Example:

    >>> from keras_medaug.metrics.metric import Metric
    >>> from keras_medaug.metrics.registry import register_metric, unregister_metric
    >>> def measure(samples):
    ...     means = [float(rows.mean()) for rows in (samples.real, samples.drawn)]
    ...     return {"value": abs(means[1] - means[0]), "ci95": [0.0, 1.0]}
    >>> caption = "How far the means of all features are apart."
    >>> metric = Metric("mean", "difference of means", "less", caption, measure=measure)
    >>> register_metric(metric).name
    'mean'
    >>> unregister_metric("mean")
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", str(metric.name)):
        expected = "a name in lower case: letters, digits and underscores"
        raise fail("metric.name", repr(metric.name), expected)
    if metric.name in _METRICS or metric.name in _RESERVED:
        taken = ", ".join(sorted({*_METRICS, *_RESERVED}))
        raise fail("metric.name", repr(metric.name), f"a new name; taken are {taken}")
    if metric.direction not in ("less", "more"):
        raise fail("metric.direction", repr(metric.direction), "'less' or 'more'")
    if metric.space not in ("features", "images"):
        raise fail("metric.space", repr(metric.space), "'features' or 'images'")
    for name in ("title", "caption"):
        if not str(getattr(metric, name)).strip():
            raise fail(f"metric.{name}", "an empty text", "words for readers of a model card")
    if not callable(metric.measure):
        got = f"a {type(metric.measure).__name__}"
        raise fail("metric.measure", got, "a function from `Samples` to a dictionary")
    _METRICS[metric.name] = metric
    return metric


def unregister_metric(name: str) -> None:
    """Forget a metric.

    Args:
        name: Name of a registered metric.

    Raises:
        ValueError: If no metric has this name.

    Example:

    >>> from keras_medaug.metrics.registry import metrics, register_metric, unregister_metric
    >>> spectral = metrics()["spectral"]
    >>> unregister_metric("spectral")
    >>> register_metric(spectral).name
    'spectral'
    """
    if name not in _METRICS:
        raise fail("name", repr(name), f"one of {', '.join(_METRICS)}")
    del _METRICS[name]


def metrics() -> dict[str, Metric]:
    """Return the registered metrics by name.

    Returns:
        A new dictionary.

    Example:

    >>> from keras_medaug.metrics.registry import metrics
    >>> list(metrics())[:2]
    ['kernel', 'frechet']
    """
    return dict(_METRICS)

"""The registry of metrics: what quality, monitor, model card and report iterate over."""

from keras_medaug.metrics.metric import Metric

_METRICS: dict[str, Metric] = {}


def register_metric(metric: Metric) -> Metric:
    """Register a metric, and return it.

    Args:
        metric: One with a new name.

    Returns:
        The same.

    Example:

    >>> from keras_medaug.metrics.registry import metrics, register_metric
    >>> register_metric(metrics()["kernel"]).name
    'kernel'
    """
    _METRICS[metric.name] = metric
    return metric


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


PLACE = "Whether images lie where real images do. Noise lowers it; blur need not."
NEAR = "Whether there is a synthetic image near each real image. Whatever is missing lowers it."

for _metric in (
    Metric(
        "kernel",
        "kernel distance (KID)",
        "less",
        "How far means, variances and skews of the features are apart. It is 0 on average for "
        "images of the same kind, however few, so that it can be below 0.",
    ),
    Metric(
        "frechet",
        "Fréchet distance (FID)",
        "less",
        "How far means and covariances of the features are apart. It is always above 0, the more "
        "so with few images.",
    ),
    Metric("precision", "precision", "more", PLACE),
    Metric("recall", "recall", "more", NEAR),
    Metric("density", "density", "more", PLACE),
    Metric("coverage", "coverage", "more", NEAR),
    Metric(
        "spectral",
        "spectral distance",
        "less",
        "How far the power at each spatial frequency is apart. Blur, noise and checkerboard "
        "patterns raise it.",
        "images",
    ),
):
    register_metric(_metric)

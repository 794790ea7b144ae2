"""Numbers about predictions and samples that the report needs beside the paper's own."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from keras_medaug.study.scores import area


def accuracy(labels: NDArray, logits: NDArray) -> float:
    """Return the share of images whose likeliest class is theirs."""
    return float(np.mean(logits.argmax(axis=1) == labels))


def auc(labels: NDArray, logits: NDArray) -> float | None:
    """Return the area under the ROC curve, as MedMNIST does: class 1, or the mean over classes."""
    every_class = len(np.unique(labels)) == logits.shape[1]
    return area(labels, logits) if every_class else None


def interval_of_share(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's 95% interval of a share, to the nearest image, of `count` images."""
    found = stats.binomtest(round(share * count), count).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def half_width_of_mean(sd: float, count: int) -> float:
    """Return half the width of Student's 95% interval of the mean of `count` values."""
    return float(stats.t.ppf(0.975, count - 1) * sd / np.sqrt(count))


def spread(values: Sequence[float | None]) -> dict[str, Any]:
    """Return mean, standard deviation, number and values over seeds; `None` where not defined."""
    known = [value for value in values if value is not None]
    return {
        "mean": float(np.mean(known)) if known else None,
        "sd": float(np.std(known, ddof=1)) if len(known) > 1 else None,
        "n": len(known),
        "values": list(values),
    }

"""Numbers about predictions and samples that the report needs beside the paper's own."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def accuracy(labels: NDArray, probabilities: NDArray) -> float:
    """Return the share of images whose likeliest class is theirs."""
    return float(np.mean(probabilities.argmax(axis=1) == labels))


def auc(labels: NDArray, probabilities: NDArray) -> float | None:
    """Return the area under the ROC curve, as MedMNIST does: class 1, or the mean over classes."""
    classes = range(1, 2) if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    areas = [_binary_auc(labels == k, probabilities[:, k]) for k in classes]
    known = [area for area in areas if area is not None]
    return float(np.mean(known)) if len(known) == len(areas) else None


def _binary_auc(positive: NDArray, scores: NDArray) -> float | None:
    """Return the share of (positive, negative) pairs in the right order; ties count one half."""
    count, others = int(positive.sum()), int((~positive).sum())
    if not count or not others:
        return None
    _, inverse, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(sizes) - (sizes - 1) / 2
    return float((ranks[inverse][positive].sum() - count * (count + 1) / 2) / (count * others))


def distances(images: NDArray) -> NDArray:
    """Return the distances of all pairs of two or more images: root mean squares over pixels."""
    flat = images.reshape(len(images), -1).astype("float64")
    # Differences, not the expanded square: the distance of two equal images must be 0.
    squares = [np.mean((flat[i + 1 :] - flat[i]) ** 2, axis=1) for i in range(len(flat) - 1)]
    return np.sqrt(np.concatenate(squares))


def half_width(share: float, count: int) -> float:
    """Return half the width of the 95% interval of a share of `count` images."""
    return float(1.96 * np.sqrt(share * (1 - share) / count))


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's 95% interval of a share of `count` images; never beyond 0 or 1."""
    z2 = 1.96**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    width = 1.96 / (1 + z2 / count) * np.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return float(centre - width), float(centre + width)


def spread(values: Sequence[float | None]) -> dict[str, Any]:
    """Return mean, standard deviation, number and values over seeds; `None` where not defined."""
    known = [value for value in values if value is not None]
    return {
        "mean": float(np.mean(known)) if known else None,
        "sd": float(np.std(known, ddof=1)) if len(known) > 1 else None,
        "n": len(known),
        "values": list(values),
    }

"""How near gradients are to what they should be. Needs no backend."""

import numpy as np


def relative_error(actual, expected):
    """Return the largest relative error of a weight's gradient, in Euclidean norms.

    The scale is the gradient's own norm, but at least a hundredth of its whole network's: of a
    gradient that nearly cancels, such as that of a score's bias, float32 has fewer digits left.
    """
    actual = [np.asarray(array, "float64") for array in actual]
    expected = [np.asarray(array, "float64") for array in expected]
    whole = np.sqrt(sum((array**2).sum() for array in expected))
    errors = []
    for first, second in zip(actual, expected, strict=True):
        if first.shape != second.shape:
            raise ValueError(f"shapes {first.shape} and {second.shape}")
        scale = max(np.linalg.norm(second), 0.01 * whole) or 1.0
        errors.append(np.linalg.norm(first - second) / scale)
    return float(max(errors))


def cosine(actual, expected):
    """Return the cosine between two gradients of a whole network."""
    first = np.concatenate([np.ravel(array).astype("float64") for array in actual])
    second = np.concatenate([np.ravel(array).astype("float64") for array in expected])
    return float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))

"""How near gradients are to what they should be. Needs no backend."""

import numpy as np


def relative_error(found, expected):
    """Return the largest relative error of a weight's gradient, in Euclidean norms.

    The scale is the gradient's own norm, but at least a hundredth of its whole network's: of a
    gradient that nearly cancels, such as that of a score's bias, float32 has fewer digits left.
    """
    found = [np.asarray(each, "float64") for each in found]
    expected = [np.asarray(each, "float64") for each in expected]
    whole = np.sqrt(sum((each**2).sum() for each in expected))
    errors = []
    for one, other in zip(found, expected, strict=True):
        if one.shape != other.shape:
            raise ValueError(f"shapes {one.shape} and {other.shape}")
        scale = max(np.linalg.norm(other), 0.01 * whole) or 1.0
        errors.append(np.linalg.norm(one - other) / scale)
    return float(max(errors))


def cosine(found, expected):
    """Return the cosine between two gradients of a whole network."""
    one = np.concatenate([np.ravel(each).astype("float64") for each in found])
    other = np.concatenate([np.ravel(each).astype("float64") for each in expected])
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))

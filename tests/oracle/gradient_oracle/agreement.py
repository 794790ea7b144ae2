"""How near gradients are to what they should be. Needs no backend."""

import numpy as np


def relative_error(gradients, expected):
    """Return the largest relative error of a weight's gradient, in Euclidean norms.

    The scale is the gradient's own norm, but at least a hundredth of its whole network's: of a
    gradient that nearly cancels, such as that of a score's bias, float32 has fewer digits left.
    """
    gradients = [np.asarray(gradient, "float64") for gradient in gradients]
    expected = [np.asarray(gradient, "float64") for gradient in expected]
    whole = np.sqrt(sum((gradient**2).sum() for gradient in expected))
    errors = []
    for gradient, reference in zip(gradients, expected, strict=True):
        if gradient.shape != reference.shape:
            raise ValueError(f"shapes {gradient.shape} and {reference.shape}")
        scale = max(np.linalg.norm(reference), 0.01 * whole) or 1.0
        errors.append(np.linalg.norm(gradient - reference) / scale)
    return float(max(errors))


def cosine(gradients, expected):
    """Return the cosine between two gradients of a whole network."""
    one = np.concatenate([np.ravel(gradient).astype("float64") for gradient in gradients])
    other = np.concatenate([np.ravel(gradient).astype("float64") for gradient in expected])
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))

"""Small rotations and shifts of images, and how to tell them from two images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_ROTATION = np.deg2rad(12.0)  # by how much an image may be rotated
MOST_SHIFT = 0.15  # and shifted, as a fraction of its side
FEWEST = 0.5  # fraction of the pixels that two images must have in common
STEP, ROTATION_STEP = 0.05, 0.15  # largest change of a shift, a fraction, and of a rotation
DAMPING = 1e-3
# Along the edges a fraction of the side counts as outside: a copy that was first shifted and then
# rotated shows something else there.
EDGE = 0.04

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Poses:
    """Where each of some images lies: rotated about its centre, then shifted.

    Attributes:
        rotations: Radians, `(n,)`.
        down: Pixels, `(n,)`.
        across: Pixels, `(n,)`.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.poses import Poses
    >>> Poses(np.zeros(2), np.ones(2), np.ones(2)).rotations.tolist()
    [0.0, 0.0]
    """

    rotations: NDArray
    down: NDArray
    across: NDArray


def reducing_matrix(size: int, reduced: int) -> Floats:
    """Return the matrix that reduces a side by means of equal parts of it.

    Args:
        size: Pixels of the side.
        reduced: Pixels that it is to have, as many at most.

    Returns:
        Shape `(reduced, size)`; rows sum to 1.

    Example:

    >>> from keras_medaug.metrics.poses import reducing_matrix
    >>> reducing_matrix(4, 2).tolist()
    [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
    """
    ends = np.arange(reduced + 1) * size / reduced
    pixels = np.arange(size)
    low = np.maximum(ends[:-1, None], pixels)
    high = np.minimum(ends[1:, None], pixels + 1)
    return (np.maximum(high - low, 0) * reduced / size).astype(np.float32)


def reduced(images: Floats, height: int, width: int) -> Floats:
    """Return images reduced to a height and width.

    Args:
        images: Shape `(n, h, w, c)`.
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        Shape `(n, height, width, c)`.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.poses import reduced
    >>> reduced(np.ones((2, 28, 28, 1), "float32"), 10, 10).shape
    (2, 10, 10, 1)
    """
    if images.shape[1:3] == (height, width):
        return images
    rows = reducing_matrix(images.shape[1], height)
    columns = reducing_matrix(images.shape[2], width)
    narrow = np.einsum("kw,nhwc->nhkc", columns, images, optimize=True)
    return np.einsum("jh,nhkc->njkc", rows, narrow, optimize=True)


def smoothed(images: Floats) -> Floats:
    """Return images smoothed by the weights 1, 2, 1 along both sides.

    Args:
        images: Shape `(n, h, w, c)`.

    Returns:
        The same shape.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.poses import smoothed
    >>> smoothed(np.ones((1, 8, 8, 1), "float32")).max().item()
    1.0
    """
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    rows = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    return (rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / np.float32(16)


def warped(images: Floats, poses: Poses) -> tuple[Floats, NDArray[np.bool_]]:
    """Return each image in its pose, by linear interpolation.

    Args:
        images: Shape `(n, h, w, c)`.
        poses: One for each image.

    Returns:
        The images, of the same shape, and which of their pixels lie inside the original,
        away from its edges, `(n, h, w)`. Those outside repeat its edge.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.poses import Poses, warped
    >>> image = np.arange(64, dtype="float32").reshape(1, 8, 8, 1)
    >>> moved, inside = warped(image, Poses(np.zeros(1), np.ones(1), np.zeros(1)))
    >>> moved[0, 0, :3, 0].tolist(), inside[0, :, 3].tolist()[-3:]
    ([8.0, 9.0, 10.0], [True, False, False])
    """
    count, height, width, channels = images.shape
    rows, columns = _centred(height, width)
    cosine, sine = (f(poses.rotations)[:, None].astype(np.float32) for f in (np.cos, np.sin))
    down = cosine * rows - sine * columns
    down += (poses.down[:, None] + (height - 1) / 2).astype(np.float32)
    across = sine * rows + cosine * columns
    across += (poses.across[:, None] + (width - 1) / 2).astype(np.float32)
    edges = EDGE * height, EDGE * width
    inside = (down > edges[0]) & (down < height - 1 - edges[0])
    inside &= (across > edges[1]) & (across < width - 1 - edges[1])
    down, across = np.clip(down, 0, height - 1), np.clip(across, 0, width - 1)
    top = np.minimum(down.astype(np.int32), height - 2)
    left = np.minimum(across.astype(np.int32), width - 2)
    down, across = (down - top)[..., None], (across - left)[..., None]
    place = top * width + left + (np.arange(count, dtype=np.int32) * (height * width))[:, None]
    # Without an axis of length 1 this takes half the time.
    pixels = images.reshape(-1, channels) if channels > 1 else images.reshape(-1)
    if channels == 1:
        down, across = down[..., 0], across[..., 0]
    upper = pixels.take(place, axis=0)
    upper += across * (pixels.take(place + 1, axis=0) - upper)
    lower = pixels.take(place + width, axis=0)
    lower += across * (pixels.take(place + width + 1, axis=0) - lower)
    upper += down * (lower - upper)
    return upper.reshape(images.shape), inside.reshape(count, height, width)


def improved(targets: Floats, images: Floats, poses: Poses) -> Poses:
    """Return poses in which images fit targets better: one step of Gauss and Newton.

    Brightness and contrast are fitted with them; a negative contrast is an inverted image.

    Args:
        targets: What each image is to fit, `(n, h, w, 1)`.
        images: The images, `(n, h, w, 1)`.
        poses: Where they lie.

    Returns:
        The new poses.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.poses import Poses, improved, smoothed
    >>> noise = np.random.default_rng(0).random((1, 28, 28, 1), "float32")
    >>> image = smoothed(smoothed(smoothed(noise)))
    >>> target, poses = np.roll(image, 1, axis=1), Poses(*np.zeros((3, 1)))
    >>> for _ in range(5):
    ...     poses = improved(target, image, poses)
    >>> poses.down.round(1).tolist()
    [-1.0]
    """
    count, height, width, _ = images.shape
    values, inside = warped(images, poses)
    values = values[..., 0]
    slopes, radius = _slopes(values)
    inside[:, [0, -1]] = False
    inside[:, :, [0, -1]] = False
    weights = inside.reshape(count, 1, -1).astype(np.float32)
    terms = np.stack([np.ones_like(values), values, *slopes], axis=1).reshape(count, 5, -1)
    weighted = terms * weights
    matrix = (weighted @ terms.swapaxes(1, 2)).astype(np.float64)
    right = (weighted @ targets.reshape(count, -1, 1)).astype(np.float64)
    diagonal = np.arange(5)
    matrix[:, diagonal, diagonal] = matrix[:, diagonal, diagonal] * (1 + DAMPING) + 1e-6
    solution = np.linalg.solve(matrix, right)[..., 0]
    contrast = np.where(np.abs(solution[:, 1]) < 1e-3, 1e-3, solution[:, 1])
    steps = solution[:, 2:] / contrast[:, None]
    down = np.clip(steps[:, 0], -STEP * height, STEP * height)
    across = np.clip(steps[:, 1], -STEP * width, STEP * width)
    rotation = np.clip(steps[:, 2] / radius, -ROTATION_STEP, ROTATION_STEP)
    cosine, sine = np.cos(poses.rotations), np.sin(poses.rotations)
    return _bounded(
        poses.rotations + rotation,
        poses.down + cosine * down - sine * across,
        poses.across + sine * down + cosine * across,
        (height, width),
    )


def correlations(targets: Floats, images: Floats, inside: NDArray[np.bool_]) -> NDArray:
    """Return the size of the correlation of each image with its target, where both have pixels.

    Args:
        targets: Shape `(n, h, w, c)`.
        images: The same shape.
        inside: Which pixels count, `(n, h, w)`.

    Returns:
        Numbers in [0, 1], `(n,)`; 0 where fewer than half of the pixels count.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.poses import correlations
    >>> x = np.random.default_rng(0).random((1, 8, 8, 1), "float32")
    >>> correlations(x, 1 - x, np.ones((1, 8, 8), bool)).round(3).tolist()
    [1.0]
    """
    count, channels = len(images), images.shape[3]
    weights = inside.reshape(count, -1, 1).astype(np.float32)
    pixels = weights.sum(axis=(1, 2))
    parts = []
    for part in (targets, images):
        rows = part.reshape(count, -1, channels)
        mean = np.einsum("npc,npk->n", rows, weights) / np.maximum(pixels * channels, 1)
        parts.append((rows - mean[:, None, None]) * weights)
    first, second = parts
    product, *squares = (
        np.einsum("npc,npc->n", a, b, dtype=np.float64)
        for a, b in ((first, second), (first, first), (second, second))
    )
    size = np.abs(product) / np.sqrt(np.maximum(squares[0] * squares[1], 1e-12))
    return np.where(pixels >= FEWEST * weights.shape[1], np.minimum(size, 1), 0)


def warping_matrix(
    shape: tuple[int, int], margin: int, rotation: float, down: float, across: float
) -> Floats:
    """Return the matrix that warps images and leaves out their margin.

    Args:
        shape: Height and width.
        margin: Pixels that are left out along each edge.
        rotation: Radians.
        down: Pixels.
        across: Pixels.

    Returns:
        From the pixels of an image to those within the margin.

    Example:

    >>> from keras_medaug.metrics.poses import warping_matrix
    >>> warping_matrix((8, 10), 1, 0, 0, 0).shape
    (80, 48)
    """
    height, width = shape
    units = np.eye(height * width, dtype=np.float32).reshape(1, height, width, -1)
    pose = Poses(*(np.array([value], np.float32) for value in (rotation, down, across)))
    moved, _ = warped(units, pose)
    kept = moved[0, margin : height - margin, margin : width - margin]
    return np.ascontiguousarray(kept.reshape(-1, height * width).T)


def _centred(height: int, width: int) -> tuple[Floats, Floats]:
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return rows.ravel() - np.float32((height - 1) / 2), columns.ravel() - np.float32(
        (width - 1) / 2
    )


def _slopes(values: Floats) -> tuple[list[Floats], float]:
    """Return how values change with shifts and rotations, and the radius that divides the last."""
    height, width = values.shape[1:]
    down, across = np.zeros_like(values), np.zeros_like(values)
    down[:, 1:-1] = (values[:, 2:] - values[:, :-2]) / 2
    across[:, :, 1:-1] = (values[:, :, 2:] - values[:, :, :-2]) / 2
    rows, columns = (part.reshape(height, width) for part in _centred(height, width))
    radius = max(height, width) / 2
    rotated = ((across * rows - down * columns) / np.float32(radius)).astype(np.float32)
    return [down, across, rotated], radius


def _bounded(rotations: NDArray, down: NDArray, across: NDArray, size: tuple[int, int]) -> Poses:
    most = [MOST_SHIFT * side for side in size]
    return Poses(
        np.clip(rotations, -MOST_ROTATION, MOST_ROTATION),
        np.clip(down, -most[0], most[0]),
        np.clip(across, -most[1], most[1]),
    )

"""Nearest training images when small rotations and shifts do not count.

Candidates come from a coarse search, in which all training images are compared with what rotations
and shifts make of an image, to first order. Each candidate is then registered to the image.
"""

import numpy as np
from numpy.typing import NDArray

from keras_medaug.images import to_float
from keras_medaug.metrics.equality import forms, uniform_images, uniformity_limit
from keras_medaug.metrics.neighbours import FOLLOWING, Neighbours
from keras_medaug.metrics.poses import (
    Floats,
    Poses,
    correlations,
    improved,
    reduced,
    smoothed,
    warped,
    warping_matrix,
)
from keras_medaug.progress import Report, ignore

COARSE, FINE = 10, 32  # pixels of the longer side in which images are searched and registered
MARGIN = 1  # coarse pixels along each edge that are not searched
COMPONENTS = 40  # principal components that are searched
SHIFTS = (-0.086, 0.0, 0.086)  # fractions of a side about which shifts are searched
HALF_PIXEL, HALF_ROTATION = 0.018, np.deg2rad(3.0)  # over which slopes are taken
CANDIDATES = FOLLOWING + 2
SMALL_STEPS, STEPS = 4, 3  # of registration, with half as many pixels a side, and with all
ROUNDING = 2e-3  # distances up to here may come from rounding alone
NAMES = ("registered", "smoothed")


class Registration:
    """What training images are searched by: their coarse features.

    Args:
        training: Images, floats in [0, 1] or `uint8`, shape `(n, h, w, c)`.
        batch_size: Images that are looked at at a time.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.registration import Registration
    >>> from keras_medaug.metrics.poses import smoothed
    >>> noise = np.random.default_rng(0).random((30, 16, 16, 1), "float32")
    >>> images = smoothed(smoothed(noise))
    >>> nearest = Registration(images).nearest(1 - np.roll(images[:5], 1, axis=1))["smoothed"]
    >>> nearest.indices.tolist()
    [0, 1, 2, 3, 4]
    """

    def __init__(self, training: NDArray, batch_size: int = 256) -> None:
        self.training, self.batch_size = training, batch_size
        self.square = training.shape[1] == training.shape[2]
        self.uniformity = uniformity_limit(training)
        self.coarse = _sides(training.shape, COARSE)
        self.fine = _sides(training.shape, FINE)
        self.centres = [(down, across) for down in SHIFTS for across in SHIFTS]
        self.features, self.bases = self._fit()

    def nearest(self, images: NDArray, report: Report = ignore) -> dict[str, Neighbours]:
        """Return the nearest training image of each image, once registered.

        Args:
            images: Floats in [0, 1] or `uint8`, of the training images' shape.
            report: Called with how many images are done, and how many there are.

        Returns:
            The neighbours `"registered"`, and `"smoothed"`: the same of images that were smoothed
            before the distance is taken, in which noise counts less.
        """
        count, rows = len(images), max(1, self.batch_size // 4)
        neighbours = {
            name: Neighbours(np.zeros(count), np.zeros(count, np.intp), np.ones(count))
            for name in NAMES
        }
        for start in range(0, count, rows):
            chunk = slice(start, start + rows)
            for name, part in self._compared(images[chunk]).items():
                neighbours[name].distances[chunk] = part.distances
                neighbours[name].indices[chunk] = part.indices
                neighbours[name].relative[chunk] = part.relative
            report(min(start + rows, count), count)
        return neighbours

    # ---- candidates ---------------------------------------------------------------------------

    def _fit(self) -> tuple[Floats, list[list[Floats]]]:
        """Return the training images' features, and the matrices that make those of images."""
        whole = warping_matrix(self.coarse, MARGIN, 0, 0, 0)
        rows = np.concatenate([
            _standardised(
                self._coarse(chunk).reshape(len(chunk), -1) @ whole,
                uniform_images(chunk, self.uniformity),
            )
            for chunk in self._chunks()
        ])  # fmt: skip
        _, vectors = np.linalg.eigh((rows.T @ rows).astype(np.float64))
        components = vectors[:, ::-1][:, :COMPONENTS].astype(np.float32)
        bases = [self._matrices(down, across, components) for down, across in self.centres]
        return rows @ components, bases

    def _chunks(self) -> list[NDArray]:
        size = self.batch_size
        return [self.training[i : i + size] for i in range(0, len(self.training), size)]

    def _coarse(self, images: NDArray) -> Floats:
        gray = to_float(images).mean(axis=3, keepdims=True)
        return reduced(gray, *self.coarse)[..., 0]

    def _matrices(self, down: float, across: float, components: Floats) -> list[Floats]:
        """Return what makes an image's features about a shift, and their three slopes."""
        height, width = self.coarse
        step = HALF_PIXEL

        def at(rotation: float, down: float, across: float) -> Floats:
            return warping_matrix(self.coarse, MARGIN, rotation, down * height, across * width)

        matrices = [
            at(0, down, across),
            at(0, down + step, across) - at(0, down - step, across),
            at(0, down, across + step) - at(0, down, across - step),
            at(HALF_ROTATION, down, across) - at(-HALF_ROTATION, down, across),
        ]
        return [(rows - rows.mean(axis=1, keepdims=True)) @ components for rows in matrices]

    def _candidates(self, images: NDArray) -> tuple[NDArray, NDArray]:
        """Return the likeliest training images of each image, and in which form and shift."""
        most = min(CANDIDATES, len(self.training))
        bases = self._bases(images)
        best: NDArray = np.zeros((len(images), 0), np.float32)
        indices: NDArray = np.zeros((len(images), 0), np.intp)
        variants: NDArray = indices
        for start in range(0, len(self.training), 4 * self.batch_size):
            others = self.features[start : start + 4 * self.batch_size]
            values, which = _explained(bases, others)
            places = np.broadcast_to(np.arange(start, start + len(others)), values.shape)
            best, indices, variants = (
                np.hstack(pair) for pair in ((best, values), (indices, places), (variants, which))
            )
            fewer = min(most, best.shape[1])
            kept = np.argpartition(-best, fewer - 1, axis=1)[:, :fewer]
            best, indices, variants = (
                np.take_along_axis(table, kept, axis=1) for table in (best, indices, variants)
            )
        return indices, variants

    def _bases(self, images: NDArray) -> list[Floats]:
        """Return orthonormal vectors that span each form and shift of the images, `(n, d, 4)`."""
        bases = []
        for form in forms(self._coarse(images), self.square):
            rows = form.reshape(len(images), -1)
            for matrices in self.bases:
                vectors = np.stack([rows @ matrix for matrix in matrices], axis=2)
                sizes = np.sqrt((vectors**2).sum(axis=1, keepdims=True))
                bases.append(np.linalg.qr(vectors / np.maximum(sizes, 1e-6))[0])
        return bases

    # ---- registration -------------------------------------------------------------------------

    def _compared(self, images: NDArray) -> dict[str, Neighbours]:
        indices, variants = self._candidates(images)
        count, most = indices.shape
        places, centres = np.divmod(variants, len(self.centres))
        tables = {name: np.zeros((count, most)) for name in NAMES}
        # as many pairs at a time as there are images in a batch
        rows = max(1, self.batch_size // most)
        for start in range(0, count, rows):
            part = slice(start, start + rows)
            pairs = self._registered(images[part], indices[part], places[part], centres[part])
            for name, distances in zip(NAMES, pairs, strict=True):
                tables[name][part] = distances
        return {name: _neighbours(table, indices) for name, table in tables.items()}

    def _registered(
        self, images: NDArray, indices: NDArray, places: NDArray, centres: NDArray
    ) -> list[NDArray]:
        """Return the distances of images and candidates, sharp and smoothed."""
        fine = reduced(to_float(images), *self.fine)
        in_forms = np.stack(list(forms(fine, self.square)), axis=1)
        targets = in_forms[np.arange(len(images))[:, None], places]
        targets = targets.reshape(-1, *targets.shape[2:])
        others = reduced(to_float(self.training[indices.ravel()]), *self.fine)
        poses = self._poses(targets, others, centres.ravel())
        distances = []
        for fit in (lambda x: x, smoothed):
            moved, inside = warped(fit(others), poses)
            sizes = correlations(fit(targets), moved, inside)
            distances.append(np.sqrt(2 - 2 * sizes).reshape(indices.shape))
        return distances

    def _poses(self, targets: Floats, others: Floats, centres: NDArray) -> Poses:
        """Return the poses in which candidates fit, first of half as many pixels a side."""
        half = _sides(targets.shape, max(self.fine) // 2)
        sides = np.array(half) / np.array(self.fine)
        shifts = -np.array(self.centres)[centres] * np.array(half)
        poses = Poses(np.zeros(len(centres)), shifts[:, 0], shifts[:, 1])
        gray = [images.mean(axis=3, keepdims=True) for images in (targets, others)]
        small = [smoothed(reduced(images, *half)) for images in gray]
        for _ in range(SMALL_STEPS):
            poses = improved(small[0], small[1], poses)
        poses = Poses(poses.rotations, poses.down / sides[0], poses.across / sides[1])
        for _ in range(STEPS):
            poses = improved(gray[0], gray[1], poses)
        return poses


def _sides(shape: tuple[int, ...], most: int) -> tuple[int, int]:
    """Return height and width, reduced so that neither is above `most`, nor below 8 if it was."""
    height, width = shape[1:3]
    scale = min(1.0, most / max(height, width))
    return max(min(height, 8), round(height * scale)), max(min(width, 8), round(width * scale))


def _standardised(rows: Floats, uniform: NDArray[np.bool_]) -> Floats:
    """Return rows of mean 0 and length 1; those of uniform images are 0."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    sizes = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    rows = rows / np.maximum(sizes, 1e-6)
    rows[uniform] = 0
    return rows


def _explained(bases: list[Floats], features: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Return what fraction of each training image the best basis explains, and which it is."""
    best = np.full((len(bases[0]), len(features)), -1, np.float32)
    which = np.zeros(best.shape, np.intp)
    for number, basis in enumerate(bases):
        values = np.zeros_like(best)
        for vector in range(basis.shape[2]):
            product = basis[:, :, vector] @ features.T
            product *= product
            values += product
        which[values > best] = number
        np.maximum(best, values, out=best)
    return best, which


def _neighbours(table: NDArray, indices: NDArray) -> Neighbours:
    order = np.lexsort((indices, table), axis=1)
    table, indices = (np.take_along_axis(rows, order, axis=1) for rows in (table, indices))
    relative = np.ones(len(table))
    if table.shape[1] > 1:
        next_ones = table[:, 1 : FOLLOWING + 1].mean(axis=1)
        np.divide(table[:, 0], next_ones, out=relative, where=next_ones > ROUNDING)
    return Neighbours(table[:, 0], indices[:, 0], relative)

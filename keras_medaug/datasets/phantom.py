"""A procedural set: tissue-like images whose one structure gives the class.

Ultrasound lends the picture: layers and blobs of different brightness, darker with depth, under
multiplicative speckle with Rayleigh-distributed amplitude, logarithmically compressed. The colour
version takes the same fields as the density of two stains (Beer-Lambert).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from keras_medaug.checked_images import CheckedImages
from keras_medaug.checks import check_positive, fail
from keras_medaug.datasets.dataset import Dataset
from keras_medaug.images import check_image_shape, to_uint8

CLASS_NAMES = ("cyst", "spiculated mass", "vessel", "target lesion", "diffuse nodules")
MIN_CLASSES = 3

GRID = 6  # random values per side from which a smooth field is interpolated
BLOBS = 3  # faint ones per image, of no meaning
NODULES = 9
CHUNK = 1 << 15  # pixels drawn at a time: the arrays in between stay in the cache

# Optical density per unit of stain in red, green and blue: haematoxylin and eosin.
STAINS = np.array([[0.65, 0.70, 0.29], [0.15, 0.80, 0.35]])

Fields = NDArray[np.float64]


def make_phantom(
    size: int | tuple[int, int] = 28,
    channels: int = 1,
    num_classes: int = 4,
    seed: int = 0,
    train: int = 480,
    val: int = 96,
    test: int = 192,
) -> Dataset:
    """Return the procedural set; see `keras_medaug.datasets.load`.

    A function of its arguments alone. Each split has random streams of its own, so no image of
    one depends on how many there are in another, and a larger split begins with the smaller one.
    """
    pair = (size, size) if isinstance(size, int | np.integer) else size
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise fail("size", repr(size), "a number, or a pair (height, width)")
    check_image_shape((*pair, 1), "size")
    if isinstance(channels, bool) or channels not in (1, 3):
        raise fail("channels", repr(channels), "1 or 3")
    check_positive(num_classes, "num_classes", integer=True)
    if not MIN_CLASSES <= num_classes <= len(CLASS_NAMES):
        raise fail("num_classes", num_classes, f"from {MIN_CLASSES} to {len(CLASS_NAMES)}")
    check_positive(seed, "seed", integer=True, zero=True)
    counts = {"train": train, "val": val, "test": test}
    for split, count in counts.items():
        check_positive(count, split, integer=True)
        if count < num_classes:
            raise fail(split, count, f"at least {num_classes} images, one per class")
    height, width = map(int, pair)
    pairs = {
        split: _make_split(height, width, channels, num_classes, (seed, number), count)
        for number, (split, count) in enumerate(counts.items())
    }
    return Dataset("phantom", **pairs, class_names=CLASS_NAMES[:num_classes])


def _make_split(height, width, channels, num_classes, seed, count):
    # A stream for each kind of number, so that the division into chunks does not matter.
    streams = [_Draws(*seed, kind) for kind in ("structure", "fields", "speckle")]
    labels = _draw_labels(_Draws(*seed, "labels"), num_classes, count)
    images = np.empty((count, height, width, channels), np.uint8)
    for chunk in _chunks(count, height * width):
        images[chunk] = _draw(streams, labels[chunk], height, width, channels)
    return CheckedImages(images), labels


def _chunks(count: int, pixels: int) -> Iterator[slice]:
    step = max(1, CHUNK // pixels)
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


def _draw_labels(draws: _Draws, num_classes: int, count: int) -> NDArray[np.int32]:
    """Return balanced labels: one permutation of the classes after the other."""
    rounds = -(-count // num_classes)
    order = np.argsort(draws.uniform((rounds, num_classes)), axis=1, kind="stable")
    return order.ravel()[:count].astype(np.int32)


def _draw(streams, labels, height, width, channels):
    """Return the images of one chunk.

    Every image takes the same number of draws, whatever its class is: that is what makes a
    longer split begin with the shorter one.
    """
    n = len(labels)
    structure_draws, field_draws, speckle_draws = streams
    u = structure_draws.uniform((n, PARAMETERS))
    grids = field_draws.normal((n, 2, GRID, GRID))
    unit = min(height, width)
    y = ((np.arange(height) + 0.5) / unit)[:, None]
    x = ((np.arange(width) + 0.5) / unit)[None, :]
    scene = _Scene(u, y, x)
    tissue, cells = (_interpolate(grids[:, k], height, width) for k in range(2))
    reflectivity = _background(scene, tissue)
    for label, structure in enumerate(STRUCTURES):
        chosen = labels == label
        if chosen.any():
            reflectivity[chosen] *= structure(_Scene(u[chosen], y, x))
    speckle = _speckle(speckle_draws.normal((n, 2, height, width)))
    gray = _compress(scene, reflectivity, speckle)
    if channels == 1:
        return to_uint8(gray[..., None])
    return to_uint8(_stain(scene, gray, reflectivity, cells))


class _Draws:
    """A stream of random numbers that its key alone decides, the same on every machine.

    NumPy promises the raw output of a bit generator, but not what `Generator` makes of it: so the
    two distributions needed here are made from the raw output.

    Args:
        *key: Integers and strings; another key gives an independent stream.
    """

    def __init__(self, *key: int | str):
        digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
        self._bits = np.random.PCG64(np.random.SeedSequence(int.from_bytes(digest, "little")))

    def uniform(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Return numbers in [0, 1)."""
        raw = self._bits.random_raw(int(np.prod(shape)))
        return (raw >> np.uint64(11)).reshape(shape).astype(np.float64) * 2.0**-53

    def normal(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Return numbers of the standard normal distribution (Box-Muller)."""
        count = int(np.prod(shape))
        pairs = self.uniform(((count + 1) // 2, 2))
        radius = np.sqrt(-2.0 * np.log1p(-pairs[:, 0]))
        angle = 2.0 * np.pi * pairs[:, 1]
        both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        return both.reshape(-1)[:count].reshape(shape)


PARAMETERS = 96


class _Scene:
    """The random numbers of some images, taken by name, and the coordinates of their pixels.

    Coordinates are in units of the shorter side.
    """

    def __init__(self, u: Fields, y: Fields, x: Fields):
        self.u, self.y, self.x = u, y, x
        self.depth, self.span = float(y[-1, 0]), float(x[0, -1])

    def pick(self, index: int, low: float, high: float) -> Fields:
        """Return number `index` of each image, uniform in [low, high), shape (n, 1, 1)."""
        return (low + (high - low) * self.u[:, index])[:, None, None]

    def centre(self) -> tuple[Fields, Fields]:
        """Return where the structure of each image is."""
        return self.pick(0, 0.38, 0.68) * self.depth, self.pick(1, 0.3, 0.7) * self.span

    def polar(self) -> tuple[Fields, Fields]:
        """Return distance from the structure's centre, in turned and stretched axes, and angle."""
        cy, cx = self.centre()
        turn, stretch = self.pick(2, 0.0, np.pi), self.pick(3, 0.7, 1.0)
        dy, dx = self.y - cy, self.x - cx
        a = np.cos(turn) * dx + np.sin(turn) * dy
        b = (np.cos(turn) * dy - np.sin(turn) * dx) / stretch
        return np.hypot(a, b), np.arctan2(b, a)

    def below(self, radius: Fields) -> Fields:
        """Return 1 in the strip under the structure, 0 elsewhere, with soft edges."""
        cy, cx = self.centre()
        return _step((radius - abs(self.x - cx)) / 0.05) * _step((self.y - cy - radius) / 0.05)


def _step(t: Fields) -> Fields:
    """A soft step from 0 to 1 around 0."""
    return 0.5 * (1.0 + np.tanh(t))


def _bump(t: Fields) -> Fields:
    return np.exp(-(t**2))


def _background(s: _Scene, tissue: Fields) -> Fields:
    """Layers and blobs, darker with depth."""
    result = s.pick(4, 0.5, 0.9) * np.exp(s.pick(5, 0.2, 0.45) * tissue)
    for k in range(2):  # bright, wavy sheets between the layers
        i = 6 + 5 * k
        level = s.pick(i, 0.05 + 0.12 * k, 0.2 + 0.15 * k) * s.depth
        wave = np.sin(2 * np.pi * (s.pick(i + 1, 0.3, 1.2) * s.x + s.pick(i + 2, 0, 1)))
        away = s.y - level - s.pick(i + 3, 0.005, 0.03) * wave
        result *= 1 + s.pick(i + 4, 0.3, 1.4) * _bump(away / 0.022)
    for k in range(BLOBS):
        i = 16 + 5 * k
        dy = (s.y - s.pick(i, 0.1, 1.0) * s.depth) / s.pick(i + 2, 0.03, 0.09)
        dx = (s.x - s.pick(i + 1, 0.0, 1.0) * s.span) / s.pick(i + 3, 0.04, 0.14)
        result *= 1 + s.pick(i + 4, -0.55, 0.8) * _bump(np.hypot(dx, dy))
    return result * np.exp(-s.pick(31, 0.1, 1.3) * s.y)


def _cyst(s: _Scene) -> Fields:
    """Round, dark, sharp; brighter tissue behind it."""
    r, _ = s.polar()
    radius = s.pick(40, 0.13, 0.24)
    dark = 1 - s.pick(41, 0.65, 0.95) * _step((radius - r) / 0.018)
    return dark * (1 + s.pick(42, 0.1, 0.7) * s.below(radius))


def _spiculated_mass(s: _Scene) -> Fields:
    """Dark, with a star-shaped, blurred edge and a shadow behind it."""
    r, angle = s.polar()
    spikes = np.rint(s.pick(43, 5.5, 9.5))
    shape = np.cos(0.5 * spikes * angle + s.pick(44, 0, np.pi)) ** 2
    shape *= 1 + 0.5 * np.sin(angle + s.pick(48, 0, 2 * np.pi))  # spikes of unequal length
    lumps = np.sin(2 * angle + s.pick(45, 0, 2 * np.pi)) + np.sin(
        3 * angle + s.pick(46, 0, 2 * np.pi)
    )
    base = s.pick(40, 0.10, 0.18)
    radius = base * (1 + s.pick(47, 0.5, 1.0) * shape + 0.13 * lumps)
    dark = 1 - s.pick(41, 0.6, 0.92) * _step((radius - r) / 0.035)
    return dark * (1 - s.pick(42, 0.1, 0.65) * s.below(base))


def _vessel(s: _Scene) -> Fields:
    """A winding dark tube with bright walls."""
    cy, cx = s.centre()
    turn = s.pick(2, -0.9, 0.9)
    along = np.cos(turn) * (s.x - cx) + np.sin(turn) * (s.y - cy)
    across = np.cos(turn) * (s.y - cy) - np.sin(turn) * (s.x - cx)
    bend = np.sin(2 * np.pi * (s.pick(43, 0.5, 1.3) * along + s.pick(44, 0, 1)))
    away = np.abs(across - s.pick(45, 0.02, 0.1) * bend)
    width = s.pick(40, 0.05, 0.10)
    dark = 1 - s.pick(41, 0.65, 0.95) * _step((width - away) / 0.018)
    return dark * (1 + s.pick(42, 0.2, 1.0) * _bump((away - width - 0.02) / 0.02))


def _target_lesion(s: _Scene) -> Fields:
    """A body like the tissue around it inside a dark rim."""
    r, _ = s.polar()
    radius, rim = s.pick(40, 0.13, 0.23), s.pick(43, 0.035, 0.055)
    ring = 1 - s.pick(41, 0.65, 0.95) * _bump((r - radius) / rim)
    return ring * (1 + s.pick(42, 0.0, 0.5) * _step((radius - rim - r) / 0.02))


def _diffuse_nodules(s: _Scene) -> Fields:
    """Many small dark nodules all over."""
    result = np.ones((len(s.u), s.y.shape[0], s.x.shape[1]))
    for k in range(NODULES):
        i = 48 + 4 * k
        row, column = divmod(k, 3)
        dy = s.y - (row + s.pick(i, 0.2, 1.0)) / 3.2 * s.depth
        dx = s.x - (column + s.pick(i + 1, 0.1, 0.9)) / 3 * s.span
        r = np.hypot(dx, dy)
        result *= 1 - s.pick(i + 2, 0.3, 0.85) * _step((s.pick(i + 3, 0.03, 0.075) - r) / 0.02)
    return result


STRUCTURES = (_cyst, _spiculated_mass, _vessel, _target_lesion, _diffuse_nodules)


def _interpolate(grids: Fields, height: int, width: int) -> Fields:
    """Return smooth fields of about unit variance from the values at a coarse grid."""

    def weights(count):
        at = (np.arange(count) + 0.5) / count * (GRID - 1)
        kernel = _bump((at[:, None] - np.arange(GRID)) / 0.9)
        return kernel / np.sqrt((kernel**2).sum(axis=1, keepdims=True))

    return weights(height) @ grids @ weights(width).T


def _speckle(noise: Fields) -> Fields:
    """Return the amplitude of a smoothed complex Gaussian field: Rayleigh, mean 1."""
    passes = min(max(1, min(noise.shape[2:]) // 32), 4)
    for axis, side in passes * ((2, 0.35), (3, 0.8)):  # grains are wider than they are deep
        noise = noise + side * (np.roll(noise, 1, axis) + np.roll(noise, -1, axis))
    power = (noise**2).mean(axis=(1, 2, 3), keepdims=True)[:, 0]
    return np.hypot(noise[:, 0], noise[:, 1]) / np.sqrt(power * np.pi / 2)


def _compress(s: _Scene, reflectivity: Fields, speckle: Fields) -> Fields:
    grain = s.pick(32, 0.6, 0.9)
    echo = reflectivity * (1 - grain + grain * speckle)
    gain, top = s.pick(33, 2.0, 5.0), s.pick(34, 1.8, 3.0)
    return np.clip(np.log1p(gain * echo) / np.log1p(gain * top), 0.0, 1.0)


def _stain(s: _Scene, gray: Fields, reflectivity: Fields, cells: Fields) -> Fields:
    """Return the scene as a stained section: what is dark in gray takes up haematoxylin."""
    nuclei = s.pick(35, 1.3, 2.2) * (1 - gray) ** 1.5
    matrix = s.pick(36, 0.2, 0.4) * np.exp(0.25 * cells) * (0.5 + 0.5 * np.tanh(2 * reflectivity))
    density = nuclei[..., None] * STAINS[0] + matrix[..., None] * STAINS[1]
    return np.exp(-density)

"""Whether a generator's images differ from each other as real ones do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.images import check_images, pair_distances
from keras_medaug.metrics.checking import check_label_pair, check_names, class_words
from keras_medaug.result import returns_result
from keras_medaug.seeds import resolve_seed

SAMPLED = 200  # images of which all pairs are compared
FEW_APART = 0.5  # of the real images' distance, below which a generator has collapsed
ALIKE = 0.6  # correlation of two images, above which a generator has collapsed
SIDE = 4  # blocks to a side, over whose pixels images are averaged
FEWEST = 3  # images of which a distance is told
FEWEST_CORRELATED = 5  # images of which a correlation is told


class _Alike(NamedTuple):
    """How much alike images are: two ratios of distances, and a correlation."""

    pixels: float | None
    coarse: float | None
    correlation: float | None
    enough: bool
    enough_correlated: bool

    @property
    def near(self) -> bool:
        """Whether images are too near each other."""
        return self.enough and self.coarse is not None and self.coarse < FEW_APART

    @property
    def correlated(self) -> bool:
        """Whether images resemble each other too much."""
        if self.correlation is None or not self.enough_correlated:
            return False
        return self.correlation > ALIKE


@returns_result
def diversity(
    images: ArrayLike,
    real: ArrayLike,
    labels: ArrayLike | None = None,
    real_labels: ArrayLike | None = None,
    seed: int = 0,
    class_names: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Tell how much images differ from each other, compared with real ones.

    A generator has probably collapsed where its images, or those of one class, are one image over
    and over. Two comparisons look for that, all images and each class for itself. They average
    images over 4 x 4 blocks first: noise on one image then no longer passes for variety, and blur,
    as a CVAE's, no longer for a collapse.

    - The mean distance of two images, over that of two real ones: below 0.5 is too little.
    - The mean correlation of two images, once the mean of the real images is taken from both and
      each has mean 0. Of real images it is about 0, and of images that are all made from one
      template up to 1: above 0.6 is too much.

    Args:
        images: Images in question, shape `(n, h, w, c)`, floats in [0, 1] or `uint8`.
        real: Real images, of the same image shape.
        labels: Class of each image, `(n,)` or `(n, 1)`, or `None`.
        real_labels: Those of the real images; given where `labels` are.
        seed: Integer seed of the choice of 200 images, where there are more.
        class_names: Names of the classes for the warning, or `None` for their numbers.

    Returns:
        A dictionary of plain numbers:

        - `overall`: the ratio of the mean distances, the root mean square of the difference over
          pixels and channels, of all images, whatever their class;
        - `by_class`: a list of the ratios within classes; or `None`, without labels;
        - `coarse`, `coarse_by_class`: the same ratios of images averaged over blocks;
        - `correlation`, `correlation_by_class`: the mean correlations, in [-1, 1];
        - `counts`: how many images and real images there are;
        - `warning`: a sentence where a coarse ratio is below 0.5, of three images or more, or a
          correlation above 0.6, of five or more; or `None`.

        A number is `None` where either side has fewer than two images, and a ratio where all real
        ones are equal.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics import diversity
    >>> real = np.random.default_rng(0).random((8, 8, 8, 1))
    >>> ratios = diversity(real[[0, 0, 0, 4, 5, 6]], real, [0, 0, 0, 1, 1, 1], np.arange(8) // 4)
    >>> ratios["by_class"], ratios["overall"]
    ([0.0, 1.01...], 0.8...)
    >>> print(ratios["warning"])
    Images of class 0 are only 0.00 times as far apart as real ones: they may be one image ...

    References:
        Odena, Olah and Shlens, Conditional image synthesis with auxiliary classifier GANs, ICML
        2017: pairs of images of one class, against real pairs, there by their structural
        similarity.
    """
    checked = check_images(images, "images")
    real = check_images(real, "real", checked.shape[1:])
    seed = resolve_seed(seed)
    pair = check_label_pair(labels, real_labels, "real_labels", len(checked), len(real))
    overall, within = _compared(checked, real, seed), None
    if pair is not None:
        ours, theirs = pair
        within = [
            _compared(checked[ours == label], real[theirs == label], seed)
            for label in range(int(max(ours.max(), theirs.max())) + 1)
        ]
        check_names(class_names, len(within))
    return {
        "overall": overall.pixels,
        "by_class": None if within is None else [part.pixels for part in within],
        "coarse": overall.coarse,
        "coarse_by_class": None if within is None else [part.coarse for part in within],
        "correlation": overall.correlation,
        "correlation_by_class": None if within is None else [part.correlation for part in within],
        "counts": [len(checked), len(real)],
        "warning": _collapse_message(overall, within or [], class_names),
    }


def _compared(images: NDArray, real: NDArray, seed: int) -> _Alike:
    """Return how much images are alike, over how much real ones are."""
    count = min(len(images), len(real))
    if count < 2:
        return _Alike(None, None, None, enough=False, enough_correlated=False)
    ours, theirs = _chosen(images, seed), _chosen(real, seed)
    coarse, coarse_real = _averaged(ours), _averaged(theirs)
    return _Alike(
        _ratio(ours, theirs),
        _ratio(coarse, coarse_real),
        _mean_correlation(coarse, coarse_real.mean(axis=0)),
        enough=count >= FEWEST,
        enough_correlated=count >= FEWEST_CORRELATED,
    )


def _chosen(images: NDArray, seed: int) -> NDArray:
    return images[np.random.default_rng(seed).permutation(len(images))[:SAMPLED]]


def _ratio(images: NDArray, real: NDArray) -> float | None:
    ours, theirs = (float(pair_distances(of_set).mean()) for of_set in (images, real))
    return ours / theirs if theirs else None


def _averaged(images: NDArray) -> NDArray[np.float64]:
    """Return images averaged over blocks of pixels, 4 x 4 of them."""
    scale = 255.0 if images.dtype == np.uint8 else 1.0
    coarse = images / np.float64(scale)
    for axis in (1, 2):
        blocks = np.array_split(coarse, SIDE, axis=axis)
        coarse = np.concatenate([part.mean(axis=axis, keepdims=True) for part in blocks], axis=axis)
    return coarse


def _mean_correlation(images: NDArray, centre: NDArray) -> float:
    """Return the mean correlation of two images about a centre; 0 of an image without contrast."""
    rows = (images - centre).reshape(len(images), -1)
    rows -= rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 1e-12)
    total, own = rows.sum(axis=0), float((rows**2).sum())
    return (float(total @ total) - own) / (len(rows) * (len(rows) - 1))


def _collapse_message(
    overall: _Alike, within: list[_Alike], class_names: Sequence[str] | None
) -> str | None:
    near = [label for label, part in enumerate(within) if part.near]
    alike = [label for label, part in enumerate(within) if part.correlated]
    if near:
        ratios = [part.coarse for part in within if part.near and part.coarse is not None]
        return _near_message(f"Images of {class_words(near, class_names)}", ratios)
    if overall.near and overall.coarse is not None:
        return _near_message("Images", [overall.coarse])
    if not alike and not overall.correlated:
        return None
    who = f"Images of {class_words(alike, class_names)}" if alike else "Images"
    largest = max(
        part.correlation
        for part in ([within[label] for label in alike] or [overall])
        if part.correlation is not None
    )
    return (
        f"{who} all depart from the mean of the real ones in the same way (correlation "
        f"{largest:.2f}; real ones have about 0): they may be one image with noise. Look at them."
    )


def _near_message(who: str, ratios: list[float]) -> str:
    times = " to ".join(dict.fromkeys(f"{ratio:.2f}" for ratio in (min(ratios), max(ratios))))
    return (
        f"{who} are only {times} times as far apart as real ones: they may be one image over and "
        "over, perhaps with noise. Look at them."
    )

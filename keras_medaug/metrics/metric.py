"""One number that compares synthetic images with real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import NDArray

from keras_medaug.metrics.samples import Samples


@dataclass(frozen=True)
class Metric:
    """Describe one number that compares synthetic images with real ones.

    Attributes:
        name: Its key in `sample_quality` and its name in tables, such as `"kernel"`.
        title: Its name in the literature, such as `"kernel distance (KID)"`.
        direction: `"less"` where a smaller number is better, else `"more"`.
        caption: What it says, in one or two sentences for readers of a model card.
        space: `"features"` where it compares features, `"images"` where it compares pixels.
        measure: Function from `Samples` to a dictionary with `value`, `ci95` and further plain
            numbers.
        watch: Function from `Samples` to the value alone, where that is much cheaper; or `None`.
            `SampleMonitor` uses it.
        rows: Function from images `(n, h, w, c)`, floats in [0, 1] or `uint8`, to the array
            `(n, ...)` that `Samples` then holds, for a metric in the space `"images"`; or `None`
            for the images themselves.
        reference_keys: Which of the numbers `sample_quality` also gives for held-out real images.

    Example:

    >>> from keras_medaug.metrics.registry import metrics
    >>> metrics()["coverage"].direction
    'more'
    """

    name: str
    title: str
    direction: Literal["less", "more"]
    caption: str
    space: Literal["features", "images"] = "features"
    measure: Callable[[Samples], dict[str, Any]] = field(kw_only=True)
    watch: Callable[[Samples], float] | None = None
    rows: Callable[[NDArray], NDArray] | None = None
    reference_keys: tuple[str, ...] = ("value", "ci95")

    def value(self, samples: Samples) -> float:
        """Return the number alone, by the cheapest way."""
        if self.watch is not None:
            return float(self.watch(samples))
        return float(self.measure(samples)["value"])

    def rows_of(self, images: NDArray) -> NDArray:
        """Return what a metric in the space `"images"` compares of images."""
        return images if self.rows is None else self.rows(images)

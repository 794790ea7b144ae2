"""One number that compares synthetic images with real ones."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """Describe one number that compares synthetic images with real ones.

    Attributes:
        name: Its key in `sample_quality` and its name in tables, such as `"kernel"`.
        title: Its name in the literature, such as `"kernel distance (KID)"`.
        direction: `"less"` where a smaller number is better, else `"more"`.
        caption: What it says, in one or two sentences for readers of a model card.
        space: `"features"` where it compares features, `"images"` where it compares pixels.

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

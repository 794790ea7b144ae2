"""The stages in which a model card is made, and how long each takes."""

from collections.abc import Mapping, Sequence

from keras_medaug.cards.subject import MOST
from keras_medaug.datasets import Dataset
from keras_medaug.metrics.duplicates import duplicates_seconds
from keras_medaug.metrics.memorization import audit_seconds
from keras_medaug.metrics.quality import quality_seconds
from keras_medaug.models.step_times import classifier_seconds, image_seconds
from keras_medaug.progress import Progress

STAGES = {
    "images": "making images",
    "duplicates": "looking for duplicates between the splits",
    "features": "fitting the features",
    "quality": "comparing with real images",
    "copies": "looking for copies of training images",
    "labels": "predicting the labels",
    "drawing": "drawing the page",
}


def plan_stages(progress: Progress, data: Dataset, made: int, steps: int, passes: int = 1) -> None:
    """Tell a progress what making a card consists of.

    Args:
        progress: The progress.
        data: The set.
        made: Synthetic images.
        steps: Training steps of the classifier.
        passes: The model's `passes_per_image`.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.cards.stages import plan_stages
    >>> from keras_medaug.progress import Progress
    >>> progress = Progress("card", verbose=False)
    >>> plan_stages(progress, kma.datasets.load("phantom", size=8), made=100, steps=500)
    >>> progress.planned < 60
    True
    """
    planned = seconds_of_stages(data.counts, data.image_shape, made, steps, passes)
    for stage, seconds in planned.items():
        progress.plan(stage, seconds, label=STAGES[stage])


def seconds_of_stages(
    counts: Mapping[str, int], image_shape: Sequence[int], made: int, steps: int, passes: int = 1
) -> dict[str, float]:
    """Return about how many seconds each stage of a card takes.

    Args:
        counts: Images of each split.
        image_shape: `(height, width, channels)`.
        made: Synthetic images.
        steps: Training steps of the classifier.
        passes: The model's `passes_per_image`.

    Returns:
        The seconds by stage, in the order of the stages.

    Example:

    >>> from keras_medaug.cards.stages import seconds_of_stages
    >>> counts = {"train": 546, "val": 78, "test": 156}
    >>> seconds = seconds_of_stages(counts, (28, 28, 1), made=546, steps=500)
    >>> max(seconds, key=seconds.get)
    'features'
    """
    train, others = counts["train"], counts["val"] + counts["test"]
    pairs = train * (train / 2 + others)
    held_out = min(counts["val"] or counts["test"], MOST)
    return {
        "images": 0.2 + image_seconds(made, image_shape, passes),
        "duplicates": duplicates_seconds(pairs, image_shape),
        "features": classifier_seconds(steps, image_shape),
        "quality": quality_seconds(made, train, held_out),
        "copies": audit_seconds(made, train, min(others, MOST), image_shape),
        "labels": 0.1 + 2e-4 * (made + held_out),
        "drawing": 0.7,
    }

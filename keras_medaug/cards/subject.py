"""What a card is about."""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_medaug.datasets import Dataset
from keras_medaug.images import to_uint8
from keras_medaug.metrics.quality import FEWEST
from keras_medaug.seeds import derive_seed

MOST = 2000  # held-out images that are taken, of more
SPLIT_NAMES = {"train": "training", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class Subject:
    """A model, its data and its images: all images as they are once saved, in 8 bits.

    Attributes:
        model: The model.
        data: What it was trained on.
        images: Its images, `uint8`.
        labels: Their classes, or `None`.
        seed: Integer seed of all that is drawn.
        generated: Whether they were made for the card, from this seed.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.cards.subject import Subject
    >>> data = kma.datasets.load("phantom", size=8)
    >>> model = kma.models.CVAE((8, 8, 1), latent_dim=4)
    >>> Subject(model, data, data.val[0], None, 0, True).reference()[0]
    ('val',)
    """

    model: Any
    data: Dataset
    images: NDArray
    labels: NDArray | None
    seed: int
    generated: bool

    @functools.cached_property
    def splits(self) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.int32]]]:
        """Images and labels of the splits that there are."""
        present = [split for split, count in self.data.counts.items() if count]
        stored = {split: self.data.stored(split) for split in present}
        return {split: (to_uint8(images), labels) for split, (images, labels) in stored.items()}

    def reference(self) -> tuple[tuple[str, ...], NDArray, NDArray]:
        """Return the held-out images for reference values: names of splits, images and labels.

        Returns:
            Of the validation split; with fewer than 20 images in it, of the test split as well.
        """
        splits = ("val",) if self.data.counts["val"] >= FEWEST else ("val", "test")
        return self.held_out(splits)

    def held_out(self, splits: tuple[str, ...]) -> tuple[tuple[str, ...], NDArray, NDArray]:
        """Return which of some splits there are, and images and labels as they are held.

        Args:
            splits: Names.

        Returns:
            Names, images and labels: 2,000 drawn ones of more, none where there is no such split.
        """
        present = tuple(split for split in splits if split in self.splits)
        parts = [self.splits[split] for split in present]
        if not parts:
            empty = np.empty((0, *self.data.image_shape), np.uint8)
            return present, empty, np.empty(0, np.int32)
        chosen = self.drawn(sum(len(labels) for _, labels in parts), MOST, "held out", *present)
        firsts = np.cumsum([0, *(len(labels) for _, labels in parts)])
        places_by_split = [
            chosen[(chosen >= low) & (chosen < high)] - low
            for low, high in itertools.pairwise(firsts)
        ]
        images = [x[places] for (x, _), places in zip(parts, places_by_split, strict=True)]
        labels = [y[places] for (_, y), places in zip(parts, places_by_split, strict=True)]
        return present, np.concatenate(images), np.concatenate(labels)

    def drawn(self, total: int, most: int, *purpose: object) -> NDArray[np.intp]:
        """Return places of images drawn without repetition, in ascending order.

        Args:
            total: Of how many.
            most: How many, where there are more.
            *purpose: What they are for: another purpose gets others.

        Returns:
            Indices.
        """
        rng = np.random.default_rng(derive_seed(self.seed, *purpose))
        return np.sort(rng.permutation(total)[:most])


def numbered(names: Sequence[str]) -> list[str]:
    """Return names of classes with their numbers, which are their places in the JSON file.

    Args:
        names: Names in the order of the labels.

    Returns:
        As many names.

    Example:

    >>> from keras_medaug.cards.subject import numbered
    >>> numbered(["0", "benign"])
    ['0', '1: benign']
    """
    return [
        name if name == str(number) else f"{number}: {name}" for number, name in enumerate(names)
    ]

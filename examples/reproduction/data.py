"""The sets, cut down where the budget says so."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

import keras_medaug as kma

SPLITS = ("train", "val", "test")


def limited(dataset: kma.datasets.Dataset, limits: Mapping[str, int]) -> kma.datasets.Dataset:
    """Return the set with at most `limits[split]` images per split, classes in proportion."""
    if all(dataset.counts[split] <= limits.get(split, np.inf) for split in SPLITS):
        return dataset
    splits = {}
    for split in SPLITS:
        images, labels = dataset.stored(split)
        chosen = stratified(labels, limits.get(split, len(labels)))
        splits[split] = images[chosen], labels[chosen]
    return kma.datasets.Dataset(
        dataset.name,
        splits["train"],
        splits["val"],
        splits["test"],
        class_names=dataset.class_names,
        md5=dataset.md5,
    )


def stratified(labels: NDArray, count: int) -> NDArray[np.intp]:
    """Return the sorted indices of `count` labels, each class in proportion and none left out."""
    if count >= len(labels):
        return np.arange(len(labels))
    rng = np.random.default_rng(0)
    order = rng.permutation(len(labels))
    # Position of each label among those of its class, as a share: the smallest shares are taken,
    # the first of every class before all others.
    share = np.empty(len(labels))
    for label in np.unique(labels):
        members = order[labels[order] == label]
        share[members] = np.arange(len(members)) / len(members)
    return np.sort(np.argsort(share, kind="stable")[:count])


def some(images: NDArray, count: int, seed: int) -> NDArray:
    """Return `count` images (or all, if there are fewer) drawn without replacement."""
    order = np.random.default_rng(seed).permutation(len(images))
    return images[np.sort(order[:count])]

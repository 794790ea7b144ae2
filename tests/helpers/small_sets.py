"""Small sets of random images, and the files that they are saved to."""

import numpy as np

from keras_medaug import datasets

SPLITS = ("train", "val", "test")


def pair(count, seed, shape=(8, 9, 1), classes=2):
    """Return float images, whose values are not those of 8 bits, and labels of all classes."""
    images = np.random.default_rng(seed).random((count, *shape), dtype="float32")
    return images, np.arange(count) % classes


def make(seed=0, shape=(8, 9, 1), counts=(24, 0, 0), **options):
    pairs = (pair(n, 10 * seed + k, shape) if n else (None, None) for k, n in enumerate(counts))
    return datasets.from_arrays(*(array for both in pairs for array in both), **options)


DATA = make(class_names=["benign", "malignant"], name="made")
SOURCE = make(seed=1, counts=(40, 12, 8), name="real")


def save(path, data=DATA, source=SOURCE, **options):
    return datasets.save_npz(path, data, origin="synthetic", source=source, **options)


def read(path):
    with np.load(path, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def to_8_bit(images):
    return np.floor(images.astype("float64") * 255 + 0.5).astype("uint8")


def rounded(value):
    """Round what is in an audit to six decimals, at any depth."""
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [rounded(entry) for entry in value]
    return round(value, 6) if isinstance(value, float) else value


def has(notes, *words):
    return any(all(word in note for word in words) for note in notes)

"""Image files, of what is random."""

import numpy as np


def save(path, array, **options):
    """Write an array as an image file, and return its path."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def random_image(seed, shape=(20, 30)):
    """Return an image of 8 bits."""
    return np.random.default_rng(seed).integers(0, 256, shape, "uint8")


def make_class(folder, count, seed=0, shape=(16, 16), suffix=".png"):
    """Write images that all differ into a folder, and return their paths."""
    return [
        save(folder / f"{number:03}{suffix}", random_image(seed + number, shape))
        for number in range(count)
    ]

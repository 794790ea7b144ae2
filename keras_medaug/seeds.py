"""Seeds for the parts of a whole: one given seed, a reproducible one for each named part."""

import hashlib
import random

import numpy as np

_LARGEST = 2**31 - 1


def resolve_seed(seed: int | None) -> int:
    """Return `seed`, or one drawn the way Keras draws its own where it is `None`.

    Keras draws default seeds from Python's `random`, which `keras.utils.set_random_seed` governs;
    so that call makes models built without a seed repeatable too.

    Args:
        seed: A non-negative integer, or `None`.

    Returns:
        The seed to use.

    Raises:
        ValueError: If `seed` is neither `None` nor an integer of 0 or more.

    Example:

    >>> from keras_medaug.seeds import resolve_seed
    >>> resolve_seed(7)
    7
    """
    if seed is None:
        return random.randint(1, _LARGEST)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"`seed`: got {seed!r}; expected None or an integer of 0 or more.")
    return int(seed)


def derive_seed(seed: int, *parts: object) -> int:
    """Return the seed of a named part: a hash of `seed` and the names, equal on every machine.

    Args:
        seed: Seed of the whole.
        *parts: Names (or numbers) that tell this part from its siblings.

    Returns:
        An integer in `[0, 2**31 - 1)`.

    Example:

    >>> from keras_medaug.seeds import derive_seed
    >>> derive_seed(0, "encoder") == derive_seed(0, "decoder")
    False
    """
    text = "/".join(str(part) for part in (seed, *parts))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % _LARGEST

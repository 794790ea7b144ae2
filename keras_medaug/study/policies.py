"""Geometric transformations that leave the label of an image what it is, by data set."""

from typing import Any

from keras_medaug.layers import GeometricAugmentation

_SMALL: dict[str, Any] = {
    "rotation": 10.0,
    "shift": 0.1,
    "horizontal_flip": False,
    "vertical_flip": False,
}
_MIRRORED = {**_SMALL, "horizontal_flip": True}
_ANY_WAY_UP = {"rotation": 180.0, "shift": 0.1, "horizontal_flip": True, "vertical_flip": True}

# Tissue and cells under a microscope, and skin, have no way up. A mirrored chest has its heart on
# the wrong side, and a mirrored left kidney is a right one. A breast seen by ultrasound may be
# either one, with the skin on top; so may an eye, with its light from above in a section.
_POLICIES = {
    "pathmnist": _ANY_WAY_UP,
    "dermamnist": _ANY_WAY_UP,
    "bloodmnist": _ANY_WAY_UP,
    "tissuemnist": _ANY_WAY_UP,
    "octmnist": _MIRRORED,
    "retinamnist": _MIRRORED,
    "breastmnist": _MIRRORED,
    "pneumoniamnist": _SMALL,
    "organamnist": _SMALL,
    "organcmnist": _SMALL,
    "organsmnist": _SMALL,
}


def safe_policy(name: str) -> GeometricAugmentation:
    """Return the label-safe policy of a data set; of one that is not known, the most careful.

    Args:
        name: The set's name, as MedMNIST has it.

    Returns:
        The layer, without a seed: small turns and shifts; mirrored, or any way up, where the kind
        of image allows it.

    Example:

    >>> from keras_medaug.study.policies import safe_policy
    >>> safe_policy("bloodmnist").rotation, safe_policy("my own").horizontal_flip
    (180.0, False)
    """
    return GeometricAugmentation(**_POLICIES.get(name, _SMALL))

"""Geometric transformations that leave the label of an image what it is, by data set."""

from collections.abc import Iterable, Mapping
from typing import Any

from keras_medaug.layers import GeometricAugmentation
from keras_medaug.study.arm import SAFE

_SMALL: dict[str, Any] = {
    "rotation": 10.0,
    "shift": 0.1,
    "horizontal_flip": False,
    "vertical_flip": False,
}
_MIRRORED = {**_SMALL, "horizontal_flip": True}
_ANY_WAY_UP = {"rotation": 180.0, "shift": 0.1, "horizontal_flip": True, "vertical_flip": True}

# Tissue and tasks under a microscope, and skin, have no way up. A mirrored chest has its heart on
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
    "phantom": _SMALL,
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


def policy_note(name: str, policy: Mapping[str, Any] | None, arms: Iterable[str]) -> str:
    """Return what users should know of a policy that was chosen without knowing their images.

    Args:
        name: The set's name.
        policy: Arguments of the policy of `"geometric-safe"`.
        arms: Names of the arms.

    Returns:
        Sentences; none for a set that is known, another policy, and arms that do without.

    Example:

    >>> from keras_medaug.study.policies import policy_note
    >>> small = {"rotation": 10.0, "shift": 0.1, "horizontal_flip": False, "vertical_flip": False}
    >>> print(policy_note("my own", small, ["none", "geometric-safe"]))
    The policy of geometric-safe is rotations up to 10 degrees and shifts up to 0.1, without flips:
    the kind of images in 'my own' is not known. Images without an up or down, as in histology, keep
    their label under flips and all rotations. For them pass
    `safe_policy=kma.layers.GeometricAugmentation(rotation=180, shift=0.1)`.
    >>> policy_note("breastmnist", small, ["geometric-safe"])
    ''
    """
    used = any(arm.partition("+")[0] == SAFE for arm in arms)
    careful = policy is not None and all(policy.get(key) == _SMALL[key] for key in _SMALL)
    if name in _POLICIES or not used or not careful:
        return ""
    return (
        f"The policy of {SAFE} is rotations up to {_SMALL['rotation']:g} degrees and shifts up to "
        f"{_SMALL['shift']:g}, without flips: the kind of images in {name!r} is not known. Images "
        "without an up or down, as in histology, keep their label under flips and all rotations. "
        "For them pass "
        "`safe_policy=kma.layers.GeometricAugmentation(rotation=180, shift=0.1)`."
    )

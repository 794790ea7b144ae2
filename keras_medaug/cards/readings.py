"""How a number of synthetic images compares with its reference value on held-out real images."""

from collections.abc import Mapping
from typing import Any

from keras_medaug.metrics.registry import metrics


def read_quality(quality: Mapping[str, Any] | None) -> dict[str, dict[str, dict[str, Any]]] | None:
    """Return how each number compares with its reference value, and what would have been seen.

    Args:
        quality: What `sample_quality` returned, or `None`.

    Returns:
        For each space and number what `read_number` returns; or `None`.

    Example:

    >>> from keras_medaug.cards.readings import read_quality
    >>> floor = {"value": 0.5, "ci95": [0.4, 0.6]}
    >>> coverage = {"value": 0.4, "ci95": [0.3, 0.5], "floor": floor}
    >>> readings = read_quality({"spaces": {"pixels": {"coverage": coverage}}})
    >>> readings["pixels"]["coverage"]["reading"]
    'same'
    """
    if quality is None:
        return None
    directions = {name: metric.direction for name, metric in metrics().items()}
    return {
        space: {
            name: read_number(value, directions[name])
            for name, value in numbers.items()
            if name in directions
        }
        for space, numbers in quality["spaces"].items()
    }


def read_number(value: Mapping[str, Any], better: str) -> dict[str, Any]:
    """Return how a number compares with its reference value, by both intervals.

    Where the intervals overlap, no difference is seen. There may be one all the same. A number is
    called worse only where its whole interval is worse than the whole interval of the reference
    value. `smallest_difference` is the smallest difference of the two values at which that is so.

    Args:
        value: `value`, `ci95`, and `floor` with the same two, the reference value.
        better: "less" or "more".

    Returns:
        A dictionary:

        - `reading`: "worse", "same" (no difference seen) or "better";
        - `smallest_difference`: by how much the number must be worse before that is seen;
        - `worse_from`: the value from which on it would have been called worse; `None` where no
          value that is possible would have been.

    Example:

    >>> from keras_medaug.cards.readings import read_number
    >>> floor = {"value": 0.5, "ci95": [0.375, 0.625]}
    >>> read_number({"value": 0.25, "ci95": [0.0, 0.5], "floor": floor}, "more")
    {'reading': 'same', 'smallest_difference': 0.375, 'worse_from': 0.125}
    """
    (low, high), floor = value["ci95"], value["floor"]
    floor_low, floor_high = floor["ci95"]
    reading = "same"
    if low > floor_high or high < floor_low:
        reading = "worse" if (low > floor_high) == (better == "less") else "better"
    if better == "less":
        halves, sign = (value["value"] - low, floor_high - floor["value"]), 1
    else:
        halves, sign = (high - value["value"], floor["value"] - floor_low), -1
    smallest = sum(max(half, 0.0) for half in halves)
    worse_from = floor["value"] + sign * smallest
    possible = better == "less" or worse_from > 0
    return {
        "reading": reading,
        "smallest_difference": smallest,
        "worse_from": worse_from if possible else None,
    }

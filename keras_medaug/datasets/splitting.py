"""Which file goes into which split: a function of a seed, of names, and of which are copies."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from keras_medaug.datasets.class_folders import name_of

Member = tuple[str, Path]  # class and file


def copies_of(keys: Mapping[Member, bytes]) -> list[list[Member]]:
    """Return the files in groups of equal pictures.

    Args:
        keys: For each file what is equal for equal pictures.

    Returns:
        The groups, most of them of one file; groups and files in the order of `keys`.
    """
    groups: dict[bytes, list[Member]] = {}
    for member, key in keys.items():
        groups.setdefault(key, []).append(member)
    return list(groups.values())


def split_groups(
    groups: Iterable[list[Member]], fractions: Mapping[str, float], seed: int
) -> dict[str, list[Member]]:
    """Divide files among `train` and other splits, class by class and in mixed order.

    A group stays together, and is divided with the class of its first file.

    Args:
        groups: What `copies_of` returns.
        fractions: The fraction of each class for each split but `train`.
        seed: Which of the possible splits.

    Returns:
        The files of each split; of `train` first.

    Example:

    >>> from pathlib import Path
    >>> from keras_medaug.datasets.splitting import split_groups
    >>> groups = [[("benign", Path(f"{number}.png"))] for number in range(10)]
    >>> {split: len(files) for split, files in split_groups(groups, {"test": 0.3}, 0).items()}
    {'train': 7, 'test': 3}
    """

    def order(member: Member) -> str:
        # No generator: this gives the same order on every machine and version.
        label, file = member
        text = os.fsencode(f"{seed}/{label}/{name_of(file)}")
        return hashlib.md5(text, usedforsecurity=False).hexdigest()

    by_class: dict[str, list[list[Member]]] = {}
    for group in groups:
        by_class.setdefault(group[0][0], []).append(group)
    splits: dict[str, list[Member]] = {split: [] for split in ("train", *fractions)}
    for of_class in by_class.values():
        of_class.sort(key=lambda group: order(group[0]))
        for split, members in _split_class(of_class, fractions).items():
            splits[split] += members
    return {split: sorted(members, key=order) for split, members in splits.items()}


def _split_class(
    groups: list[list[Member]], fractions: Mapping[str, float]
) -> dict[str, list[Member]]:
    total = sum(map(len, groups))
    left = list(groups)
    splits: dict[str, list[Member]] = {}
    for split, fraction in fractions.items():
        wanted = max(1, int(total * fraction + 0.5)) if fraction else 0
        splits[split] = []
        # The last group is for train, whatever the fractions are.
        while len(left) > 1 and (group := _next_group(left, wanted - len(splits[split]))):
            left.remove(group)
            splits[split] += group
        if wanted and not splits[split] and len(left) > 1:
            group = min(left, key=len)
            left.remove(group)
            splits[split] += group
    splits["train"] = [member for group in left for member in group]
    return splits


def _next_group(groups: list[list[Member]], room: int) -> list[Member] | None:
    return next((group for group in groups if len(group) <= room), None)

"""What is known of one MedMNIST set before its file is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class MedMNISTInfo:
    """Facts about one 2D MedMNIST set.

    Args:
        name: Name of the set, and of its file at 28 pixels.
        task: The task as MedMNIST states it.
        channels: 1 or 3.
        class_names: One name per class, in the order of the labels.
        counts: Images in train, val and test.
        md5: Published MD5 of the file, by image size.
        license: Licence under which the set is published.

    Example:

    >>> import keras_medaug as kma
    >>> info = kma.datasets.MEDMNIST["breastmnist"]
    >>> info.class_names, info.filename(64)
    (('malignant', 'normal, benign'), 'breastmnist_64.npz')

    References:
        Yang et al., MedMNIST v2, Scientific Data 10, 41, 2023, and its package's table `INFO`.
    """

    name: str
    task: str
    channels: int
    class_names: tuple[str, ...]
    counts: Mapping[str, int]
    md5: Mapping[int, str]
    license: str = "CC BY 4.0"

    @property
    def multi_label(self) -> bool:
        """Whether an image may belong to several classes."""
        return self.task.startswith("multi-label")

    def filename(self, size: int) -> str:
        """Return the name of a file, as it is in the cache folder.

        Args:
            size: Pixels along each side: 28, 64, 128 or 224.

        Returns:
            The name, without a folder.
        """
        return f"{self.name}.npz" if size == 28 else f"{self.name}_{size}.npz"

    def url(self, size: int) -> str:
        """Return the address that a file is downloaded from.

        Args:
            size: Pixels along each side: 28, 64, 128 or 224.

        Returns:
            A URL.
        """
        return f"https://zenodo.org/records/10519652/files/{self.filename(size)}?download=1"

"""Data sets: public ones by name, a procedural one, and the user's own."""

from keras_medaug.datasets.dataset import Dataset, from_arrays
from keras_medaug.datasets.directory import from_directory
from keras_medaug.datasets.export import save_npz
from keras_medaug.datasets.loading import load
from keras_medaug.datasets.medmnist import MEDMNIST, from_medmnist
from keras_medaug.datasets.medmnist_info import MedMNISTInfo
from keras_medaug.datasets.npz import from_npz

__all__ = [
    "MEDMNIST",
    "Dataset",
    "MedMNISTInfo",
    "from_arrays",
    "from_directory",
    "from_medmnist",
    "from_npz",
    "load",
    "save_npz",
]

"""A trained model as a file."""

import os
from pathlib import Path
from typing import Any

import keras

from keras_medaug.checks import fail
from keras_medaug.datasets.download import file_md5
from keras_medaug.files import replacing

SUFFIX = ".keras"


def check_model_path(path: str | os.PathLike, argument: str) -> Path:
    """Return a path that a model can be saved to, without touching any file.

    Args:
        path: A file that does not exist, ending in `.keras`, in a folder that does.
        argument: Name under which the path is reported.

    Returns:
        The path.

    Raises:
        ValueError: If `path` is not as described.

    Example:

    >>> from keras_medaug.models.saving import check_model_path
    >>> check_model_path("model.h5", "save")
    Traceback (most recent call last):
    ValueError: `save`: got model.h5; expected a file name that ends in .keras.
    """
    try:
        file = Path(path).expanduser()
    except (TypeError, RuntimeError) as error:
        raise fail(argument, repr(path), f"a file name that ends in {SUFFIX}") from error
    if file.suffix != SUFFIX:
        raise fail(argument, f"{file}", f"a file name that ends in {SUFFIX}")
    if not file.parent.is_dir():
        raise fail(argument, f"{file}", f"a folder that exists; {file.parent} does not")
    if not os.access(file.parent, os.W_OK):
        raise fail(argument, f"{file}", f"a folder to write to; {file.parent} is not")
    if file.exists() or file.is_symlink():
        raise fail(argument, f"{file}, which exists", "a new file; nothing is overwritten")
    return file


def save_model(model: keras.Model, path: Path, argument: str) -> dict[str, Any]:
    """Save a model at a path where there is no file, whole or not at all.

    Args:
        model: The model.
        path: What `check_model_path` returned.
        argument: Name under which the path is reported.

    Returns:
        `name`, `md5` and `bytes` of the file. Keras writes the date into it: the MD5 tells which
        file it is, not whether two trainings gave the same weights.

    Raises:
        ValueError: If a file of this name exists by now.
        OSError: If the file cannot be written.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import keras_medaug as kma
    >>> from keras_medaug.models.saving import save_model
    >>> model = kma.models.CVAE((8, 8, 1), latent_dim=4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(model, Path(folder, "model.keras"), "save")["name"]
    'model.keras'
    """
    with replacing(path) as partial:
        model.save(partial)
        with partial.open("rb") as file:
            written = {
                "name": path.name,
                "md5": file_md5(file),
                "bytes": partial.stat().st_size,
            }
        check_model_path(path, argument)  # the training may have taken long
    return written

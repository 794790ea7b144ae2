"""The record of what made something: versions, device, model, images and their source.

`augment`, `save_npz` and `model_card` write records of one schema, which `provenance_record` makes
and `docs/reference/provenance.md` describes.
"""

import functools
import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import ArrayLike

from keras_medaug._version import __version__
from keras_medaug.array_checks import fail

FORMAT = 1  # of provenance records
MADE_BY = "keras_medaug"
UNTRAINED = "The model has taken no step of training, as far as its optimizer knows."

# By these a user says how many threads a backend takes, and how exactly it multiplies.
SETTINGS = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS", "XLA_FLAGS", "TF_ENABLE_ONEDNN_OPTS", "NPROC", "JAX_ENABLE_X64",
    "JAX_DEFAULT_MATMUL_PRECISION", "NVIDIA_TF32_OVERRIDE",
)  # fmt: skip


def environment() -> dict[str, Any]:
    """Return backend, versions, device, number of threads, and settings of threads.

    Returns:
        A dictionary that JSON can hold; equal for two processes that give equal numbers.

    Example:

    >>> from keras_medaug.provenance import environment
    >>> environment()["threads"] >= 1
    True
    """
    return {**_of_process(), **dtype_policy()}


def dtype_policy() -> dict[str, str]:
    """Return Keras's dtype policy, where it is not the usual one.

    Returns:
        A dictionary with `dtype`, or an empty one for `float32`.

    Example:

    >>> from keras_medaug.provenance import dtype_policy
    >>> dtype_policy()
    {}
    """
    name = keras.config.dtype_policy().name
    return {} if name == "float32" else {"dtype": name}


def versions() -> dict[str, str]:
    """Return the versions of the packages that make numbers, and which backend runs.

    Returns:
        `keras-medaug`, `keras`, `numpy`, `backend` (its name) and, under that name, its version.

    Example:

    >>> from keras_medaug.provenance import versions
    >>> list(versions())[:4]
    ['keras-medaug', 'keras', 'numpy', 'backend']
    """
    backend = keras.config.backend()
    return {
        "keras-medaug": __version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "backend": backend,
        backend: sys.modules[backend].__version__,
    }


@functools.cache
def _of_process() -> dict[str, Any]:
    return {
        **versions(),
        "device": device(),
        "threads": _threads(),
        "settings": {name: os.environ[name] for name in SETTINGS if name in os.environ},
    }


def check_place(expected: Mapping[str, Any]) -> None:
    """Check that this process is as the one that a task was planned for.

    Args:
        expected: Its environment.

    Raises:
        RuntimeError: If a version, the device or the number of threads differs from the expected
            one.

    Example:

    >>> from keras_medaug.provenance import check_place, environment
    >>> check_place(environment())
    """
    here = environment()
    names = {*here, *expected}
    wrong = {name: here.get(name) for name in sorted(names) if here.get(name) != expected.get(name)}
    if wrong:
        wanted = {name: expected.get(name) for name in wrong}
        raise RuntimeError(
            f"this process differs from the one the study was planned in: got {wrong}; expected "
            f"{wanted}. Give all workers the same versions, device and number of threads."
        )


def digest(config: Mapping[str, Any]) -> str:
    """Return a short hash of a configuration.

    Args:
        config: What JSON can hold.

    Returns:
        Twelve hexadecimal digits.

    Example:

    >>> from keras_medaug.provenance import digest
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    text = json.dumps(config, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


# ---- the record -----------------------------------------------------------------------------


def provenance_record(
    kind: Literal["augment", "save_npz", "model_card"],
    *,
    image_shape: Sequence[int],
    class_names: Sequence[str] | None,
    model: Mapping[str, Any] | None,
    seed: int | None,
    images: Mapping[str, Any],
    source: Mapping[str, Any] | None,
    copy_audit: Mapping[str, Any] | None,
    computed: bool = True,
) -> dict[str, Any]:
    """Return the part that all provenance records have in common.

    Args:
        kind: The function that writes the record.
        image_shape: `(height, width, channels)` of the images and of their source.
        class_names: In the order of the labels, or `None` where classes have no names.
        model: What `describe_model` returned, and possibly more; or `None`.
        seed: The argument `seed` of the function, or what was drawn for it.
        images: What `describe_images` returned.
        source: What `describe_source` returned, or `None`.
        copy_audit: What `metrics.copy_audit` returned, or `None`.
        computed: Whether the function computed with Keras, so that the device matters.

    Returns:
        A dictionary that JSON can hold.

    Example:

    >>> from keras_medaug.provenance import describe_images, provenance_record
    >>> record = provenance_record(
    ...     "save_npz", image_shape=(8, 8, 1), class_names=["benign"], model=None, seed=None,
    ...     images=describe_images([3], None, "0" * 32), source=None, copy_audit=None,
    ...     computed=False,
    ... )
    >>> record["format"], record["images"]["count"], record["device"]
    (1, 3, None)
    """
    return {
        "made_by": MADE_BY,
        "format": FORMAT,
        "kind": kind,
        "image_shape": [int(size) for size in image_shape],
        "class_names": None if class_names is None else list(class_names),
        "model": model,
        "seed": seed,
        "images": images,
        "source": source,
        "copy_audit": copy_audit,
        "versions": versions(),
        "device": device() if computed else None,
        "dtype": keras.config.dtype_policy().name,
    }


def describe_images(
    counts: ArrayLike | None, seed: int | None, md5: str, count: int | None = None
) -> dict[str, Any]:
    """Describe the images that a provenance record is about.

    Args:
        counts: How many there are of each class, or `None` where their classes are not known.
        seed: The one that was given to `generate`, or `None` where it is not known.
        md5: Of the images, in 8 bits, and their labels, as `Dataset.md5` defines it.
        count: How many images there are; needed where `counts` is `None`.

    Returns:
        `count`, `counts`, `seed` and `md5`.

    Example:

    >>> from keras_medaug.provenance import describe_images
    >>> describe_images([2, 1], seed=0, md5="0" * 32)["count"]
    3
    """
    by_class = None if counts is None else np.asarray(counts).astype(int).tolist()
    total = count if by_class is None else sum(by_class)
    return {"count": total, "counts": by_class, "seed": seed, "md5": md5}


def describe_source(name: str | None, md5: str, counts: Mapping[str, ArrayLike]) -> dict[str, Any]:
    """Describe the real images that a model was trained on.

    Args:
        name: Name of the data set, or `None` where there is none.
        md5: As of `Dataset.md5`.
        counts: How many images there are of each class, by split.

    Returns:
        `name`, `md5` and `counts`.

    Example:

    >>> from keras_medaug.provenance import describe_source
    >>> describe_source("toy", "0" * 32, {"train": [2, 1]})["counts"]
    {'train': [2, 1]}
    """
    by_split = {split: np.asarray(row).astype(int).tolist() for split, row in counts.items()}
    return {"name": name, "md5": md5, "counts": by_split}


def describe_model(model: keras.Model) -> dict[str, Any]:
    """Return a model's registered class, its configuration and the steps that it has taken.

    Args:
        model: Any Keras model.

    Returns:
        `class`, `config` and `steps` (`None` where the model has no optimizer).

    Raises:
        ValueError: If JSON cannot hold the configuration.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.provenance import describe_model
    >>> describe_model(kma.models.CVAE((8, 8, 1), latent_dim=2))["class"]
    'keras_medaug>CVAE'
    """
    kind = keras.saving.get_registered_name(type(model))
    try:
        config = keras.saving.serialize_keras_object(model)["config"]
        config = json.loads(json.dumps(config, allow_nan=False))
    except Exception as error:  # a config of another's making may fail in any way
        got = f"a {kind} without a config that JSON can hold ({error})"
        raise fail("model", got, "a model with a `get_config` of plain values") from error
    return {"class": kind, "config": config, "steps": _steps_of(model)}


def _steps_of(model: keras.Model) -> int | None:
    """Return the steps that a model's optimizer has taken, `None` where it has none."""
    optimizer = getattr(model, "optimizer", None)
    return None if optimizer is None else int(optimizer.iterations)


def device() -> str:
    """Return the kind of device on which the backend puts a tensor, without its number.

    Returns:
        `"cpu"`, `"cuda"`, `"gpu"`, ...

    Example:

    >>> from keras_medaug.provenance import device
    >>> device().isalpha()
    True
    """
    place = str(keras.ops.convert_to_tensor(0.0).device).lower()  # cuda:0, tpu_0(...)
    kind = place.split("device:")[-1]  # /job:localhost/.../device:gpu:0
    return re.split(r"[^a-z]", kind)[0]


def _threads() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

"""The record of what made something: versions, device, model, and the hash of a configuration."""

import functools
import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_medaug._version import __version__
from keras_medaug.array_checks import fail

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


@functools.cache
def _of_process() -> dict[str, Any]:
    backend = keras.config.backend()
    return {
        "backend": backend,
        backend: sys.modules[backend].__version__,
        "keras": keras.__version__,
        "keras-medaug": __version__,
        "numpy": np.__version__,
        "device": _device(),
        "threads": _threads(),
        "settings": {name: os.environ[name] for name in SETTINGS if name in os.environ},
    }


def check_place(expected: Mapping[str, Any]) -> None:
    """Check that this process is as the one that a task was planned for.

    Args:
        expected: Its environment.

    Raises:
        RuntimeError: If a version, the device or the number of threads is another one here.

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


def _device() -> str:
    """Return the kind of device on which the backend puts a tensor, without its number."""
    place = str(keras.ops.convert_to_tensor(0.0).device).lower()  # cuda:0, tpu_0(...)
    kind = place.split("device:")[-1]  # /job:localhost/.../device:gpu:0
    return re.split(r"[^a-z]", kind)[0]


def _threads() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

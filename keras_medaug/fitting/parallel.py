"""Which forms of parallel training are proven; the others are refused, not left to drift."""

import os
import sys

import keras

from keras_medaug.checks import fail


def check_parallelism(model: keras.Model) -> None:
    """Refuse to train in a way that would let copies of the model drift apart.

    One device trains, and so does `keras.distribution.DataParallel` over the devices of one
    process, which the tests compare with one device. Where several processes train, wrappers of
    the model do not see networks that are called inside `compute_loss`: their gradients would not
    be averaged, and nothing would say so.

    Args:
        model: The model that is about to train.

    Raises:
        RuntimeError: If training is distributed in another way.

    Example:

    >>> import keras
    >>> from keras_medaug.fitting.parallel import check_parallelism
    >>> check_parallelism(keras.Sequential())
    """
    strategy = getattr(model, "distribute_strategy", None)
    replicas = getattr(strategy, "num_replicas_in_sync", 1)
    if replicas > 1:
        raise _refused(f"{type(strategy).__name__} with {replicas} replicas")
    distribution = keras.distribution.distribution()
    if distribution is not None and not isinstance(distribution, keras.distribution.DataParallel):
        raise _refused(f"keras.distribution.{type(distribution).__name__}")
    if (devices := batch_devices()) > 1 and devices > len(keras.distribution.list_devices()):
        raise _refused(f"{devices} devices, not all of which Keras sees")
    if (processes := _processes(distribution)) > 1:
        raise _refused(f"{processes} processes (joined by a library, or said by $WORLD_SIZE)")


def batch_devices() -> int:
    """Return over how many devices a batch is split.

    Returns:
        The number of devices of a `keras.distribution`, or 1.

    Example:

    >>> from keras_medaug.fitting.parallel import batch_devices
    >>> batch_devices()
    1
    """
    distribution = keras.distribution.distribution()
    return 1 if distribution is None else int(distribution.device_mesh.shape[0])


def check_batches(count: int, batch_size: int | None = None) -> None:
    """Refuse batches that cannot be split evenly over the devices.

    Keras would fail on them in the middle of its work, and not always leave the model whole.

    Args:
        count: Number of images in a pass.
        batch_size: Images in a batch, the last one of which may be shorter; `None` for all.

    Raises:
        ValueError: If the number of devices does not divide the size of every batch, the last one
            included.

    Example:

    >>> from keras_medaug.fitting.parallel import check_batches
    >>> check_batches(9, 4)  # on one device, any will do
    """
    devices, size = batch_devices(), max(1, min(batch_size or count, count))
    if uneven := [n for n in (size, count % size) if n % devices]:
        raise fail(
            "batch_size",
            f"a batch of {uneven[0]} images",
            f"batches, the last one too, that {devices} devices can share evenly",
        )


def _refused(got: str) -> RuntimeError:
    return RuntimeError(
        f"fit: got distributed training by {got}; expected one device, or "
        "keras.distribution.DataParallel over the devices of one process. Elsewhere the copies of "
        "the networks would drift apart unseen."
    )


def _processes(distribution) -> int:
    """Return how many processes train together, as far as any library that is loaded knows.

    Libraries are asked by what they offer, not by name: what has joined processes may be a backend
    or something on top of one.
    """
    counts = [int(getattr(distribution, "num_processes", 1))]
    launched = os.environ.get("WORLD_SIZE", "")
    counts.append(int(launched) if launched.isdecimal() else 1)
    for name, module in list(sys.modules.items()):
        if name.endswith(".distributed") and _initialized(module):
            above = sys.modules.get(name.rpartition(".")[0])
            count = getattr(module, "get_world_size", None) or getattr(above, "process_count", None)
            counts.append(count() if count else 1)
    return max(counts)


def _initialized(module) -> bool:
    asked = getattr(module, "is_initialized", None)
    return bool(asked and asked())

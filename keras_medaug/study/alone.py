"""One piece of work at a time in a process, whose random seeds it has for itself."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()


@contextmanager
def alone_in_process() -> Iterator[None]:
    """Hold the process for the body.

    Yields:
        Nothing.

    Raises:
        RuntimeError: If another thread holds it.

    Example:

    >>> from keras_medaug.study.alone import alone_in_process
    >>> with alone_in_process():
    ...     pass
    """
    if not _lock.acquire(blocking=False):
        raise RuntimeError(
            "two tasks in one process: got an executor of threads; expected one of processes, "
            "since random seeds belong to the process."
        )
    try:
        yield
    finally:
        _lock.release()

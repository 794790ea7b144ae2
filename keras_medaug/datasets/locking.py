"""One process at a time: an advisory lock that ends with the process that holds it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


@contextmanager
def locked(path: Path, doing: str = "downloads") -> Iterator[bool]:
    """Hold `{path}.lock` while the body runs; wait for whoever holds it, and say what it is doing.

    Yields:
        Whether the lock is held; `False` on a file system that has no locks.
    """
    lock = path.with_name(f"{path.name}.lock")
    while True:
        with lock.open("a+b") as file:
            held = _acquire(file, path, doing)
            if held and not _is_same(file, lock):
                continue  # The one waited for has removed it: start over with a new one.
            try:
                yield held
            finally:
                if sys.platform != "win32":  # where an open file cannot be removed
                    lock.unlink(missing_ok=True)
            return


def _acquire(file: BinaryIO, path: Path, doing: str) -> bool:
    try:
        _lock(file, wait=False)
        return True
    except BlockingIOError:
        print(f"Waiting for another process that {doing} {path.name} ...", file=sys.stderr)
    except OSError:
        return False
    _lock(file, wait=True)
    return True


def _is_same(file: BinaryIO, lock: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), lock.stat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":

    def _lock(file: BinaryIO, wait: bool) -> None:
        file.seek(0)
        while True:
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
                return
            except OSError as error:
                if not wait:
                    raise BlockingIOError from error

else:

    def _lock(file: BinaryIO, wait: bool) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))

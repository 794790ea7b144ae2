"""Files that come into being whole or not at all, and locks.

A file is written under a temporary name in the same folder, then moved. Whoever reads, or kills the
writer at any moment, meets either the former file or the new one.
"""

import json
import os
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike

from keras_medaug.array_checks import fail
from keras_medaug.interrupts import stop_if_interrupted

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_PARTIAL = ".partial-"
_LOOK_EVERY = 0.5  # seconds between two attempts to have a lock


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; what is written there becomes `path` at the end.

    The temporary name ends like the final one, for writers that look at the extension. If the
    body raises, the temporary file is removed and `path` stays as it was.

    Args:
        path: The final place; missing folders are made.

    Yields:
        The path to write to.

    Raises:
        OSError: If the folder cannot be written to, or the disk is full.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from keras_medaug.files import replacing
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "notes.txt")) as partial:
    ...         _ = partial.write_text("all of it")
    ...     [file.name for file in Path(folder).iterdir()]
    ['notes.txt']
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(f"{_PARTIAL}{uuid.uuid4().hex}-{final.name}")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, final)
    finally:
        partial.unlink(missing_ok=True)


def write_bytes_atomic(path: str | os.PathLike, content: bytes) -> None:
    """Write bytes to `path`; see `replacing`."""
    with replacing(path) as partial:
        partial.write_bytes(content)


def write_text_atomic(path: str | os.PathLike, text: str) -> None:
    """Write text to `path`, as UTF-8 with its line ends as they are; see `replacing`."""
    write_bytes_atomic(path, text.encode("utf-8"))


def write_json_atomic(path: str | os.PathLike, content: Any) -> None:
    """Write `content` to `path` as indented JSON; see `replacing`.

    Args:
        path: The final place.
        content: What `json` can write; NumPy's numbers and arrays as well.

    Raises:
        ValueError: If `content` holds NaN or infinity, which JSON cannot represent.
        TypeError: If `content` holds an object that JSON cannot represent.
        OSError: If the folder cannot be written to, or the disk is full.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from keras_medaug.files import write_json_atomic
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_json_atomic(Path(folder, "a.json"), {"mean": np.float32(0.5)})
    ...     print(Path(folder, "a.json").read_text().strip())
    {
     "mean": 0.5
    }
    """
    text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False, default=plain)
    write_text_atomic(path, f"{text}\n")


def write_npz_atomic(path: str | os.PathLike, arrays: Mapping[str, ArrayLike]) -> None:
    """Write arrays to `path`, which ends in `.npz`, compressed; see `replacing`."""
    with replacing(path) as partial, partial.open("wb") as file:
        named: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
        np.savez_compressed(file, **named)


def remove_partial_files(folder: str | os.PathLike) -> None:
    """Remove what killed writers left under their temporary names in `folder` and below it.

    Call it only where no other process is writing.
    """
    for path in Path(folder).rglob(f"{_PARTIAL}*"):
        path.unlink(missing_ok=True)


def plain(value: Any) -> Any:
    """Return a NumPy value as what `json` knows."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def check_text(text: str, argument: str) -> None:
    """Refuse a text that no file in UTF-8 can hold, such as a folder's name in another encoding.

    Args:
        text: The text.
        argument: Name under which it is reported.

    Raises:
        ValueError: If UTF-8 cannot represent the text.

    Example:

    >>> from keras_medaug.files import check_text
    >>> check_text("l\u00e4sion", "name")
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        expected = "text that UTF-8 can hold: rename it"
        raise fail(argument, f"{text!r}, which is not UTF-8", expected) from error


# ---- locks ----------------------------------------------------------------------------------


@contextmanager
def locked(path: Path, doing: str = "downloads", wait: bool = True) -> Iterator[bool]:
    """Hold `{path}.lock` while the body runs; wait for whoever holds it, and say what it is doing.

    It is our own and not filelock's, which does not tell a file system that has no locks from a
    lock that another process holds.

    Args:
        path: The file that only one process at a time may make.
        doing: What whoever holds the lock does with the file.
        wait: Whether to wait for it.

    Yields:
        Whether the lock is held; `False` on a file system that has no locks.

    Raises:
        BlockingIOError: If another process holds the lock, and `wait` is false.
        KeyboardInterrupt: If Ctrl-C was pressed while this waits.
    """
    lock = path.with_name(f"{path.name}.lock")
    while True:
        with lock.open("a+b") as file:
            held = _acquire(file, path, doing, wait)
            if held and not _is_same(file, lock):
                continue  # The one waited for has removed it: start over with a new one.
            try:
                yield held
            finally:
                if sys.platform != "win32":  # where an open file cannot be removed
                    lock.unlink(missing_ok=True)
            return


def _acquire(file: BinaryIO, path: Path, doing: str, wait: bool) -> bool:
    said = False
    while True:
        try:
            _lock(file)
            return True
        except BlockingIOError:
            if not wait:
                raise
        except OSError:
            return False
        if not said:
            print(f"Waiting for another process that {doing} {path.name} ...", file=sys.stderr)
            said = True
        stop_if_interrupted()
        time.sleep(_LOOK_EVERY)


def _is_same(file: BinaryIO, lock: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), lock.stat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":

    def _lock(file: BinaryIO) -> None:
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError from error

else:

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

"""Downloads that are verified, atomic and resumed where they broke off.

A file is received under the name `{file}.part` beside its place and moved there only when its MD5
is the published one. The `.part` file is ours: it may be continued or thrown away. A file at its
final place is the user's: it is read, or named in an error, and never changed.
"""

import errno
import hashlib
import http
import http.client
import os
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from keras_medaug.files import locked
from keras_medaug.progress import Progress

BLOCK = 1 << 18  # bytes
TIMEOUT = 20.0  # seconds without a byte
ATTEMPTS = 5  # in a row that bring nothing new
PAUSE = 1.0  # seconds before the second attempt, doubled for each further one

_RETRIED = (408, 425, 429, 500, 502, 503, 504)


def fetch(url: str, path: Path, md5: str) -> None:
    """Download `url` to `path` unless the file is there already.

    A download that was interrupted, in this call or in an earlier process, is continued where the
    server allows it. Of several processes that want the same file one downloads and the others
    wait for it.

    Args:
        url: Address.
        path: Final place; missing folders are made.
        md5: Published MD5, as hexadecimal digits.

    Raises:
        ConnectionError: If the file cannot be downloaded, or its MD5 is not the published one. The
            message gives address, MD5 and place, for a download by hand.
        OSError: If the folder cannot be written to, or the disk is full.
    """
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path) as shared:
            # Without a lock (some network file systems have none) nobody else may share the name.
            part = path.with_name(f"{path.name}{'' if shared else '.' + uuid.uuid4().hex}.part")
            if os.path.lexists(path):
                return
            try:
                _download(url, path, part, md5)
            finally:
                if not shared:
                    part.unlink(missing_ok=True)


@contextmanager
def open_verified(path: Path, md5: str, url: str) -> Iterator[BinaryIO]:
    """Open the file at `path` for reading if its MD5 is `md5`.

    Raises:
        FileNotFoundError: If the file does not exist. The message says how to get it.
        ValueError: If the MD5 of the file is not the published one, as of a truncated file. The
            file is left as it is.
    """
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}. {instructions(url, path, md5)}")
    with path.open("rb") as file:
        actual = file_md5(file)
        if actual != md5:
            raise ValueError(
                f"{path}: got MD5 {actual}; expected {md5}. The file is not the one published, or "
                "is truncated. It was neither used nor changed: move it away to have the right "
                f"one downloaded from {url}."
            )
        yield file


def file_md5(file: BinaryIO) -> str:
    """Return the MD5 of an open file, as hexadecimal digits; moves its position."""
    file.seek(0)
    digest = hashlib.md5(usedforsecurity=False)
    while block := file.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()


def instructions(url: str, path: Path, md5: str) -> str:
    """Return what to do by hand where a file cannot be downloaded."""
    return f"Download {url} (MD5 {md5}) on any machine and save it as {path}."


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Say what cannot be written and what to do where a folder refuses us."""
    try:
        yield
    except OSError as error:
        # What went wrong on the way here says so itself, and names the place.
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise OSError(
            error.errno,
            f"{path} cannot be written ({error.strerror}): choose a folder that can be, by `root` "
            "or by the environment variable MEDMNIST_ROOT",
            str(path.parent),
        ) from error


def _download(url: str, path: Path, part: Path, md5: str) -> None:
    resumed = part.exists() and part.stat().st_size > 0
    received = _receive(url, path, part, md5)
    if received != md5 and resumed:
        # The beginning that an earlier process left may have been of another file.
        part.unlink()
        received = _receive(url, path, part, md5)
    if received != md5:
        part.unlink()
        raise ConnectionError(
            f"{url}: got a file with MD5 {received}; expected {md5}. It was thrown away. "
            f"{instructions(url, path, md5)}"
        )
    if not os.path.lexists(path):
        os.replace(part, path)


class _Interrupted(Exception):
    """A connection came to nothing or broke off; `again` says whether another may do better."""

    def __init__(self, reason: object, again: bool = True):
        super().__init__(reason)
        self.again = again


def _receive(url: str, path: Path, part: Path, md5: str) -> str:
    """Bring `part` to its end, over several connections if need be, and return its MD5."""
    with part.open("a+b") as file:
        best = file.seek(0, os.SEEK_END)
        if best and file_md5(file) == md5:
            return md5
        _connect_until_whole(url, path, md5, file, best)
        file.flush()
        os.fsync(file.fileno())
        return file_md5(file)


def _connect_until_whole(url: str, path: Path, md5: str, file: BinaryIO, best: int) -> None:
    failures = 0
    connected = False
    with Progress(path.name) as progress:
        show = _shown(progress, path.name)
        while True:
            try:
                for _ in _continue(url, file, show):
                    connected = True
                progress.finish(path.name)
                return
            except _Interrupted as error:
                size = file.seek(0, os.SEEK_END)
                failures = 0 if size > best else failures + 1
                best = max(best, size)
                if failures >= ATTEMPTS or not (error.again or connected):
                    raise ConnectionError(
                        f"{url} cannot be downloaded: {error}. {instructions(url, path, md5)}"
                    ) from None  # the message says what the chain would
            time.sleep(PAUSE * 2 ** (failures - 1) if failures else 0)


def _shown(progress: Progress, name: str) -> Callable[[int, int | None], None]:
    """Return a function that shows how many bytes have come, of how many if that is known."""

    def show(received: int, total: int | None) -> None:
        if not progress.planned:
            progress.plan(name, 0.0)
            progress.begin(name)
        amount = f"{received / 1e6:.1f}"
        if total is None:
            progress.update(name, 0, 1, f"{amount} MB")
        else:
            progress.update(name, received, total, f"{amount} of {total / 1e6:.1f} MB")

    return show


def _continue(url: str, file: BinaryIO, show: Callable[[int, int | None], None]) -> Iterator[int]:
    """Append what one connection brings and yield the size so far.

    Only what the network does becomes `_Interrupted`: a full disk is no reason to try again.
    """
    start = file.seek(0, os.SEEK_END)
    with _open(url, start, file) as response:
        if start and not _continues_at(response, start):
            start = file.truncate(0)
        length = response.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else None
        received = start
        show(start, total)
        while block := _read(response):
            file.write(block)
            received += len(block)
            show(received, total)
            yield received
    if total is not None and received < total:
        raise _Interrupted(f"the connection closed after {received} of {total} bytes")


def _open(url: str, start: int, file: BinaryIO) -> http.client.HTTPResponse:
    headers = {"User-Agent": "keras-medaug", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if start and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            file.truncate(0)  # longer than the file on the server, so no beginning of it
            raise _Interrupted(error) from error
        raise _Interrupted(error, again=error.code in _RETRIED) from error
    except urllib.error.URLError as error:
        raise _Interrupted(error.reason, again=False) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(error) from error


def _continues_at(response: http.client.HTTPResponse, start: int) -> bool:
    """Whether the server sends the rest, and not the whole file again."""
    content_range = response.headers.get("Content-Range", "")
    return response.status == http.HTTPStatus.PARTIAL_CONTENT and content_range.startswith(
        f"bytes {start}-"
    )


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(error) from error

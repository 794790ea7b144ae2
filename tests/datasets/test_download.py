"""Downloads, from a server on loopback that can misbehave."""

import errno
import hashlib
import io
import os
import subprocess
import sys
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from keras_medaug import datasets, files
from keras_medaug.datasets import MEDMNIST, MedMNISTInfo, download
from keras_medaug.progress import Progress

pytestmark = pytest.mark.backend_free

DATA = np.random.default_rng(0).integers(0, 256, 600_000, "uint8").tobytes()
MD5 = hashlib.md5(DATA).hexdigest()


class Server(ThreadingHTTPServer):
    """Sends `data`; `plan` says, request by request, in which way."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.data = DATA
        self.plan = []
        self.ranges = []
        self.delay = 0.0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/file.npz?download=1"


class Handler(BaseHTTPRequestHandler):
    """Answers one request as the server's plan says: by a status, or in one of the ways below."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        how = self.server.plan.pop(0) if self.server.plan else "good"
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        time.sleep(self.server.delay)
        if isinstance(how, int):
            self.send_error(how)
            return
        data, start = self.server.data, 0
        if asked and how not in ("ignore range", "start over and drop"):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                self.send_error(416)
                return
            self.send_response(206)
            claimed = 0 if how == "other range" else start
            self.send_header("Content-Range", f"bytes {claimed}-{len(data) - 1}/{len(data)}")
            start = claimed
        else:
            self.send_response(200)
        if how != "no length":
            self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        body = data[start:]
        self.wfile.write(body[: len(body) // 3] if str(how).endswith("drop") else body)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.001)
    monkeypatch.setattr(download, "BLOCK", 1 << 14)
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "file.npz"


def fetch(server, path, md5=MD5):
    download.fetch(server.url, path, md5)


def names(path):
    return sorted(p.name for p in path.parent.iterdir())


def part_of(path):
    path.parent.mkdir(exist_ok=True)
    return path.with_name("file.npz.part")


def test_a_good_download_leaves_the_file_and_nothing_else(server, path, capfd):
    fetch(server, path)
    assert path.read_bytes() == DATA
    assert names(path) == ["file.npz"]
    assert server.ranges == [None]
    out, err = capfd.readouterr()
    assert not out
    lines = err.splitlines()
    assert lines[0] == "[  0%, 0 s gone, estimating] file.npz"
    assert lines[-1] == "file.npz: done in 0 s"


def test_a_dropped_connection_is_continued_where_it_broke_off(server, path):
    server.plan = ["drop", "drop", "good"]
    fetch(server, path)
    assert path.read_bytes() == DATA
    assert server.ranges == [None, "bytes=200000-", f"bytes={200_000 + 400_000 // 3}-"]


def test_what_an_earlier_process_left_is_continued(server, path):
    part_of(path).write_bytes(DATA[:450_000])
    fetch(server, path)
    assert path.read_bytes() == DATA
    assert server.ranges == ["bytes=450000-"]
    assert names(path) == ["file.npz"]


def test_without_a_network_there_is_one_message_and_one_traceback(path):
    with pytest.raises(ConnectionError, match=r"refused.*Download http.*MD5") as caught:
        download.fetch("http://127.0.0.1:9/file.npz", path, MD5)
    assert "another exception" not in "".join(traceback.format_exception(caught.value))


def test_a_complete_part_needs_no_network(path):
    part_of(path).write_bytes(DATA)
    download.fetch("http://127.0.0.1:9/file.npz", path, MD5)
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("how", ["ignore range", "other range"])
def test_a_server_that_sends_everything_again_is_understood(server, path, how):
    server.plan = ["drop", how]
    fetch(server, path)
    assert path.read_bytes() == DATA
    assert server.ranges == [None, "bytes=200000-"]


def test_a_server_that_does_not_say_how_long_the_file_is(server, path):
    server.plan = ["no length"]
    fetch(server, path)
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("left", [DATA[::-1][:1000], b"x" + DATA, DATA[::-1]])
def test_the_beginning_of_another_file_is_thrown_away(server, path, left):
    part_of(path).write_bytes(left)
    fetch(server, path)
    assert path.read_bytes() == DATA
    assert server.ranges[-1] is None


def test_passing_trouble_of_the_server_is_waited_out(server, path):
    server.plan = [503, 429, "good"]
    fetch(server, path)
    assert path.read_bytes() == DATA


def assert_instructions(error, server, path):
    assert server.url in str(error)
    assert MD5 in str(error)
    assert str(path) in str(error)


def test_wrong_bytes_never_get_into_place(server, path):
    server.data = DATA[::-1]
    with pytest.raises(ConnectionError) as caught:
        fetch(server, path)
    assert_instructions(caught.value, server, path)
    assert hashlib.md5(server.data).hexdigest() in str(caught.value)
    assert names(path) == []
    server.data = DATA
    fetch(server, path)
    assert path.read_bytes() == DATA


def test_a_shorter_file_never_gets_into_place(server, path):
    server.data = DATA[:-1]
    with pytest.raises(ConnectionError, match="expected"):
        fetch(server, path)
    assert names(path) == []


def test_attempts_end_and_what_came_is_kept(server, path):
    server.plan = ["drop"] + [503] * 99
    with pytest.raises(ConnectionError, match="503") as caught:
        fetch(server, path)
    assert_instructions(caught.value, server, path)
    assert len(server.ranges) == 1 + download.ATTEMPTS
    assert names(path) == ["file.npz.part"]
    server.plan = []
    fetch(server, path)
    assert server.ranges[-1] == "bytes=200000-"
    assert path.read_bytes() == DATA


def test_a_server_that_always_starts_over_and_always_drops_comes_to_an_end(server, path):
    server.plan = ["drop"] + 99 * ["start over and drop"]
    with pytest.raises(ConnectionError, match="closed after 200000 of 600000 bytes"):
        fetch(server, path)
    assert len(server.ranges) == 1 + download.ATTEMPTS


def test_a_file_that_is_not_there_is_not_asked_for_again(server, path):
    server.plan = [404, "good"]
    with pytest.raises(ConnectionError, match="404") as caught:
        fetch(server, path)
    assert_instructions(caught.value, server, path)
    assert len(server.ranges) == 1


def test_no_network(path, monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 100.0)  # there must be no pause at all
    url = "http://127.0.0.1:9/file.npz"
    with pytest.raises(ConnectionError) as caught:
        download.fetch(url, path, MD5)
    for fact in (url, MD5, str(path)):
        assert fact in str(caught.value)


def test_a_full_disk_is_no_reason_to_try_again(server, path, monkeypatch):
    def update(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Progress, "update", update)
    with pytest.raises(OSError, match="No space left"):
        fetch(server, path)
    assert len(server.ranges) == 1
    assert names(path) == ["file.npz.part"]


def test_a_file_in_place_is_never_replaced(server, path):
    path.parent.mkdir()
    path.write_text("mine")
    fetch(server, path)
    assert path.read_text() == "mine"
    assert server.ranges == []


# Stands in for the packages above the module, which would bring Keras, and seconds, with them.
CHILD = """
import pathlib, sys, types
for name, folder in (("keras_medaug", sys.argv[4]), ("keras_medaug.datasets", sys.argv[5])):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from keras_medaug.datasets import download
download.PAUSE = 0.01
print("ready", flush=True)
download.fetch(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3])
"""


def test_two_processes_and_this_one_share_one_download(server, path):
    server.delay = 0.5
    folder = Path(download.__file__).parent
    arguments = [server.url, path, MD5, folder.parent, folder]
    command = [sys.executable, "-c", CHILD, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    children = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for process in children:
        assert process.stdout.readline() == "ready\n", process.communicate()
    fetch(server, path)
    for process in children:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert path.read_bytes() == DATA
    assert names(path) == ["file.npz"]
    assert server.ranges == [None]


def test_threads_wait_for_one_another(server, path, capfd):
    server.delay = 0.1
    threads = [threading.Thread(target=fetch, args=(server, path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() == DATA
    assert names(path) == ["file.npz"]
    assert server.ranges == [None]
    assert "Waiting for another process that downloads file.npz" in capfd.readouterr().err


def test_where_there_are_no_locks_nothing_is_shared(server, path, monkeypatch):
    def no_lock(*_, **__):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files, "_lock", no_lock)
    part_of(path).write_bytes(DATA[:1000])  # of a process that may be writing to it now
    server.plan = [404]
    with pytest.raises(ConnectionError):
        fetch(server, path)
    assert names(path) == ["file.npz.part"]
    fetch(server, path)
    assert server.ranges == [None, None]
    assert path.read_bytes() == DATA
    assert part_of(path).read_bytes() == DATA[:1000]


def test_a_lock_left_by_a_killed_process_is_no_obstacle(server, path):
    path.parent.mkdir()
    path.with_name("file.npz.lock").touch()
    fetch(server, path)
    assert names(path) == ["file.npz"]


def test_a_folder_that_cannot_be_written_to(server, tmp_path, monkeypatch):
    """Mocked: to a superuser every folder can be written to."""

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", "x")

    monkeypatch.setattr(files.Path, "open", refuse)
    with pytest.raises(PermissionError, match="cannot be written") as caught:
        fetch(server, tmp_path / "file.npz")
    assert str(tmp_path / "file.npz") in str(caught.value)
    assert "root" in str(caught.value)
    assert server.ranges == []


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="a superuser may write everywhere"
)
def test_a_read_only_folder(server, tmp_path):
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(PermissionError, match="cannot be written"):
            fetch(server, tmp_path / "file.npz")
    finally:
        tmp_path.chmod(0o755)


def test_a_folder_that_is_a_file(server, tmp_path):
    (tmp_path / "cache").write_text("")
    with pytest.raises(OSError, match="cache"):
        fetch(server, tmp_path / "cache" / "file.npz")


def test_load_downloads_verifies_and_reads(server, tmp_path, monkeypatch, capfd):
    source = tmp_path / "source.npz"
    rng = np.random.default_rng(0)
    arrays = {f"{s}_images": rng.integers(0, 256, (8, 28, 28), "uint8") for s in ("train", "val")}
    arrays |= {"test_images": arrays["val_images"]}
    arrays |= {f"{s}_labels": np.arange(8)[:, None] % 4 for s in ("train", "val", "test")}
    np.savez(source, **arrays)
    server.data = source.read_bytes()
    md5 = hashlib.md5(server.data).hexdigest()

    class Info(MedMNISTInfo):
        def url(self, size):
            return f"{server.url}&file={self.filename(size)}"

    facts = MEDMNIST["octmnist"]
    info = Info("octmnist", facts.task, 1, facts.class_names, facts.counts, {**facts.md5, 28: md5})
    monkeypatch.setitem(MEDMNIST, "octmnist", info)
    server.plan = ["drop"]
    root = tmp_path / "new" / "cache"
    ds = datasets.load("octmnist", root=root)
    assert ds.md5 == md5
    np.testing.assert_array_equal(ds.stored("val")[0][..., 0], arrays["val_images"])
    assert [p.name for p in root.iterdir()] == ["octmnist.npz"]
    requests = len(server.ranges)
    datasets.load("octmnist", root=root)
    assert len(server.ranges) == requests, "the second time it is read from the cache"
    assert "octmnist.npz" in capfd.readouterr().err


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("how", "amount"), [("good", "0.3 of 0.6 MB"), ("no length", "0.3 MB")])
def test_a_terminal_shows_the_bytes_that_have_come(server, path, monkeypatch, how, amount):
    monkeypatch.setattr("keras_medaug.progress.DRAW_EVERY", 0.0)
    monkeypatch.setattr("keras_medaug.status_line.DRAW_EVERY", 0.0)
    monkeypatch.setattr(download, "BLOCK", 100_000)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    server.plan = [how]
    fetch(server, path)
    drawn = terminal.getvalue().split("\r")
    assert any(text.rstrip().endswith(f"| file.npz: {amount}") for text in drawn), drawn
    assert any("[####    ]  50%, " in text for text in drawn) == (how == "good")
    assert drawn[-1] == "file.npz: done in 0 s\n"


def test_a_download_without_standard_error(server, path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    fetch(server, path)
    assert path.read_bytes() == DATA

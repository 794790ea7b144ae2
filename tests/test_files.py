"""Files that come into being whole or not at all."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from keras_medaug import files

pytestmark = pytest.mark.backend_free


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_content_is_written_under_the_final_name_alone(tmp_path):
    files.write_bytes_atomic(tmp_path / "new" / "a.bin", b"\x00\xff")
    files.write_text_atomic(tmp_path / "new" / "b.txt", "µ\r\n")
    files.write_json_atomic(tmp_path / "new" / "c.json", {"a": np.arange(2), "b": np.float32(0.5)})
    files.write_npz_atomic(tmp_path / "new" / "d.npz", {"x": np.eye(2), "y": [1]})
    assert names(tmp_path / "new") == ["a.bin", "b.txt", "c.json", "d.npz"]
    assert (tmp_path / "new/a.bin").read_bytes() == b"\x00\xff"
    assert (tmp_path / "new/b.txt").read_bytes() == "µ\r\n".encode()
    assert json.loads((tmp_path / "new/c.json").read_text()) == {"a": [0, 1], "b": 0.5}
    with np.load(tmp_path / "new/d.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["x"], np.eye(2))


def test_the_same_arrays_give_the_same_file(tmp_path):
    for name in ("a.npz", "b.npz"):
        files.write_npz_atomic(tmp_path / name, {"x": np.arange(5.0)})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.json"
    files.write_json_atomic(path, [1])

    def fail():
        with files.replacing(path) as partial:
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert json.loads(path.read_text()) == [1]
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=["value=nan", "value=inf"])
def test_json_has_no_nan(tmp_path, value):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json_atomic(tmp_path / "a.json", {"loss": value})
    assert names(tmp_path) == []


def test_json_refuses_what_it_cannot_hold(tmp_path):
    with pytest.raises(TypeError, match="object has no form in JSON"):
        files.write_json_atomic(tmp_path / "a.json", object())


def test_the_temporary_name_keeps_the_extension(tmp_path):
    with files.replacing(tmp_path / "net.weights.h5") as partial:
        assert partial.name.endswith(".weights.h5")
        assert partial.parent == tmp_path
        partial.touch()


def test_what_a_killed_writer_leaves_can_be_cleared(tmp_path):
    (tmp_path / "kept").write_text("mine")
    code = (
        "import sys, time; from keras_medaug.files import replacing\n"
        f"with replacing({str(tmp_path / 'below' / 'a')!r}) as partial:\n"
        "    partial.write_text('half'); print('now', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    assert len(names(tmp_path / "below")) == 1
    assert not (tmp_path / "below" / "a").exists()
    files.remove_partial_files(tmp_path)
    assert names(tmp_path / "below") == []
    assert names(tmp_path) == ["below", "kept"]


def test_a_reader_never_sees_half_a_file(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text_atomic(path, "0" * 100_000)
    code = (
        "from keras_medaug.files import write_text_atomic\n"
        "print('now', flush=True)\n"
        f"while True: [write_text_atomic({str(path)!r}, c * 100_000) for c in '01']"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        end = time.monotonic() + 0.5
        seen = set()
        while time.monotonic() < end:
            text = path.read_text()
            assert len(text) == 100_000
            seen.add("".join(sorted(set(text))))
        process.kill()
    assert seen <= {"0", "1"}


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
def test_one_ctrl_c_ends_the_wait_for_a_lock(tmp_path):
    path = tmp_path / "a"
    code = (
        "import signal; from pathlib import Path\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from keras_medaug.files import locked\n"
        "from keras_medaug.interrupts import between_steps\n"
        "with between_steps():\n"
        f"    with locked(Path({str(path)!r})): print('held')"
    )
    with (
        files.locked(path),
        subprocess.Popen(
            [sys.executable, "-c", code], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        try:
            while "Waiting for another process" not in (line := process.stderr.readline()):
                assert line, "it ended"
            process.send_signal(signal.SIGINT)
            held, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert "KeyboardInterrupt" in said
    assert held == ""


def test_a_lock_that_is_not_waited_for_is_refused(tmp_path):
    with files.locked(tmp_path / "a", wait=False) as held:
        assert held
        with pytest.raises(BlockingIOError), files.locked(tmp_path / "a", wait=False):
            pytest.fail("two hold it")
    with files.locked(tmp_path / "a", wait=False) as held:
        assert held

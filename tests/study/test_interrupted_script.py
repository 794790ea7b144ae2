"""Ctrl-C in a terminal, where it reaches the processes of a study as well."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers.ctrl_c import pythons_handler

pytestmark = [
    pytest.mark.one_backend,
    pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups are of POSIX systems"),
]

EXAMPLES = Path(__file__).parents[2] / "examples"


def is_left(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


# Ctrl-C comes while Python removes its modules, which takes long with a backend.
LATE = """
import signal
class Late:
    def __del__(self, press=signal.raise_signal, number=signal.SIGINT):
        press(number)
late = Late()
from keras_medaug.study.command import end_script
end_script(3)
"""


def test_a_ctrl_c_after_the_work_leaves_the_exit_code_alone():
    with pythons_handler():
        done = subprocess.run([sys.executable, "-c", LATE], check=False)
    assert done.returncode == 3


def test_a_study_in_processes_ends_with_one_line_and_leaves_none(tmp_path):
    command = [sys.executable, EXAMPLES / "study.py", "--workers", "1", "--threads", "1"]
    command += ["--arms", "none", "oversample", "--seeds", "1", "--steps", "100000"]
    command += ["--out", tmp_path]
    env = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}
    with (
        pythons_handler(),
        subprocess.Popen(
            command, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process,
    ):
        try:
            # A task's folder is locked while it is worked on.
            while process.poll() is None and not list(tmp_path.glob("tasks/classifier-*.lock")):
                time.sleep(0.05)
            os.killpg(process.pid, signal.SIGINT)
            said = process.communicate(timeout=60)[1]
            for _ in range(50):
                if not is_left(process.pid):
                    break
                time.sleep(0.1)
            assert not is_left(process.pid)
        finally:
            if is_left(process.pid):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    last = said.splitlines()[-1]
    assert last.startswith("Interrupted: 1 finished tasks are kept")  # the audit
    assert "Run the same command again to go on." in last

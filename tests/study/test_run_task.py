"""One task, in the process that does it."""

from dataclasses import replace

import pytest

from keras_medaug.provenance import environment
from keras_medaug.study.execute import run_task
from keras_medaug.study.task import Task

pytestmark = pytest.mark.one_backend


def test_a_task_that_is_done_is_not_done_again(tmp_path):
    """As when another process has done it since this one looked."""
    first = Task("count", {"environment": environment()}, tmp_path, lambda *_: {"sum": 3})
    run_task(first, None)
    written = (first.folder / "result.json").stat().st_mtime_ns
    again = replace(first, work=lambda *_: {"sum": 4})
    assert run_task(again, None) == 0.0
    assert again.result()["sum"] == 3
    assert (first.folder / "result.json").stat().st_mtime_ns == written

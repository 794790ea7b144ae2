"""What the random generators of one process share is changed by one thread at a time."""

import threading

import pytest

from keras_medaug.layers.seed_generator import _PROCESS, seeds_of_a_model

pytestmark = pytest.mark.one_backend


def test_models_at_work_are_counted_under_the_lock():
    leave = threading.Event()

    def work():
        with seeds_of_a_model():
            leave.wait(10.0)

    def wait_until(count):
        for _ in range(500):
            with _PROCESS.lock:
                if _PROCESS.models_at_work == count:
                    return True
            threading.Event().wait(0.01)
        return False

    before = _PROCESS.models_at_work
    thread = threading.Thread(target=work, daemon=True)
    with _PROCESS.lock:
        thread.start()
        thread.join(0.1)
        assert _PROCESS.models_at_work == before
    assert wait_until(before + 1)
    with _PROCESS.lock:
        leave.set()
        thread.join(0.1)
        assert _PROCESS.models_at_work == before + 1
    thread.join(10.0)
    assert wait_until(before)

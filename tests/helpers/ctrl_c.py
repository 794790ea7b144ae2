"""Ctrl-C, as a test presses it."""

import os
import signal
import threading
from contextlib import contextmanager

import keras
import pytest


def press():
    """Press Ctrl-C."""
    signal.raise_signal(signal.SIGINT)


@contextmanager
def pythons_handler():
    """Set Python's own handler, also for processes that the body starts; expect it to be left."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def stopped():
    """Expect Ctrl-C to end the body."""
    with pythons_handler(), pytest.raises(KeyboardInterrupt):
        yield


@contextmanager
def pressed_after(seconds):
    """Press Ctrl-C from another thread, wherever the main thread is then."""
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


class PressAt(keras.callbacks.Callback):
    """Presses Ctrl-C during a step, of any epoch or of one."""

    def __init__(self, batch, epoch=None):
        super().__init__()
        self.batch, self.epoch, self.now = batch, epoch, None

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.batch and self.epoch in {None, self.now}:
            press()

    def on_test_batch_end(self, batch, logs=None):
        self.on_train_batch_end(batch)

    def on_predict_batch_end(self, batch, logs=None):
        self.on_train_batch_end(batch)

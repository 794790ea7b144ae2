"""Arms of a user's own, at the top of a module, where a spawned process finds them."""

import os
import signal
from pathlib import Path

import numpy as np

import keras_medaug as kma

LOG = "KMA_TEST_LOG"  # folder where each call leaves a line


def copied(x, y, seed):
    """Return the images as they came, and note the call."""
    note(seed)
    return x, y


def killed_once(x, y, seed):
    """Kill the process that calls it, the first time."""
    note(seed)
    marker = Path(os.environ[LOG], "killed")
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x, y


def interrupted_once(x, y, seed):
    """Press Ctrl-C, the first time."""
    note(seed)
    marker = Path(os.environ[LOG], "interrupted")
    if not marker.exists():
        marker.touch()
        signal.raise_signal(signal.SIGINT)
    return x, y


def leaking(x, y, seed):  # noqa: ARG001 -- what every arm takes
    """Add test images to the training images."""
    test_x, test_y = kma.datasets.load("phantom", size=8, train=80, val=40, test=40).test
    return np.concatenate([x, test_x[:5]]), np.concatenate([y, test_y[:5]])


def wrong_shape(x, y, seed):  # noqa: ARG001 -- what every arm takes
    """Return images of another size."""
    return x[:, :-1], y


def failing(x, y, seed):  # noqa: ARG001 -- what every arm takes
    """Fail."""
    raise ZeroDivisionError("on purpose")


def note(seed):
    """Leave a line about a call."""
    if folder := os.environ.get(LOG):
        with Path(folder, "calls").open("a") as file:
            file.write(f"{seed}\n")

"""Keras's `BackupAndRestore` after a real kill and after Ctrl-C: the run ends as one without them.

Run as a script, it is the run that is killed.
"""

import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_medaug as kma


class Kill(keras.callbacks.Callback):
    """Kills its own process, with the signal that no process can answer, within an epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == 1 and batch == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def train(*callbacks):
    """Train a model that holds all there is to restore; return it and its history."""
    x = np.random.default_rng(0).random((8, 8, 8, 1), dtype="float32")
    model = kma.models.VAEGAN(
        (8, 8, 1),
        3,
        num_classes=2,
        gate=kma.networks.Gate(0.6, 0.05),
        encoder_filters=2,
        decoder_filters=2,
        discriminator_filters=2,
        dropout=0.25,
        seed=0,
    )
    model.compile()
    history = model.fit(x, np.arange(8) % 2, batch_size=4, epochs=3, verbose=0, callbacks=callbacks)
    return model, history


@pytest.mark.usefixtures("compiled_anew")
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGKILL is of POSIX systems")
def test_a_killed_and_interrupted_run_ends_as_one_that_was_not(same, tmp_path):
    from helpers.ctrl_c import PressAt, stopped  # which the script does not find

    killed = subprocess.run([sys.executable, __file__, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with stopped():
        train(keras.callbacks.BackupAndRestore(tmp_path), PressAt(0, epoch=2))
    resumed, history = train(keras.callbacks.BackupAndRestore(tmp_path))
    assert history.epoch == [2]
    whole, _ = train()
    assert same(resumed, whole)
    assert int(whole.optimizer.by_network["encoder"].iterations) == 6


if __name__ == "__main__":
    train(keras.callbacks.BackupAndRestore(sys.argv[1]), Kill())

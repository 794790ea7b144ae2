"""Checkpoints that a kill cannot spoil, and training that goes on from them exactly."""

import json
import os
import re
import time
from pathlib import Path

import keras

from keras_medaug.checks import check_positive

_CHECKPOINT = re.compile(r"epoch-(\d+)\.weights\.h5")
_OWN = re.compile(r"epoch-\d+\.(weights\.h5|json)")


class ResumeTraining(keras.callbacks.Callback):
    """Saves the whole training state at intervals, and starts the next `fit` from the last one.

    Keras's `BackupAndRestore` writes weights and epoch as two files, one after the other; a kill
    between them, or while the weights are written, leaves a state that is wrong or unreadable.
    Here a checkpoint comes into being by one rename, and its name holds its epoch. With the models
    of this package, whose files hold their random state and whose data order is a function of the
    epoch, resumed training equals uninterrupted training bit by bit on the same backend and
    number of threads.

    Args:
        folder: Where the checkpoint lives; made where it is missing. Use one folder per run.
        seconds: Time, in seconds, after which the end of an epoch is saved; 0 saves every epoch.

    Attributes:
        history: The logs of all epochs so far, those before a restart included, as a list of
            dictionaries.

    Raises:
        ValueError: If `seconds` is negative.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> x = np.random.default_rng(0).random((16, 8, 8, 1), dtype="float32")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for epochs in (1, 2):  # as if the first run had been killed after one epoch
    ...         model = kma.models.CVAE((8, 8, 1), latent_dim=4, seed=0)
    ...         model.compile()
    ...         resume = kma.callbacks.ResumeTraining(folder)
    ...         history = model.fit(x, epochs=epochs, verbose=0, callbacks=[resume])
    >>> history.epoch, len(resume.history)
    ([1], 2)
    """

    def __init__(self, folder: str | os.PathLike, seconds: float = 0.0) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.seconds = check_positive(seconds, "seconds", zero=True)
        self.history: list[dict[str, float]] = []
        self._saved_at = 0.0
        self._epoch = 0

    def on_train_begin(self, logs=None) -> None:
        """Restore the last checkpoint, if there is one, and tell `fit` where to begin."""
        self._saved_at = time.monotonic()
        self.history, self._epoch = [], 0
        epoch, path = self._latest()
        self.model._initial_epoch = None  # an interrupted training may have left its own
        if path is None:
            return
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        self.model.load_weights(path)
        self.history = json.loads(path.with_suffix("").with_suffix(".json").read_text())
        self._epoch = epoch
        # Keras's own BackupAndRestore hands `fit` the epoch in the same way.
        self.model._initial_epoch = epoch

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        """Keep the logs; save where it is time."""
        self.history.append({name: float(value) for name, value in (logs or {}).items()})
        self._epoch = epoch + 1
        # The last epoch here, not in `on_train_end`, before which others may put back best weights.
        is_last = self._epoch == (self.params or {}).get("epochs")
        if is_last or time.monotonic() - self._saved_at >= self.seconds:
            self._save(self._epoch)
            self._saved_at = time.monotonic()

    def on_train_end(self, logs=None) -> None:
        """Save the end of training, and let the next `fit` of the model begin where it says."""
        epoch, _ = self._latest()
        if self._epoch > epoch:
            self._save(self._epoch)
        self.model._initial_epoch = None

    def _latest(self) -> tuple[int, Path | None]:
        """Return the last complete checkpoint and its epoch, or 0 and `None`."""
        names = self.folder.glob("epoch-*.weights.h5") if self.folder.is_dir() else []
        stored = {
            int(match[1]): path for path in names if (match := _CHECKPOINT.fullmatch(path.name))
        }
        epoch = max(stored, default=0)
        return epoch, stored.get(epoch)

    def _save(self, epoch: int) -> None:
        """Write logs, then weights, each under its final name only when it is whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        outdated = [path for path in self.folder.iterdir() if _OWN.fullmatch(path.name)]
        final = self.folder / f"epoch-{epoch}.weights.h5"
        logs = final.with_suffix("").with_suffix(".json")
        partial_logs = self.folder / "partial.json"
        partial_logs.write_text(json.dumps(self.history))
        _move_into_place(partial_logs, logs)
        partial = self.folder / "partial.weights.h5"
        self.model.save_weights(partial, overwrite=True)
        _move_into_place(partial, final)
        for path in outdated:
            if path not in (final, logs):
                path.unlink()


def _move_into_place(partial: Path, final: Path) -> None:
    """Flush a finished file to disk and give it its name."""
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(partial, final)

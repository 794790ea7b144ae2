"""How long each epoch takes, for the record."""

import time
from typing import Any

import keras


class EpochClock(keras.callbacks.Callback):
    """Adds the `seconds` of each epoch to its logs, so that they are kept with a checkpoint."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the clock."""
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Read the clock."""
        if logs is not None:
            logs["seconds"] = time.perf_counter() - self._began

"""How far the whole job is and how long it will take: one bar, or plain lines in a log."""

import sys
import time
from typing import Any

import keras

from keras_medaug.study.scheduling import duration

# Expected seconds per step before any has been measured; what matters is the proportions.
SECONDS_PER_STEP = {
    "classifier": 0.03,
    "cvae": 0.05,
    "dcgan": 0.15,
    "vaegan": 0.35,
    "geometric": 1.0,
    "confidence": 1.0,
}
WARM_UP = 3  # steps whose time is the compiler's
LINE_EVERY = 20.0  # seconds between two lines in a log
DRAW_EVERY = 0.5  # seconds between two drawings of the bar
WIDTH = 24


class Progress:
    """Counts steps over all cells, and estimates the time left from the steps measured so far.

    Args:
        cells: `(key, kind, steps)` of every cell; `key` tells it from the others.
    """

    def __init__(self, cells: list[tuple[Any, str, int]]) -> None:
        self._total = {key: (kind, steps) for key, kind, steps in cells}
        self._left = dict(self._total)
        self._measured: dict[str, tuple[float, int]] = {}  # seconds and steps, by kind
        self._terminal = sys.stdout.isatty()
        self._printed = 0.0
        self._ended = time.monotonic()
        self._key: Any = None
        self._label = ""
        self._step = self._seen = 0
        self._clock: tuple[float, int] | None = None

    def start(self, key: Any, label: str) -> None:
        """Say that work on a cell begins."""
        self._key, self._label = key, label
        self._print(f"{label}: starting")

    def at(self, step: int) -> None:
        """Say that the current cell is at `step` of its steps."""
        now = time.monotonic()
        self._seen += 1
        self._step = step
        if self._seen == WARM_UP:
            self._clock = now, step
        if now - self._printed >= (DRAW_EVERY if self._terminal else LINE_EVERY):
            self._print(f"{self._label}: step {step} of {self._total[self._key][1]}")

    def finish(self) -> None:
        """Say that the current cell is done."""
        kind, self._step = self._left.pop(self._key)
        if (measured := self._measured_now()) is not None:
            seconds, steps = self._measured.get(kind, (0.0, 0))
            self._measured[kind] = seconds + measured[0], steps + measured[1]
        label = self._label
        self._leave()
        self._print(f"{label}: done", end="\n")

    def did(self, key: Any, label: str) -> None:
        """Say that a cell has been done elsewhere."""
        kind, steps = self._left.pop(key)
        now = time.monotonic()
        # All processes together: what counts is how fast cells come to an end.
        seconds, counted = self._measured.get(kind, (0.0, 0))
        self._measured[kind] = seconds + now - self._ended, counted + steps
        self._ended = now
        self._print(f"{label}: done", end="\n")

    def found(self, key: Any) -> None:
        """Say that a cell was done before."""
        self._left.pop(key, None)

    def drop(self, key: Any) -> None:
        """Say that a cell will not be worked on, or not any more."""
        self._left.pop(key, None)
        if key == self._key:
            self._leave()

    def seconds_left(self) -> float:
        """Return the estimate for all that is left."""
        left = sum(self._expected(kind, steps) for kind, steps in self._left.values())
        if self._key is not None:
            left -= self._expected(self._total[self._key][0], self._step)
        return max(left, 0.0)

    def share(self) -> float:
        """Return the share of all work that is done, in [0, 1]."""
        everything = sum(self._expected(kind, steps) for kind, steps in self._total.values())
        return 1.0 - self.seconds_left() / everything if everything else 1.0

    def _leave(self) -> None:
        """Forget the current cell."""
        self._key, self._step, self._seen = None, 0, 0
        self._clock = None

    def _measured_now(self) -> tuple[float, int] | None:
        """Return seconds and steps of the current cell since its warm-up."""
        if self._clock is None or self._step <= self._clock[1]:
            return None
        return time.monotonic() - self._clock[0], self._step - self._clock[1]

    def _expected(self, kind: str, steps: int) -> float:
        """Return the seconds that so many steps should take, by what has been measured."""
        measured = dict(self._measured)
        if self._key is not None and (now := self._measured_now()) is not None:
            measured[self._total[self._key][0]] = now
        if kind in measured:
            seconds, counted = measured[kind]
            return steps * seconds / counted
        guessed = sum(SECONDS_PER_STEP[name] * counted for name, (_, counted) in measured.items())
        factor = sum(seconds for seconds, _ in measured.values()) / guessed if guessed else 1.0
        return steps * SECONDS_PER_STEP[kind] * factor

    def _print(self, text: str, end: str = "") -> None:
        self._printed = time.monotonic()
        share, left = self.share(), duration(self.seconds_left())
        if self._terminal:
            bar = "#" * round(share * WIDTH)
            line = f"[{bar:<{WIDTH}}] {share:4.0%}, {left} left | {text}"
            print(f"\r{line:<99}", end=end, flush=True)
        else:
            print(f"[{share:4.0%}, {left} left] {text}", flush=True)


class SilentProgress(Progress):
    """Progress of a cell in another process, which nobody sees."""

    def __init__(self) -> None:
        super().__init__([])

    def start(self, key: Any, label: str) -> None:
        """Say nothing."""

    def at(self, step: int) -> None:
        """Say nothing."""

    def finish(self) -> None:
        """Say nothing."""


class StepCount(keras.callbacks.Callback):
    """Tells `Progress` how far a `fit` is.

    Args:
        progress: The job's progress.
        steps_per_epoch: Steps in an epoch.
    """

    def __init__(self, progress: Progress, steps_per_epoch: int) -> None:
        super().__init__()
        self._progress = progress
        self._steps_per_epoch = steps_per_epoch
        self._before = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note how many steps were taken before this epoch."""
        self._before = epoch * self._steps_per_epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Pass the step on: at the beginning, where no value has to come from the device."""
        self._progress.at(self._before + batch)


class EpochClock(keras.callbacks.Callback):
    """Adds the `seconds` of each epoch to its logs, so that they are kept with a checkpoint."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the clock."""
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Read the clock."""
        if logs is not None:
            logs["seconds"] = time.perf_counter() - self._began

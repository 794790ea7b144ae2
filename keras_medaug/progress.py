"""How far a long job is: the one display of everything in this package that takes long.

It is our own and not tqdm's, which estimates from one speed of one counter: our jobs have parts of
many kinds and speeds, a compilation before each, and parts in other processes.
"""

import os
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Self, TextIO

import numpy as np

from keras_medaug.checks import fail
from keras_medaug.interrupts import between_steps, stop_if_interrupted
from keras_medaug.status_line import (
    COLUMNS,
    DRAW_EVERY,
    StatusLine,
    amount_text,
    duration,
    shortened,
)
from keras_medaug.time_left import NEARLY, TimeLeft

TICK = 0.5  # seconds between two looks at the clock
WORTH_TELLING = 10.0  # seconds that are left, from which on a line that stays says so
BAR = 8  # characters
LABEL = 16  # characters of a label that are worth more than an amount

Report = Callable[[float, float], Any]


class Progress:
    """Show how far a long job is, and about how long the rest takes.

    A job is a list of parts. The display, on standard error, has one line of at most 79 columns:
    drawn anew on a terminal and in a notebook, a new one about every 10 seconds elsewhere, as in a
    log. A thread of its own keeps it moving during a call that reports nothing. The fraction that
    is shown never falls; the time left is smoothed, and not shown before it has been measured. See
    `keras_medaug.time_left.TimeLeft`.

    Use it as a context manager: the thread ends with the block, however that ends. A process that
    is forked within the block shows nothing.

    Args:
        title: What the job is called.
        verbose: Whether anything is shown; default `True`.
        stream: Where to; default standard error.
        clock: A function that returns seconds; default `time.monotonic`.
        tick: Seconds between two looks at the clock by the thread, or `None` for no thread.
        after: Seconds before anything is drawn; default 0.

    Example:

    >>> import sys
    >>> from keras_medaug.progress import Progress
    >>> now = 0.0
    >>> with Progress("job", stream=sys.stdout, clock=lambda: now, tick=None) as progress:
    ...     progress.plan("training", seconds=60)  # a guess, of which only proportions count
    ...     progress.announce()
    ...     with progress.part("training") as report:
    ...         for step in range(10):
    ...             report(step, 60)
    ...             now += 2.0
    [  0%, 0 s gone, estimating] training
    job: about 2 min left
    [  8%, 10 s gone, about 2 min left] training: 5 of 60
    job: done in 20 s
    """

    def __init__(
        self,
        title: str,
        verbose: bool = True,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        tick: float | None = TICK,
        after: float = 0.0,
    ) -> None:
        self.title = title
        self._clock = clock
        self._began = self._ticked = clock()
        self._time_left = TimeLeft(self._began)
        self._line = StatusLine(stream) if verbose else None
        self._drawn: float | None = None
        self._label, self._amount = "starting", ""
        self._labels: dict[Hashable, str] = {}
        self._total = self._done = self._ever = 0
        self._past: set[Hashable] = set()  # parts that were finished or dropped
        self._reported = 0.0  # of a part, at most
        self._shown = 0.0
        self._complete = self._announces = False
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._tick, self._after = tick, after
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._line is not None and self._tick is not None:
            self._thread = threading.Thread(
                target=self._keep_ticking, name="keras_medaug", daemon=True
            )
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._complete = kind is None and not self._labels
        self._ended.set()
        if self._elsewhere or self._line is None:
            return
        with self._lock:
            self._line.clear()
            if kind is None and self._drawn is not None:
                self._line.say(shortened(f"{self.title}: done in {self._gone()}", COLUMNS))
            self._line = None
        if self._thread is not None:
            self._thread.join()

    # ---- parts ------------------------------------------------------------------------------

    def plan(
        self, key: Hashable, seconds: float, kind: Hashable = None, label: str | None = None
    ) -> None:
        """Add a part to the job.

        Args:
            key: What it is known by.
            seconds: How long it may take. What matters is the proportion to other parts.
            kind: Parts of one kind go at one speed; default `key`.
            label: What is shown of it; default `key`.
        """
        with self._lock:
            self._time_left.plan(key, seconds, key if kind is None else kind)
            self._labels[key] = str(key) if label is None else label
            self._past.discard(key)
            self._total += 1
            self._ever += 1

    def count_done(self, number: int) -> None:
        """Count parts that an earlier run has done: they take no time now."""
        self._total += number
        self._done += number

    @property
    def planned(self) -> float:
        """The seconds that what is left was expected to take, before any of it was measured."""
        return self._time_left.planned

    @property
    def fraction(self) -> float:
        """The fraction of the job that is done, in [0, 1]. It never falls.

        It is 1 only after the block has ended without an error: parts may be planned until then.
        """
        return 1.0 if self._complete else self._shown

    @property
    def seconds_left(self) -> float | None:
        """About how many seconds the rest takes; `None` as long as that is not known."""
        return self._time_left.left

    def announce(self) -> None:
        """Say how long the rest takes, once that is known and where it is 10 seconds or more."""
        self._announces = True

    def begin(self, key: Hashable) -> None:
        """Say that a part begins, here or elsewhere. To say so again changes nothing."""
        stop_if_interrupted()
        if self._elsewhere:
            return
        with self._lock:
            if key not in self._past and self._time_left.begin(key, self._clock()):
                self._label, self._amount = self._labels[key], ""
                self.tick()

    def update(self, key: Hashable, done: float, total: float, amount: str | None = None) -> None:
        """Say how far a part is. Of one that was finished or dropped, it changes nothing.

        Args:
            key: The part.
            done: How much of it is done.
            total: Out of how much.
            amount: What is shown of that; default `done` and `total` where these are integers, else
                the percentage, where the job has other parts.
        """
        stop_if_interrupted()
        if self._elsewhere:
            return
        with self._lock:
            if key in self._past:
                return
            fraction = done / total if total else 1.0
            self._reported = max(self._reported, min(fraction, NEARLY))
            self._time_left.report(key, fraction, self._clock())
            self._raise_shown()
            self._label = self._labels[key]
            self._amount = amount_text(amount, done, total, self._total)
            if self._clock() - self._ticked >= DRAW_EVERY:  # there may be thousands a second
                self.tick()

    def finish(self, key: Hashable, seconds: float | None = None) -> None:
        """Say that a part is done.

        Args:
            key: The part.
            seconds: How long it took, where that was measured in another process.
        """
        if self._elsewhere:
            return
        with self._lock:
            self._time_left.finish(key, self._clock(), seconds)
            self._label, self._amount = self._labels.pop(key), ""
            self._past.add(key)
            self._done += 1
            self.tick()

    def drop(self, key: Hashable) -> None:
        """Say that a part was done before, or will not be done: it counts no more."""
        with self._lock:
            if self._labels.pop(key, None) is not None:
                self._time_left.drop(key)
                self._past.add(key)
                self._total -= 1

    @contextmanager
    def part(self, key: Hashable, label: str | None = None) -> Iterator[Report]:
        """Begin a part, and finish it where the block ends without an error.

        Args:
            key: The part.
            label: What is shown of it; default what was planned.

        Yields:
            A function `report(done, total)`, which says how far the part is.
        """
        if label is not None:
            self._labels[key] = label
        self.begin(key)
        yield lambda done, total: self.update(key, done, total)
        self.finish(key)

    # ---- display ----------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Write a line that stays."""
        if self._elsewhere or self._line is None:
            return
        with self._lock:
            self._line.say(text)

    def tick(self) -> None:
        """Look at the clock, and draw what there is to draw. The thread calls this as well."""
        if self._elsewhere:
            return
        with self._lock:
            now = self._ticked = self._clock()
            self._time_left.advance(now)
            self._raise_shown()
            if self._line is None or self._ended.is_set() or now - self._began < self._after:
                return
            self._say_what_is_left()
            if self._labels and (self._drawn is None or now - self._drawn >= self._line.every):
                self._drawn = now
                self._line.write(self._text())

    @property
    def _elsewhere(self) -> bool:
        """Whether this is a forked process, in which the lock may be held for ever."""
        return os.getpid() != self._process

    def _say_what_is_left(self) -> None:
        left = self._time_left.left
        if self._line is not None and self._announces and left is not None:
            self._announces = False
            if left >= WORTH_TELLING:
                text = f": about {duration(left)} left"
                self._line.say(shortened(self.title, COLUMNS - len(text)) + text)

    def _raise_shown(self) -> None:
        alone = self._ever == 1 and self._reported > 0
        fraction = self._reported if alone else self._time_left.fraction
        self._shown = max(self._shown, fraction)

    def _keep_ticking(self) -> None:
        while not self._ended.wait(self._tick):
            self.tick()

    def _text(self) -> str:
        left = self._time_left.left
        left_text = "estimating" if left is None else f"about {duration(left)} left"
        status = f"{self.fraction:4.0%}, {self._gone()} gone, {left_text}"
        line = self._line
        if line is not None and line.redraws:
            bar = f"{'#' * round(self.fraction * BAR):<{BAR}}"
            parts = f"[{bar}] {status} | "
        else:
            parts = f"[{status}] "
        counts = f"{self._done}/{self._total}: " if self._total > 1 else ""
        room = COLUMNS - len(parts) - len(counts)
        amount = self._amount if room - len(self._amount) >= min(len(self._label), LABEL) else ""
        return parts + counts + shortened(self._label, max(room - len(amount), 5)) + amount

    def _gone(self) -> str:
        return duration(self._clock() - self._began)


# ---- reports --------------------------------------------------------------------------------


def ignore(done: float, total: float) -> None:  # noqa: ARG001
    """Show nothing: the report of a part that nobody watches. Ctrl-C ends the part here, too."""
    stop_if_interrupted()


def portion(report: Report, start: float, stop: float) -> Report:
    """Return the report of a part of a part.

    Args:
        report: That of the whole.
        start: Where in the whole it begins, in [0, 1].
        stop: Where it ends.

    Returns:
        A function `report(done, total)`.

    Example:

    >>> from keras_medaug.progress import portion
    >>> second_half = portion(lambda done, total: print(f"{done / total:.0%}"), 0.5, 1.0)
    >>> second_half(1, 2)
    75%
    """
    return lambda done, total: report(start + (stop - start) * done / total, 1.0)


def portions(report: Report, *weights: float) -> list[Report]:
    """Return the reports of all parts of a part, one after the other.

    Args:
        report: That of the whole.
        *weights: How long each takes, in proportion.

    Returns:
        As many functions `report(done, total)`.

    Example:

    >>> from keras_medaug.progress import portions
    >>> first, second = portions(lambda done, total: print(f"{done / total:.0%}"), 3, 1)
    >>> second(1, 2)
    88%
    """
    whole = sum(weights)
    ends = [sum(weights[: number + 1]) / whole for number in range(len(weights))]
    starts = [0.0, *ends[:-1]]
    return [portion(report, start, stop) for start, stop in zip(starts, ends, strict=True)]


@contextmanager
def reporting(verbose: bool | Report, title: str, after: float = 0.0) -> Iterator[Report]:
    """Yield the report of a function that has an argument `verbose`.

    Args:
        verbose: Whether to show progress; or who is told instead, as `report(done, total)`.
        title: What the function does.
        after: As in `Progress`.

    Yields:
        A function `report(done, total)`.

    Raises:
        ValueError: If `verbose` is neither a bool nor a function.

    Example:

    >>> from keras_medaug.progress import reporting
    >>> with reporting(lambda done, total: print(done, "of", total), "counting") as report:
    ...     report(1, 2)
    1 of 2
    2 of 2
    """
    check_verbose(verbose)
    with between_steps():
        if not isinstance(verbose, bool):
            yield from _reported_to_the_end(verbose)
        elif not verbose:
            yield ignore
        else:
            with Progress(title, after=after) as progress:
                progress.plan(title, 0.0)
                with progress.part(title) as report:
                    yield report


def _reported_to_the_end(report: Report) -> Iterator[Report]:
    """Yield a report; pass it on, and say at the end that all is done where that was not said."""
    done, total = 0.0, 1.0

    def told(done_now: float, total_now: float) -> None:
        nonlocal done, total
        stop_if_interrupted()
        done, total = done_now, total_now
        report(done, total)

    yield told
    if done < total:
        report(total, total)


def check_verbose(verbose: bool | Report) -> None:
    """Refuse what is neither a flag nor a function that is told how far the work is.

    Args:
        verbose: The argument of that name.

    Raises:
        ValueError: If `verbose` is neither a bool nor a function.

    Example:

    >>> from keras_medaug.progress import check_verbose
    >>> check_verbose(True)
    """
    if not isinstance(verbose, bool) and not callable(verbose):
        raise fail("verbose", repr(verbose), "True, False, or a function (done, total)")


def check_verbosity(verbose: int | str) -> None:
    """Refuse what is none of the values that `verbose` has in Keras.

    Args:
        verbose: The argument of that name.

    Raises:
        ValueError: If `verbose` is not 0, 1, 2, `"auto"`, `True` or `False`.

    Example:

    >>> from keras_medaug.progress import check_verbosity
    >>> check_verbosity("auto")
    """
    if not isinstance(verbose, int | str | np.integer) or verbose not in (0, 1, 2, "auto"):
        raise fail("verbose", repr(verbose), "0, 1, 2, 'auto', True or False")

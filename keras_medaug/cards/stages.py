"""How far the making of a card is."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from keras_medaug.study.scheduling import duration

SECONDS = 0.3  # that a unit of work takes, before anything has been timed


class Stages:
    """Prints what is being done, and about how long the rest will take.

    Args:
        verbose: Whether to print at all.

    Example:

    >>> from keras_medaug.cards.stages import Stages
    >>> stages = Stages(verbose=True)
    >>> with stages.at("counting"):
    ...     pass
    [counting]
    """

    def __init__(self, verbose: bool) -> None:
        self.verbose = verbose
        self._work: dict[str, float] = {}
        self._known, self._seconds = 1.0, SECONDS

    def plan(self, work: dict[str, float]) -> None:
        """Say what is to come.

        Args:
            work: How much of it, by name of the stage.
        """
        self._work = dict(work)

    @contextmanager
    def at(self, name: str, text: str | None = None) -> Iterator[None]:
        """Say that a stage begins, and take its time.

        Args:
            name: Its name in the plan, if it is there.
            text: What is printed; by default the name.
        """
        self._print(f"[{text or name}{self._left()}]")
        began = time.monotonic()
        yield
        if name in self._work:
            self._known += self._work.pop(name)
            self._seconds += time.monotonic() - began

    def done(self, text: str) -> None:
        """Say that all is done.

        Args:
            text: Where the result is.
        """
        self._print(text)

    def _left(self) -> str:
        if not self._work:
            return ""
        seconds = self._seconds * sum(self._work.values()) / self._known
        return f", about {duration(seconds)} left"

    def _print(self, text: str) -> None:
        if self.verbose:
            print(text, flush=True)

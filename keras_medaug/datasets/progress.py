"""How far a download has come, on standard error."""

import sys
import time
from typing import Self

WIDTH = 30
INTERVAL = 0.1  # seconds between two drawings of the bar


class Progress:
    """A bar on a terminal, a line at the beginning and the end elsewhere.

    Args:
        label: What is being downloaded.
    """

    def __init__(self, label: str):
        self._label = label
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        self._start = self._received = 0
        self._total: int | None = None
        self._began = self._drawn = time.monotonic()
        self._announced = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        if self._announced:
            self._print(self._bar() if self._terminal else self._line("received"), end="\n")

    def start(self, start: int, total: int | None) -> None:
        """Say that a connection begins at byte `start` of `total` (`None`: not known)."""
        self._start, self._received, self._total = start, start, total
        self._began = time.monotonic()
        if not self._announced and not self._terminal:
            self._print(self._line("downloading, at"), end="\n")
        self._announced = True

    def update(self, received: int) -> None:
        """Say that the file has `received` bytes by now."""
        self._received = received
        if self._terminal and time.monotonic() - self._drawn >= INTERVAL:
            self._drawn = time.monotonic()
            self._print(self._bar(), end="")

    def _line(self, verb: str) -> str:
        return f"{self._label}: {verb} {self._amount()}"

    def _amount(self) -> str:
        total = "" if self._total is None else f" of {self._total / 1e6:.1f}"
        return f"{self._received / 1e6:.1f}{total} MB"

    def _bar(self) -> str:
        share = min(self._received / self._total, 1.0) if self._total else 0.0
        bar = "#" * round(share * WIDTH)
        seconds = max(time.monotonic() - self._began, 1e-9)
        rate = (self._received - self._start) / seconds
        left = ""
        if self._total and rate and self._received < self._total:
            left = f", {(self._total - self._received) / rate:.0f} s left"
        text = f"{self._label} [{bar:<{WIDTH}}] {self._amount()}, {rate / 1e6:.1f} MB/s{left}"
        return f"\r{text:<79}"

    def _print(self, text: str, end: str) -> None:
        if sys.stderr is not None:
            print(text, file=sys.stderr, end=end, flush=True)

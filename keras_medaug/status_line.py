"""One line of status: redrawn on a terminal and in a notebook, now and then a new one in a log."""

import sys
from typing import TextIO

COLUMNS = 79
DRAW_EVERY = 0.2  # seconds between two drawings of a line
LINE_EVERY = 9.0  # seconds between two lines of a log: never 10, though a thread may be late


class StatusLine:
    """Draws a line over the one before, or writes lines now and then where that cannot be done.

    A terminal and a notebook take a carriage return. Everything else, such as a file or a pipe,
    gets whole lines. Nothing is longer than 79 columns. A stream that is closed, or broken, ends
    the drawing and nothing else.

    Args:
        stream: Where to; `None` is standard error.

    Attributes:
        redraws: Whether a line is drawn over the one before.
        every: Seconds between two lines.

    Example:

    >>> import sys
    >>> from keras_medaug.status_line import StatusLine
    >>> line = StatusLine(sys.stdout)
    >>> line.redraws
    False
    >>> line.write("[ 12%, 10 s gone, about 70 s left] making images")
    [ 12%, 10 s gone, about 70 s left] making images
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self.redraws = _redraws(self._stream)
        self.every = DRAW_EVERY if self.redraws else LINE_EVERY
        self._drawn = 0  # columns that hold something

    def write(self, text: str) -> None:
        """Draw the line, or write one to a log."""
        text = shortened(self._encodable(text), COLUMNS)
        if self.redraws:
            self._print(f"\r{text:<{self._drawn}}", end="")
            self._drawn = len(text)
        else:
            self._print(text, end="\n")

    def say(self, text: str) -> None:
        """Write a line that stays; what is drawn goes."""
        self.clear()
        self._print(shortened(self._encodable(text), COLUMNS), end="\n")

    def clear(self) -> None:
        """Take away what is drawn."""
        if self._drawn:
            self._print(f"\r{'':<{self._drawn}}\r", end="")
            self._drawn = 0

    def _encodable(self, text: str) -> str:
        """Return the text with escapes for what the stream cannot encode."""
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        return text.encode(encoding, "backslashreplace").decode(encoding)

    def _print(self, text: str, end: str) -> None:
        if self._stream is None:
            return
        try:
            print(text, end=end, file=self._stream, flush=True)
        except (OSError, ValueError):  # closed, or nobody reads it any more
            self._stream = None


def shortened(text: str, columns: int) -> str:
    """Return a text of at most so many columns, without its middle where it is longer.

    Args:
        text: One line.
        columns: How many there are, 5 or more.

    Returns:
        The text, on one line.

    Example:

    >>> from keras_medaug.status_line import shortened
    >>> shortened("classifier-geometric-safe-vaegan-7-0123456789abcdef", 30)
    'classifier-geo...6789abcdef'
    """
    text = " ".join(text.split("\n")).replace("\r", " ")
    if len(text) <= columns:
        return text
    kept = columns - 3
    return f"{text[: kept - kept // 2]}...{text[len(text) - kept // 2 :]}"


def amount_text(amount: str | None, done: float, total: float, parts: int) -> str:
    """Return how much of a part is done, as it is shown after the name of the part.

    Args:
        amount: The words for that, or `None`.
        done: How much is done: integers are shown as they are.
        total: Out of how much.
        parts: Of the job; the status of the only one says the percentage already.

    Returns:
        The text, which is empty where there is nothing to say.

    Example:

    >>> from keras_medaug.status_line import amount_text
    >>> amount_text(None, 3, 8, parts=1), amount_text(None, 0.25, 1.0, parts=2)
    (': 3 of 8', ': 25%')
    """
    if amount is None and isinstance(done, int) and isinstance(total, int) and total > 1:
        amount = f"{done} of {total}"
    if amount is None and parts > 1 and total:
        amount = f"{done / total:.0%}"
    return f": {amount}" if amount else ""


def duration(seconds: float) -> str:
    """Return a time in the units that suit it.

    Args:
        seconds: The time.

    Returns:
        Words.

    Example:

    >>> from keras_medaug.status_line import duration
    >>> duration(42), duration(600), duration(7500)
    ('42 s', '10 min', '2 h 05 min')
    """
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _redraws(stream: TextIO | None) -> bool:
    """Tell whether a carriage return takes back the line: on a terminal, and in a notebook."""
    if stream is None:
        return False
    if type(stream).__module__.partition(".")[0] == "ipykernel":  # of Jupyter and of Colab
        return True
    return bool(getattr(stream, "isatty", lambda: False)())

"""Let Ctrl-C end long work after a whole step.

Python raises `KeyboardInterrupt` wherever the main thread happens to be. On JAX the main thread
mostly waits for the device within `np.array`, which asks the array for its buffer and discards
every exception of that. JAX's callback in Python's garbage collection loses the exception, too.
Elsewhere the exception may leave a step half done.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType


@contextmanager
def between_steps(how: str = "") -> Iterator[None]:
    """Let the first SIGINT (Ctrl-C) end the body after its current step, a second one at once.

    The first SIGINT writes a message to standard error. `KeyboardInterrupt` then comes from the
    next `stop_if_interrupted`, at the latest at the end of the body. Blocks may be nested: the
    outermost one counts, and writes its own message.

    The block does nothing outside the main thread, and where the program handles or ignores SIGINT
    in a way of its own.

    Args:
        how: Sentences that say how to go on later.

    Yields:
        Nothing.

    Raises:
        KeyboardInterrupt: After a SIGINT.

    Example:

    >>> import signal
    >>> from keras_medaug.interrupts import between_steps, stop_if_interrupted
    >>> with between_steps("Start again to go on."):
    ...     stop_if_interrupted()
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    handler = _Handler(how)
    signal.signal(signal.SIGINT, handler)
    try:
        yield
        handler.stop_if_due()
    except KeyboardInterrupt:
        # Where in the work it came is of no interest: a script shows these few lines alone.
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def stop_if_interrupted() -> None:
    """Raise `KeyboardInterrupt` if a SIGINT came: for the end of each step of a long work.

    Outside of `between_steps`, and outside of the main thread, it does nothing.

    Raises:
        KeyboardInterrupt: Once after each SIGINT.

    Example:

    >>> from keras_medaug.interrupts import stop_if_interrupted
    >>> stop_if_interrupted()
    """
    handler = signal.getsignal(signal.SIGINT)
    if isinstance(handler, _Handler) and threading.current_thread() is threading.main_thread():
        handler.stop_if_due()


def is_interrupted() -> bool:
    """Return whether a SIGINT came for which `KeyboardInterrupt` has not been raised yet.

    Example:

    >>> from keras_medaug.interrupts import is_interrupted
    >>> is_interrupted()
    False
    """
    handler = signal.getsignal(signal.SIGINT)
    return isinstance(handler, _Handler) and handler.due


class _Handler:
    """Notes the first SIGINT; raises at a second one."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.due = False
        self._came_before = False
        self._process = os.getpid()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.due = True  # also at a second one, whose exception may get lost
        if self._came_before or os.getpid() != self._process:  # a forked process has no steps
            signal.default_int_handler(number, frame)
        self._came_before = True
        # A write to a stream that is interrupted within a write raises RuntimeError.
        with suppress(RuntimeError, OSError, ValueError):
            print(f"\n{self._message()}", file=sys.stderr, flush=True)

    def _message(self) -> str:
        parts = (
            "Interrupted: stopping when the steps that have begun are done.",
            self.how,
            "Ctrl-C again stops at once.",
        )
        return " ".join(part for part in parts if part)

    def stop_if_due(self) -> None:
        """Raise the exception that is due."""
        if self.due:
            self.due = False
            raise KeyboardInterrupt

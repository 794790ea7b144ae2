"""What scripts that run tasks have in common: exit codes, folders and failures."""

import atexit
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

from keras_medaug.files import locked, remove_partial_files, write_bytes_atomic
from keras_medaug.interrupts import between_steps
from keras_medaug.study.workers import Workers

FAILED = 1  # something was tried and did not work
REFUSED = 2  # nothing was tried, as with a wrong argument
INTERRUPTED = 130  # by Ctrl-C, as shells count it
GO_ON = "Run the same command again to go on."
NOT_INSTALLED = {
    "study": 'keras_medaug.study.run: {error}; pip install "keras-medaug[study]"',
    "reproduce": "{error}. The report needs Matplotlib, SciPy and scikit-learn: "
    'pip install "keras-medaug[reproduce]".',
}


class _RefusedError(Exception):
    """Nothing was tried; the message is for the user."""


def check_installed(extra: str = "study") -> None:
    """Check that what statistics and figures need is installed.

    Args:
        extra: Which extra of the package installs it: `"study"` or `"reproduce"`.

    Raises:
        ImportError: If SciPy, scikit-learn or Matplotlib is not installed.

    Example:

    >>> from keras_medaug.study.command import check_installed
    >>> check_installed()
    """
    try:
        import matplotlib.figure  # noqa: F401
        import scipy.stats  # noqa: F401
        import sklearn.metrics  # noqa: F401
    except ImportError as error:
        raise ImportError(NOT_INSTALLED[extra].format(error=error)) from error


@contextmanager
def chosen_executor(
    workers: int = 0, scheduler: str | None = None, threads: int | None = None
) -> Iterator[Executor | None]:
    """Yield the executor that a command line names, and end it.

    Args:
        workers: Number of processes on this machine; 0 for this process alone.
        scheduler: Address of a Dask scheduler, or `None`.
        threads: Threads of each process, or `None`.

    Yields:
        The executor, or `None` for this process.

    Example:

    >>> from keras_medaug.study.command import chosen_executor
    >>> with chosen_executor() as executor:
    ...     executor is None
    True
    """
    if scheduler:
        from distributed import Client

        with Client(scheduler) as client:
            yield client.get_executor()
    elif workers:
        with Workers(workers, threads) as pool:
            yield pool
    else:
        yield None


@contextmanager
def before_work() -> Iterator[None]:
    """Tell `exit_code` that nothing has been tried yet where the body refuses something.

    Yields:
        Nothing.

    Example:

    >>> from keras_medaug.study.command import before_work
    >>> with before_work():
    ...     pass
    """
    try:
        yield
    except (ValueError, ImportError) as error:
        raise _RefusedError(str(error)) from error


def exit_code(work: Callable[[], int], out: Path) -> int:
    """Do the work of a script, and return its exit code.

    Args:
        work: Returns an exit code. A `ValueError` or `ImportError` within `before_work` says why
            nothing was tried; later ones are defects, which are raised.
        out: Folder of the results.

    Returns:
        0 where all went well, 1 where something failed, 2 where nothing was tried, 130 after
        Ctrl-C.

    Example:

    >>> from pathlib import Path
    >>> from keras_medaug.study.command import exit_code
    >>> exit_code(lambda: 0, Path("out"))
    0
    """
    try:
        with between_steps(GO_ON):
            return work()
    except _RefusedError as error:
        say(f"Nothing was run: {error}")
        return REFUSED
    except OSError as error:  # a full disk, for one
        say(f"FAILED: {error}")
        return FAILED
    except KeyboardInterrupt:
        done = len(list(out.rglob("tasks/*/result.json")))
        say(f"Interrupted: {done} finished tasks are kept in {out}. {GO_ON}")
        return INTERRUPTED


def end_script(code: int) -> NoReturn:
    """End a script. A Ctrl-C that comes while Python ends does not change the exit code.

    With a backend loaded, Python takes seconds to end. All results are written by then.

    Args:
        code: The exit code.

    Raises:
        SystemExit: Always.

    Example:

    >>> from keras_medaug.study.command import end_script
    >>> end_script(3)
    Traceback (most recent call last):
    SystemExit: 3
    """
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


def writable(folder: Path) -> Path:
    """Make a folder, and find out whether it can be written to before hours are spent.

    Args:
        folder: The folder.

    Returns:
        The same.

    Raises:
        ValueError: If the folder cannot be written to.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from keras_medaug.study.command import writable
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     writable(Path(folder, "out")).is_dir()
    True
    """
    probe = folder / ".writable"
    try:
        write_bytes_atomic(probe, b"")
        probe.unlink()
    except OSError as error:
        raise ValueError(
            f"--out: {folder} cannot be written to ({error.strerror}). Choose another folder."
        ) from error
    return folder


@contextmanager
def alone_in(folder: Path) -> Iterator[Path]:
    """Hold a folder in which no other run is at work, without what killed writers left there.

    Args:
        folder: The folder, which is made.

    Yields:
        Its absolute path, since a worker may have another current folder.

    Raises:
        BlockingIOError: If another run is at work in the folder.
        ValueError: If the folder cannot be written to.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from keras_medaug.study.command import alone_in
    >>> with tempfile.TemporaryDirectory() as folder, alone_in(Path(folder, "out")) as out:
    ...     out.is_dir()
    True
    """
    place = writable(folder).absolute()
    with ExitStack() as held:
        try:
            held.enter_context(locked(place, wait=False))
        except BlockingIOError as error:
            text = f"another run is at work in {folder}: wait for it, or choose another --out"
            raise BlockingIOError(text) from error
        remove_partial_files(place)
        yield place


@contextmanager
def noting_failure(
    name: str, folder: Path, failures: dict[str, str], tell: Callable[[str], object] | None = None
) -> Iterator[None]:
    """Note what goes wrong with one part of the work, so that the others are still done.

    Args:
        name: Name of the part.
        folder: Its folder, whose `error.log` gets the traceback of a defect.
        failures: Where the message is noted, by name.
        tell: Gets the message as well; default standard error.

    Yields:
        Nothing.

    Example:

    >>> from pathlib import Path
    >>> from keras_medaug.study.command import noting_failure
    >>> failures = {}
    >>> with noting_failure("set", Path("out"), failures, print):
    ...     raise ValueError("no file")
    set: no file
    >>> failures
    {'set': 'no file'}
    """
    try:
        yield
        return
    except (OSError, ValueError, ArithmeticError) as error:
        failures[name] = str(error)
    except Exception as error:  # noqa: BLE001 -- one part's defect must not cost the others
        log = folder / "error.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(traceback.format_exc(), encoding="utf-8")
        failures[name] = f"{type(error).__name__}: {error} (all of it is in {log})"
    (tell or say)(f"{name}: {failures[name]}")


def say(text: str) -> None:
    """Print to standard error.

    Args:
        text: The text.

    Example:

    >>> from keras_medaug.study.command import say
    >>> say("")
    """
    print(text, file=sys.stderr, flush=True)

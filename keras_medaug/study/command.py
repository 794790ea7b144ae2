"""What scripts that run tasks have in common: arguments, exit codes, folders and failures."""

import argparse
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

from keras_medaug.files import write_bytes_atomic
from keras_medaug.interrupts import between_steps
from keras_medaug.study.workers import Workers

FAILED = 1  # something was tried and did not work
REFUSED = 2  # nothing was tried, as with a wrong argument
INTERRUPTED = 130  # by Ctrl-C, as shells count it
GO_ON = "Run the same command again to go on."


def parse_arguments(
    parser: argparse.ArgumentParser, arguments: list[str] | None, seeds: int, out: str
) -> argparse.Namespace:
    """Parse a command line, with what all such scripts take.

    Args:
        parser: A parser that knows the arguments of the script itself.
        arguments: The arguments, or `None` for those of the process.
        seeds: Default of `--seeds`.
        out: What the help says of the default of `--out`, which is `None`.

    Returns:
        The options; further `root`, `seeds`, `workers`, `threads`, `scheduler` and `out`.

    Example:

    >>> import argparse
    >>> from keras_medaug.study.command import parse_arguments
    >>> parse_arguments(argparse.ArgumentParser(), ["--workers", "2"], 1, "out").workers
    2
    """
    add = parser.add_argument
    root = "folder of the MedMNIST files (default: $MEDMNIST_ROOT, else ~/.medmnist)"
    add("--root", type=Path, metavar="DIR", help=root)
    text = "repetitions, whose mean and deviation are reported (default: %(default)s)"
    add("--seeds", type=_positive, default=seeds, metavar="N", help=text)
    text = "processes that divide the tasks among them (default: this one alone)"
    add("--workers", type=_positive, metavar="N", help=text)
    text = "threads of each process (default: the processors are divided)"
    add("--threads", type=_positive, metavar="N", help=text)
    text = "of a Dask scheduler, whose workers do the tasks and see the folder --out"
    add("--scheduler", metavar="ADDRESS", help=text)
    add("--out", type=Path, metavar="DIR", help=f"where everything goes (default: {out})")
    options = parser.parse_args(arguments)
    if options.workers and options.scheduler:
        parser.error("--workers and --scheduler: got both; expected one of them")
    if options.threads and not options.workers:
        parser.error("--threads: got no --workers beside it, whose threads these are")
    return options


def _positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return int(text)


def check_installed() -> None:
    """Check that what statistics and figures need is installed.

    Raises:
        ImportError: If SciPy, scikit-learn or Matplotlib is not.

    Example:

    >>> from keras_medaug.study.command import check_installed
    >>> check_installed()
    """
    try:
        import matplotlib.figure  # noqa: F401
        import scipy.stats  # noqa: F401
        import sklearn.metrics  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f'keras_medaug.study.run: {error}; pip install "keras-medaug[study]"'
        ) from error


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


def exit_code(work: Callable[[], int], out: Path) -> int:
    """Do the work of a script, and return its exit code.

    Args:
        work: Returns an exit code. A `ValueError` or `ImportError` says why nothing was tried.
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
    except (ValueError, ImportError) as error:
        say(f"Nothing was run: {error}")
        return REFUSED
    except OSError as error:  # a full disk, for one
        say(f"FAILED: {error}")
        return FAILED
    except KeyboardInterrupt:
        done = len(list(out.rglob("tasks/*/result.json")))
        say(f"Interrupted: {done} finished tasks are kept in {out}. {GO_ON}")
        return INTERRUPTED


def writable(folder: Path) -> Path:
    """Make a folder, and find out whether it can be written to before hours are spent.

    Args:
        folder: The folder.

    Returns:
        The same.

    Raises:
        ValueError: If it cannot be written to.

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

"""How scripts that run tasks begin: arguments, which need no package to be read, and imports."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def parse_arguments(
    parser: argparse.ArgumentParser, arguments: list[str] | None, seeds: int, out: str
) -> argparse.Namespace:
    """Parse a command line; the options are the script's own and those that all such scripts take.

    `seeds` is the default of `--seeds`; `out` is what the help says of the default of `--out`.
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


@contextmanager
def importing() -> Iterator[None]:
    """Import in the body: what cannot be imported, which says what to do, ends the script."""
    try:
        yield
    except (ImportError, KeyboardInterrupt) as error:  # an import takes seconds
        stopped = isinstance(error, KeyboardInterrupt)
        text = "Run the same command again." if stopped else error
        print(f"Nothing was run: {text}", file=sys.stderr)
        sys.exit(130 if stopped else 2)

"""Reproduce the paper: train its four augmentations and its classifier, and report.

    KERAS_BACKEND=jax python examples/reproduce.py                              # minutes
    KERAS_BACKEND=jax python examples/reproduce.py --preset paper --datasets all

Everything goes to `--out` (default: `out`): `report.md`, and for each set a folder with
`results.json` and the figures. Finished work is kept in `tasks/` beside them: a run that was
killed, at any moment, goes on where it was when it is started again with the same arguments.
"""

import argparse
import os
import sys
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reproduction.budgets import PRESETS, Budget
from reproduction.paper import PAPER

if TYPE_CHECKING:
    from reproduction.tasks import Task

    from keras_medaug.datasets import Dataset
    from keras_medaug.progress import Progress

DEFAULT_DATASET = "breastmnist"
FALLBACK = "phantom"
REPORT = "report"  # the last part of the job
OTHER_SECONDS, FIGURES_SECONDS = 2.0, 6.0  # that parts without training may take
REACHABLE_SECONDS = 5.0

FAILED = 1  # something was tried and did not work
REFUSED = 2  # nothing was tried, as with a wrong argument
INTERRUPTED = 130  # by Ctrl-C, as shells count it
GO_ON = "Run the same command again to go on."


class RefusedError(Exception):
    """The job cannot start; the message is for the user."""


@dataclass(frozen=True)
class Job:
    """One set and its tasks, a plan for each seed."""

    name: str
    data: "Dataset"
    whole: Mapping[str, int]
    plans: Sequence[Mapping[str, "Task"]]
    folder: Path


# ---- arguments ------------------------------------------------------------------------------


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description="Train the paper's four augmentations and its classifier, and report.",
        epilog="The backend is $KERAS_BACKEND: jax, torch or tensorflow. Presets are in "
        "examples/reproduction/budgets.py.",
    )
    parser.add_argument(
        "--datasets",
        nargs="+",
        metavar="NAME",
        help=f"MedMNIST sets, 'phantom', or 'all' for the paper's eight (default: "
        f"{DEFAULT_DATASET}, or {FALLBACK} where that cannot be had)",
    )
    parser.add_argument(
        "--root",
        type=Path,
        metavar="DIR",
        help="folder of the MedMNIST files (default: $MEDMNIST_ROOT, else ~/.medmnist)",
    )
    parser.add_argument(
        "--preset",
        choices=PRESETS,
        default="smoke",
        metavar="smoke|paper",
        help="'smoke', minutes, or 'paper', the paper's protocol (default: %(default)s)",
    )
    parser.add_argument(
        "--seeds",
        type=_positive,
        default=1,
        metavar="N",
        help="repetitions, whose mean and deviation are reported (default: %(default)s)",
    )
    parser.add_argument(
        "--workers",
        type=_positive,
        metavar="N",
        help="processes that share the work, each with its share of the processors as threads "
        "(default: this one alone)",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of a Dask scheduler, whose workers share the work and see the folder --out",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("out"),
        metavar="DIR",
        help="where everything goes (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    if options.workers and options.scheduler:
        parser.error("--workers and --scheduler: got both; expected one of them")
    return options


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


# ---- the job --------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job; return the exit code."""
    options = parse(arguments)
    try:
        check_installation()
        from keras_medaug.interrupts import between_steps

        with between_steps(GO_ON):
            return reproduce(options)
    except RefusedError as error:
        say(f"Nothing was run: {error}")
        return REFUSED
    except OSError as error:  # a full disk, while the report is written
        say(f"FAILED: {error}")
        return FAILED
    except KeyboardInterrupt:
        done = len(list(options.out.glob("*/tasks/*/result.json")))
        say(f"Interrupted: {done} finished parts are kept in {options.out}. {GO_ON}")
        return INTERRUPTED


def check_installation() -> None:
    """Import what the job needs, so that what is missing is said before any work.

    Raises:
        RefusedError: If Keras, its backend, this package or what the report needs is not there.
    """
    try:
        import keras_medaug  # noqa: F401
    except ImportError as error:  # which says what to install and to set
        raise RefusedError(str(error)) from error
    try:
        import matplotlib.figure  # noqa: F401
        import scipy.stats  # noqa: F401
        import sklearn.metrics  # noqa: F401
    except ImportError as error:
        raise RefusedError(
            f"{error}. The report needs Matplotlib, SciPy and scikit-learn: "
            'pip install "keras-medaug[reproduce]".'
        ) from error


def reproduce(options: argparse.Namespace) -> int:
    """Load the sets, do their tasks, write results, figures and report."""
    from reproduction.executors import chosen_executor
    from reproduction.report import write_report

    from keras_medaug.progress import Progress
    from keras_medaug.provenance import environment

    names = dataset_names(options)
    budget = PRESETS[options.preset]
    failures: dict[str, str] = {}
    folders: dict[str, Path] = {}
    with ExitStack() as locks:
        for name in names:
            with noting_failure(name, options.out, failures):
                # Absolute, since a worker may have another folder of its own.
                folder = prepare(options.out / name).absolute()
                locks.enter_context(only_process(folder))
                folders[name] = folder
        # Ended before the locks are: its processes may still be at work.
        executor = locks.enter_context(chosen_executor(options.workers or 0, options.scheduler))
        place = environment() if executor is None else executor.submit(environment).result()
        jobs = []
        for name, folder in folders.items():
            with noting_failure(name, options.out, failures):
                jobs.append(load_job(name, folder, options, budget, place))
        announce(jobs, options, place)
        work = locks.enter_context(Progress("reproduction"))
        plan_progress(work, jobs)
        for job in jobs:
            with noting_failure(job.name, options.out, failures, work.say):
                run_job(job, options.preset, budget, work, executor)
            for key in parts_of(job):
                work.drop(key)
        with work.part(REPORT):
            report = write_report(options.out, failures)
    print(f"Report: {report}", flush=True)
    for name, message in failures.items():
        say(f"FAILED: {name}: {message}")
    return FAILED if failures else 0


def dataset_names(options: argparse.Namespace) -> list[str]:
    """Return the sets to run; choose one that can be had where none was named."""
    import keras_medaug as kma

    prepare(options.out)
    if options.datasets is None:
        return [choose_dataset(options.root)]
    named = [PAPER if name == "all" else [name] for name in options.datasets]
    names = list(dict.fromkeys(name for names in named for name in names))
    known = [*kma.datasets.MEDMNIST, FALLBACK]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise RefusedError(
            f"--datasets: got {', '.join(unknown)}; expected 'all' or names among "
            f"{', '.join(known)}."
        )
    return names


def choose_dataset(root: Path | None) -> str:
    """Return BreastMNIST where its file is at hand or can be downloaded, else the procedural set.

    A file that is there but wrong is no reason to fall back: loading it says what is wrong.
    """
    from keras_medaug.datasets import MEDMNIST
    from keras_medaug.datasets.medmnist import medmnist_root

    info = MEDMNIST[DEFAULT_DATASET]
    path = medmnist_root(root) / info.filename(28)
    if os.path.lexists(path):
        return DEFAULT_DATASET
    reason = download(DEFAULT_DATASET, info.url(28), root)
    if reason is None:
        return DEFAULT_DATASET
    line = "!" * 88
    say(
        f"{line}\nNO REAL DATA: there is no {path}, and it cannot be downloaded ({reason}).\n"
        f"This run uses {FALLBACK!r} instead: images drawn by a program. Its numbers say nothing "
        f"about\nthe paper. For BreastMNIST put the file there, or set MEDMNIST_ROOT or --root.\n"
        f"{line}"
    )
    return FALLBACK


def download(name: str, url: str, root: Path | None) -> str | None:
    """Download a set, if its server answers at once; return why not, or `None`."""
    import keras_medaug as kma

    try:
        urllib.request.urlopen(url, timeout=REACHABLE_SECONDS).close()
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))
    try:
        kma.datasets.load(name, root=root)
    except OSError as error:
        return str(error)
    return None


def load_job(
    name: str,
    folder: Path,
    options: argparse.Namespace,
    budget: Budget,
    place: Mapping[str, Any],
) -> Job:
    """Load a set and plan its tasks."""
    from reproduction.data import limited
    from reproduction.tasks import plan

    import keras_medaug as kma

    whole = kma.datasets.load(name, root=options.root)
    data = limited(whole, budget.limits)
    plans = [plan(data, seed, budget, folder / "tasks", place) for seed in range(options.seeds)]
    return Job(name, data, whole.counts, plans, folder)


def plan_progress(work: "Progress", jobs: Sequence[Job]) -> None:
    """Tell a progress which tasks are not done, and say how long they may take."""
    from reproduction.tasks import MODELS

    from keras_medaug.models.step_times import expected_seconds

    for job in jobs:
        for plan in job.plans:
            for task in plan.values():
                seconds = OTHER_SECONDS
                if task.kind in MODELS:
                    seconds = expected_seconds(task.steps, job.data.image_shape)
                if task.done:
                    work.count_done(1)
                else:
                    label = f"{job.name}, seed {task.seed}, {task.kind}"
                    work.plan(task.folder, seconds, task.kind, label)
        work.plan(job.name, FIGURES_SECONDS, "figures", f"{job.name}, figures")
    work.plan(REPORT, OTHER_SECONDS)
    work.announce()


def parts_of(job: Job) -> list[Any]:
    """Return what the parts of a set are known by, as `plan_progress` planned them."""
    return [job.name, *(task.folder for plan in job.plans for task in plan.values())]


def run_job(
    job: Job, preset: str, budget: Budget, work: "Progress", executor: Executor | None
) -> None:
    """Do the tasks of one set, then write its results and figures."""
    from reproduction.executors import run_plans
    from reproduction.figures import write_figures
    from reproduction.results import summarise

    from keras_medaug.files import write_json_atomic

    run_plans(job.plans, job.data, budget, work, executor)
    with work.part(job.name):
        results = summarise(job.data, job.whole, preset, budget, job.plans)
        write_json_atomic(job.folder / "results.json", results)
        write_figures(job.folder, job.data, budget, results, job.plans)
    error_log(job.folder).unlink(missing_ok=True)


def announce(jobs: Sequence[Job], options: argparse.Namespace, setting: Mapping[str, Any]) -> None:
    """Say what is about to be done."""
    backend = setting["backend"]
    tasks = [task for job in jobs for plan in job.plans for task in plan.values()]
    done = sum(task.done for task in tasks)
    parts = len(tasks) + len(jobs) + 1  # the figures of each set, and the report
    print(
        f"Sets: {', '.join(job.name for job in jobs) or 'none'}. Preset: {options.preset}. "
        f"Seeds: {options.seeds}. Backend: {backend} {setting[backend]}, "
        f"processors: {setting['threads']}.\n"
        f"Everything goes to {options.out}; {done} of {parts} parts are done already.",
        flush=True,
    )


# ---- folders and failures -------------------------------------------------------------------


def prepare(folder: Path) -> Path:
    """Make a folder, and find out whether it can be written to before hours are spent.

    Raises:
        RefusedError: If it cannot.
    """
    from keras_medaug.files import write_bytes_atomic

    probe = folder / ".writable"
    try:
        write_bytes_atomic(probe, b"")
        probe.unlink()
    except OSError as error:
        raise RefusedError(
            f"--out: {folder} cannot be written to ({error.strerror}). Choose another folder."
        ) from error
    return folder


@contextmanager
def only_process(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder, and clear away what killed writers left in it.

    Raises:
        BlockingIOError: If another process holds it.
    """
    from keras_medaug.files import remove_partial_files

    with (folder / ".lock").open("a") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # no such locks on this system
            pass
        except BlockingIOError as error:
            raise BlockingIOError(
                f"another run is at work in {folder}: wait for it, or choose another --out"
            ) from error
        remove_partial_files(folder)
        yield


@contextmanager
def noting_failure(
    name: str, out: Path, failures: dict[str, str], tell: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Note what goes wrong with one set, so that the others are still run."""
    tell = say if tell is None else tell
    log = error_log(out / name)
    try:
        yield
    except (RefusedError, OSError, ValueError, ArithmeticError) as error:
        failures[name] = str(error)
        tell(f"{name}: {error}")
    except Exception as error:  # noqa: BLE001 -- one set's defect must not cost the others
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(traceback.format_exc(), encoding="utf-8")
        failures[name] = f"{type(error).__name__}: {error} (all of it is in {log})"
        tell(f"{name}: {failures[name]}")


def error_log(folder: Path) -> Path:
    """Return where the traceback of a defect goes."""
    return folder / "error.log"


def say(text: str) -> None:
    """Print to standard error."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

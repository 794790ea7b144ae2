"""Reproduce the paper: train its four augmentations and its classifier, and report.

    KERAS_BACKEND=jax python examples/reproduce.py                              # minutes
    KERAS_BACKEND=jax python examples/reproduce.py --preset paper --datasets all

Everything goes to `--out` (default: `out`): `report.md`, and for each set a folder with
`results.json` and the figures. Finished work is kept in `tasks/` beside them: a run that was
killed, at any moment, goes on where it was when it is started again with the same arguments.
"""

import argparse
import os
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from reproduction.paper import PAPER, PROSE
from reproduction.presets import PRESETS
from script_arguments import importing, parse_arguments

DEFAULT_DATASET, FALLBACK = "breastmnist", "phantom"
REPORT = "report"  # the last part of the job
REPORT_SECONDS, FIGURES_SECONDS, REACHABLE_SECONDS = 2.0, 6.0, 5.0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the command line's arguments."""
    where = "The backend is $KERAS_BACKEND. Presets are in examples/reproduction/presets.toml."
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], epilog=where)
    sets = f"(default: {DEFAULT_DATASET}, or {FALLBACK} where that cannot be had)"
    names = f"MedMNIST sets, {FALLBACK!r}, or 'all' for the paper's eight {sets}"
    parser.add_argument("--datasets", nargs="+", metavar="NAME", help=names)
    text = "smoke, minutes, or paper, the paper's protocol (default: %(default)s)"
    parser.add_argument("--preset", choices=PRESETS, default="smoke", help=text)
    parser.set_defaults(out=Path("out"))
    return parse_arguments(parser, arguments, seeds=1, out="out")


if __name__ == "__main__":
    parse(None)  # help, and refusals of arguments, need no package and no backend

with importing():
    from reproduction.figures import write_figures
    from reproduction.report import write_report
    from reproduction.results import summarise
    from reproduction.tasks import plan

    import keras_medaug as kma
    from keras_medaug.datasets.medmnist import medmnist_root
    from keras_medaug.files import write_json_atomic
    from keras_medaug.progress import Progress
    from keras_medaug.study import command
    from keras_medaug.study.data import limited
    from keras_medaug.study.execute import execute, place_of, plan_tasks
    from keras_medaug.study.task import Task


class Job(NamedTuple):
    """One set, as it is and cut down, its tasks by seed and kind, and all of them."""

    name: str
    folder: Path
    whole: kma.datasets.Dataset
    data: kma.datasets.Dataset
    plans: list[dict[str, Task]]
    tasks: list[Task]


def main(arguments: list[str] | None = None) -> int:
    """Run the job; return the exit code."""
    options = parse(arguments)
    return command.exit_code(lambda: reproduce(options), options.out)


def reproduce(options: argparse.Namespace) -> int:
    """Load the sets, do their tasks, write results, figures and report."""
    failures: dict[str, str] = {}
    folders: dict[str, Path] = {}
    jobs: list[Job] = []
    with command.before_work():
        command.check_installed("reproduce")
        names, noting = dataset_names(options), command.noting_failure
    with ExitStack() as held:
        for name in names:
            with noting(name, options.out / name, failures):
                folders[name] = held.enter_context(command.alone_in(options.out / name))
        # Ended before the locks are: its processes may still be at work.
        chosen = command.chosen_executor(options.workers, options.scheduler, options.threads)
        with command.before_work():
            executor = held.enter_context(chosen)
            place = place_of(executor)
        for name, folder in folders.items():
            with noting(name, folder, failures):
                jobs.append(load_job(name, folder, options, place))
        announce(jobs, options, place)
        progress = held.enter_context(Progress("reproduction"))
        for job in jobs:
            plan_tasks(progress, job.tasks)
            progress.plan(job.name, FIGURES_SECONDS, "figures", f"{job.name}, figures")
        progress.plan(REPORT, REPORT_SECONDS)
        progress.announce()
        for job in jobs:
            with noting(job.name, job.folder, failures, progress.say):
                execute(job.tasks, job.data, executor, progress)
                with progress.part(job.name):
                    results = summarise(job.data, job.whole.counts, options.preset, job.plans)
                    write_json_atomic(job.folder / "results.json", results)
                    budget = PRESETS[options.preset]
                    write_figures(job.folder, job.data, budget, results, job.plans[0])
                (job.folder / "error.log").unlink(missing_ok=True)
            for key in (job.name, *(task.key for task in job.tasks)):
                progress.drop(key)
        with progress.part(REPORT):
            report = write_report(options.out, failures)
    print(f"Report: {report}", flush=True)
    for name, message in failures.items():
        command.say(f"FAILED: {name}: {message}")
    return command.FAILED if failures else 0


def load_job(name: str, folder: Path, options: argparse.Namespace, place: Mapping[str, Any]) -> Job:
    """Load a set and plan its tasks."""
    budget, store = PRESETS[options.preset], folder / "tasks"
    whole = kma.datasets.load(name, root=options.root)
    data = limited(whole, budget.limits)
    plans = [plan(data, seed, budget, store, place) for seed in range(options.seeds)]
    tasks = [task for of_seed in plans for task in of_seed.values()]
    return Job(name, folder, whole, data, plans, tasks)


def announce(jobs: Sequence[Job], options: argparse.Namespace, place: Mapping[str, Any]) -> None:
    """Say what is about to be done."""
    done = [task.done for job in jobs for task in job.tasks]
    parts = len(done) + len(jobs) + 1  # the figures of each set, and the report
    print(
        f"Sets: {', '.join(job.name for job in jobs) or 'none'}. Preset: {options.preset}. "
        f"Seeds: {options.seeds}. Backend: {place['backend']} {place[place['backend']]}, "
        f"processors: {place['threads']}.\n"
        f"Everything goes to {options.out}; {sum(done)} of {parts} parts are done already.",
        flush=True,
    )


def dataset_names(options: argparse.Namespace) -> list[str]:
    """Return the sets to run; choose one that can be had where none was named."""
    command.writable(options.out)
    if options.datasets is None:
        return [choose_dataset(options.root)]
    named = [PAPER if name == "all" else [name] for name in options.datasets]
    names = list(dict.fromkeys(name for names in named for name in names))
    known = [*kma.datasets.MEDMNIST, FALLBACK]
    if unknown := [name for name in names if name not in known]:
        expected = f"'all' or names among {', '.join(known)}"
        raise ValueError(f"--datasets: got {', '.join(unknown)}; expected {expected}.")
    return names


def choose_dataset(root: Path | None) -> str:
    """Return BreastMNIST where its file is at hand or can be downloaded, else the procedural set.

    A file that is there but wrong is no reason to fall back: loading it says what is wrong.
    """
    info = kma.datasets.MEDMNIST[DEFAULT_DATASET]
    path = medmnist_root(root) / info.filename(28)
    if os.path.lexists(path):
        return DEFAULT_DATASET
    try:
        urllib.request.urlopen(info.url(28), timeout=REACHABLE_SECONDS).close()
        kma.datasets.load(DEFAULT_DATASET, root=root)
        return DEFAULT_DATASET
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
    line, text = "!" * 88, PROSE["no_real_data"].format(path=path, reason=reason)
    command.say(f"{line}\n{text}{line}")
    return FALLBACK


if __name__ == "__main__":
    command.end_script(main())

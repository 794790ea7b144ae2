"""What is shown of three simulated jobs: how far off the estimates are, how far the fraction falls.

    python benchmarks/corrections/progress.py --out docs/results/corrections/progress_after.json

The clocks are simulated, so the figures are the same on every machine; seconds of real silence are
measured on one card, with `--silence`. It runs on the package before the correction as well, which
had one display for each job: put that package on PYTHONPATH. The jobs are

- a reproduction of 4 minutes, as on JAX: before each network a compilation, and another one where
  the first short batch comes;
- the same where a network is four times as slow as planned and comes last;
- a model card, with the times of its stages as measured on PneumoniaMNIST.
"""

import argparse
import importlib
import json
import platform
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import keras_medaug as kma

try:
    from keras_medaug import progress as new
except ImportError:
    new = None  # type: ignore[assignment]

TARGETS = {"over": 4.0, "falls": 0.0, "columns": 80, "silence": 10.0}
SHORT_BATCH = 8  # the step that is compiled for anew: 546 images are 8 batches of 64 and a shorter
LOOK = 0.5
REPORTED, STEPS = ("duplicates", "features", "copies"), 100  # stages that say how far they are


class Training(NamedTuple):
    """A training of a simulated job; all times are in seconds."""

    kind: str
    steps: int
    step: float
    first_compilation: float
    second_compilation: float
    planned_step: float


FOUR_MINUTES = [
    Training("classifier", 180, 0.03, 6.0, 8.0, 0.03),
    Training("cvae", 405, 0.03, 8.0, 8.0, 0.05),
    Training("dcgan", 504, 0.11, 12.0, 12.0, 0.15),
    Training("vaegan", 306, 0.2, 20.0, 20.0, 0.35),
]
SLOW_LAST = [
    Training("classifier", 2000, 0.03, 6.0, 0.0, 0.03),
    Training("cvae", 2000, 0.05, 8.0, 0.0, 0.05),
    Training("dcgan", 1500, 0.15, 12.0, 0.0, 0.15),
    Training("vaegan", 800, 1.4, 20.0, 0.0, 0.35),
]
# Work as the card planned it, and the seconds that it took on PneumoniaMNIST, in PyTorch.
STAGES = {
    "images": (0.0, 0.2),
    "duplicates": (25.85, 0.85),
    "features": (250.88, 21.8),
    "quality": (91.84, 4.4),
    "copies": (121.66, 7.2),
    "labels": (5.97, 1.3),
    "drawing": (0.0, 1.0),
}


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def steps_of(job: list[Training]) -> Iterator[tuple[str, int, float]]:
    """Yield the kind of work, the step that begins, and the seconds that it takes."""
    for kind, steps, seconds, first, second, _ in job:
        for step in range(steps):
            compiled = first if step == 0 else second if step == SHORT_BATCH else 0.0
            yield kind, step, seconds + compiled


def seconds_of(job: list[Training]) -> float:
    """Return how long a job takes."""
    return sum(seconds for _, _, seconds in steps_of(job))


Shown = list[tuple[float, float, "float | None"]]  # seconds so far, fraction, estimate


def course(job: list[Training], before: bool) -> Shown:
    """Return what is shown over a job."""
    clock = Clock()
    work, begin, update, finish = (old_display if before else new_display)(job, clock)
    shown: Shown = []
    drawn = -LOOK
    last = {name: steps - 1 for name, steps, *_ in job}
    began = clock.now
    for kind, step, seconds in steps_of(job):
        if step == 0:
            begin(kind)
        update(kind, step)
        while seconds > 0:
            at = clock.now - began
            if at - drawn >= LOOK:
                drawn = at
                shown.append((at, *work()))
            passed = min(seconds, LOOK)
            clock.now += passed
            seconds -= passed
        if step == last[kind]:
            finish(kind)
    return shown


def new_display(job: list[Training], clock: Clock) -> tuple[Callable, ...]:
    """Return how to read and feed the display that serves all."""
    progress = new.Progress("job", verbose=False, clock=clock)
    count = {kind: steps for kind, steps, *_ in job}
    for kind, steps, *_, planned in job:
        progress.plan(kind, steps * planned)

    def look() -> tuple[float, float | None]:
        progress.tick()
        return progress.fraction, progress.seconds_left

    def update(kind: str, step: int) -> None:
        if step >= 2:  # as `ReportSteps` does
            progress.update(kind, step, count[kind])

    return look, progress.begin, update, progress.finish


def old_display(job: list[Training], clock: Clock) -> tuple[Callable, ...]:
    """Return how to read and feed the display that the reproduction had."""
    sys.path.insert(0, str(Path(str(kma.__file__)).parents[1] / "examples"))
    old: Any = importlib.import_module("reproduction.progress")
    stand_in: Any = types.SimpleNamespace(monotonic=clock)
    old.time = stand_in
    guesses: Any = {kind: planned for kind, *_, planned in job}
    old.SECONDS_PER_STEP = guesses
    work: Any = old.Progress([(kind, kind, steps) for kind, steps, *_ in job])
    work._print = lambda *_, **__: None
    return (
        lambda: (work.share(), work.seconds_left()),
        lambda kind: work.start(kind, kind),
        lambda _, step: work.at(step),
        lambda _: work.finish(),
    )


def card(before: bool) -> list[tuple[str, float, float | None]]:
    """Return, for each stage of a card, what is shown at its beginning, and the true time left."""
    clock = Clock()
    shown = []
    left = sum(seconds for _, seconds in STAGES.values())
    if before:
        old: Any = importlib.import_module("keras_medaug.cards.stages")
        stand_in: Any = types.SimpleNamespace(monotonic=clock)
        old.time = stand_in
        stages: Any = old.Stages(verbose=False)
        stages.plan({name: work for name, (work, _) in STAGES.items() if work})
        for name, (_, seconds) in STAGES.items():
            estimate = stages._seconds * sum(stages._work.values()) / stages._known
            with stages.at(name):  # which times those of its plan alone
                shown.append((name, left, estimate))
                clock.now += seconds
                left -= seconds
        return shown
    progress = new.Progress("card", verbose=False, clock=clock)
    for name, planned in new_plan().items():
        progress.plan(name, planned)
    for name, (_, seconds) in STAGES.items():
        progress.tick()
        with progress.part(name) as report:
            shown.append((name, left, progress.seconds_left))
            for look in range(STEPS):
                if name in REPORTED:
                    report(look, STEPS)
                clock.now += seconds / STEPS
                progress.tick()
            left -= seconds
    return shown


def new_plan() -> dict[str, float]:
    """Return the seconds that the card plans for the same set now."""
    from keras_medaug.cards.measuring import seconds_of_stages

    counts = {"train": 4708, "val": 524, "test": 624}
    return seconds_of_stages(counts, (28, 28, 1), made=1000, steps=500)


def most_over(shown: Shown, total: float) -> float:
    """Return the largest estimate over the true time left, after ten seconds."""
    return max(left / max(total - at, 2.0) for at, _, left in shown if at > 10 and left is not None)


def largest_fall(shown: Shown) -> float:
    """Return by how much the fraction falls at most, from its highest value so far."""
    highest, fall = 0.0, 0.0
    for _, fraction, _ in shown:
        highest = max(highest, fraction)
        fall = max(fall, highest - fraction)
    return fall


def silence(root: str | None) -> float:
    """Return the longest silence of a card's log, in seconds of this machine."""
    name = "breastmnist" if root else "phantom"
    with tempfile.TemporaryDirectory() as folder:
        code = (
            "import keras_medaug as kma\n"
            f"data = kma.datasets.load({name!r}, root={root!r}, download=False)\n"
            "model = kma.models.CVAE(data.image_shape, num_classes=data.num_classes, seed=0)\n"
            "model.compile()\n"
            "print('begin', flush=True)\n"
            f"kma.model_card(model, data, {folder!r})\n"
        )
        run = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert run.stdout is not None
        times = [time.monotonic() for line in run.stdout]
        if run.wait():
            raise RuntimeError("the card was not made")
    return max(later - earlier for earlier, later in pairwise(times))


def main() -> None:
    """Simulate the jobs, and write the figures."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--root", help="folder of the MedMNIST files, for the card's silence")
    parser.add_argument("--silence", action="store_true", help="make a card, which takes minutes")
    parser.add_argument(
        "--measured",
        nargs="*",
        default=[],
        metavar="JOB=SECONDS",
        help="longest silences of logs that were measured by time stamps, to be recorded as well",
    )
    options = parser.parse_args()
    before = new is None
    figures: list[dict[str, Any]] = []

    def add(name: str, value: float, target: float | None = None) -> None:
        figures.append({"name": name, "value": round(value, 3), "target": target})

    for name, job in (("4 minutes", FOUR_MINUTES), ("slow network last", SLOW_LAST)):
        shown, total = course(job, before), seconds_of(job)
        estimates = [left for at, _, left in shown if left is not None]
        add(f"{name}: seconds that it takes", total)
        add(f"{name}: largest estimate, seconds", max(estimates))
        over = TARGETS["over"]
        add(f"{name}: largest estimate over the true time left", most_over(shown, total), over)
        add(f"{name}: largest fall of the fraction", largest_fall(shown), TARGETS["falls"])
    for stage, left, estimate in card(before):
        value = -1.0 if estimate is None else estimate / left
        add(f"card, {stage}: estimate over the true time left (-1: none shown)", value)
    if options.silence:
        add("card: longest silence, seconds", silence(options.root), TARGETS["silence"])
    for measured in options.measured:
        job, _, seconds = measured.rpartition("=")
        add(f"{job}: longest silence of its log, seconds", float(seconds), TARGETS["silence"])
    command = "python benchmarks/corrections/progress.py" + " --silence" * options.silence
    record = {"command": command, "machine": "two AMD EPYC cores", "figures": figures}
    options.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=2), f"\n{platform.python_version()}")


if __name__ == "__main__":
    main()

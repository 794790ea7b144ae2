"""How long a training step takes: the models here, and loops written by hand, on every backend.

    nox -s bench

Each backend runs in a process of its own, all of them throughout; they take their steps in turn,
one at a time, so that what the machine does in between befalls all alike. Figures are ratios of
medians over the repeats; the interval is that of the second smallest to the second largest of nine
ratios, pair by pair (it holds the median of such ratios with 96 % probability).
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

BATCH = 128
MATRIX = 2048
REPEATS = 9
STEPS = {"CVAE": 12, "DCGAN": 8, "VAEGAN": 5, "Classifier": 12, "matmul": 10}
MODELS = ["CVAE", "DCGAN", "VAEGAN", "Classifier"]
BACKENDS = ["jax", "torch", "tensorflow"]
# What is raced on each backend; the options are those of the loops written by hand.
RIVALS = {"jax": ["native"], "torch": ["native"], "tensorflow": ["native"]}
Timings = dict[tuple[str, str, str], list[float]]


class Worker:
    """A process that takes steps on one backend when told to."""

    def __init__(self, backend: str, python: str) -> None:
        script = Path(__file__).with_name("speed_worker.py")
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
        self._process = subprocess.Popen(
            [python, str(script)],
            env={**os.environ, **quiet, "KERAS_BACKEND": backend},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def seconds(self, model: str, who: str, steps: int) -> float:
        """Return how long so many steps took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"model": model, "who": who, "steps": steps}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the worker ended on {request}")
        return float(json.loads(answer)["seconds"])

    def end(self) -> None:
        """Let the process end."""
        self._process.communicate()


def plan(models: list[str], backends: list[str]) -> list[tuple[str, str, str]]:
    """Return what is timed in each round: backend, model, and who takes the steps."""
    rows = [(backend, "matmul", "ours") for backend in backends]
    for model in models:
        for backend in backends:
            rows += [(backend, model, who) for who in ["ours", *RIVALS[backend]]]
    return rows


def race(workers: dict[str, Worker], rows: list, repeats: int) -> Timings:
    """Time every row once a round, in turn; return seconds a step."""
    for backend, model, who in rows:
        first = workers[backend].seconds(model, who, 1)
        workers[backend].seconds(model, who, STEPS[model])
        print(f"{backend} {model} {who}: first step {first:.1f} s", flush=True)
    timings: Timings = {row: [] for row in rows}
    begun = time.monotonic()
    for turn in range(repeats):
        for backend, model, who in rows if turn % 2 == 0 else rows[::-1]:
            steps = STEPS[model]
            taken = workers[backend].seconds(model, who, steps) / steps
            timings[backend, model, who].append(taken)
        left = (time.monotonic() - begun) / (turn + 1) * (repeats - turn - 1)
        print(f"round {turn + 1} of {repeats}, {left:.0f} s left", flush=True)
    return timings


def interval(ratios: list[float]) -> list[float]:
    """Return the second smallest and second largest (the extremes where they are too few)."""
    ranked = sorted(ratios)
    return [ranked[1], ranked[-2]] if len(ranked) > 8 else [ranked[0], ranked[-1]]


def compared(timings: Timings, one: tuple, other: tuple) -> dict[str, Any]:
    """Return the ratio of one row's time to another's."""
    ratios = [a / b for a, b in zip(timings[one], timings[other], strict=True)]
    return {"ratio": statistics.median(ratios), "interval": interval(ratios)}


def summary(timings: Timings, models: list[str], backends: list[str]) -> dict[str, Any]:
    """Return all ratios: ours to the rivals', and each backend to the fastest."""
    medians = {row: statistics.median(values) for row, values in timings.items()}
    found: dict[str, Any] = {"to_rivals": [], "to_fastest_backend": []}
    for model in models:
        for backend in backends:
            for who in RIVALS[backend]:
                row = compared(timings, (backend, model, "ours"), (backend, model, who))
                found["to_rivals"].append({"model": model, "backend": backend, "rival": who, **row})
        fastest = min(backends, key=lambda each: medians[each, model, "ours"])
        for backend in backends:
            row = compared(timings, (backend, model, "ours"), (fastest, model, "ours"))
            found["to_fastest_backend"].append(
                {"model": model, "backend": backend, "fastest": fastest, **row}
            )
    rates = {b: 2 * MATRIX**3 / medians[b, "matmul", "ours"] / 1e9 for b in backends}
    found["matrix_product_gflops"] = rates
    found["milliseconds"] = [
        {"backend": b, "model": m, "who": w, "median": 1e3 * t} for (b, m, w), t in medians.items()
    ]
    return found


def show(found: dict[str, Any]) -> None:
    """Print the ratios."""
    for row in found["to_rivals"]:
        low, high = row["interval"]
        print(
            f"{row['model']:<11}{row['backend']:<11} ours / {row['rival']:<9}"
            f"{row['ratio']:.2f} [{low:.2f}, {high:.2f}]"
        )
    for row in found["to_fastest_backend"]:
        print(f"{row['model']:<11}{row['backend']:<11} / {row['fastest']:<11}{row['ratio']:.2f}")
    print(found["matrix_product_gflops"])


def write(path: Path, found: dict[str, Any]) -> None:
    """Write the file at once; no import of the package, which would load a backend here too."""
    whole = path.with_suffix(".tmp")
    whole.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    whole.replace(path)


def main() -> int:
    """Race, print, and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--backends", nargs="+", default=BACKENDS, choices=BACKENDS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--python", nargs="*", default=[], metavar="BACKEND=PATH")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    pythons = dict(each.split("=", 1) for each in arguments.python)
    workers = {b: Worker(b, pythons.get(b, sys.executable)) for b in arguments.backends}
    rows = plan(arguments.models, arguments.backends)
    timings = race(workers, rows, arguments.repeats)
    found = summary(timings, arguments.models, arguments.backends)
    show(found)
    for worker in workers.values():
        worker.end()
    if arguments.out:
        machine = {"machine": platform.machine(), "cores": os.cpu_count()}
        write(arguments.out, {**machine, "repeats": arguments.repeats, **found})
    return 0


if __name__ == "__main__":
    sys.exit(main())

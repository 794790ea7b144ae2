"""How long a training step takes: the models here, and loops of others, on every backend.

    nox -s bench

Each backend runs in a process of its own, all of them throughout; they take their steps in turn,
so that what the machine does in between befalls all alike. Figures are medians over the
repeats of the ratio of two turns of one round; the interval is that of the second smallest to the
second largest of nine (it holds the median of such ratios with 96 % probability).

Raced are, on every backend, the loops written by hand in `benchmarks/rivals`; on TensorFlow a DCGAN
as Keras's tutorials write it, and the models themselves, fed by a `tf.data` pipeline that does not
tune itself as the one that Keras makes of arrays does; and, where an environment that has it is
named, pythae's VAE/GAN. On a GPU (`--gpu`, by `nox -s bench_gpu`) JAX and PyTorch, this one also
through `torch.compile`.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Container
from pathlib import Path
from typing import Any

BATCH = 128
MATRIX = 2048
REPEATS = 9
# Enough for what `fit` does once, some 50 ms, to be a small part.
STEPS = {"CVAE": 24, "DCGAN": 10, "VAEGAN": 6, "Classifier": 24, "matmul": 10}
MODELS = ["CVAE", "DCGAN", "VAEGAN", "Classifier"]
BACKENDS = ["jax", "torch", "tensorflow"]
GPU_BACKENDS = ["jax", "torch"]
# Settings of the C library under which it keeps memory that is freed: handed back, each page of the
# next array has to be made anew.
KEEPING = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TOP_PAD_": str(2**26),
    "MALLOC_TRIM_THRESHOLD_": str(2**33),
}
Row = tuple[str, str, str]  # worker, model, who takes the steps
Timings = dict[Row, list[float]]


class Worker:
    """A process that takes steps on one backend when told to."""

    def __init__(
        self, backend: str, python: str, gpu: bool = False, half: bool = False, keep: bool = False
    ) -> None:
        script = Path(__file__).with_name("speed_worker.py")
        settings = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": backend}
        settings |= KEEPING if keep else {}
        if not gpu:
            settings |= {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
        options = ["--gpu"] * gpu + ["--half"] * half
        self._process = subprocess.Popen(
            [python, str(script), *options],
            env={**os.environ, **settings},
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


def rivals(backend: str, model: str, workers: Container[str], gpu: bool) -> list[Row]:
    """Return what a model is raced against on a backend."""
    rows = [(backend, model, "native")]
    if gpu and backend == "torch":
        rows.append((backend, model, "native+compiled"))
    if not gpu and (backend, model) == ("tensorflow", "DCGAN"):
        rows.append((backend, model, "keras"))
    if not gpu and backend == "tensorflow":
        rows.append((backend, model, "untuned"))
    if "pythae" in workers and model == "VAEGAN":
        rows.append(("pythae", model, "pythae"))
    return rows


def plan(models: list[str], backends: list[str], workers: Container[str], gpu: bool) -> list[Row]:
    """Return what is timed in each round."""
    rows = [(backend, "matmul", "ours") for backend in backends]
    for model in models:
        for backend in backends:
            rows.append((backend, model, "ours"))
            if gpu and backend == "torch":
                rows.append((backend, model, "ours+compiled"))
            rows += rivals(backend, model, workers, gpu)
    return list(dict.fromkeys(rows))


def race(workers: dict[str, Worker], rows: list[Row], repeats: int) -> tuple[Timings, list]:
    """Time every row once a round, in turn; return seconds a step, and of the first step of all."""
    firsts = []
    for backend, model, who in rows:
        first = workers[backend].seconds(model, who, 1)
        workers[backend].seconds(model, who, STEPS[model])
        firsts.append({"backend": backend, "model": model, "who": who, "seconds": first})
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
    return timings, firsts


def interval(ratios: list[float]) -> list[float]:
    """Return the second smallest and second largest (the extremes where they are too few)."""
    ranked = sorted(ratios)
    return [ranked[1], ranked[-2]] if len(ranked) > 8 else [ranked[0], ranked[-1]]


def compared(timings: Timings, row: tuple, other: tuple) -> dict[str, Any]:
    """Return the ratio of one row's time to another's."""
    ratios = [a / b for a, b in zip(timings[row], timings[other], strict=True)]
    return {"ratio": statistics.median(ratios), "interval": interval(ratios)}


def summary(
    timings: Timings, models: list[str], backends: list[str], workers: Container[str], gpu: bool
) -> dict[str, Any]:
    """Return all ratios: ours to the rivals', and each backend to the fastest."""
    medians = {row: statistics.median(values) for row, values in timings.items()}
    results: dict[str, Any] = {"to_rivals": [], "to_fastest_backend": []}
    for model in models:
        for backend in backends:
            ways = [row for row in timings if row[:2] == (backend, model) and "ours" in row[2]]
            for way in ways:
                for other in rivals(backend, model, workers, gpu):
                    named = {"model": model, "backend": backend, "who": way[2], "rival": other[2]}
                    results["to_rivals"].append({**named, **compared(timings, way, other)})
        fastest = min(backends, key=lambda backend: medians[backend, model, "ours"])
        for backend in backends:
            row = compared(timings, (backend, model, "ours"), (fastest, model, "ours"))
            results["to_fastest_backend"].append(
                {"model": model, "backend": backend, "fastest": fastest, **row}
            )
    rates = {b: 2 * MATRIX**3 / medians[b, "matmul", "ours"] / 1e9 for b in backends}
    results["matrix_product_gflops"] = rates
    results["milliseconds"] = [
        {"backend": b, "model": m, "who": w, "median": 1e3 * t} for (b, m, w), t in medians.items()
    ]
    return results


def show(results: dict[str, Any]) -> None:
    """Print the ratios."""
    for row in results["to_rivals"]:
        low, high = row["interval"]
        print(
            f"{row['model']:<11}{row['backend']:<11}{row['who']} / {row['rival']:<9} "
            f"{row['ratio']:.2f} [{low:.2f}, {high:.2f}]"
        )
    for row in results["to_fastest_backend"]:
        print(f"{row['model']:<11}{row['backend']:<11} / {row['fastest']:<11}{row['ratio']:.2f}")
    print(results["matrix_product_gflops"])


def write(path: Path, results: dict[str, Any]) -> None:
    """Write the file at once; no import of the package, which would load a backend here too."""
    whole = path.with_suffix(".tmp")
    whole.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    whole.replace(path)


def main() -> int:
    """Race, print, and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--backends", nargs="+", choices=BACKENDS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument(
        "--python", nargs="*", default=[], metavar="NAME=PATH",
        help="the Python of a backend, or of pythae",
    )  # fmt: skip
    parser.add_argument("--gpu", action="store_true", help="race on the GPU")
    parser.add_argument("--half", action="store_true", help="in mixed_bfloat16")
    parser.add_argument(
        "--keep-memory", action="store_true", help="have the C library keep memory that is freed"
    )
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    gpu, half, keep = arguments.gpu, arguments.half, arguments.keep_memory
    backends = arguments.backends or (GPU_BACKENDS if gpu else BACKENDS)
    pythons = dict.fromkeys(backends, sys.executable)
    pythons |= dict(pair.split("=", 1) for pair in arguments.python)
    processes = [name for name in pythons if name in backends or (name == "pythae" and not gpu)]
    kinds = {"pythae": "torch"}
    workers = {n: Worker(kinds.get(n, n), pythons[n], gpu, half, keep) for n in processes}
    rows = plan(arguments.models, backends, workers, gpu)
    timings, firsts = race(workers, rows, arguments.repeats)
    results = summary(timings, arguments.models, backends, workers, gpu)
    show(results)
    for worker in workers.values():
        worker.end()
    if arguments.out:
        machine = {"machine": platform.machine(), "cores": os.cpu_count()}
        machine |= {"gpu": gpu, "half": half, "keep_memory": keep}
        whole = {**machine, "repeats": arguments.repeats, "first_steps": firsts, **results}
        write(arguments.out, whole)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Where a step's time goes, by kind of operation: the models here and the loops written by hand.

    KERAS_BACKEND=torch python benchmarks/profiles.py --out FILE

Each backend's own profiler sees every operation that runs, in each thread; what it says is added up
by the kind that an operation's name tells, in milliseconds a step. The steps are those that
`speed.py` times. Of what `costs.py` times: steps with larger images and the augmentation, in
nanoseconds a pixel, and images generated, in microseconds each. A profiler slows a step down, most
of all one of many small operations: compare kinds and loops with each other, not with times taken
without it.
"""

import argparse
import collections
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from costs import GENERATED, GENERATORS, GROWTH_BATCH, SIZES, as_in_fit, compiled, fitting
from keras import ops
from speed import MODELS, write
from speed_worker import BATCH, data, model_named, runner

import keras_medaug as kma

# Where XLA writes what it compiles, which alone tells what is in a fusion.
DUMP = tempfile.TemporaryDirectory()
STEPS = 5
WARM = 1
SHOWN = 12
AUGMENTED = 20
GROWN, GROWN_AT = ("VAEGAN", "Classifier"), (28, 224)
WHO = ("ours", "native")
# The first that an operation's name matches, in any case.
KINDS = {
    "gradient of a strided convolution": r"base-dilated",
    "convolution": r"conv(?!ert)|subpixel",
    "batch normalisation, fused": r"batch_?norm",
    "look-up": r"index_select|gather|embedding",
    "product": r"\bdot|dot_|matmul|(add|b|_)mm\b|\bmm\b|gemm",
    "random numbers": r"rand|normal_|bernoulli|uniform|rng|threefry|philox",
    "copy": r"copy|clone|transpose|contiguous",
    "optimizer": r"_foreach|adam|fused_adam|resourceapply|assign",
    "reduction": r"reduc|sum|mean|var\b|biasaddgrad",
}
OTHER = "element by element, and other"
# Events that hold others, or wait for them.
HOLDERS = (
    r"thunk ?execut|while|call|(stateful)?partitionedcall|execute|wait|session|function|cluster"
    r"|profiler|threadpool"
)
Times = dict[str, float]


def kind_of(name: str) -> str:
    """Return the kind of operation that a name stands for."""
    for kind, pattern in KINDS.items():
        if re.search(pattern, name, re.IGNORECASE):
            return kind
    return OTHER


# ---- what each backend's profiler saw, in seconds by name ---------------------------------------


def seen_by_torch(action: Callable[[], object]) -> Times:
    """Return the time of every PyTorch operation, without that of those that it calls."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        action()
    return {
        operation.key: operation.self_cpu_time_total / 1e6 for operation in profiler.key_averages()
    }


def seen_by_jax(action: Callable[[], object]) -> Times:
    """Return the time of every operation of a program that XLA compiled for JAX."""
    import jax

    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            action()
        data = jax.profiler.ProfileData.from_file(_trace(folder))
    fused = what_is_fused(Path(DUMP.name))
    times: Times = collections.defaultdict(float)
    for plane in data.planes:
        for line in plane.lines:
            for event in line.events:
                stats = dict(event.stats)
                if "hlo_op" in stats:
                    name = fused.get((int(stats["program_id"]), event.name), event.name)
                    times[name] += event.duration_ns / 1e9
    return times


def what_is_fused(folder: Path) -> dict[tuple[int, str], str]:
    """Return, for a program and a fusion in it, the heaviest operation that it has, and its name.

    Programs by number: every model's step is a module of the same name.
    """
    heaviest = {}
    for path in folder.glob("*after_optimizations.txt"):
        module = int(path.name.split(".")[0].removeprefix("module_"))
        text = path.read_text(encoding="utf-8")
        bodies = dict(re.findall(r"^%(\S+) \(.*?\{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE))
        for name, called in re.findall(r"%(\S+) = .* fusion\(.*calls=%([\w.-]+)", text):
            body = bodies.get(called, "")
            for operation in ("convolution", "dot", "reduce"):
                if f" {operation}(" in body:
                    heaviest[module, name] = f"{operation} ({name})"
                    break
    return heaviest


def seen_by_tensorflow(action: Callable[[], object]) -> Times:
    """Return the time of every kind of TensorFlow kernel that ran on a thread that computes."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            action()
        space = xplane_pb2.XSpace.FromString(Path(_trace(folder)).read_bytes())
    times: Times = collections.defaultdict(float)
    for plane in space.planes:
        for line in plane.lines:
            if line.name.startswith("tf_Compute"):
                for event in line.events:
                    name = plane.event_metadata[event.metadata_id].name
                    if kernel := re.fullmatch(r"[^:]+:(\w+)", name):
                        times[kernel[1]] += event.duration_ps / 1e12
    return times


def _trace(folder: str) -> str:
    (path,) = Path(folder).rglob("*.xplane.pb")
    return str(path)


SEEN = {"torch": seen_by_torch, "jax": seen_by_jax, "tensorflow": seen_by_tensorflow}


# ---- the run ------------------------------------------------------------------------------------


def profiled(action: Callable[[], object], unit: str, per: float) -> dict[str, Any]:
    """Return the seconds of an action times `per`: by the clock, by kind, of the longest parts."""
    for _ in range(WARM):
        action()
    start = time.perf_counter()
    action()
    clock = time.perf_counter() - start
    times = SEEN[keras.config.backend()](action)
    names = {
        name: per * seconds
        for name, seconds in times.items()
        if not re.match(HOLDERS, name, re.IGNORECASE)
    }
    kinds: Times = collections.defaultdict(float)
    for name, seconds_a_step in names.items():
        kinds[kind_of(name)] += seconds_a_step
    return {
        unit: per * clock,
        "kinds": ranked(kinds),
        "operations": dict(list(ranked(names).items())[:SHOWN]),
    }


def ranked(times: Times) -> Times:
    """Return the same, longest first."""
    return dict(sorted(times.items(), key=lambda item: -item[1]))


def step_of(model: str, who: str) -> dict[str, Any]:
    """Return where a step goes, of a model or of the loop written by hand, in milliseconds."""
    take_steps = runner(model, who, gpu=False, half=False)
    return profiled(lambda: take_steps(STEPS), "milliseconds", 1e3 / STEPS)


def step_at(model: str, size: int) -> dict[str, Any]:
    """Return where a step with images of a size goes, in nanoseconds a pixel."""
    shape = SIZES[size] * GROWTH_BATCH, size, size, 1
    x = np.random.default_rng(0).random(shape, dtype="float32")
    train = fitting(compiled(model, shape[1:]), x, GROWTH_BATCH)
    return profiled(train, "nanoseconds", 1e9 / x.size)


def generation(model: str) -> dict[str, Any]:
    """Return where making images goes, in microseconds an image."""
    built = model_named(model)
    return profiled(lambda: built.generate(GENERATED, seed=0), "microseconds", 1e6 / GENERATED)


def augmentation() -> dict[str, Any]:
    """Return where geometric augmentation goes, in nanoseconds a pixel."""
    x, _ = data(BATCH)
    augment = as_in_fit(kma.layers.GeometricAugmentation(seed=0))

    def run() -> None:
        for _ in range(AUGMENTED):
            ops.convert_to_numpy(augment(x))

    return profiled(run, "nanoseconds", 1e9 / (AUGMENTED * x.size))


def profiles() -> dict[str, Any]:
    """Return and print the profiles of models, of the loops written by hand, and of parts."""
    steps = {
        model: {who: shown(f"{model}, {who}", step_of, model, who) for who in WHO}
        for model in MODELS
    }
    sizes = {
        model: {str(size): shown(f"{model} at {size}", step_at, model, size) for size in GROWN_AT}
        for model in GROWN
    }
    generated = {model: shown(f"{model}, generating", generation, model) for model in GENERATORS}
    augmented = shown("augmentation", augmentation)
    return {"models": steps, "sizes": sizes, "generation": generated, "augmentation": augmented}


def shown(title: str, profile: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Return a profile, printed."""
    measured = profile(*arguments)
    print(title, flush=True)
    for kind, time_of_it in measured["kinds"].items():
        print(f"  {time_of_it:10.1f}  {kind}", flush=True)
    return measured


def main() -> None:
    """Profile, print, and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent / "rivals"))
    # Before anything is compiled: XLA reads its flags once.
    os.environ["XLA_FLAGS"] = f"--xla_dump_to={DUMP.name} --xla_dump_hlo_as_text"
    measured = profiles()
    write(arguments.out, {"backend": keras.config.backend(), "steps": STEPS, **measured})


if __name__ == "__main__":
    main()

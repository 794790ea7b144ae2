"""What the parts cost on one backend: augmentation, generation, memory, growth, many seeds.

    KERAS_BACKEND=jax python benchmarks/costs.py --out FILE [--only NAME ...] [--quick]

Ratios are medians of pairs taken in turn within the run; the interval is that of the second
smallest to the second largest of nine, or of all where there are fewer. The file is written anew
after each measurement, and `--only` leaves the others in it as they are. Memory is measured in
processes of their own, on Linux, which run this script with `--child`.
"""

import argparse
import gc
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from keras import ops
from speed import MODELS, REPEATS, STEPS, interval, write
from speed_worker import BATCH, NETWORKS, SHAPE, data, model_named

import keras_medaug as kma

Action = Callable[[], object]
Results = dict[str, Any]

GENERATORS = ("CVAE", "DCGAN", "VAEGAN")
AUGMENTED = 1280
# Over the images so often a turn: one pass of the layer takes too little time to be told from
# the noise of the machine.
PASSES = 5
GENERATED = 10_000
GENERATED_MORE = 40_000
# Sizes, each with the steps of a turn: enough at the small ones for `fit` itself not to count.
SIZES = {28: 12, 64: 3, 128: 1, 224: 1}
GROWTH_BATCH = 16
GROWTH_REPEATS = 3
# How often a step goes through a network, per real image: one for the forward pass, one for the
# gradient of its inputs, one for that of its weights (the last not where the network is frozen).
# Where the step is compiled, a frozen pass shares its forward pass with its live twin.
FROZEN = 2 if keras.config.backend() == "torch" else 1
STEP_PASSES = {
    "CVAE": {"encoder": 3, "decoder": 3},
    "DCGAN": {"generator": 3, "discriminator": FROZEN + 3 + 3},
    "VAEGAN": {"encoder": 3, "decoder": FROZEN + 3 + 3, "discriminator": 3 * FROZEN + 3 * 3},
    "Classifier": {"network": 3},
}
BATCHES = (64, 128, 256, 512)
CHILD_REPEATS = 2
ON_DISK = 100_000
ON_DISK_FEW = 2_000
INNER_IMAGES = 1024
CLEAR_PEAK = "5"  # what /proc/self/clear_refs takes for "forget the peak"
# The C library's own threshold, but fixed: left alone it rises, freed blocks are then kept, and
# how many are depends on chance more than on what is measured.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "131072"}


# ---- helpers ------------------------------------------------------------------------------------


def turns(label: str, count: int) -> Iterator[int]:
    """Yield 0, 1, ... and say after each how long the rest will take."""
    begun = time.monotonic()
    for turn in range(count):
        yield turn
        left = (time.monotonic() - begun) / (turn + 1) * (count - turn - 1)
        print(f"  {label}: {turn + 1} of {count}, {left:.0f} s left", flush=True)


def seconds(action: Action) -> float:
    """Return how long an action took."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def in_turn(label: str, actions: dict[str, Action], repeats: int) -> dict[str, list[float]]:
    """Time every action once a round, every other round in reverse, after a run of each."""
    for action in actions.values():
        action()
    timings: dict[str, list[float]] = {name: [] for name in actions}
    for turn in turns(label, repeats):
        for name in list(actions) if turn % 2 == 0 else list(actions)[::-1]:
            timings[name].append(seconds(actions[name]))
    return timings


def spread(ratios: list[float], name: str = "ratio") -> Results:
    """Return the median of ratios, and their interval."""
    return {name: statistics.median(ratios), "interval": interval(ratios)}


def divided(numerators: list[float], denominators: list[float]) -> list[float]:
    """Return the ratios, pair by pair."""
    return [a / b for a, b in zip(numerators, denominators, strict=True)]


def compiled(name: str, shape: tuple[int, int, int], **options: Any) -> Any:
    """Return a compiled model for images of a shape."""
    classes = {"num_classes": 2} if name == "Classifier" else {}
    model = getattr(kma.models, name)(shape, **{"seed": 0, **classes, **options})
    model.compile()
    return model


def fitting(model: Any, x: np.ndarray, batch: int = BATCH) -> Action:
    """Return what trains a model for an epoch; a classifier with classes in turn."""
    given = (x, np.arange(len(x)) % 2) if model.num_classes else (x,)
    return lambda: model.fit(*given, batch_size=batch, verbose=0)


def status(field: str) -> int:
    """Return a figure of this process's memory, in bytes.

    Not `getrusage`: its peak survives `exec`, so that a child would have its parent's.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return 1024 * int(value.split()[0])
    raise RuntimeError(f"/proc/self/status has no {field}")


def peak(action: Action) -> int:
    """Return the largest resident memory while an action runs, without what came before it.

    Compiling takes more than running: whoever wants the latter runs the action once before.
    """
    gc.collect()
    Path("/proc/self/clear_refs").write_text(CLEAR_PEAK, encoding="ascii")
    action()
    return status("VmHWM")


def child(*arguments: object) -> Results:
    """Return what this script prints as a process of its own."""
    command = [sys.executable, __file__, "--child", *map(str, arguments)]
    environment = {**os.environ, **ALLOCATOR}
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return json.loads(run.stdout.splitlines()[-1])


def medians(label: str, cases: list[tuple], repeats: int) -> list[Results]:
    """Run a child per case and round; return each case's medians, the lower of two."""
    answers: list[list[Results]] = [[] for _ in cases]
    for turn in turns(label, repeats * len(cases)):
        index = turn % len(cases)
        answers[index].append(child(*cases[index]))
    middle = statistics.median_low  # never a mean of two: some answers are flags
    return [{key: middle([a[key] for a in rounds]) for key in rounds[0]} for rounds in answers]


# ---- augmentation -------------------------------------------------------------------------------


def augmentation_share(quick: bool) -> Results:
    """Return what the default augmentation adds to a classifier's training, as a fraction."""
    x, _ = data(STEPS["Classifier"] * BATCH)
    layer = kma.layers.GeometricAugmentation()
    actions = {
        "with": fitting(compiled("Classifier", SHAPE, augmentation=layer), x),
        "without": fitting(compiled("Classifier", SHAPE), x),
    }
    timings = in_turn("augmentation_share", actions, 2 if quick else REPEATS)
    shares = [ratio - 1 for ratio in divided(timings["with"], timings["without"])]
    steps = {name: statistics.median(t) / STEPS["Classifier"] for name, t in timings.items()}
    return {**spread(shares, "share"), "target": "at most 0.10", "seconds_per_step": steps}


def as_in_fit(layer: Any) -> Callable[[np.ndarray], Any]:
    """Return the layer as a training step on this backend would run it."""
    backend = keras.config.backend()
    if backend == "jax":
        import jax

        stateless = jax.jit(lambda state, x: layer.stateless_call([], state, x, training=True))
        state = [variable.value for variable in layer.non_trainable_variables]

        def run(x: np.ndarray) -> Any:
            outputs, state[:] = stateless(state, x)
            return outputs

        return run
    if backend == "tensorflow":
        import tensorflow as tf

        jit = model_named("Classifier").jit_compile
        return tf.function(lambda x: layer(x, training=True), jit_compile=jit)
    return lambda x: layer(ops.convert_to_tensor(x), training=True)


def keras_flow(x: np.ndarray, layer: Any) -> Any:
    """Return Keras's batches of the same images under the same policy."""
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    generator = ImageDataGenerator(
        rotation_range=layer.rotation,
        height_shift_range=layer.shift,
        width_shift_range=layer.shift,
        zoom_range=layer.zoom,
        horizontal_flip=layer.horizontal_flip,
        vertical_flip=layer.vertical_flip,
        fill_mode=layer.fill_mode,
    )
    return generator.flow(x, batch_size=BATCH, shuffle=False)


def augmentation_rate(quick: bool) -> Results:
    """Return images a second of the layer and of Keras's own way, NumPy to NumPy both."""
    x, _ = data(AUGMENTED)
    layer = kma.layers.GeometricAugmentation(seed=0)
    augment, flow = as_in_fit(layer), keras_flow(x, layer)

    def ours() -> None:
        for start in PASSES * list(range(0, AUGMENTED, BATCH)):
            ops.convert_to_numpy(augment(x[start : start + BATCH]))

    def theirs() -> None:
        for index in range(len(flow)):
            flow[index]

    actions: dict[str, Action] = {"ours": ours, "keras": theirs}
    timings = in_turn("augmentation_rate", actions, 2 if quick else REPEATS)
    rates = {
        "ours": [PASSES * AUGMENTED / t for t in timings["ours"]],
        "keras": [AUGMENTED / t for t in timings["keras"]],
    }
    per_second = {name: statistics.median(values) for name, values in rates.items()}
    ratio = spread(divided(rates["ours"], rates["keras"]))
    return {**ratio, "target": "at least 20", "images_per_second": per_second}


# ---- generation ---------------------------------------------------------------------------------


def generation_of(name: str, repeats: int) -> Results:
    """Return images a second generated and trained on, for a model."""
    model, count = model_named(name), STEPS[name] // 2 * BATCH
    actions: dict[str, Action] = {
        "generated": lambda: model.generate(GENERATED, seed=0),
        "trained": fitting(model, data(count)[0]),
    }
    timings = in_turn(f"generation {name}", actions, repeats)
    generated = [GENERATED / t for t in timings["generated"]]
    trained = [count / t for t in timings["trained"]]
    rates = {"generated": statistics.median(generated), "trained": statistics.median(trained)}
    return {**spread(divided(generated, trained)), "images_per_second": rates}


def generation(quick: bool) -> Results:
    """Return how many times faster images are generated than trained on."""
    ratios = {name: generation_of(name, 2 if quick else REPEATS) for name in GENERATORS}
    return {"target": "at least 10", "models": ratios}


def child_generation(count: str) -> Results:
    """Return the peak memory of generating so many images, and the bytes of the result."""
    model = model_named("DCGAN")
    model.generate(1024, seed=0)
    images: list[np.ndarray] = []
    most = peak(lambda: images.append(model.generate(int(count), seed=0)))
    return {"peak": most, "result": images[0].nbytes}


def generation_memory(quick: bool) -> Results:
    """Return the bytes that more images need at the peak beyond themselves."""
    cases: list[tuple] = [("generation", GENERATED), ("generation", GENERATED_MORE)]
    few, many = medians("generation_memory", cases, 1 if quick else CHILD_REPEATS)
    extra = many["peak"] - few["peak"] - (many["result"] - few["result"])
    return {"model": "DCGAN", "extra_bytes": extra, "few": few, "many": many}


# ---- growth -------------------------------------------------------------------------------------


def multiply_adds(network: Any) -> int:
    """Return the multiply-adds of a network's forward pass on an image: its linear layers'."""
    total = 0
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            total += multiply_adds(layer)
            continue
        inner = getattr(layer, "convolution", layer)  # the blocks have one each
        if isinstance(inner, keras.layers.Conv2D):
            total += _positions(layer.output) * math.prod(inner.kernel.shape)
        elif isinstance(inner, keras.layers.Conv2DTranspose):
            total += _positions(layer.input) * math.prod(inner.kernel.shape)
        elif isinstance(inner, keras.layers.Dense):
            total += math.prod(inner.kernel.shape)
    return total


def _positions(tensors: Any) -> int:
    """Return height times width of a tensor, or of the first of several."""
    return math.prod(keras.tree.flatten(tensors)[0].shape[1:3])


def work(name: str, model: Any, pixels: int) -> Results:
    """Return the multiply-adds a pixel: of each network's forward pass, and of a step."""
    forward = {
        network: multiply_adds(getattr(model, network)) / pixels for network in NETWORKS[name]
    }
    step = sum(times * forward[network] for network, times in STEP_PASSES[name].items())
    return {"multiply_adds_per_pixel": {"forward": forward, "step": step}}


def at_sizes(name: str) -> tuple[dict[int, Any], Results]:
    """Return a model for every size, and the reasons of those that it rejects."""
    models, rejected = {}, {}
    for size in SIZES:
        try:
            models[size] = compiled(name, (size, size, 1))
        except ValueError as error:
            rejected[str(size)] = str(error)
    return models, rejected


def growth_of(name: str, repeats: int) -> Results:
    """Return a model's time per pixel at every size, and its ratio to that at the smallest."""
    models, rejected = at_sizes(name)
    actions = {}
    for size, model in models.items():
        count = SIZES[size] * GROWTH_BATCH
        x = np.random.default_rng(0).random((count, size, size, 1), dtype="float32")
        actions[str(size)] = fitting(model, x, GROWTH_BATCH)
    timings = in_turn(f"growth {name}", actions, repeats)
    smallest = min(models)
    each_pixel = {
        size: [t / (SIZES[size] * GROWTH_BATCH * size**2) for t in timings[str(size)]]
        for size in models
    }
    works = {size: work(name, model, size**2) for size, model in models.items()}
    least = works[smallest]["multiply_adds_per_pixel"]["step"]
    sizes = {
        str(size): {
            "microseconds_per_pixel": 1e6 * statistics.median(times),
            **spread(divided(times, each_pixel[smallest])),
            **works[size],
            "multiply_adds_ratio": works[size]["multiply_adds_per_pixel"]["step"] / least,
        }
        for size, times in each_pixel.items()
    }
    return {"sizes": sizes, "rejected": rejected}


def growth(quick: bool) -> Results:
    """Return how the time per pixel of a training step grows with the size of the images."""
    growths = {}
    for name in MODELS:
        growths[name] = growth_of(name, 1 if quick else GROWTH_REPEATS)
        # Four models of the largest size do not fit into memory at once.
        keras.utils.clear_session()
        gc.collect()
    return {"target": "at most 1.5", "batch": GROWTH_BATCH, "models": growths}


# ---- memory -------------------------------------------------------------------------------------


def child_batch(batch: str) -> Results:
    """Return the peak memory of training steps with a batch size, on the same images for all."""
    model, x = model_named("DCGAN"), data(2 * BATCHES[-1])[0]

    def train(steps: int) -> None:
        model.fit(x, batch_size=int(batch), steps_per_epoch=steps, verbose=0)

    train(1)
    return {"peak": peak(lambda: train(2))}


def memory_in_batch(quick: bool) -> Results:
    """Return the peak memory at batch sizes, and how evenly it grows with them."""
    cases: list[tuple] = [("batch", batch) for batch in BATCHES]
    answers = medians("memory_in_batch", cases, 1 if quick else CHILD_REPEATS)
    peaks = [answer["peak"] for answer in answers]
    slopes = [
        (peaks[i + 1] - peaks[i]) / (BATCHES[i + 1] - BATCHES[i]) for i in range(len(BATCHES) - 1)
    ]
    return {
        "model": "DCGAN",
        "peak_bytes": dict(zip(map(str, BATCHES), peaks, strict=True)),
        "bytes_per_image": slopes,
        # Where memory falls from one size to the next there is no telling.
        "largest_to_smallest": max(slopes) / min(slopes) if min(slopes) > 0 else None,
    }


class Watch:
    """Notes the largest anonymous memory, in which pages mapped from a file do not count.

    A thread: a copy that `fit` made and dropped before its first step would escape a callback.
    """

    def __init__(self) -> None:
        self.most = status("RssAnon")
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._done.wait(0.005):
            self.most = max(self.most, status("RssAnon"))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()
        self.most = max(self.most, status("RssAnon"))


def is_mapped(array: np.ndarray) -> bool:
    """Return whether an array lies in a mapped file."""
    base: Any = array
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    return isinstance(base, np.memmap)


def child_uint8(path: str) -> Results:
    """Return the peak of anonymous memory of loading a file and training on it for some steps."""
    with Watch() as watch:
        x, y = kma.datasets.from_npz(path).stored("train")
        model = model_named("Classifier")
        model.fit(x, y, batch_size=BATCH, steps_per_epoch=8, verbose=0)
    return {"peak_anonymous": watch.most, "mapped": is_mapped(x)}


def save_uint8(path: Path, count: int) -> None:
    """Write a file in MedMNIST's format, not compressed, with training images only."""
    images = np.random.default_rng(0).integers(0, 256, (count, *SHAPE[:2]), "uint8")
    labels = (np.arange(count) % 2).astype("uint8")[:, None]
    arrays = {"train_images": images, "train_labels": labels}
    for split in ("val", "test"):
        arrays |= {f"{split}_images": images[:0], f"{split}_labels": labels[:0]}
    np.savez(path, allow_pickle=False, **arrays)


def uint8_on_disk(quick: bool) -> Results:
    """Return the memory that many mapped images take beyond few; a float copy would be 314 MB."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{count}.npz" for count in (ON_DISK_FEW, ON_DISK)]
        save_uint8(paths[0], ON_DISK_FEW)
        save_uint8(paths[1], ON_DISK)
        cases: list[tuple] = [("uint8", path) for path in paths]
        few, many = medians("uint8_on_disk", cases, 1 if quick else CHILD_REPEATS)
    return {
        "extra_bytes": many["peak_anonymous"] - few["peak_anonymous"],
        "target": "below 100 MB",
        "float32_bytes": 4 * ON_DISK * math.prod(SHAPE),
        "few": few,
        "many": many,
    }


# ---- many seeds ---------------------------------------------------------------------------------


def inner_loop(quick: bool) -> Results:
    """Return what a seed costs by `reinitialize`, to the fit alone and to a new model per seed."""
    x, _ = data(INNER_IMAGES)
    model = model_named("Classifier")
    fit = fitting(model, x)
    seeds = iter(range(1, 1000))

    def restarted() -> None:
        model.reinitialize(next(seeds))
        fit()

    def fresh() -> None:
        fitting(compiled("Classifier", SHAPE, seed=next(seeds)), x)()

    actions: dict[str, Action] = {"restarted": restarted, "fit": fit, "fresh": fresh}
    timings = in_turn("inner_loop", actions, 2 if quick else REPEATS)
    return {
        "to_fit": spread(divided(timings["restarted"], timings["fit"])),
        "to_fresh_model": spread(divided(timings["restarted"], timings["fresh"])),
        "seconds": {name: statistics.median(values) for name, values in timings.items()},
    }


# ---- the run ------------------------------------------------------------------------------------

# Each with the seconds that it takes on two cores, roughly: what the time left is told by.
MEASUREMENTS: dict[str, tuple[Callable[[bool], Results], int]] = {
    "augmentation_share": (augmentation_share, 20),
    "augmentation_rate": (augmentation_rate, 10),
    "generation": (generation, 80),
    "generation_memory": (generation_memory, 60),
    "growth": (growth, 180),
    "memory_in_batch": (memory_in_batch, 120),
    "uint8_on_disk": (uint8_on_disk, 50),
    "inner_loop": (inner_loop, 40),
}
CHILDREN: dict[str, Callable[[str], Results]] = {
    "generation": child_generation,
    "batch": child_batch,
    "uint8": child_uint8,
}


def former(path: Path, backend: str) -> Results:
    """Return the measurements that a file has, if there is one."""
    if not path.exists():
        return {}
    stored = json.loads(path.read_text(encoding="utf-8"))
    if stored["backend"] != backend:
        sys.exit(f"{path} is of the backend {stored['backend']}, not {backend}")
    return stored["measurements"]


def measure(names: list[str], quick: bool, out: Path) -> None:
    """Take the measurements in turn, writing the file after each."""
    backend = keras.config.backend()
    machine = {"machine": platform.machine(), "cores": os.cpu_count(), "backend": backend}
    measurements = former(out, backend)
    costs = [MEASUREMENTS[name][1] for name in names]
    begun = time.monotonic()
    for index, name in enumerate(names):
        print(f"{backend} {name}", flush=True)
        start = time.monotonic()
        result = MEASUREMENTS[name][0](quick)
        taken = time.monotonic() - start
        measurements[name] = {**result, "quick": quick, "seconds_taken": taken}
        write(out, {**machine, "measurements": measurements})
        done = sum(costs[: index + 1])
        left = (time.monotonic() - begun) / done * (sum(costs) - done)
        print(f"{name}: {json.dumps(result)}", flush=True)
        print(f"{index + 1} of {len(names)} in {taken:.0f} s, {left:.0f} s left", flush=True)


def main() -> int:
    """Measure, print, and write the JSON file; or be the child of a measurement."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, help="the file to write, or to bring up to date")
    what.add_argument("--child", nargs=2, metavar=("NAME", "ARGUMENT"), help=argparse.SUPPRESS)
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=list(MEASUREMENTS))
    parser.add_argument("--quick", action="store_true", help="as few repeats as there can be")
    arguments = parser.parse_args()
    if arguments.child:
        name, argument = arguments.child
        print(json.dumps(CHILDREN[name](argument)), flush=True)
        return 0
    measure(arguments.only, arguments.quick, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())

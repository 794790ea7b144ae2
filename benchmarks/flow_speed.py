"""How long a step of `Flow` takes, and its sampler, beside loops written by hand.

    KERAS_BACKEND=torch python benchmarks/flow_speed.py --out DIR

All take turns in one process, on the same batches of 28 x 28 gray images of two classes, without
augmentation; figures are medians over the rounds of the ratio of two turns of one round. A `CVAE`
is among them, as a measure of a step. On JAX and PyTorch there is a loop written by hand, which
has to make the same images as the model, of the same weights and noise, before the race begins. On
PyTorch MONAI's diffusion U-Net runs in the same loop, where it is installed; it has about as many
weights, works on all pixels, and makes other images. Last, steps of the model on 64 and on 128
pixels take turns with steps on 28.
"""

import argparse
import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_medaug as kma
from keras_medaug.provenance import environment
from keras_medaug.seeds import derive_seed

SHAPE, CLASSES, BATCH = (28, 28, 1), 2, 64
LARGER, STEPS_OF_LARGER = (64, 128), 2
ROUNDS, STEPS, MADE, SAMPLER_STEPS = 9, 8, 128, 20
LARGEST_DIFFERENCE = 1e-4
WITH_LOOPS = ("jax", "torch")


def new_model() -> kma.models.Flow:
    """Return the model, compiled, whose last convolutions are not at zero."""
    model = kma.models.Flow(SHAPE, CLASSES, augmentation=None, seed=0)
    generator = np.random.default_rng(0)
    for variable in model.network.trainable_variables:
        if variable.path.endswith("kernel"):
            shape = tuple(variable.shape)
            scale = 1 / np.sqrt(np.prod(shape[:-1]))
            variable.assign((scale * generator.standard_normal(shape)).astype("float32"))
    model._image_network.set_weights(model.network.get_weights())
    model.compile()
    return model


def weights_of(model: kma.models.Flow) -> dict[str, np.ndarray]:
    """Return the weights of the network by path."""
    return {
        variable.path: keras.ops.convert_to_numpy(variable.value)
        for variable in model.network.trainable_variables
    }


def batches(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return so many batches of images and labels."""
    generator = np.random.default_rng(0)
    return [
        (generator.random((BATCH, *SHAPE), "float32"), generator.integers(0, CLASSES, BATCH))
        for _ in range(count)
    ]


def noise_of(seed: int) -> np.ndarray:
    """Return the noise of which `generate` makes its first batch."""
    generator = np.random.default_rng(derive_seed(seed, "batch", 0))
    return generator.standard_normal((MADE, *SHAPE), dtype="float32")


Racer = tuple[Callable, Callable]  # takes steps; makes images


def racers(model: kma.models.Flow) -> dict[str, Racer]:
    """Return what takes steps and what makes images, by name."""
    given = batches(STEPS)
    x, y = (np.concatenate(parts) for parts in zip(*given, strict=True))
    labels = np.zeros(MADE, "int32")
    cvae = kma.models.CVAE(SHAPE, num_classes=CLASSES, seed=0)
    cvae.compile()
    chosen: dict[str, Racer] = {}
    for name, of_ours, few in (("ours", model, {"steps": SAMPLER_STEPS}), ("cvae", cvae, {})):
        chosen[name] = (
            lambda m=of_ours: m.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0),
            lambda m=of_ours, few=few: m.generate(MADE, labels, seed=0, batch_size=MADE, **few),
        )
    if keras.config.backend() in WITH_LOOPS:
        chosen |= loops(model, given, labels)
        difference = float(np.abs(chosen["ours"][1]() - chosen["native"][1]()).max())
        print(f"largest difference of images: {difference:.1e}", flush=True)
        if not difference <= LARGEST_DIFFERENCE:  # NaN is refused as well
            raise SystemExit("the loop does other work than the model")
    return chosen


def loops(model: kma.models.Flow, given: list, labels: np.ndarray) -> dict[str, Racer]:
    """Return the loops of the backend that are not ours."""
    sys.path.insert(0, str(Path(__file__).parent / "rivals"))
    module = importlib.import_module(f"flow_{keras.config.backend()}")
    by_name: dict[str, Any] = {"native": module.Loop(weights_of(model), CLASSES)}
    if hasattr(module, "monai_loop") and importlib.util.find_spec("monai"):
        by_name["monai"] = module.monai_loop(CLASSES)
    return {
        name: (
            lambda loop=loop: loop.run(given),
            lambda loop=loop: loop.sample(noise_of(0), labels, SAMPLER_STEPS),
        )
        for name, loop in by_name.items()
    }


def steps_by_size() -> dict[int, Callable]:
    """Return what takes steps of the model on images of each size."""
    fits: dict[int, Callable] = {}
    generator = np.random.default_rng(0)
    for size in (SHAPE[0], *LARGER):
        model = kma.models.Flow((size, size, 1), CLASSES, augmentation=None, seed=0)
        model.compile()
        x = generator.random((STEPS_OF_LARGER * BATCH, size, size, 1), "float32")
        y = generator.integers(0, CLASSES, len(x))
        fits[size] = lambda m=model, x=x, y=y: m.fit(x, y, batch_size=BATCH, verbose=0)
    return fits


def race(chosen: dict[Any, Callable]) -> dict[Any, list[float]]:
    """Return the seconds of each turn, by name; every other round goes backwards."""
    timings: dict[Any, list[float]] = {name: [] for name in chosen}
    for number in range(ROUNDS + 1):
        for name in chosen if number % 2 else reversed(chosen):
            begun = time.perf_counter()
            chosen[name]()
            if number:  # the first round compiles
                timings[name].append(time.perf_counter() - begun)
        print(f"round {number} of {ROUNDS}", flush=True)
    return timings


def ratio(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    """Return the median of the ratios, and the second lowest and second highest."""
    ordered = sorted(one / other for one, other in zip(ours, theirs, strict=True))
    return {"ratio": statistics.median(ordered), "interval": [ordered[1], ordered[-2]]}


def main() -> None:
    """Race, print, and write a JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    chosen = racers(new_model())
    steps = {("step", name): step for name, (step, _) in chosen.items()}
    sampling = {("sampling", name): sample for name, (_, sample) in chosen.items()}
    timings = race(steps | sampling)
    of_sizes = race(steps_by_size())
    record: dict[str, Any] = {
        "command": "python benchmarks/flow_speed.py --out DIR",
        "backend": keras.config.backend(),
        "cores": os.cpu_count(),
        "machine": environment(),
        "ratios": {},
    }
    for (what, name), theirs in timings.items():
        if name != "ours":
            record["ratios"][f"{what}, to {name}"] = ratio(timings[what, "ours"], theirs)
    for size in LARGER:
        key = f"step, {size} pixels to {SHAPE[0]}"
        record["ratios"][key] = ratio(of_sizes[size], of_sizes[SHAPE[0]])
    seconds = statistics.median(timings["sampling", "ours"])
    record["milliseconds_a_step"] = 1e3 * statistics.median(timings["step", "ours"]) / STEPS
    record["seconds_for_1000_images"] = seconds / MADE * 1000
    print(json.dumps({k: v for k, v in record.items() if k != "machine"}, indent=1))
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"flow_speed_{keras.config.backend()}.json"
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""One backend's side of `benchmarks/speed.py`: takes so many steps when told to, and times them.

Started with `KERAS_BACKEND` set; reads a JSON request a line, and answers each with a line:

    {"model": "DCGAN", "who": "ours", "steps": 8}    ->  {"seconds": 1.3}

`who` is `"ours"` (Keras's `fit` over a model of the package) or `"native"` (the loop written by
hand for this backend), with `compiled` or `jit` as the loops' options. The model `"matmul"` is a
product of two square matrices, `steps` times.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

import keras_medaug as kma

BATCH = 128
SHAPE = (28, 28, 1)
MATRIX = 2048
NETWORKS = {
    "CVAE": ("encoder", "decoder"),
    "DCGAN": ("generator", "discriminator"),
    "VAEGAN": ("encoder", "decoder", "discriminator"),
    "Classifier": ("network",),
}


def model_named(name: str) -> Any:
    """Return a model as shipped, compiled with its defaults."""
    classes = {"num_classes": 2} if name == "Classifier" else {}
    model = getattr(kma.models, name)(SHAPE, seed=0, **classes)
    model.compile()
    return model


def data(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images in [0, 1] and their classes."""
    generator = np.random.default_rng(0)
    return generator.random((count, *SHAPE), dtype="float32"), np.arange(count) % 2


def ours(name: str) -> Callable[[int], None]:
    """Return what takes steps by the model's own `fit`."""
    model = model_named(name)

    def run(steps: int) -> None:
        x, y = data(steps * BATCH)
        given = (x, y) if name == "Classifier" else (x,)
        model.fit(*given, batch_size=BATCH, verbose=0)

    return run


def native(name: str, **options: bool) -> Callable[[int], None]:
    """Return what takes steps by the loop written by hand, from the same weights."""
    model = model_named(name)
    weights = {each: getattr(model, each).get_weights() for each in NETWORKS[name]}
    loops = importlib.import_module(f"{keras.config.backend()}_loops")
    loop = loops.make(name, weights, **options)

    def run(steps: int) -> None:
        x, y = data(steps * BATCH)
        cuts = [slice(start, start + BATCH) for start in range(0, len(x), BATCH)]
        loop.run([(x[cut], y[cut]) for cut in cuts])

    return run


def matmul() -> Callable[[int], None]:
    """Return what multiplies two square matrices, the machine's best at arithmetic."""
    a = ops.convert_to_tensor(np.random.default_rng(0).random((MATRIX, MATRIX), dtype="float32"))

    def run(steps: int) -> None:
        product = a
        for _ in range(steps):
            product = ops.matmul(a, a)
        ops.convert_to_numpy(product[0, 0])

    return run


def runner(model: str, who: str) -> Callable[[int], None]:
    """Return the function that a request asks to be timed."""
    if model == "matmul":
        return matmul()
    if who == "ours":
        return ours(model)
    return native(model) if who == "native" else native(model, **{who: True})


def main() -> None:
    """Answer requests until there are no more."""
    sys.path.insert(0, str(Path(__file__).parent / "rivals"))
    runners: dict[tuple[str, str], Callable[[int], None]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        key = request["model"], request["who"]
        if key not in runners:
            runners[key] = runner(*key)
        start = time.perf_counter()
        runners[key](request["steps"])
        print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)


if __name__ == "__main__":
    main()

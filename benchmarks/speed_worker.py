"""One backend's side of `benchmarks/speed.py`: takes so many steps when told to, and times them.

Started with `KERAS_BACKEND` set; reads a JSON request a line, and answers each with a line:

    {"model": "DCGAN", "who": "ours", "steps": 8}    ->  {"seconds": 1.3}

`who` is `"ours"` (Keras's `fit` over a model of the package) or `"native"` (the loop written by
hand for this backend), `"keras"` or `"pythae"` (those in the style of others), or `"untuned"` (ours
again, whose input TensorFlow does not tune); after a `+` stands
`compiled`, an option of ours and of the loop for PyTorch. The model `"matmul"` is a product of two
square matrices, `steps` times.
"""

import argparse
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


RIVALS = {"keras": "keras_dcgan", "pythae": "pythae_loop"}


def model_named(name: str, compiled: bool = False) -> Any:
    """Return a model as shipped, compiled with its defaults, or through `torch.compile`."""
    classes = {"num_classes": 2} if name == "Classifier" else {}
    model = getattr(kma.models, name)(SHAPE, seed=0, **classes)
    model.compile(**({"jit_compile": True} if compiled else {}))
    return model


def data(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images in [0, 1] and their classes."""
    generator = np.random.default_rng(0)
    return generator.random((count, *SHAPE), dtype="float32"), np.arange(count) % 2


def ours(name: str, compiled: bool = False) -> Callable[[int], None]:
    """Return what takes steps by the model's own `fit`."""
    model = model_named(name, compiled)

    def run(steps: int) -> None:
        x, y = data(steps * BATCH)
        given = (x, y) if name == "Classifier" else (x,)
        model.fit(*given, batch_size=BATCH, verbose=0)

    return run


def untuned(name: str) -> Callable[[int], None]:
    """Return what takes steps of `fit` over batches from a pipeline that does not tune itself."""
    import tensorflow as tf

    from keras_medaug.fitting.array_batches import ArrayBatches

    model = model_named(name)
    options = tf.data.Options()
    options.autotune.enabled = False

    def run(steps: int) -> None:
        x, y = data(steps * BATCH)
        given = (x, y) if name == "Classifier" else (x,)
        batches = ArrayBatches(given, BATCH, lambda: 0)
        specs = tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in given)
        fed = tf.data.Dataset.from_generator(
            lambda: (batches[number] for number in range(steps)), output_signature=specs
        )
        # Past our own `fit`, which would check each batch in a pipeline that does tune itself.
        keras.Model.fit(model, fed.prefetch(1).with_options(options), verbose=0)

    return run


def rival(name: str, module: str, options: dict[str, Any]) -> Callable[[int], None]:
    """Return what takes steps by a loop written by hand, from the same weights."""
    model = model_named(name)
    weights = {network: getattr(model, network).get_weights() for network in NETWORKS[name]}
    loop = importlib.import_module(module).make(name, weights, **options)

    def run(steps: int) -> None:
        x, y = data(steps * BATCH)
        cuts = [slice(start, start + BATCH) for start in range(0, len(x), BATCH)]
        loop.run([(x[cut], y[cut]) for cut in cuts])

    return run


def matmul(half: bool) -> Callable[[int], None]:
    """Return what multiplies two square matrices, the machine's best at arithmetic."""
    values = np.random.default_rng(0).random((MATRIX, MATRIX), dtype="float32")
    a = ops.cast(ops.convert_to_tensor(values), "bfloat16" if half else "float32")

    def run(steps: int) -> None:
        product = a
        for _ in range(steps):
            product = ops.matmul(a, a)
        ops.convert_to_numpy(ops.cast(product[0, 0], "float32"))

    return run


def native_options(gpu: bool, half: bool) -> dict[str, Any]:
    """Return what the loop for this backend is to be told of the device and the precision."""
    options: dict[str, Any] = {"half": True} if half else {}
    if gpu:
        on_gpu: dict[str, dict[str, Any]] = {"jax": {"stock": True}, "torch": {"device": "cuda"}}
        options |= on_gpu[keras.config.backend()]
    return options


def require_gpu() -> None:
    """End the process where the backend sees no GPU: it would train on the CPU unsaid."""
    backend = importlib.import_module(keras.config.backend())
    if keras.config.backend() == "torch":
        seen = backend.cuda.is_available()
    else:
        seen = any(device.platform == "gpu" for device in backend.devices())
    if not seen:
        sys.exit(f"{backend.__name__} sees no GPU")


def runner(model: str, who: str, gpu: bool, half: bool) -> Callable[[int], None]:
    """Return the function that a request asks to be timed."""
    who, _, option = who.partition("+")
    compiled = option == "compiled"
    if model == "matmul":
        return matmul(half)
    if who == "ours":
        return ours(model, compiled)
    if who == "native":
        options = native_options(gpu, half) | ({"compiled": True} if compiled else {})
        return rival(model, f"{keras.config.backend()}_loops", options)
    if who == "untuned":
        return untuned(model)
    return rival(model, RIVALS[who], {})


def main() -> None:
    """Answer requests until there are no more."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--half", action="store_true", help="mixed_bfloat16")
    arguments = parser.parse_args()
    if arguments.gpu:
        require_gpu()
    if arguments.half:
        keras.config.set_dtype_policy("mixed_bfloat16")
    sys.path.insert(0, str(Path(__file__).parent / "rivals"))
    runners: dict[tuple[str, str], Callable[[int], None]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        key = request["model"], request["who"]
        if key not in runners:
            runners[key] = runner(*key, arguments.gpu, arguments.half)
        start = time.perf_counter()
        runners[key](request["steps"])
        print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)


if __name__ == "__main__":
    main()

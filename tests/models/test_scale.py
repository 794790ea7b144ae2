"""Loss scaling, accumulation, several steps an execution, schedules, several devices."""

import itertools
import os
import subprocess
import sys
import types

import keras
import numpy as np
import pytest

from harness import MODELS
from harness.models import woken
from harness.state import numpy
from keras_medaug.fitting import parallel
from keras_medaug.fitting.parallel import check_parallelism


def fit(model, x, y, **arguments):
    y = y if model.num_classes else None
    return model.fit(x, y, **{"batch_size": 4, "verbose": 0, **arguments})


def optimizers(model):
    """Return the optimizers that step, by the name of their network."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    return getattr(optimizer, "by_network", {"model": optimizer})


def test_loss_scaling_changes_no_step(build, x):
    """What a power of two multiplies, and then divides, is the same."""
    weights = []
    for scale in (1.0, 256.0):
        model = build("VAEGAN", dtype="mixed_float16")
        model.optimizer.dynamic_scale.assign(scale)
        fit(model, x, None)
        weights.append([numpy(v) for v in model.trainable_variables])
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


def test_a_step_whose_gradients_overflow_is_left_out(build, x):
    model = build("VAEGAN", dtype="mixed_float16")
    model.optimizer.dynamic_scale.assign(2.0**120)
    before = [numpy(v) for v in model.trainable_variables]
    model.train_on_batch(x[:4])
    assert all(
        np.array_equal(a, numpy(v)) for a, v in zip(before, model.trainable_variables, strict=True)
    )
    assert float(model.optimizer.dynamic_scale) < 2.0**120


@pytest.mark.parametrize("name", MODELS)
def test_gradient_accumulation_waits_for_its_steps(build, x, y, name):
    """Nothing moves but at every second batch, and then each network does."""
    model = woken(build(name, compiled=False))
    model.compile(
        keras.optimizers.Adam(1e-2, gradient_accumulation_steps=2), run_eagerly=MODELS[name].eagerly
    )
    held = [[numpy(v) for v in model.trainable_variables]]
    for _ in range(4):
        model.train_on_batch(x[:4], y[:4] if model.num_classes else None)
        held.append([numpy(v) for v in model.trainable_variables])
    moved = [
        [not np.array_equal(a, b) for a, b in zip(one, other, strict=True)]
        for one, other in itertools.pairwise(held)
    ]
    assert [any(step) for step in moved] == [False, True, False, True]
    assert all(moved[1])


@pytest.mark.parametrize("name", ["CVAE", "VAEGAN"])
def test_several_steps_an_execution(build, backend, x, y, name):
    """Four steps, two at a time; PyTorch has no such thing, as Keras says."""
    models = []
    for steps in (1, 2):
        model = build(name, compiled=False)
        model.compile(steps_per_execution=steps)
        if backend == "torch" and steps == 2:
            with pytest.raises(ValueError, match="steps_per_execution"):
                fit(model, x, y)
            return
        fit(model, x, y, epochs=2)
        models.append(model)
    for one, other in zip(*(model.trainable_variables for model in models), strict=True):
        np.testing.assert_allclose(numpy(one), numpy(other), atol=1e-5)
    for optimizer in optimizers(models[1]).values():
        assert int(optimizer.iterations) == 4


@pytest.mark.parametrize("name", MODELS)
def test_learning_rate_schedules_reach_every_network(build, x, y, name):
    """Of three steps each network takes the first alone: its own schedule then says 0."""
    names = list(build(name).networks) if name in {"DCGAN", "VAEGAN"} else ["model"]
    for chosen in names:
        stops = keras.optimizers.schedules.PiecewiseConstantDecay([0], [1e-2, 0.0])
        rates = dict.fromkeys(names, 1e-2) | {chosen: stops}
        given = {network: keras.optimizers.SGD(rate) for network, rate in rates.items()}
        model = build(name, compiled=False)
        chosen_ones = given if len(names) > 1 else given["model"]
        model.compile(chosen_ones, run_eagerly=MODELS[name].eagerly)
        networks = model.networks if len(names) > 1 else {"model": model}
        held = []
        for _ in range(3):
            model.train_on_batch(x[:4], y[:4] if model.num_classes else None)
            held.append(
                {n: [numpy(v) for v in net.trainable_variables] for n, net in networks.items()}
            )
        for network in names:
            pairs = zip(held[0][network], held[2][network], strict=True)
            still = all(np.array_equal(a, b) for a, b in pairs)
            assert still is (network == chosen), (chosen, network)


TWO_DEVICES = """
import sys
import keras, numpy as np
import keras_medaug as kma

x, y = np.random.default_rng(0).random((10, 8, 8, 1), dtype="float32"), np.arange(10) % 2
few = {"latent_dim": 3, "encoder_filters": 2, "decoder_filters": 2}
models = {
    "CVAE": few,
    "DCGAN": {"latent_dim": 3, "generator_filters": 2, "discriminator_filters": 2},
    "VAEGAN": few | {"discriminator_filters": 2, "num_classes": 2},
    "Flow": {"filters": 16, "blocks": 1, "num_classes": 2},
    "Classifier": {"filters": 2, "num_classes": 2},
}


def made(name):
    model = getattr(kma.models, name)((8, 8, 1), seed=0, **models[name])
    model.compile(optimizer=keras.optimizers.SGD(1e-2))
    return model, y if model.num_classes else None


def train(path):
    found = {}
    for name in models:
        model, labels = made(name)
        count = 10 if name == "CVAE" else 8  # whose last batch is shorter: one more to compile
        labels = None if labels is None else labels[:count]
        model.fit(x[:count], labels, batch_size=4, epochs=2, verbose=0)
        found |= {f"{name} {k}": v for k, v in enumerate(model.get_weights())}
        found[f"{name} devices"] = len(model.trainable_variables[0].value.sharding.device_set)
        if name == "CVAE":
            found["CVAE images"] = model.generate(3, seed=0)  # which two devices cannot share
        if name == "Flow":
            found["Flow images"] = model.generate(3, [0, 1, -1], seed=0, steps=2)
    np.savez(path, **found)


def refuses(run, *arguments, **given):
    try:
        run(*arguments, **given)
    except ValueError as error:
        assert "`batch_size`: got a batch of 1 images; expected batches" in str(error), error
    else:
        raise AssertionError(f"{run}: a batch of one was shared by two devices")


train(sys.argv[1])
devices = keras.distribution.list_devices()
keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
train(sys.argv[2])
model, _ = made("CVAE")
for run in (model.fit, model.evaluate, model.predict):
    refuses(run, x[:9], batch_size=4, verbose=0)
    refuses(run, iter([x[:1], x[:4]]), verbose=0)
for run in (model.train_on_batch, model.test_on_batch, model.predict_on_batch):
    refuses(run, x[:1])
refuses(model.fit, x[:8], validation_data=x[:1], batch_size=4, verbose=0)
refuses(model.evaluate, (batch for batch in (x[:4], x[:1])), verbose=0)
assert np.isfinite(model.fit(x, batch_size=4, verbose=0).history["loss"]).all()
"""


def only_on(backend, what):
    """Skip a test elsewhere, since what it is about exists on one backend alone."""
    return pytest.mark.skipif(keras.config.backend() != backend, reason=f"{what} is of {backend}")


@only_on("jax", "keras.distribution.DataParallel over devices")
def test_two_devices_do_what_one_does(tmp_path):
    """The last batch of the CVAE, of two images, is shorter than the others."""
    paths = tmp_path / "one.npz", tmp_path / "two.npz"
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, *map(str, paths)],
        env=os.environ | {"XLA_FLAGS": flags},
        check=True,
    )
    one, two = (np.load(path, allow_pickle=False) for path in paths)
    for name in MODELS:
        assert (int(one[f"{name} devices"]), int(two[f"{name} devices"])) == (1, 2)
    for key in one.files:
        if "devices" not in key:
            error = np.linalg.norm(one[key] - two[key]) / max(np.linalg.norm(one[key]), 1e-6)
            assert error < 1e-5, f"{key}: {error:.1e}"


@only_on("tensorflow", "tf.distribute")
def test_tensorflows_strategies_are_refused(build, x):
    import tensorflow as tf

    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        model = build("CVAE")
        with pytest.raises(RuntimeError, match=r"MirroredStrategy with 2 replicas; expected one"):
            fit(model, x, None)
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        check_parallelism(build("CVAE"))


@only_on("torch", "torch.distributed")
def test_a_torch_process_group_is_refused(build, x, tmp_path, monkeypatch):
    from torch import distributed

    model = build("DCGAN")
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1
    )
    try:
        fit(model, x, None)  # a group of one has nobody to drift from
        monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
        for train in (lambda: fit(model, x, None), lambda: model.train_on_batch(x)):
            with pytest.raises(RuntimeError, match=r"fit: got distributed training by 2 processes"):
                train()
    finally:
        distributed.destroy_process_group()


def test_a_process_that_a_launcher_started_beside_others_is_refused(build, x, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(RuntimeError, match=r"got distributed training by 4 processes"):
        fit(build("CVAE"), x, None)
    monkeypatch.setenv("WORLD_SIZE", "1")
    check_parallelism(build("CVAE"))


@pytest.mark.parametrize(
    ("asked", "above"),
    [({"get_world_size": lambda: 2}, {}), ({}, {"process_count": lambda: 2})],
)
def test_processes_that_a_library_has_joined_are_refused(build, monkeypatch, asked, above):
    """Whichever library: it is asked as PyTorch's is, or as JAX's is."""
    library = types.SimpleNamespace(is_initialized=lambda: True, **asked)
    monkeypatch.setitem(sys.modules, "library", types.SimpleNamespace(**above))
    monkeypatch.setitem(sys.modules, "library.distributed", library)
    with pytest.raises(RuntimeError, match="2 processes"):
        check_parallelism(build("CVAE"))
    library.is_initialized = lambda: False
    check_parallelism(build("CVAE"))


def test_devices_that_keras_does_not_see_are_refused(build, monkeypatch):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["cpu:0"])
    monkeypatch.setattr(parallel, "batch_devices", lambda: 2)
    with pytest.raises(RuntimeError, match="got distributed training by 2 devices, not all"):
        check_parallelism(build("CVAE"))


def test_a_model_in_parts_on_several_devices_is_refused(build, monkeypatch):
    class ModelParallel:
        num_processes = 1
        device_mesh = types.SimpleNamespace(shape=(1, 2))

    monkeypatch.setattr(keras.distribution, "distribution", ModelParallel)
    with pytest.raises(RuntimeError, match=r"got distributed training by keras\.distribution\.Mod"):
        check_parallelism(build("CVAE"))

"""Random layers draw anew in workers that load data, and by their seed alone everywhere else."""

import copy
import multiprocessing
import random
import sys
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from keras import ops
from worker_draws import ITEMS, DrawBatches, draw, random_layers, send_draws

import keras_medaug as kma


def in_fork(function, *args):
    """Return what a function returns in a forked process."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send(function(*args)))
    process.start()
    assert receiver.poll(60)
    result = receiver.recv()
    process.join()
    return result


def two_epochs(layers):
    """Return all draws of two epochs of a PyTorch loader with two workers."""
    from torch.utils.data import DataLoader
    from worker_draws import Draws

    loader = DataLoader(
        Draws(layers), batch_size=None, num_workers=2, multiprocessing_context="fork"
    )
    return [text for _ in range(2) for item in loader for text in item]


@pytest.mark.one_backend
def test_loader_workers_draw_anew_in_every_epoch_and_repeat_by_the_seed_of_torch():
    import torch

    runs = []
    for seed in (7, 7, 8):
        layers = random_layers()
        torch.manual_seed(seed)
        runs.append(two_epochs(layers))
    first, again, other = runs
    assert len(first) == 2 * ITEMS * 4
    assert len(set(first + other)) == 2 * len(first)
    assert first == again
    # The original has not moved, and draws by its seed.
    assert draw("geometric", layers["geometric"]) == draw("geometric", random_layers()["geometric"])


@pytest.mark.one_backend
def test_a_process_that_is_started_with_a_copy_draws_anew():
    """Spawned processes get their copies pickled; so do those of PyTorch and of a `PyDataset`."""
    context = multiprocessing.get_context("spawn")
    layers = random_layers()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=send_draws, args=(sender, layers))
    process.start()
    sender.close()  # so that a process that fails is noticed
    drawn = [draw(*case) for case in layers.items() for _ in range(ITEMS)]
    assert receiver.poll(120)
    drawn += receiver.recv()
    process.join()
    assert len(drawn) == 2 * ITEMS * 4
    assert len(set(drawn)) == len(drawn)


def test_a_copy_for_a_process_that_is_started_draws_anew_and_any_other_goes_on():
    for name, layer in random_layers().items():
        copies = {}
        for spawning in (object(), None):
            multiprocessing.context.set_spawning_popen(spawning)
            try:
                copies[spawning is None] = copy.deepcopy(layer)  # as by pickle
            finally:
                multiprocessing.context.set_spawning_popen(None)
        following = [draw(name, layer) for _ in range(3)]
        assert [draw(name, copies[True]) for _ in range(3)] == following
        assert set(following).isdisjoint(draw(name, copies[False]) for _ in range(3))


def test_batches_of_several_processes_or_threads_are_never_drawn_twice(backend):
    """With JAX it is threads alone: a process that JAX runs in must not be forked."""
    batches = DrawBatches(
        kma.layers.GeometricAugmentation(seed=0),
        workers=2,
        use_multiprocessing=backend != "jax" and sys.platform == "linux",
    )
    model = keras.Sequential([keras.Input((1,)), keras.layers.Identity()])
    drawn = [model.predict(batches, verbose=0).ravel() for _ in range(2)]
    assert np.unique(drawn).size == 2 * len(batches)


def test_threads_never_draw_the_same():
    layer = kma.layers.GeometricAugmentation(seed=0)
    draw("geometric", layer)
    with ThreadPoolExecutor(4) as threads:
        drawn = list(threads.map(lambda _: draw("geometric", layer), range(400)))
    assert len(set(drawn)) == 400


def test_a_map_in_the_graph_draws_anew_in_every_epoch(backend):
    if backend != "tensorflow":
        layer = kma.layers.GeometricAugmentation(seed=0)
        epochs = [[draw("geometric", layer) for _ in range(10)] for _ in range(2)]
    else:
        import tensorflow as tf

        layer = kma.layers.GeometricAugmentation(seed=0)
        data = tf.data.Dataset.range(10).map(lambda _: layer.random_parameters(1)["rotation"])
        epochs = [[value.tobytes() for value in data.as_numpy_iterator()] for _ in range(2)]
    assert len(set(epochs[0] + epochs[1])) == 20


def draws_of_two(layers):
    before = random.getstate()
    drawn = [draw("geometric", layer) for _ in range(3) for layer in layers]
    return drawn, random.getstate() == before


@pytest.mark.one_backend
def test_layers_that_draw_alike_do_so_in_a_worker_and_leave_the_generator_of_python_alone():
    layers = [kma.layers.GeometricAugmentation(seed=4) for _ in range(2)]
    drawn, untouched = in_fork(draws_of_two, layers)
    assert drawn[::2] == drawn[1::2]
    assert len(set(drawn)) == 3
    assert untouched


def draws_of_file(path):
    return draws_of_two([keras.saving.load_model(path).layers[-1]])[0]


def saved(layer, path):
    model = keras.Sequential([keras.Input((8, 8, 1)), layer])
    model.save(path)
    return path


@pytest.mark.one_backend
def test_a_layer_that_is_loaded_or_made_in_another_process_draws_by_its_seed(tmp_path):
    layer = kma.layers.GeometricAugmentation(seed=4)
    draw("geometric", layer)
    path = saved(layer, tmp_path / "layer.keras")
    assert in_fork(draws_of_file, path) == draws_of_two([layer])[0]
    made = in_fork(lambda: draw("geometric", kma.layers.GeometricAugmentation(seed=6)))
    assert made == draw("geometric", kma.layers.GeometricAugmentation(seed=6))


def draws_and_resumes(layer, path):
    draw("geometric", layer)
    saved(layer, path)
    return draws_of_file(path), draws_of_two([layer])[0]


@pytest.mark.one_backend
def test_what_a_worker_saves_goes_on_with_its_draws(tmp_path):
    layer = kma.layers.GeometricAugmentation(seed=4)
    resumed, went_on = in_fork(draws_and_resumes, layer, tmp_path / "layer.keras")
    assert resumed == went_on
    assert set(went_on).isdisjoint(draw("geometric", layer) for _ in range(10))


def trained(model, images):
    model.fit(images, epochs=1, batch_size=16, verbose=0)
    return [ops.convert_to_numpy(weight.value) for weight in model.weights]


@pytest.mark.one_backend
def test_a_model_that_trains_in_a_forked_process_is_what_its_seed_makes_of_it(images):
    def made():
        small = {"latent_dim": 2, "encoder_filters": 4, "decoder_filters": 4}
        model = kma.models.CVAE((28, 28, 1), **small, seed=0)
        model.compile()
        return model

    pairs = zip(in_fork(trained, made(), images), trained(made(), images), strict=True)
    for forked, other in pairs:
        np.testing.assert_array_equal(forked, other)

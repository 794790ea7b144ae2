"""A model begun anew with another seed is a new model of that seed, and compiles nothing again."""

import keras
import numpy as np
import pytest

from harness import MODELS

COMPILED = keras.config.backend() != "torch"


@pytest.fixture(params=list(MODELS))
def name(request):
    return request.param


def data_for(model, x, y):
    return (x,) if model.num_classes is None else (x, y)


def has_schedule(optimizer):
    schedule = keras.optimizers.schedules.LearningRateSchedule
    return isinstance(optimizer._learning_rate, schedule)


def losses(model, data):
    return model.fit(*data, batch_size=4, epochs=2, verbose=0).history["loss"]


def test_it_trains_as_a_new_model_of_that_seed_does(build, x, y, name, all_state, same):
    fresh = build(name, seed=5, **MODELS[name].rich)
    data = data_for(fresh, x, y)
    used = build(name, seed=1, **MODELS[name].rich)
    losses(used, data)
    for optimizer in getattr(used.optimizer, "optimizers", [used.optimizer]):
        if not has_schedule(optimizer):
            optimizer.learning_rate = 0.7
    used.stop_training = True
    used.reinitialize(5)
    assert used.get_config() | {"name": fresh.name} == fresh.get_config()
    assert same(used, fresh)
    np.testing.assert_allclose(losses(used, data), losses(fresh, data), rtol=1e-6)
    for value, other in zip(all_state(used), all_state(fresh), strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-5, atol=1e-6)


def test_other_seeds_differ_and_keras_governs_where_there_is_none(build, name, same):
    model, other = (build(name, seed=1, **MODELS[name].rich) for _ in range(2))
    assert same(model, other)
    model.reinitialize(2)
    assert not same(model, other)
    for begun in (model, other):
        keras.utils.set_random_seed(3)
        begun.reinitialize()
    assert same(model, other)


def test_it_need_not_be_compiled(build, name):
    model = build(name, compiled=False, seed=1, **MODELS[name].rich)
    model.reinitialize(2)
    expected = build(name, compiled=False, seed=2, **MODELS[name].rich).get_weights()
    for fresh, weight in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(fresh, weight)


def test_a_bad_seed_is_refused(build, name):
    with pytest.raises(ValueError, match="seed"):
        build(name, seed=1, **MODELS[name].rich).reinitialize("five")


def test_it_can_be_done_again_and_with_a_schedule(build, name, same):
    def scheduled(seed):
        model = build(name, compiled=False, seed=seed, **MODELS[name].rich)
        schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.9)
        model.compile(
            keras.optimizers.SGD(schedule, momentum=0.5), run_eagerly=MODELS[name].eagerly
        )
        return model

    model = scheduled(1)
    for seed in (2, 3):
        model.reinitialize(seed)
        assert same(model, scheduled(seed))


class Nameless(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that cannot be saved."""

    def __call__(self, step):
        return 0.1


def test_what_cannot_be_made_anew_trains_and_is_left_as_it_is(build, x, y, all_state):
    models = [build("CVAE", compiled=False, seed=1), build("Classifier", compiled=False, seed=1)]
    for model in models:
        model.compile(keras.optimizers.SGD(Nameless()), run_eagerly=True)
    frozen = build("VAEGAN", compiled=False, seed=1)
    frozen.encoder.trainable = False
    frozen.compile(run_eagerly=True)
    for model in [*models, frozen]:
        model.fit(*data_for(model, x, y), verbose=0)
        before = all_state(model)
        with pytest.raises(RuntimeError, match="reinitialize: got"):
            model.reinitialize(2)
        assert all(np.array_equal(a, b) for a, b in zip(before, all_state(model), strict=True))
        assert model.seed == 1


@pytest.mark.skipif(not COMPILED, reason="PyTorch compiles nothing, so that every step is Python's")
def test_nothing_is_traced_again_after_the_first_epoch(build, x, y, name, monkeypatch):
    model = build(name, seed=1, **MODELS[name].rich)
    model.compile()
    data, traces = data_for(model, x, y), []
    compute_loss = model.compute_loss

    def watched(*args, **kwargs):
        traces.append(1)
        return compute_loss(*args, **kwargs)

    monkeypatch.setattr(model, "compute_loss", watched)
    model.fit(*data, batch_size=5, epochs=1, verbose=0)  # the last batch is shorter
    seen = len(traces)
    assert seen > 0
    model.fit(*data, batch_size=5, epochs=3, initial_epoch=1, verbose=0)
    model.reinitialize(2)
    model.fit(*data, batch_size=5, epochs=2, verbose=0)
    assert len(traces) == seen

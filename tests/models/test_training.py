"""`fit` on arrays: optimizers per network, determinism, resumption, compilation, precision."""

import keras
import numpy as np
import pytest

import keras_medaug as kma
from harness import INFERRING, LATENT, MODELS
from harness.state import numpy
from keras_medaug.models.image_model import ImageModel


def fit(model, x, y=None, **arguments):
    y = y if model.num_classes else None
    arguments = {"batch_size": 4, "verbose": 0, **arguments}
    return model.fit(x, y, **arguments)


# ---- optimizers --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["DCGAN", "VAEGAN"])
def test_every_network_takes_every_step(build, x, name):
    model = build(name)
    before = {n: [numpy(v) for v in net.trainable_variables] for n, net in model.networks.items()}
    fit(model, x, epochs=2)
    for part, network in model.networks.items():
        optimizer = model.optimizer.by_network[part]
        assert int(optimizer.iterations) == 4, part
        moved = [
            not np.array_equal(old, numpy(v))
            for old, v in zip(before[part], network.trainable_variables, strict=True)
        ]
        assert all(moved), part


def test_the_autoencoders_weights_all_move(build, x):
    model = build("CVAE")
    before = [numpy(v) for v in model.trainable_variables]
    fit(model, x)
    assert int(model.optimizer.iterations) == 2
    assert not any(
        np.array_equal(a, numpy(b)) for a, b in zip(before, model.trainable_variables, strict=True)
    )


@pytest.mark.parametrize("name", ["DCGAN", "VAEGAN"])
def test_one_optimizer_is_copied_for_each_network(build, name):
    model = build(name, compiled=False)
    given = keras.optimizers.RMSprop(3e-4)
    model.compile(given, run_eagerly=True)
    made = list(model.optimizer.by_network.values())
    assert list(model.optimizer.by_network) == list(model.networks)
    assert len({id(optimizer) for optimizer in made}) == len(model.networks)
    assert given not in made
    assert all(optimizer.get_config() == given.get_config() for optimizer in made)
    model.compile("sgd")
    assert all(
        type(optimizer).__name__ == "SGD" for optimizer in model.optimizer.by_network.values()
    )


def test_optimizers_by_name(build, x):
    model = build("VAEGAN", compiled=False)
    given = {
        "discriminator": keras.optimizers.SGD(0.0),
        "encoder": keras.optimizers.Adam(1e-3),
        "decoder": "rmsprop",
    }
    model.compile(given, run_eagerly=True)
    before = {n: [numpy(v) for v in net.trainable_variables] for n, net in model.networks.items()}
    fit(model, x)
    assert model.optimizer.by_network["encoder"] is given["encoder"]
    assert type(model.optimizer.by_network["decoder"]).__name__ == "RMSprop"
    moved = {
        n: any(
            not np.array_equal(a, numpy(b))
            for a, b in zip(before[n], net.trainable_variables, strict=True)
        )
        for n, net in model.networks.items()
    }
    assert moved == {"encoder": True, "decoder": True, "discriminator": False}


@pytest.mark.parametrize("name", LATENT)
def test_labels_reach_every_network_in_training(build, x, name):
    """A step on images of one class moves that class's embedding, and no other's."""
    model = build(name, num_classes=2)
    embeddings = [v for v in model.trainable_variables if "label_embedding" in v.path]
    assert len(embeddings) == {"CVAE": 2, "DCGAN": 2, "VAEGAN": 3}[name]
    before = [numpy(v) for v in embeddings]
    model.train_on_batch(x[:4], np.ones(4, "int32"))
    for old, variable in zip(before, embeddings, strict=True):
        assert (old != numpy(variable)).any(axis=1).tolist() == [False, True], variable.path


@pytest.mark.parametrize("name", MODELS)
def test_no_variable_that_tensorflow_keeps_off_the_gpu(build, backend, name):
    """TensorFlow has no int32 variables there, and a step compiled by XLA cannot reach them."""
    gated = {"gate": kma.networks.Gate()} if name == "VAEGAN" else {}
    model = build(name, dtype="mixed_float16", **gated)
    kinds = {keras.backend.standardize_dtype(v.dtype) for v in model.variables}
    kinds |= {keras.backend.standardize_dtype(v.dtype) for v in model.optimizer.variables}
    assert "int32" not in kinds or backend != "tensorflow"


# ---- determinism and resumption ----------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_the_seed_decides_and_global_state_does_not(build, same, x, y, name):
    models = []
    for disturbance in (1, 2):
        keras.utils.set_random_seed(disturbance)
        model = build(name)
        fit(model, x, y)
        models.append(model)
    assert same(*models)
    other = build(name, seed=1)
    fit(other, x, y)
    assert not same(models[0], other)


def test_without_a_seed_keras_governs(build, same, x):
    models = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        model = build("CVAE", seed=None)
        fit(model, x)
        models.append(model)
    assert same(*models[:2])
    assert not same(*models[1:])


@pytest.mark.parametrize("steps", [None, 3])
@pytest.mark.parametrize("name", MODELS)
def test_one_and_one_epochs_are_two(build, same, x, y, name, steps):
    """With `steps_per_epoch` too, where an epoch ends within a pass over the data."""
    whole, halves = build(name), build(name)
    fit(whole, x, y, epochs=2, steps_per_epoch=steps)
    fit(halves, x, y, epochs=1, steps_per_epoch=steps)
    assert not same(whole, halves)
    fit(halves, x, y, epochs=2, initial_epoch=1, steps_per_epoch=steps)
    assert same(whole, halves)


class Recorder(ImageModel):
    """Notes, in its own state, the mark that each place of each batch held: on every backend."""

    def __init__(self, steps, seed=0):
        super().__init__((8, 8, 1), seed=seed)
        self.weight = self.add_weight(shape=(), initializer="ones", name="weight")
        self.step = self.add_weight(shape=(), dtype="int", initializer="zeros", trainable=False)
        self.seen = self.add_weight(shape=(steps, 4), initializer="zeros", trainable=False)
        self.built = True

    def call(self, inputs, training=False):
        return inputs

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        marks = keras.ops.reshape(self._to_float(x)[:, 0, 0, 0], (1, 4))
        self.seen.assign(keras.ops.slice_update(self.seen.value, (self.step.value, 0), marks))
        self.step.assign_add(1)
        return self.weight * keras.ops.mean(marks)


def seen_orders(x, steps, **arguments):
    """Return the mark that each place of each batch held."""
    model = Recorder(steps)
    model.compile("sgd")
    fit(model, x, **arguments)
    assert int(numpy(model.step)) == steps
    return numpy(model.seen).astype("float64").round(3).tolist()


def marked(count=8):
    x = np.zeros((count, 8, 8, 1), "float32")
    x[:, 0, 0, 0] = np.arange(count) / 100
    return x, (np.arange(count) / 100).tolist()


def test_the_order_of_images():
    x, marks = marked()
    seen = seen_orders(x, 4, epochs=2)
    first, second = (seen[i] + seen[i + 1] for i in (0, 2))
    assert sorted(first) == sorted(second) == marks
    assert first != marks
    assert first != second
    assert seen_orders(x, 2, shuffle=False) == [marks[:4], marks[4:]]
    stream = seen_orders(x, 6, epochs=2, steps_per_epoch=3)
    assert stream[:4] == seen  # six batches: one pass, and the next, and half of a third


def test_shuffling_shows_in_the_weights(build, same, x):
    ordered, shuffled = build("CVAE"), build("CVAE")
    fit(ordered, x, shuffle=False)
    fit(shuffled, x)
    assert not same(ordered, shuffled)


# ---- fit's arguments ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["CVAE", "DCGAN"])
def test_validation(build, x, name):
    history = fit(build(name), x, validation_split=0.5, epochs=2).history
    losses = [key for key in history if not key.startswith("val_")]
    assert all(f"val_{key}" in history for key in losses)
    assert all(len(values) == 2 for values in history.values())


def test_validation_split_holds_out_the_end(build, same, x):
    split, by_hand, alone = build("CVAE"), build("CVAE"), build("CVAE")
    one = fit(split, x, validation_split=0.5).history
    other = fit(by_hand, x[:4], validation_data=x[4:]).history
    assert one == other
    assert same(split, by_hand)
    assert fit(alone, x[:4]).history["loss"] == one["loss"]


@pytest.mark.parametrize("pair", [tuple, list])
def test_validation_data_with_labels(build, x, y, pair):
    for name in ("CVAE", "Classifier"):
        model = build(name, num_classes=2)
        history = fit(model, x, y, validation_data=pair((x[:4], y[:4]))).history
        assert np.isfinite(history["val_loss"]).all()


def test_one_callback_need_not_be_in_a_list(build, x):
    seen = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    fit(build("CVAE"), x, callbacks=callback)
    fit(build("CVAE"), x, callbacks=[callback])
    fit(build("CVAE"), x, callbacks=(callback,))
    model = build("CVAE")
    fit(model, x, callbacks=keras.callbacks.CallbackList([callback], add_history=True, model=model))
    assert seen == [0] * 4


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_of_one(build, x, y, name):
    model = build(name)
    history = fit(model, x[:2], y[:2], batch_size=1).history
    assert np.isfinite(history["loss"]).all()
    labels = y[:1] if name == "Classifier" else None
    assert np.isfinite(model.evaluate(x[:1], labels, verbose=0)).all()
    if name in {*INFERRING, "Classifier"}:
        assert len(model.predict(x[:1], verbose=0)) == 1


@pytest.mark.parametrize("name", MODELS)
def test_callbacks_that_set_the_learning_rate_reach_every_network(build, x, y, name):
    model = build(name, compiled=False)
    # Not by the model's own optimizer: what has a schedule cannot be set.
    model.compile(keras.optimizers.Adam(1e-2), run_eagerly=MODELS[name].eagerly)
    optimizers = getattr(model.optimizer, "by_network", {"model": model.optimizer}).values()
    halves = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 1e-3 if epoch else rate)
    plateau = keras.callbacks.ReduceLROnPlateau("loss", 0.5, patience=1, min_delta=1e6)
    fit(model, x, y, epochs=2, callbacks=[halves])
    assert {round(float(optimizer.learning_rate), 7) for optimizer in optimizers} == {1e-3}
    fit(model, x, y, epochs=2, callbacks=[plateau])
    assert {round(float(optimizer.learning_rate), 7) for optimizer in optimizers} == {5e-4}


@pytest.mark.parametrize("name", MODELS)
def test_callbacks_that_save_and_stop(build, x, y, tmp_path, name):
    model = build(name)
    callbacks = [
        keras.callbacks.ModelCheckpoint(tmp_path / "m.keras"),
        keras.callbacks.CSVLogger(tmp_path / "logs.csv"),
        keras.callbacks.EarlyStopping("loss", patience=0, min_delta=1e6),
    ]
    history = fit(model, x, y, epochs=5, callbacks=callbacks).history
    assert len(history["loss"]) == 2
    logged = np.genfromtxt(tmp_path / "logs.csv", delimiter=",", names=True)
    np.testing.assert_allclose(logged["loss"], history["loss"], rtol=1e-5)
    saved = keras.saving.load_model(tmp_path / "m.keras")
    assert type(saved) is type(model)
    for one, other in zip(saved.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_callbacks_see_the_losses(build, x):
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=1e6)
    history = fit(build("DCGAN"), x, epochs=5, callbacks=[stop]).history
    assert len(history["loss"]) == 2

"""A loss that is not finite stops training, says where, and spoils no checkpoint."""

import threading

import keras
import numpy as np
import pytest
from keras import ops

from harness import MODELS
from keras_medaug.callbacks import ResumeTraining
from keras_medaug.fitting.finite_check import FiniteCheck

# Whose loss the numbers spoil that a generator, decoder or classifier makes of spoiled weights.
NETWORKS = {
    "CVAE": "decoder",
    "DCGAN": "generator, discriminator",
    "VAEGAN": "encoder, decoder, discriminator",
    "Classifier": "classifier",
}


class Spoil(keras.callbacks.Callback):
    """Puts numbers that are none into a network when an epoch begins."""

    def __init__(self, epoch):
        super().__init__()
        self.at = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.at:
            spoil(self.model)


def spoil(model):
    network = getattr(model, "generator", None) or getattr(model, "network", model)
    weight = network.trainable_variables[0]
    weight.assign(np.nan * np.ones(weight.shape))


def fit(model, x, y, callbacks, **arguments):
    y = y if model.num_classes else None
    arguments = {"batch_size": 4, "verbose": 0, "epochs": 4, **arguments}
    return model.fit(x, y, callbacks=callbacks, **arguments)


@pytest.mark.parametrize("name", MODELS)
def test_training_stops_and_says_where(build, x, y, name):
    blamed = rf" \(network: {NETWORKS[name]}\)" if name in NETWORKS else ""
    message = rf"epoch 3, at step 1: .*is nan{blamed}\. "
    with pytest.raises(FloatingPointError, match=message):
        fit(build(name), x, y, [Spoil(epoch=2)])


def test_the_network_is_the_one_that_went_wrong(build, x, y):
    """The divergence alone is infinite: that is the encoder's doing."""
    model = build("CVAE", batch_normalization=False)
    model.encoder.get_layer("z_mean").bias.assign(1e20 * np.ones(3))
    with pytest.raises(FloatingPointError, match=r"at step 1: kl is inf \(network: encoder\)"):
        fit(model, x, y, [])


class SpoilInStep(keras.optimizers.SGD):
    """Spoils weights in a step whose own loss is finite: by default the first."""

    def __init__(self, at=1, **kwargs):
        super().__init__(**kwargs)
        self.at = at

    def update_step(self, gradient, variable, learning_rate):
        now = ops.equal(ops.cast(self.iterations.value, "int32") + 1, self.at)
        super().update_step(ops.where(now, np.nan, 1.0) * gradient, variable, 1e-4)


@pytest.mark.parametrize("eagerly", [True, False])
def test_the_first_bad_step_is_named(build, x, eagerly):
    """Also where steps are compiled, and their logs come to callbacks in threads."""
    model = build("CVAE", compiled=False)
    model.compile(SpoilInStep(at=25), run_eagerly=eagerly)
    with pytest.raises(FloatingPointError, match="epoch 2, at step 6:"):
        fit(model, x, None, [], epochs=3, steps_per_epoch=20)


@pytest.mark.skipif(
    keras.config.backend() == "torch", reason="Keras takes one step an execution with PyTorch"
)
def test_several_steps_an_execution_are_named_together(build, x):
    model = build("CVAE", compiled=False)
    model.compile(SpoilInStep(at=5), steps_per_execution=4)
    with pytest.raises(FloatingPointError, match="epoch 1, in steps 5 to 8: "):
        fit(model, x, None, [], epochs=1, steps_per_epoch=12)


def test_a_term_that_is_logged_without_the_sum():
    check = FiniteCheck(keras.Sequential(), {"kl": "encoder", "pixels": "decoder"}, {})
    check.on_epoch_begin(0)
    message = r"step 1: kl is nan, pixels is inf \(network: encoder, decoder\)\. "
    with pytest.raises(FloatingPointError, match=message):
        check.on_train_batch_end(0, {"kl": np.nan, "pixels": np.inf})


def test_of_steps_found_in_any_order_the_first_is_named():
    model = keras.Sequential()
    check = FiniteCheck(model, {"kl": "encoder"}, {})
    check.on_epoch_begin(1)
    stops = []
    for step in (19, 17, 18):  # as from threads of which none is that of `fit`
        thread = threading.Thread(target=check.on_train_batch_end, args=(step, {"kl": np.inf}))
        thread.start()
        thread.join()
        stops.append(model.stop_training)
    assert stops == [True] * 3
    with pytest.raises(FloatingPointError, match=r"epoch 2, at step 18: kl is inf \(network: enc"):
        check.on_epoch_end(1)


def test_training_ends_at_once_and_not_with_the_epoch(build, x, y):
    """Of an epoch of ten thousand steps, few are taken."""
    model = build("CVAE", compiled=False)
    model.compile()
    spoil(model)
    with pytest.raises(FloatingPointError, match="epoch 1, at step 1:"):
        fit(model, x, y, [], epochs=1, steps_per_epoch=10_000)
    assert int(ops.convert_to_numpy(model.optimizer.iterations)) < 5_000


@pytest.mark.parametrize("name", ["CVAE", "VAEGAN"])
def test_the_last_good_checkpoints_stay(build, x, y, tmp_path, name):
    model = build(name)
    best, every = tmp_path / "best.weights.h5", tmp_path / "{epoch}.weights.h5"
    callbacks = [
        ResumeTraining(tmp_path / "resume"),
        keras.callbacks.ModelCheckpoint(every, save_weights_only=True),
        keras.callbacks.ModelCheckpoint(best, save_weights_only=True),
        keras.callbacks.BackupAndRestore(tmp_path / "backup"),
        Spoil(epoch=2),
    ]
    with pytest.raises(FloatingPointError):
        fit(model, x, y, callbacks)
    assert not (tmp_path / "3.weights.h5").exists()
    assert (tmp_path / "resume/epoch-2.weights.h5").exists()
    for path in (best, tmp_path / "resume/epoch-2.weights.h5", tmp_path / "2.weights.h5"):
        fresh = build(name, seed=3)
        fresh.load_weights(path)
        assert all(np.isfinite(weight).all() for weight in fresh.get_weights())
        assert fit(fresh, x, y, [], epochs=1).epoch == [0]  # and from there it goes on
    resumed = build(name, seed=4)
    restored = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    assert fit(resumed, x, y, [restored], epochs=3).epoch == [2]


def test_weights_spoiled_by_the_last_step_of_an_epoch_are_not_saved(build, x, y, tmp_path):
    model = build("CVAE", compiled=False)
    model.compile(SpoilInStep(), run_eagerly=True)
    resume = ResumeTraining(tmp_path)
    message = r"epoch 1, at its end: weights are not finite \(network: encoder, decoder\)"
    with pytest.raises(FloatingPointError, match=message):
        fit(model, x[:4], y[:4], [resume])
    assert not list(tmp_path.iterdir())


def test_weights_spoiled_by_a_step_are_not_saved_after_it(build, x, y, tmp_path):
    model = build("CVAE", compiled=False)
    model.compile(SpoilInStep(), run_eagerly=True)
    path = tmp_path / "m.weights.h5"
    checkpoint = keras.callbacks.ModelCheckpoint(path, save_weights_only=True, save_freq=1)
    with pytest.raises(FloatingPointError, match="epoch 1, at step 1: weights are not finite"):
        fit(model, x, y, [checkpoint])
    assert not path.exists()


def test_the_callbacks_of_a_list_are_left_as_they_were(build, x, y):
    model = build("CVAE")
    mine = keras.callbacks.CallbackList([Spoil(epoch=1)], add_history=True, model=model)
    before = list(mine.callbacks)
    with pytest.raises(FloatingPointError, match="epoch 2, at step 1"):
        fit(model, x, y, mine)
    assert mine.callbacks == before


def test_a_validation_loss_that_is_not_finite_is_the_users_own_affair(build, x, y):
    model = build("Classifier")
    stop = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.update(val_loss=np.nan)
    )
    assert fit(model, x, y, [stop], epochs=1).epoch == [0]

"""Ctrl-C ends `fit`, `evaluate`, `predict` and `generate` after a whole step, on every backend."""

import keras
import numpy as np
import pytest

import harness
from harness.bad_input import X, Y
from harness.state import equal, state
from helpers.ctrl_c import PressAt, press, pressed_after, stopped

DATA = (X, Y)  # every model of the harness is conditional


def test_whenever_it_is_pressed_training_ends(capsys):
    """Also while the main thread waits for the device, where JAX used to lose the exception."""
    model = harness.compiled("CVAE", 0)
    x, y = np.tile(X, (64, 1, 1, 1)), np.tile(Y, 64)  # steps that are worth waiting for
    waiting = keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_, **__: None)
    model.fit(x, y, batch_size=512, verbose=0, callbacks=[waiting])
    for delay in (0.01, 0.07, 0.2):
        with stopped(), pressed_after(delay):
            model.fit(x, y, batch_size=512, epochs=500, verbose=0, callbacks=[waiting])
    assert capsys.readouterr().err.count("ResumeTraining") == 3
    assert np.isfinite(model.fit(*DATA, batch_size=4, verbose=0).history["loss"]).all()


@pytest.mark.parametrize("name", harness.MODELS)
def test_the_weights_are_those_of_whole_steps(name):
    model = harness.compiled(name, 1)
    with stopped():
        model.fit(*DATA, batch_size=4, epochs=2, verbose=0, shuffle=False, callbacks=[PressAt(0)])
    ended = state(model)
    model = harness.compiled(name, 1)
    model.fit(*(array[:4] for array in DATA), batch_size=4, verbose=0, shuffle=False)
    assert equal(ended, state(model))


def test_in_the_last_step_the_epoch_is_finished_first():
    model, ends = harness.compiled("CVAE", 0), []
    noted = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, _: ends.append(epoch))
    last = -(-len(X) // 4) - 1
    with stopped():
        model.fit(*DATA, batch_size=4, epochs=3, verbose=0, callbacks=[PressAt(last), noted])
    assert ends == [0]


@pytest.mark.parametrize("call", ["evaluate", "predict", "validation"])
def test_the_model_is_whole_after_its_evaluation_is_stopped(call):
    model = harness.compiled("CVAE", 0)
    weights, pressing = model.get_weights(), [PressAt(1)]
    with stopped():
        if call == "evaluate":
            model.evaluate(*DATA, batch_size=2, verbose=0, callbacks=pressing)
        elif call == "predict":
            model.predict(list(DATA), batch_size=2, verbose=0, callbacks=pressing[0])
        else:
            model.fit(*DATA, batch_size=len(X), validation_data=DATA, validation_batch_size=2,
                      verbose=0, callbacks=pressing)  # fmt: skip
    if call != "validation":
        for after, before in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(after, before)
    assert np.isfinite(model.evaluate(*DATA, batch_size=2, verbose=0)).all()


def test_the_model_is_whole_after_its_logits_are_stopped():
    model = harness.compiled("Classifier", 0)
    expected = model.logits(X)
    with stopped(), pressed_after(0.1):
        for _ in range(10_000):
            model.logits(X)
    np.testing.assert_array_equal(model.logits(X), expected)


def test_generate_stops_between_batches():
    model, told = harness.compiled("DCGAN", 0), []

    def report(done, _):
        told.append(done)
        press()

    with stopped():
        model.generate(64, [0, 1] * 32, seed=0, batch_size=4, verbose=report)
    assert len(told) == 1
    assert model.generate(2, [0, 1], seed=0).shape[0] == 2


def test_a_step_alone_is_finished():
    model = harness.compiled("CVAE", 0)
    with stopped(), pressed_after(0.1):
        for _ in range(10_000):
            model.train_on_batch(*DATA)
    assert np.isfinite(model.evaluate(*DATA, verbose=0)).all()

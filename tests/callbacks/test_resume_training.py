"""Training that is killed and started again ends where uninterrupted training ends, bit by bit."""

import json

import keras
import numpy as np
import pytest

import harness
import keras_medaug as kma
from harness.bad_input import X, Y
from harness.state import equal, same, state
from helpers.ctrl_c import PressAt, stopped
from keras_medaug.callbacks import ResumeTraining, resume_training


class Killed(Exception):
    """What stands for a kill."""


class KillAt(keras.callbacks.Callback):
    """Ends training in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.at, self.epoch = epoch, None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == self.at and batch == 0:
            raise Killed


def build(name="CVAE", seed=0):
    """Return the one compiled model of its class, restarted; without a seed, a new one."""
    if seed is not None:
        return harness.compiled(name, seed)
    model = kma.models.CVAE(X.shape[1:], **harness.MODELS["CVAE"].small)
    model.compile()
    return model


def run(model, callbacks=(), epochs=3):
    y = None if model.num_classes is None else Y
    return model.fit(X, y, batch_size=4, epochs=epochs, verbose=0, callbacks=list(callbacks))


@pytest.fixture(scope="module")
def whole():
    """Return what models hold after three epochs that nothing interrupted, and their histories."""
    results = {}
    for name in harness.MODELS:
        model = build(name)
        history = run(model).history
        results[name] = state(model), history
    return results


def killed(folder, name="CVAE", epoch=1, seconds=0.0, **kwargs):
    with pytest.raises(Killed):
        run(build(name, **kwargs), [ResumeTraining(folder, seconds), KillAt(epoch)])


@pytest.mark.parametrize("name", harness.MODELS)
def test_a_kill_leaves_no_trace_in_the_result(whole, tmp_path, name):
    expected, logs = whole[name]
    killed(tmp_path, name)
    model, resume = harness.new(name), ResumeTraining(tmp_path)
    history = run(model, [resume])
    assert history.epoch == [1, 2]
    assert equal(state(model), expected)
    assert len(resume.history) == 3
    for key, values in logs.items():
        np.testing.assert_allclose([epoch[key] for epoch in resume.history], values, rtol=1e-6)


@pytest.mark.parametrize("name", ["VAEGAN", "Classifier"])
def test_nor_does_ctrl_c(whole, tmp_path, name):
    with stopped():
        run(build(name), [ResumeTraining(tmp_path), PressAt(0, epoch=1)])
    model, resume = harness.new(name), ResumeTraining(tmp_path)
    assert run(model, [resume]).epoch == [1, 2]
    assert equal(state(model), whole[name][0])
    assert len(resume.history) == 3


def test_a_model_without_a_seed_resumes_its_own_order_of_data(tmp_path):
    keras.utils.set_random_seed(1)
    expected = build(seed=None)
    run(expected)
    keras.utils.set_random_seed(1)
    killed(tmp_path, seed=None)
    keras.utils.set_random_seed(2)
    model = build(seed=None)
    run(model, [ResumeTraining(tmp_path)])
    assert same(model, expected)


def test_kills_one_after_the_other(whole, tmp_path):
    expected, _ = whole["CVAE"]
    for epoch in (0, 1, 1, 2):
        killed(tmp_path, epoch=epoch)
    model, resume = build(), ResumeTraining(tmp_path)
    run(model, [resume])
    assert equal(state(model), expected)
    assert len(resume.history) == 3


def test_finished_training_is_not_done_again(whole, tmp_path):
    expected, _ = whole["CVAE"]
    run(build(), [ResumeTraining(tmp_path)])
    model, resume = build(), ResumeTraining(tmp_path)
    assert run(model, [resume]).epoch == []
    assert equal(state(model), expected)
    assert len(resume.history) == 3
    # The model can be trained on afterwards, with or without the callback.
    assert run(model, epochs=1).epoch == [0]


def test_more_epochs_go_on_from_the_end(whole, tmp_path):
    run(build(), [ResumeTraining(tmp_path)], epochs=2)
    model = build()
    assert run(model, [ResumeTraining(tmp_path)], epochs=3).epoch == [2]
    assert equal(state(model), whole["CVAE"][0])


def test_the_same_callback_twice(whole, tmp_path):
    model, resume = build(), ResumeTraining(tmp_path)
    run(model, [resume], epochs=1)
    run(model, [resume], epochs=3)
    assert equal(state(model), whole["CVAE"][0])
    assert len(resume.history) == 3


def test_one_checkpoint_at_a_time_and_its_files(tmp_path):
    run(build(), [ResumeTraining(tmp_path / "new" / "folder")])
    names = sorted(path.name for path in (tmp_path / "new" / "folder").iterdir())
    assert names == ["epoch-3.json", "epoch-3.weights.h5"]
    assert len(json.loads((tmp_path / "new/folder/epoch-3.json").read_text())) == 3


def test_partial_files_are_passed_over(whole, tmp_path):
    killed(tmp_path)
    # What a kill between and within the writes leaves behind.
    (tmp_path / "epoch-2.json").write_text("[{}, {}]")
    (tmp_path / "partial.weights.h5").write_bytes(b"half a file")
    (tmp_path / "partial.json").write_text('[{"loss": ')
    model = build()
    run(model, [ResumeTraining(tmp_path)])
    assert equal(state(model), whole["CVAE"][0])


def half_a_file(path, **_):
    path.write_bytes(b"half")
    raise Killed


def only_logs_are_moved(partial, final):
    if final.suffix == ".h5":
        raise Killed
    partial.rename(final)


@pytest.mark.parametrize("point", ["while weights are written", "before they are moved"])
def test_a_kill_while_a_checkpoint_is_written(whole, tmp_path, monkeypatch, point):
    """At any point of writing, what is there is the checkpoint before."""
    killed(tmp_path)
    model = build()
    if point.startswith("while"):
        monkeypatch.setattr(model, "save_weights", half_a_file)
    else:
        monkeypatch.setattr(resume_training, "_move_into_place", only_logs_are_moved)
    with pytest.raises(Killed):
        run(model, [ResumeTraining(tmp_path)])
    monkeypatch.undo()
    model = build()
    run(model, [ResumeTraining(tmp_path)])
    assert equal(state(model), whole["CVAE"][0])


FOREIGN = [
    "notes.txt", "model.keras", "epoch-notes.json", "epoch-best.h5", "epoch-1.txt",
    "epoch-final.weights.h5", "my-epoch-1.json", "epoch-1.weights.h5.bak", "epoch-x.json",
]  # fmt: skip


def test_foreign_files_stay(tmp_path):
    for name in FOREIGN:
        (tmp_path / name).write_text("mine")
    (tmp_path / "epoch-1").mkdir()
    killed(tmp_path)
    run(build(), [ResumeTraining(tmp_path)])
    assert [(tmp_path / name).read_text() for name in FOREIGN] == ["mine"] * len(FOREIGN)
    assert (tmp_path / "epoch-1").is_dir()


def test_seconds_between_checkpoints(whole, tmp_path):
    killed(tmp_path, epoch=2, seconds=3600)
    assert not list(tmp_path.iterdir())
    model = build()
    run(model, [ResumeTraining(tmp_path, seconds=3600)])
    assert sorted(path.name for path in tmp_path.glob("*.h5")) == ["epoch-3.weights.h5"]
    assert equal(state(model), whole["CVAE"][0])


def test_early_stopping_is_kept(tmp_path):
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=1e6)
    resume = ResumeTraining(tmp_path)
    run(build(), [resume, stop], epochs=5)
    assert len(resume.history) == 2
    assert (tmp_path / "epoch-2.weights.h5").is_file()


def test_training_that_began_at_a_later_epoch(tmp_path):
    model = build()
    for seconds, folder in ((0, tmp_path / "often"), (1000, tmp_path / "once")):
        resume = ResumeTraining(folder, seconds=seconds)
        model.fit(X, Y, initial_epoch=2, epochs=4, verbose=0, callbacks=[resume])
        assert sorted(p.name for p in folder.iterdir()) == ["epoch-4.json", "epoch-4.weights.h5"]
        again = ResumeTraining(folder)
        history = model.fit(X, Y, epochs=5, verbose=0, callbacks=[again])
        assert history.epoch == [4]
        assert len(again.history) == 3

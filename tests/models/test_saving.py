"""What a file keeps beyond what the harness asks of every model."""

import json
import zipfile

import keras
import numpy as np
import pytest

from harness import MODELS, fit


@pytest.mark.parametrize("name", MODELS)
def test_what_is_left_to_the_backend_stays_so_in_the_file(build, name, tmp_path):
    """What "auto" comes to on one backend must not be forced upon another."""
    model = build(name, compiled=False, **MODELS[name].rich)
    for given, jit in ({}, "auto"), ({"jit_compile": False, "auto_scale_loss": False}, False):
        model.compile(**given)
        model.save(tmp_path / "m.keras")
        with zipfile.ZipFile(tmp_path / "m.keras") as file:
            config = json.loads(file.read("config.json"))["compile_config"]
        assert config["jit_compile"] == jit
        assert config["auto_scale_loss"] is not bool(given)


def test_a_model_without_a_seed_keeps_its_random_states(build, same, tmp_path):
    model = build("VAEGAN", seed=None)
    model.save(tmp_path / "m.keras")
    assert same(keras.saving.load_model(tmp_path / "m.keras"), model)


def test_a_model_without_a_seed_keeps_its_data_order(build, same, x, tmp_path):
    model = build("CVAE", seed=None)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    for trained in (model, loaded):
        trained.fit(x, batch_size=4, epochs=2, verbose=0)
    assert same(loaded, model)


def test_numpy_integers_as_arguments(build, tmp_path):
    model = build("CVAE", compiled=False, num_classes=np.int64(3), latent_dim=np.int32(3))
    model.save(tmp_path / "m.keras")
    assert keras.saving.load_model(tmp_path / "m.keras").num_classes == 3


def test_half_precision_trains_on_alike(build, load, same, tmp_path):
    model, whole = (build("CVAE", dtype="mixed_bfloat16") for _ in range(2))
    fit(model)
    model.save(tmp_path / "m.keras")
    loaded = load(tmp_path / "m.keras")
    fit(loaded, initial_epoch=1, epochs=2)
    fit(whole, epochs=2)
    assert same(loaded, whole)


def test_optimizers_by_name_and_schedules_survive(build, same, x, y, tmp_path):
    model = build("VAEGAN", compiled=False)
    schedule = keras.optimizers.schedules.ExponentialDecay(1e-3, 2, 0.5)
    model.compile(
        {
            "encoder": keras.optimizers.RMSprop(schedule),
            "decoder": keras.optimizers.AdamW(1e-3, weight_decay=0.1),
            "discriminator": keras.optimizers.SGD(0.1, momentum=0.9),
        },
        run_eagerly=True,
    )
    fit(model, x, y)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    kinds = {
        name: type(optimizer).__name__ for name, optimizer in loaded.optimizer.by_network.items()
    }
    assert kinds == {"encoder": "RMSprop", "decoder": "AdamW", "discriminator": "SGD"}
    for name, optimizer in loaded.optimizer.by_network.items():
        assert optimizer.get_config() == model.optimizer.by_network[name].get_config()
        assert int(optimizer.iterations) == 2
    fit(loaded, x, y)
    fit(model, x, y)
    assert same(loaded, model)


def test_classifiers_optimizer_and_metrics_survive(build, x, y, tmp_path):
    model = build("Classifier", compiled=False)
    model.compile(keras.optimizers.AdamW(1e-2), metrics=["accuracy"], run_eagerly=True)
    fit(model, x, y)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert type(loaded.optimizer).__name__ == "AdamW"
    assert loaded.evaluate(x, y, verbose=0, return_dict=True) == pytest.approx(
        model.evaluate(x, y, verbose=0, return_dict=True)
    )

"""A saved model is the model: outputs, slots, random states, and the steps it takes next."""

import json
import zipfile

import keras
import numpy as np
import pytest

import keras_medaug as kma

CASES = {
    "CVAE": {},
    "DCGAN": {"num_classes": 2},
    "VAEGAN": {"gate": kma.players.Gate(0.6, 0.05)},
    "Classifier": {"dropout": 0.5},
}


def fit(model, x, y, **arguments):
    y = y if model.num_classes else None
    model.fit(x, y, batch_size=4, verbose=0, **arguments)


def outputs(model, x, y):
    name = type(model).__name__
    if name == "Classifier":
        return model.predict(x, verbose=0)
    labels = y if model.num_classes else None
    return model.generate(len(y), labels, seed=0)


@pytest.fixture(scope="module", params=CASES)
def trained(request, build, tmp_path_factory):
    """Return a name, a trained model and its file."""
    x = np.random.default_rng(0).random((8, 8, 8, 1), dtype="float32")
    y = np.arange(8, dtype="int32") % 2
    model = build(request.param, **CASES[request.param])
    fit(model, x, y)
    path = tmp_path_factory.mktemp("saved") / "m.keras"
    model.save(path)
    return request.param, model, path


def test_loaded_is_equal_and_trains_on_alike(trained, build, load, same, x, y):
    name, model, path = trained
    loaded = load(path)
    assert type(loaded) is type(model)
    assert same(loaded, model)
    np.testing.assert_array_equal(outputs(loaded, x, y), outputs(model, x, y))
    uninterrupted = build(name, **CASES[name])
    fit(uninterrupted, x, y, epochs=2)
    fit(loaded, x, y, initial_epoch=1, epochs=2)
    assert same(loaded, uninterrupted)
    players = getattr(loaded, "players", {})
    for player in players if name != "VAEGAN" else []:
        assert int(loaded.optimizer.by_network[player].iterations) == 4


def test_weights_alone_resume_too(trained, build, same, tmp_path):
    name, model, _ = trained
    model.save_weights(tmp_path / "m.weights.h5")
    fresh = build(name, seed=9, **CASES[name])
    fresh.optimizer.build(fresh.trainable_variables)
    assert not same(fresh, model)
    fresh.load_weights(tmp_path / "m.weights.h5")
    assert same(fresh, model)


def test_the_configuration_goes_through_json(trained):
    _, model, _ = trained
    config = json.loads(json.dumps(model.get_config()))
    twin = type(model).from_config(config)
    assert json.loads(json.dumps(twin.get_config())) == config
    assert getattr(twin, "gate", None) == getattr(model, "gate", None)


def test_the_file_names_nothing_of_a_backend(trained):
    _, _, path = trained
    with zipfile.ZipFile(path) as file:
        config = json.loads(file.read("config.json"))
    for name in ("torch", "jax", "tensorflow"):
        assert name not in json.dumps(config), name
    optimizer = config["compile_config"]["optimizer"]
    chosen = list(optimizer.values()) if "class_name" not in optimizer else [optimizer]
    assert {each["module"] for each in chosen} == {"keras.optimizers"}
    assert {each["class_name"] for each in chosen} == {"Adam"}


@pytest.mark.parametrize("name", CASES)
def test_what_is_left_to_the_backend_stays_so_in_the_file(build, name, tmp_path):
    """What "auto" comes to on one backend must not be forced upon another."""
    model = build(name, compiled=False, **CASES[name])
    for given, jit in ({}, "auto"), ({"jit_compile": False, "auto_scale_loss": False}, False):
        model.compile(**given)
        model.save(tmp_path / "m.keras")
        with zipfile.ZipFile(tmp_path / "m.keras") as file:
            config = json.loads(file.read("config.json"))["compile_config"]
        assert config["jit_compile"] == jit
        assert config["auto_scale_loss"] is not bool(given)


@pytest.mark.parametrize("name", CASES)
def test_all_arguments_survive(name, tmp_path):
    arguments = {
        "CVAE": {
            "likelihood": "gaussian", "pixel_scale": 0.2, "beta": 0.5, "kl_estimator": "sample",
            "encoder_filters": 2, "decoder_filters": 3, "batch_normalization": False,
            "encoder_kernel_size": 5, "decoder_kernel_size": 2,
        },
        "DCGAN": {
            "adversarial": "minimax", "generator_filters": 2, "discriminator_filters": 3,
            "dropout": 0.1, "batch_normalization": False, "num_classes": 3,
            "generator_kernel_size": 5, "discriminator_kernel_size": 2, "ema_momentum": 0.5,
        },
        "VAEGAN": {
            "gamma": 0.2, "gamma_reduction": "sum", "beta": 0.5, "adversarial": "minimax",
            "gate": kma.players.Gate(0.5, 0.1), "encoder_filters": 2, "decoder_filters": 3,
            "discriminator_filters": 4, "dropout": 0.1, "batch_normalization": False,
            "encoder_kernel_size": 5, "decoder_kernel_size": 2, "discriminator_kernel_size": 6,
            "feature_block": 1, "ema_momentum": None,
        },
        "Classifier": {"dropout": 0.1, "filters": 3, "num_classes": 3, "kernel_size": 5},
    }[name]  # fmt: skip
    if name != "Classifier":
        arguments["latent_dim"] = 5
    model = getattr(kma.models, name)((9, 10, 3), seed=4, name="mine", **arguments)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert (loaded.image_shape, loaded.seed, loaded.name) == ((9, 10, 3), 4, "mine")
    for argument, value in arguments.items():
        assert getattr(loaded, argument) == value, argument
    assert [v.shape for v in loaded.weights] == [v.shape for v in model.weights]
    for a, b in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_model_without_a_seed_keeps_its_random_states(build, same, tmp_path):
    model = build("VAEGAN", seed=None)
    model.save(tmp_path / "m.keras")
    assert same(keras.saving.load_model(tmp_path / "m.keras"), model)


def test_a_model_without_a_seed_keeps_its_data_order(build, same, x, tmp_path):
    model = build("CVAE", seed=None)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    for each in (model, loaded):
        each.fit(x, batch_size=4, epochs=2, verbose=0)
    assert same(loaded, model)


def test_numpy_integers_as_arguments(build, tmp_path):
    model = build("CVAE", compiled=False, num_classes=np.int64(3), latent_dim=np.int32(3))
    model.save(tmp_path / "m.keras")
    assert keras.saving.load_model(tmp_path / "m.keras").num_classes == 3


def test_mixed_precision(build, load, same, x, y, tmp_path):
    model, whole = (build("CVAE", dtype="mixed_bfloat16") for _ in range(2))
    fit(model, x, y)
    model.save(tmp_path / "m.keras")
    loaded = load(tmp_path / "m.keras")
    assert loaded.dtype_policy.name == "mixed_bfloat16"
    assert same(loaded, model)
    np.testing.assert_array_equal(outputs(loaded, x, y), outputs(model, x, y))
    fit(loaded, x, y, initial_epoch=1, epochs=2)
    fit(whole, x, y, epochs=2)
    assert same(loaded, whole)


@pytest.mark.parametrize("name", CASES)
def test_loss_scaling_survives(build, same, tmp_path, name):
    model = build(name, dtype="mixed_float16", **CASES[name])
    model.optimizer.dynamic_scale.assign(64.0)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert type(loaded.optimizer).__name__ == "LossScaleOptimizer"
    assert float(loaded.optimizer.dynamic_scale) == 64.0
    assert same(loaded, model)


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
    kinds = {name: type(each).__name__ for name, each in loaded.optimizer.by_network.items()}
    assert kinds == {"encoder": "RMSprop", "decoder": "AdamW", "discriminator": "SGD"}
    for name, each in loaded.optimizer.by_network.items():
        assert each.get_config() == model.optimizer.by_network[name].get_config()
        assert int(each.iterations) == 2
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

"""The gate: who trains when, and that what it logs and does is the same thing."""

import json

import keras
import numpy as np
import pytest

import keras_medaug as kma
from keras_medaug.models import vaegan
from keras_medaug.networks import Gate
from keras_medaug.networks.gate import gated

# Equilibrium 0.68, margin 0.35: the discriminator is winning below 0.33, losing above 1.03.
TABLE = {
    # (real, fake): (discriminator trains, decoder trains)
    (0.68, 0.68): (1, 1),
    (0.34, 1.02): (1, 1),
    (0.32, 0.68): (0, 1),
    (0.68, 0.32): (0, 1),
    (0.10, 0.20): (0, 1),
    (1.04, 0.68): (1, 0),
    (0.68, 1.04): (1, 0),
    (1.50, 2.00): (1, 0),
    (0.32, 1.04): (1, 1),  # both would skip, so neither does
    (1.04, 0.32): (1, 1),
}


@pytest.mark.parametrize("losses", TABLE)
def test_who_trains(losses):
    assert tuple(float(trains) for trains in Gate(0.68, 0.35)(*losses)) == TABLE[losses]


def test_no_margin():
    assert [float(trains) for trains in Gate(0.5, 0)(0.5, 0.5)] == [1, 1]
    assert [float(trains) for trains in Gate(0.5, 0)(0.5, 0.6)] == [1, 0]


@pytest.mark.parametrize(
    "arguments", [(0,), (-1,), (np.nan,), (0.68, -0.1), ("0.68",), (0.68, None)]
)
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match=r"`(equilibrium|margin)`: got .*; expected a number"):
        Gate(*arguments)


def test_config():
    gate = Gate(0.6, 0.1)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(gate)))
    assert keras.saving.deserialize_keras_object(config) == gate
    assert gate != Gate()


@pytest.mark.parametrize("trains", [0.0, 1.0])
def test_a_gated_loss_keeps_its_value_and_weighs_its_gradient(gradients, value, trains):
    x = keras.Variable(3.0)
    assert value(lambda: gated(keras.ops.square(x.value), trains)) == 9
    slopes = gradients(lambda: gated(keras.ops.square(x.value), trains), [x])
    assert float(slopes[0]) == 6 * trains


@pytest.mark.parametrize("gate", [0.68, "on", (0.68, 0.35), Gate])
def test_a_model_takes_a_gate_or_none(gate):
    with pytest.raises(ValueError, match=r"`gate`: got .*; expected None or a"):
        kma.models.VAEGAN((8, 8, 1), gate=gate)


def optimizers(model):
    """Return each network's own optimizer, from within loss scaling, too."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer).by_network


def variables_of(model, name):
    """Return copies of a network's weights and of all its optimizer holds."""
    held = [*model.networks[name].trainable_variables, *optimizers(model)[name].variables]
    return [np.array(keras.ops.convert_to_numpy(variable.value)) for variable in held]


# With an equilibrium of 50 both cross-entropies are below the band: the discriminator is "winning";
# with one of 1e-3 both are above it, and the decoder waits.
@pytest.mark.parametrize(
    ("equilibrium", "waits", "accumulate", "policy", "eagerly"),
    [
        (50.0, "discriminator", None, "float32", True),
        (1e-3, "decoder", 2, "float32", False),
        (50.0, "discriminator", 2, "mixed_float16", True),
        (1e-3, "decoder", None, "mixed_float16", False),
    ],
)
def test_a_closed_gate_leaves_weights_and_slots_as_they_were(
    build, batch, equilibrium, waits, accumulate, policy, eagerly
):
    """With Adam, with accumulated gradients, with loss scaling; compiled and not."""
    x, _ = batch
    model = build("VAEGAN", gate=Gate(equilibrium, 0.0), dtype=policy)
    optimizer = keras.optimizers.Adam(1e-2, gradient_accumulation_steps=accumulate)
    model.compile(optimizer, run_eagerly=eagerly)
    scaling = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaling == (policy == "mixed_float16")
    if scaling:
        model.optimizer.dynamic_scale.assign(256.0)  # from which no step of so few overflows
    # Momentum to go on moving by, had the step been taken with a gradient of zero.
    optimizer = optimizers(model)[waits]
    for variable in optimizer.variables:
        if "momentum" in variable.path or "velocity" in variable.path:
            variable.assign(0.1 * np.ones(variable.shape, "float32"))
    before = {name: variables_of(model, name) for name in model.networks}
    statistics = [v for v in model.networks[waits].non_trainable_variables if "moving" in v.path]
    followed = [np.array(keras.ops.convert_to_numpy(v.value)) for v in statistics]
    history = model.fit(x, batch_size=4, epochs=2, verbose=0).history
    for name, held in before.items():
        moved = [
            not np.array_equal(a, b) for a, b in zip(held, variables_of(model, name), strict=True)
        ]
        if name == waits:
            assert not any(moved)
            assert int(optimizer.iterations) == 0
        else:
            assert sum(moved) > len(model.networks[name].trainable_variables) / 2
            assert int(optimizers(model)[name].iterations) == 2 // (accumulate or 1)
    assert statistics
    for old, variable in zip(followed, statistics, strict=True):
        assert not np.array_equal(old, keras.ops.convert_to_numpy(variable.value))
    trains = {"discriminator": 1.0, "decoder": 1.0, waits: 0.0}
    for name, share in trains.items():
        assert history[f"{name}_trains"] == [share] * 2


def test_the_losses_are_logged_whether_the_gate_is_open_or_not(build, batch):
    x, _ = batch
    results = []
    for gate in (None, Gate(1e-3, 0.0)):
        model = build("VAEGAN", gate=gate)
        model.compile(run_eagerly=True)
        results.append(model.train_on_batch(x, return_dict=True))
    for name, expected in results[0].items():
        np.testing.assert_allclose(results[1][name], expected, rtol=1e-5)
    assert "decoder_trains" not in results[0]


def test_an_undecided_discriminator_of_a_vaegan_trains_and_so_does_the_decoder():
    # It sees two generated images for each real one: undecided, it says "real" one time in three.
    logits = np.full((4, 1), -np.log(2), "float32")
    real, fake = vaegan._balanced_cross_entropies(logits, [logits, logits])
    assert [float(real), float(fake)] == pytest.approx([np.log(2)] * 2, abs=1e-6)
    assert [float(trains) for trains in Gate()(real, fake)] == [1, 1]

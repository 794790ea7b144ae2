"""No objective reaches a network that is not its own, seen by changing what it depends on."""

import keras
import numpy as np
import pytest

from gradient_oracle.cases import CASES, gradients_in_fit, rewind

CASE = CASES["VAEGAN"]


def received(model):
    return gradients_in_fit(CASE, model, eagerly=True)


def changed(one, other):
    """Say of each network whether any of its gradients differs."""
    return {
        name: not all(np.array_equal(a, b) for a, b in zip(one[name], other[name], strict=True))
        for name in one
    }


def head(model):
    return model.discriminator.get_layer("score")


def test_the_adversarial_term_does_not_reach_the_encoder():
    """With another answer from the discriminator, but the same features, all else changes."""
    model = CASE.model(dropout=0.0)
    before = received(model)
    rewind(model)
    head(model).kernel.assign(-3.0 * head(model).kernel.value)
    assert changed(before, received(model)) == {
        "encoder": False,
        "decoder": True,
        "discriminator": True,
    }


def test_the_similarity_does_not_reach_the_discriminator():
    """Its head cut off, the discriminator has no gradient but that head's; the others have."""
    model = CASE.model(dropout=0.0)
    head(model).kernel.assign(0.0 * head(model).kernel.value)
    handed = received(model)
    weights = model.discriminator.trainable_variables
    own = {id(v) for v in head(model).trainable_variables}
    reached = [id(v) in own for v in weights]
    assert [bool(gradient.any()) for gradient in handed["discriminator"]] == reached
    assert all(gradient.any() for name in ("encoder", "decoder") for gradient in handed[name])


def test_the_decoders_objective_does_not_reach_the_encoder():
    """Neither its weight of the similarity nor its images from the prior change the encoder's."""
    one, other = CASE.model(gamma=0.1), CASE.model(gamma=100.0)
    assert changed(received(one), received(other)) == {
        "encoder": False,
        "decoder": True,
        "discriminator": False,
    }


def test_the_divergence_reaches_the_encoder_alone():
    one, other = CASE.model(beta=0.0), CASE.model(beta=2.0)
    assert changed(received(one), received(other)) == {
        "encoder": True,
        "decoder": False,
        "discriminator": False,
    }


@pytest.mark.parametrize("name", ["DCGAN", "VAEGAN"])
def test_only_live_passes_leave_a_trace(name):
    """Every live pass moves the random state; that of real images alone moves the statistics.

    A live pass is on real images, and on each kind of generated ones. Under statistics of constant
    images, a running variance shrinks by its momentum at each pass that moves it.
    """
    case = CASES[name]
    x, _ = case.batch()
    model, twin = case.model(dropout=0.25), case.model(dropout=0.25)
    live = 3 if name == "VAEGAN" else 2
    for _ in range(live):
        twin.discriminator(x, training=True)
    block = model.discriminator.get_layer("block_1")
    block.convolution.kernel.assign(np.zeros(block.convolution.kernel.shape))
    gradients_in_fit(case, model, eagerly=True)
    variance = keras.ops.convert_to_numpy(block.normalization.moving_variance.value)
    np.testing.assert_allclose(variance, 0.9, rtol=1e-5)
    states = [
        [v for v in copy.discriminator.non_trainable_variables if "seed" in v.path]
        for copy in (model, twin)
    ]
    assert states[0]
    for state, expected in zip(*states, strict=True):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(state.value), keras.ops.convert_to_numpy(expected.value)
        )

"""A network trained alone, in `fit`, goes where its objective says; and that is what is logged."""

import keras
import numpy as np
import pytest

from gradient_oracle.cases import CASES, COUNT, noise_for, objectives

FEW = ["DCGAN", "VAEGAN", "VAEGAN, minimax, mean, accumulating"]


def train_alone(case, model, network, rate):
    """Train one network by plain gradient descent, the others at a rate of 0."""
    rates = dict.fromkeys(model.networks, 0.0) | {network: rate}
    model.compile(
        {name: keras.optimizers.SGD(own_rate) for name, own_rate in rates.items()}, run_eagerly=True
    )
    x, y = case.batch()
    with noise_for(case, model).injected():
        model.fit(x, y, batch_size=COUNT, shuffle=False, verbose=0)


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("DCGAN", "generator"),
        ("DCGAN", "discriminator"),
        ("DCGAN, minimax, accumulating", "generator"),
        ("VAEGAN", "encoder"),
        ("VAEGAN", "decoder"),
        ("VAEGAN", "discriminator"),
        ("VAEGAN, minimax, mean, accumulating", "decoder"),
    ],
)
def test_a_network_that_trains_alone_gets_nearer_to_its_aim(name, network):
    case = CASES[name]
    model = case.model()
    witness = objectives(case, model)
    before, score = witness.value(network), witness.value("score")
    train_alone(case, model, network, rate=1e-2)
    assert witness.value(network) < before
    if network in {"generator", "decoder"}:  # its images are taken for real more readily
        assert witness.value("score") > score
    elif network == "encoder":  # which the discriminator's score does not depend on
        assert witness.value("score") == score


@pytest.mark.parametrize("name", FEW)
def test_the_logged_losses_are_the_objectives(name):
    case = CASES[name]
    model = case.model()
    witness = objectives(case, model)
    expected = {f"{network}_loss": witness.value(network) for network in model.networks}
    model.compile(run_eagerly=True)
    x, y = case.batch()
    with noise_for(case, model).injected():
        logs = model.train_on_batch(x, y, return_dict=True)
    for key, number in expected.items():
        assert logs[key] == pytest.approx(number, rel=1e-4), key
    assert logs["loss"] == pytest.approx(np.sum(list(expected.values())), rel=1e-4)

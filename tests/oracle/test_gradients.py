"""What the optimizers are handed in `fit` is the gradient of each network's own objective."""

import pytest

from gradient_oracle.agreement import cosine, relative_error
from gradient_oracle.cases import CASES, gradients_in_fit, intended_gradients

LARGEST_ERROR = 1e-5


@pytest.mark.parametrize("name", CASES)
def test_every_network_receives_the_gradient_of_its_own_objective(name, record_property):
    case = CASES[name]
    handed, intended = gradients_in_fit(case), intended_gradients(case)
    assert handed.keys() == intended.keys()
    for network, expected in intended.items():
        assert all(gradient.any() for gradient in expected) is (network != case.waits)
        assert len(handed[network]) == len(expected)
        error = relative_error(handed[network], expected)
        record_property("oracle", (case.name, error))
        assert error < LARGEST_ERROR, f"{network}: {error:.1e}"


@pytest.mark.parametrize("name", ["CVAE", "DCGAN", "VAEGAN"])
def test_the_oracle_tells_a_wrong_gradient(name):
    """One weight's gradient off by a thousandth, and one network's of the other sign."""
    case = CASES[name]
    intended = intended_gradients(case)
    for network, expected in intended.items():
        off = [1.001 * gradient if k == 1 else gradient for k, gradient in enumerate(expected)]
        assert relative_error(off, expected) > LARGEST_ERROR, network
        assert cosine([-gradient for gradient in expected], expected) == pytest.approx(-1)
        assert relative_error(expected, expected) == 0

"""Sets of features, and other libraries' functions on them."""

from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest

from helpers.needs import needs


@pytest.fixture(scope="session")
def reference():
    """The distances of clean-fid and torch-fidelity, on features."""
    torch = needs("torch")
    # torchvision, which both import and the distances do not need, registers operators that its
    # build lacks where it was made for another build of torch.
    with mock.patch.object(torch.library, "register_fake", return_value=lambda function: function):
        needs("torchvision")
    kernel_distance = needs("cleanfid.fid").kernel_distance
    metric_fid = needs("torch_fidelity.metric_fid")
    kernel_mmd = needs("torch_fidelity.metric_kid").kernel_mmd

    def frechet(real, synthetic):
        statistics = [
            metric_fid.fid_features_to_statistics(torch.tensor(x)) for x in (real, synthetic)
        ]
        return metric_fid.fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]

    def kernel(real, synthetic):
        return kernel_distance(synthetic, real, num_subsets=1, max_subset_size=len(real))

    return SimpleNamespace(frechet=frechet, kernel=kernel, kernel_of_equal_sets=kernel_mmd)


@pytest.fixture(params=[(300, 300, 8, 0.0), (60, 200, 3, 5.0), (150, 80, 20, -2.0)], ids=str)
def features(request):
    """Two sets, correlated and of different spread, apart by a shift and far from 0."""
    n, m, d, centre = request.param
    rng = np.random.default_rng(n)
    real, synthetic = (rng.normal(size=(k, d)) @ rng.normal(size=(d, d)) for k in (n, m))
    return real + centre, 0.8 * synthetic + centre + 0.3


@pytest.fixture
def official(medmnist_file):
    """Return a function from a set's name to its splits, read without the package."""

    def read(name):
        with np.load(medmnist_file(name), allow_pickle=False) as file:
            return {
                split: (
                    file[f"{split}_images"][..., None],
                    file[f"{split}_labels"][:, 0].astype(int),
                )
                for split in ("train", "val", "test")
            }

    return read

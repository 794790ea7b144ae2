"""Distances of two sets of features, against other libraries' and against their own promises."""

import numpy as np
import pytest
from scipy import linalg, stats

import keras_medaug as kma
from keras_medaug.metrics import frechet as frechet_module
from keras_medaug.metrics import kernel as kernel_module

pytestmark = pytest.mark.backend_free

frechet_distance = kma.metrics.frechet_distance
kernel_distance = kma.metrics.kernel_distance


def normal(count, size, seed, shift=0.0, scale=1.0):
    return np.random.default_rng(seed).normal(shift, scale, size=(count, size))


def scaled(real, *others):
    """Return sets over the root mean square of the real one's values."""
    return [x / np.sqrt(np.mean(real**2)) for x in (real, *others)]


def kernel(x, y):
    return (x @ y.T / x.shape[1] + 1) ** 3


def discrepancy(x, y):
    """Return the unbiased squared discrepancy as its definition has it."""
    n, m = len(x), len(y)
    within, other = kernel(x, x), kernel(y, y)
    return (
        (within.sum() - np.trace(within)) / (n * (n - 1))
        + (other.sum() - np.trace(other)) / (m * (m - 1))
        - 2 * kernel(x, y).mean()
    )


# ---- against others -------------------------------------------------------------------------


def test_frechet_is_that_of_torch_fidelity(features, reference):
    distance = frechet_distance(*features, components=features[0].shape[1])["value"]
    assert distance == pytest.approx(reference.frechet(*features), abs=1e-4, rel=1e-6)


def test_frechet_is_its_formula(features):
    real, synthetic = features
    covariances = [np.cov(x, rowvar=False) for x in features]
    root = np.real(linalg.sqrtm(covariances[0] @ covariances[1]))
    expected = np.sum((real.mean(0) - synthetic.mean(0)) ** 2)
    expected += np.trace(covariances[0] + covariances[1] - 2 * root)
    distance = frechet_distance(real, synthetic, components=real.shape[1])["value"]
    assert distance == pytest.approx(expected, abs=1e-4, rel=1e-6)


def test_kernel_is_that_of_clean_fid_and_torch_fidelity(features, reference):
    count = min(map(len, features))
    equal = [x[:count] for x in features]
    distance = kernel_distance(*equal, scaled=False)["value"]
    assert distance == pytest.approx(reference.kernel(*equal), abs=1e-4, rel=1e-6)
    assert distance == pytest.approx(reference.kernel_of_equal_sets(*equal), abs=1e-4, rel=1e-6)


def test_kernel_is_its_definition(features):
    expected = discrepancy(*scaled(*features))
    assert kernel_distance(*features)["value"] == pytest.approx(expected, rel=1e-8)
    distance = kernel_distance(*features, scaled=False)["value"]
    assert distance == pytest.approx(discrepancy(*features), rel=1e-8)


@pytest.mark.parametrize("kept", [0, 2**26])  # moments that are computed twice, or once
def test_sums_by_moments_are_those_of_all_pairs(features, kept, monkeypatch):
    monkeypatch.setattr(kernel_module, "ROWS", 7)  # parts that do not fit
    monkeypatch.setattr(kernel_module, "KEPT", kept)
    parts = [np.array_split(x, 4) for x in features]
    for ours, other in zip(
        kernel_module._by_moments(*parts), kernel_module._by_pairs(*parts), strict=True
    ):
        assert ours.shape == (5, 4)
        np.testing.assert_allclose(ours, other, rtol=1e-10)


@pytest.mark.parametrize("as_scaled", [True, False])
def test_the_interval_is_that_of_leaving_out_blocks(features, as_scaled):
    """From the definition, with the blocks that the seed deals; the scale is left out as well."""
    x, y = features
    rng = np.random.default_rng(3)
    blocks = [np.array_split(rng.permutation(len(rows)), 5) for rows in (x, y)]
    pairs = [
        (np.delete(x, a, axis=0), np.delete(y, b, axis=0)) for a, b in zip(*blocks, strict=True)
    ]
    without = np.array([discrepancy(*(scaled(*pair) if as_scaled else pair)) for pair in pairs])
    error = np.sqrt(4 / 5 * np.sum((without - without.mean()) ** 2))
    distance = kernel_distance(x, y, blocks=5, seed=3, scaled=as_scaled)
    expected = distance["value"] + stats.t.ppf(0.975, 4) * error * np.array([-1, 1])
    np.testing.assert_allclose(distance["ci95"], expected, rtol=1e-3)


# ---- what they promise ----------------------------------------------------------------------


def test_frechet_of_known_distributions():
    """Of N(0, I) and N(a, 4 I) in d dimensions: |a|^2 + d."""
    distance = frechet_distance(normal(40000, 3, 0), normal(40000, 3, 1, shift=2.0, scale=2.0))
    assert distance["value"] == pytest.approx(3 * 4 + 3, rel=0.02)
    assert distance["ci95"][0] < 15 < distance["ci95"][1]


def test_frechet_of_a_set_with_itself_is_zero():
    x = normal(50, 6, 0)
    assert frechet_distance(x, x)["value"] == pytest.approx(0, abs=1e-9)


def test_frechet_with_fewer_images_than_dimensions():
    """Covariances are singular then; the value is finite, and that of the formula."""
    x, y = normal(20, 40, 0), normal(15, 40, 1)
    distance = frechet_distance(x, y, components=40)
    eigenvalues = np.linalg.eigvals(np.cov(x, rowvar=False) @ np.cov(y, rowvar=False))
    roots = np.sqrt(eigenvalues.astype(complex)).real.sum()
    expected = np.sum((x.mean(0) - y.mean(0)) ** 2) + x.var(0, ddof=1).sum()
    expected += y.var(0, ddof=1).sum() - 2 * roots
    assert distance["value"] == pytest.approx(expected, abs=1e-4)
    assert np.isfinite(distance["bias"])


@pytest.mark.parametrize(
    ("count", "size", "expected"), [(1000, 100, 100), (999, 100, 32), (50, 10, 10), (100, 10, 10)]
)
def test_features_are_reduced_where_images_are_few(count, size, expected):
    distance = frechet_distance(normal(count, size, 0), normal(1000, size, 1), resamples=2)
    assert distance["components"] == expected


def test_reduction_keeps_the_widest_directions():
    """A shift along the widest is seen, one along the narrowest is not."""
    scales = np.array([10.0, 5.0, 0.1])
    x, y = normal(400, 3, 0) * scales, normal(400, 3, 1) * scales
    none, wide, narrow = (
        frechet_distance(x, y + np.array(shift), components=2)["value"]
        for shift in ([0, 0, 0], [30, 0, 0], [0, 0, 30])
    )
    assert wide - none == pytest.approx(900, rel=0.2)
    assert narrow == pytest.approx(none, abs=3)


def test_the_bias_of_frechet_is_what_equal_distributions_give():
    distances = [
        frechet_distance(normal(60, 5, seed), normal(90, 5, 1000 + seed), resamples=2, seed=seed)
        for seed in range(60)
    ]
    values, biases = ([distance[name] for distance in distances] for name in ("value", "bias"))
    assert np.mean(values) == pytest.approx(np.mean(biases), rel=0.1)
    assert np.mean(values) > 0.2


def test_the_bias_of_frechet_is_less_with_more_images():
    biases = [
        frechet_distance(normal(n, 5, 0), normal(n, 5, 1), resamples=2)["bias"]
        for n in (25, 100, 400)
    ]
    assert biases[0] > 2 * biases[1] > 4 * biases[2] > 0


def test_kernel_of_one_distribution_is_zero_on_average():
    values = [
        kernel_distance(normal(25, 4, seed), normal(40, 4, 1000 + seed))["value"]
        for seed in range(200)
    ]
    assert min(values) < 0 < max(values)
    assert stats.ttest_1samp(values, 0).pvalue > 0.01


@pytest.mark.parametrize("function", [frechet_distance, kernel_distance])
@pytest.mark.parametrize("count", [40, 700])  # the bootstrap draws images, or groups of them
def test_intervals_cover(function, count):
    """95 times of 100 the value that other images would give on average."""
    options = {"resamples": 60} if function is frechet_distance else {}
    distances = [
        function(normal(count, 3, s), normal(count, 3, 1000 + s, shift=0.4), **options)
        for s in range(150 if function is frechet_distance else 400)
    ]
    expected = np.mean([distance["value"] for distance in distances])
    inside = np.mean([d["ci95"][0] <= expected <= d["ci95"][1] for d in distances])
    assert 0.88 <= inside <= 1.0
    widths = np.mean([np.ptp(distance["ci95"]) for distance in distances])
    spread = 3.92 * np.std([distance["value"] for distance in distances])
    assert 0.8 < widths / spread < 1.6  # not by being needlessly wide


def test_the_interval_of_equal_kinds_holds_zero():
    """A little wider than need be, but not by more than is said."""
    distances = [kernel_distance(normal(200, 3, s), normal(200, 3, 1000 + s)) for s in range(200)]
    inside = np.mean([distance["ci95"][0] < 0 < distance["ci95"][1] for distance in distances])
    assert inside > 0.93
    widths = np.mean([np.ptp(distance["ci95"]) for distance in distances])
    assert 1 < widths / (2 * 2.262 * np.std([distance["value"] for distance in distances])) < 1.6


def test_groups_give_the_moments_of_all():
    x = normal(1234, 4, 0, shift=3.0)
    groups = frechet_module._GroupedMoments(x, np.random.default_rng(0))
    once = type("Once", (), {"multinomial": lambda *_: np.ones(len(groups.counts))})()
    mean, covariance = groups.resampled(once)
    np.testing.assert_allclose(mean, x.mean(0), rtol=1e-10)
    np.testing.assert_allclose(covariance, np.cov(x, rowvar=False), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("function", [frechet_distance, kernel_distance])
def test_a_seed_decides(function):
    pair = normal(64, 3, 0), normal(64, 3, 1)
    assert function(*pair, seed=1) == function(*pair, seed=1)
    assert function(*pair, seed=1)["ci95"] != function(*pair, seed=2)["ci95"]
    values = [function(*pair, seed=seed)["value"] for seed in (1, 2)]
    assert values[0] == pytest.approx(values[1], abs=1e-12)


@pytest.mark.parametrize("function", [frechet_distance, kernel_distance])
def test_distances_grow_with_noise(function):
    x = normal(300, 6, 0)
    noise = normal(300, 6, 1)
    values = [function(x, x + level * noise)["value"] for level in (0.2, 0.5, 1.0, 2.0)]
    assert values == sorted(values)


@pytest.mark.parametrize("function", [frechet_distance, kernel_distance])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.int64])
def test_types(function, kind):
    x, y = ((10 * normal(100, 4, seed)).astype(kind) for seed in (0, 1))
    expected = function(x.astype(float), y.astype(float))
    assert function(x, y) == expected


@pytest.mark.parametrize("scale", [1e-200, 1e-2, 0.1, 10.0, 1e3, 1e200])
@pytest.mark.parametrize("count", [30, 400])  # by pairs, and by moments
def test_kernel_does_not_depend_on_the_unit_of_the_features(count, scale):
    x, y = normal(count, 6, 0), normal(count, 6, 1, shift=0.3)
    expected, result = kernel_distance(x, y), kernel_distance(scale * x, scale * y)
    assert result["value"] == pytest.approx(expected["value"], rel=1e-9)
    assert result["ci95"] == pytest.approx(expected["ci95"], rel=1e-9)


def test_kernel_sees_half_the_spread_of_small_features():
    """A classifier's can be so small: a nearly linear kernel sees means alone."""
    x, y = 0.01 * normal(300, 8, 0), 0.01 * normal(300, 8, 1)
    same, narrow = kernel_distance(x, y), kernel_distance(x, y / 2)
    assert narrow["ci95"][0] > same["ci95"][1]
    assert narrow["value"] > 5 * np.ptp(same["ci95"]) / 2


@pytest.mark.parametrize("function", [frechet_distance, kernel_distance])
def test_blank_features(function):
    """Which have no scale: those of the other set give it."""
    blank, x = np.zeros((40, 3)), normal(40, 3, 0)
    assert function(blank, blank)["value"] == 0
    assert function(blank, blank)["ci95"] == [0, 0]
    assert function(blank, x)["ci95"][0] > 0
    assert function(x, blank)["ci95"][0] > 0
    assert function(blank + 3, blank + 3)["value"] == pytest.approx(0, abs=1e-12)
    if function is kernel_distance:
        assert function(blank, 1e3 * x)["value"] == pytest.approx(function(blank, x)["value"])


def test_features_that_are_blank_but_in_one_block():
    """Without it there is no scale; the interval is finite all the same."""
    x = np.zeros((20, 3))
    x[3] = 1.0
    assert np.isfinite(kernel_distance(x, normal(20, 3, 1))["ci95"]).all()


# ---- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("real", "synthetic", "message"),
    [
        (np.zeros((5, 2, 1)), np.zeros((5, 2)), r"`real`: got shape \(5, 2, 1\)"),
        (np.zeros((1, 2)), np.zeros((5, 2)), r"`real`: got shape \(1, 2\)"),
        (np.zeros((5, 2)), np.zeros((5, 0)), r"`synthetic`: got shape \(5, 0\)"),
        (np.zeros((5, 2)), np.full((5, 2), np.nan), "`synthetic`: got NaN or infinity"),
        (np.zeros((5, 2)), np.zeros((5, 3)), "`synthetic`: got features of length 3"),
        (np.array([["a", "b"]] * 5), np.zeros((5, 2)), "`real`: got dtype"),
    ],
)
@pytest.mark.parametrize(
    "function", [frechet_distance, kernel_distance, kma.metrics.manifold_scores]
)
def test_what_is_no_features_is_refused(function, real, synthetic, message):
    with pytest.raises(ValueError, match=message):
        function(real, synthetic)


def test_other_arguments_are_refused():
    x = normal(12, 3, 0)
    with pytest.raises(ValueError, match="`components`: got 4; expected at most 3"):
        frechet_distance(x, x, components=4)
    with pytest.raises(ValueError, match="`blocks`: got 10 for 12 images"):
        kernel_distance(x, x)
    with pytest.raises(ValueError, match="`scaled`: got 2"):
        kernel_distance(x, x, 2, scaled=2)
    with pytest.raises(ValueError, match="`blocks`"):
        kernel_distance(x, x, blocks=1)
    with pytest.raises(ValueError, match="`neighbours`: got 12 with 12 images"):
        kma.metrics.manifold_scores(x, x, neighbours=12)
    with pytest.raises(ValueError, match="`resamples`"):
        frechet_distance(x, x, resamples=0)

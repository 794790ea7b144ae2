"""The terms against NumPy: values, what is summed, what is averaged, and gradient-free limits."""

import numpy as np
import pytest

from keras_medaug import losses

RNG = np.random.default_rng(0)
MEAN = RNG.normal(size=(5, 3)).astype("float32")
LOG_VAR = RNG.normal(size=(5, 3)).astype("float32")
IMAGES = RNG.random((4, 3, 2, 3), dtype="float32")
LOGITS = (3 * RNG.normal(size=IMAGES.shape)).astype("float32")
SCORES = np.array([[-60.0], [-1.5], [0.0], [2.0], [60.0]], "float32")


def log_normal(x, mean, variance):
    return -0.5 * (np.log(2 * np.pi * variance) + (x - mean) ** 2 / variance)


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype("float64")))


def test_kl_equals_numerical_integration():
    grid = np.linspace(-40, 40, 80_001)
    step = grid[1] - grid[0]
    expected = 0.0
    for mean, log_var in zip(MEAN.ravel(), LOG_VAR.ravel(), strict=True):
        log_q = log_normal(grid, float(mean), np.exp(float(log_var)))
        expected += np.sum(np.exp(log_q) * (log_q - log_normal(grid, 0, 1))) * step
    assert float(losses.kl_divergence(MEAN, LOG_VAR)) == pytest.approx(
        expected / len(MEAN), rel=1e-5
    )


def test_single_sample_is_the_ratio_of_densities():
    z = RNG.normal(size=MEAN.shape).astype("float32")
    ratio = log_normal(z, MEAN, np.exp(LOG_VAR)) - log_normal(z, 0, 1)
    expected = ratio.sum(axis=1).mean()
    assert float(losses.kl_single_sample(z, MEAN, LOG_VAR)) == pytest.approx(expected, rel=1e-5)


def test_single_sample_is_unbiased():
    draws = 200_000
    mean, log_var = np.float32([[0.7, -1.1]]), np.float32([[0.4, -0.8]])
    noise = RNG.standard_normal((draws, 2), dtype="float32")
    z = mean + np.exp(0.5 * log_var) * noise
    ones = np.ones((draws, 1), "float32")
    estimate = float(losses.kl_single_sample(z, mean * ones, log_var * ones))
    # The standard error is about 0.003.
    assert estimate == pytest.approx(float(losses.kl_divergence(mean, log_var)), abs=0.015)


def test_bernoulli_likelihood():
    p = sigmoid(LOGITS)
    per_pixel = -(IMAGES * np.log(p) + (1 - IMAGES) * np.log1p(-p))
    assert float(losses.bernoulli_reconstruction(IMAGES, LOGITS)) == pytest.approx(
        per_pixel.sum(axis=(1, 2, 3)).mean(), rel=1e-5
    )


def test_bernoulli_likelihood_of_extreme_logits_is_finite():
    image = np.ones((1, 1, 1, 1), "float32")
    assert float(losses.bernoulli_reconstruction(image, -200 * image)) == pytest.approx(200)
    assert float(losses.bernoulli_reconstruction(image, 200 * image)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("scale", [0.1, 1.0, 2.5])
def test_gaussian_likelihood(scale):
    decoded = sigmoid(LOGITS).astype("float32")
    expected = -log_normal(IMAGES, decoded, scale**2).sum(axis=(1, 2, 3)).mean()
    assert float(losses.gaussian_reconstruction(IMAGES, decoded, scale)) == pytest.approx(
        expected, rel=1e-5
    )


@pytest.mark.parametrize("shape", [(4, 5), (4, 2, 3, 5)])
def test_similarity_is_the_gaussian_likelihood_up_to_its_constant(shape):
    target, features = RNG.normal(size=(2, *shape)).astype("float32")
    axes = tuple(range(1, len(shape)))
    expected = (
        -log_normal(target, features, 1).sum(axis=axes) + log_normal(0, 0, 1) * target[0].size
    ).mean()
    assert float(losses.similarity(target, features)) == pytest.approx(expected, rel=1e-5)


def test_cross_entropies():
    p = sigmoid(SCORES[1:4])
    assert float(losses.real_cross_entropy(SCORES[1:4])) == pytest.approx(-np.log(p).mean())
    assert float(losses.fake_cross_entropy(SCORES[1:4])) == pytest.approx(-np.log1p(-p).mean())


def test_cross_entropies_of_extreme_scores_are_finite():
    assert float(losses.real_cross_entropy(SCORES[:1])) == pytest.approx(60)
    assert float(losses.fake_cross_entropy(SCORES[-1:])) == pytest.approx(60)


def test_adversarial_forms():
    real = float(losses.real_cross_entropy(SCORES))
    fake = float(losses.fake_cross_entropy(SCORES))
    assert float(losses.generator_adversarial(SCORES)) == real
    assert float(losses.generator_adversarial(SCORES, "nonsaturating")) == real
    assert float(losses.generator_adversarial(SCORES, "minimax")) == -fake
    with pytest.raises(ValueError, match="`form`: got 'wgan'; expected 'nonsaturating' or"):
        losses.generator_adversarial(SCORES, "wgan")


@pytest.mark.parametrize("form", ["nonsaturating", "minimax"])
def test_both_forms_fall_as_the_score_rises(form):
    low, high = (np.full((1, 1), score, "float32") for score in (-1, 1))
    assert float(losses.generator_adversarial(high, form)) < float(
        losses.generator_adversarial(low, form)
    )


def test_every_term_is_a_mean_over_the_batch():
    terms = {
        "kl": (losses.kl_divergence, (MEAN, LOG_VAR)),
        "sample": (losses.kl_single_sample, (MEAN, MEAN + 1, LOG_VAR)),
        "bernoulli": (losses.bernoulli_reconstruction, (IMAGES, LOGITS)),
        "gaussian": (lambda a, b: losses.gaussian_reconstruction(a, b, 1.0), (IMAGES, LOGITS)),
        "similarity": (losses.similarity, (IMAGES, LOGITS)),
        "real": (losses.real_cross_entropy, (SCORES,)),
        "fake": (losses.fake_cross_entropy, (SCORES,)),
    }
    for name, (term, arguments) in terms.items():
        whole = term(*arguments)
        assert tuple(whole.shape) == (), name
        count = len(arguments[0])
        apart = [float(term(*(a[i : i + 1] for a in arguments))) for i in range(count)]
        assert float(whole) == pytest.approx(np.mean(apart), rel=1e-5), name


def test_terms_are_computed_in_float32():
    half = [array.astype("float16") for array in (MEAN, LOG_VAR)]
    result = losses.kl_divergence(*half)
    assert "float32" in str(result.dtype)
    # A sum over a large image overflows float16, not this.
    image = np.ones((1, 256, 256, 3), "float16")
    assert float(losses.bernoulli_reconstruction(image, -image)) == pytest.approx(
        256 * 256 * 3 * np.log1p(np.e), rel=1e-3
    )

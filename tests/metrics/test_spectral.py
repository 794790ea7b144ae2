"""The distance of radial power spectra."""

import json

import numpy as np
import pytest
from scipy import ndimage, stats

import keras_medaug as kma
from keras_medaug.metrics import spectral as module
from keras_medaug.metrics import spectral_distance

pytestmark = pytest.mark.backend_free


def textures(count, seed, shape=(16, 16, 1)):
    """Return images whose power falls with frequency, as that of real images does."""
    noise = np.random.default_rng(seed).normal(size=(count, *shape))
    smooth = noise + 4 * ndimage.gaussian_filter(noise, (0, 1, 1, 0), mode="wrap")
    return np.clip(0.5 + 0.08 * smooth, 0, 1).astype("float32")


def blurred(images, deviation):
    return ndimage.gaussian_filter(images, (0, deviation, deviation, 0))


def noisy(images, deviation):
    noise = np.random.default_rng(9).normal(0, deviation, images.shape)
    return np.clip(images + noise, 0, 1).astype("float32")


# ---- what it sees ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [(8, 8, 1), (9, 8, 3), (16, 40, 1), (28, 28, 1), (65, 30, 3), (256, 256, 1)]
)
def test_it_grows_with_blur_and_with_noise_at_every_size(shape):
    count = 40 if max(shape) < 100 else 8
    real, images = textures(count, 0, shape), textures(count, 1, shape)
    for worsened, levels, sign in (
        (blurred, (0.5, 0.75, 1.0, 1.5), -1),
        (noisy, (0.1, 0.2, 0.4), 1),
    ):
        results = [spectral_distance(real, worsened(images, level)) for level in levels]
        values = [result["value"] for result in results]
        ratios = [sign * result["high_frequency_ratio"] for result in results]
        assert values == sorted(values)
        assert ratios == sorted(ratios)
        assert results[-1]["ci95"][0] > spectral_distance(real, images)["ci95"][1]


@pytest.mark.parametrize("name", ["breastmnist", "pneumoniamnist"])
def test_it_sees_blur_in_medical_images_and_not_flips_or_shifts(name, medmnist_file):
    data = kma.datasets.load(name, root=medmnist_file(name).parent, download=False)
    real, held_out = (split[0][:400].astype("float32") for split in (data.train, data.val))
    same = spectral_distance(real, held_out)
    values = [same, *(spectral_distance(real, blurred(held_out, sd)) for sd in (0.5, 0.75, 1, 1.5))]
    assert [value["value"] for value in values] == sorted(value["value"] for value in values)
    assert values[1]["ci95"][0] > 10 * abs(same["value"])
    ratios = [value["high_frequency_ratio"] for value in values]
    assert 0.8 < ratios[0] < 1.2
    assert ratios[1] < 0.6
    for moved in (held_out[:, :, ::-1], held_out[:, ::-1], np.roll(held_out, 1, axis=2)):
        moved = spectral_distance(real, moved)
        assert abs(moved["value"] - same["value"]) < values[1]["value"] / 10
        assert 0.8 < moved["high_frequency_ratio"] < 1.2


def test_a_checkerboard_is_power_at_high_frequencies():
    board = 0.2 * (np.indices((16, 16)).sum(axis=0) % 2)[..., None]
    images = (0.8 * textures(30, 1) + board).astype("float32")
    assert spectral_distance(textures(30, 0), images)["high_frequency_ratio"] > 1.3


# ---- whether its numbers are right ----------------------------------------------------------


def test_it_is_its_definition():
    shape = (12, 8, 3)
    real, images = textures(5, 0, shape), textures(7, 1, shape)
    window = np.outer(*(np.hanning(2 * size + 1)[1::2] for size in shape[:2]))
    window /= np.sqrt(np.mean(window**2))
    radius = np.hypot(np.fft.fftfreq(12)[:, None], np.fft.fftfreq(8))
    levels, upper = [], []
    for chosen in (real, images):
        x = np.moveaxis(chosen.astype(float), 3, 1)
        x = (x - (x * window).sum((2, 3), keepdims=True) / window.sum()) * window
        power = (np.abs(np.fft.fft2(x)) ** 2 / 96).mean(axis=1)
        edges = [(0, 0.125), (0.125, 0.25), (0.25, 0.375), (0.375, 1)]
        parts = [power[:, (radius > low) & (radius <= high)].mean(1) for low, high in edges]
        levels.append(10 * np.log10(np.stack(parts, axis=1) + 1 / 255**2 / 12))
        upper.append((power[:, radius > 0.25] + 1 / 255**2 / 12).sum(axis=1).mean())
    squares = (levels[1].mean(0) - levels[0].mean(0)) ** 2
    bias = levels[0].var(0, ddof=1) / 5 + levels[1].var(0, ddof=1) / 7
    result = spectral_distance(real, images)
    assert result["value"] == pytest.approx(np.mean(squares - bias))
    assert result["high_frequency_ratio"] == pytest.approx(upper[1] / upper[0])
    assert (result["bands"], result["counts"]) == (4, [5, 7])


def test_white_noise_has_the_same_power_in_all_bands():
    """But for the first, from which the mean is removed."""
    x = np.clip(np.random.default_rng(0).normal(0.5, 0.1, (200, 16, 16, 1)), 0, 1)
    np.testing.assert_allclose(module.band_powers(x).mean(axis=0)[1:], 0.01, rtol=0.1)


def test_of_one_distribution_it_is_zero_on_average():
    values = [
        spectral_distance(textures(6, seed), textures(15, 1000 + seed))["value"]
        for seed in range(150)
    ]
    assert min(values) < 0 < max(values)
    assert stats.ttest_1samp(values, 0).pvalue > 0.01


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.3, 1.0])
@pytest.mark.parametrize(("count", "other"), [(200, 30), (30, 30)])
def test_intervals_cover(count, other, shift):
    """95 times of 100 the distance of the distributions, of bands that vary together."""
    size, spread = 14, 5.0
    root = spread * np.linalg.cholesky(0.7 * np.ones((size, size)) + 0.3 * np.eye(size))

    def powers(rows, seed, more=0.0):
        draws = np.random.default_rng(seed).normal(size=(rows, size))
        return 10 ** ((draws @ root.T + more) / 10)

    results = [
        module.compare_powers(
            powers(count, seed), powers(other, 1000 + seed, spread * shift), (28, 28, 1)
        )
        for seed in range(300)
    ]
    values, ends = (np.array([result[name] for result in results]) for name in ("value", "ci95"))
    expected = (spread * shift) ** 2
    assert values.mean() == pytest.approx(expected, abs=4 * values.std() / 300**0.5)
    assert 0.87 <= np.mean((ends[:, 0] <= expected) & (expected <= ends[:, 1])) <= 1
    assert 0.8 < np.mean(np.ptp(ends, axis=1)) / (3.92 * values.std()) < 2.2
    assert (ends[:, 0] <= values).all()
    assert (values <= ends[:, 1]).all()


# ---- what does not matter -------------------------------------------------------------------


def test_types_and_parts_change_nothing(monkeypatch):
    whole = [np.rint(255 * textures(9, seed)).astype("uint8") for seed in (0, 1)]
    expected = spectral_distance(*whole)
    assert json.loads(json.dumps(expected)) == expected
    monkeypatch.setattr(module, "VALUES", 600)
    parts = spectral_distance(*(x.astype("float32") / 255 for x in whole))
    assert parts["value"] == pytest.approx(expected["value"], rel=1e-9)
    assert parts["ci95"] == pytest.approx(expected["ci95"], rel=1e-9)


def test_flips_of_all_images_change_nothing():
    x, y = textures(9, 0), textures(9, 1)
    expected = spectral_distance(x, y)["value"]
    for flipped in (y[:, ::-1], y[:, :, ::-1], np.rot90(y, axes=(1, 2))):
        assert spectral_distance(x, flipped)["value"] == pytest.approx(expected, rel=1e-6)


def test_blank_images():
    blank = np.full((5, 9, 12, 3), 0.3)
    same = spectral_distance(blank, 2 * blank)
    assert (same["value"], same["ci95"]) == (pytest.approx(0), pytest.approx([0, 0]))
    assert same["high_frequency_ratio"] == pytest.approx(1)
    assert spectral_distance(textures(5, 0, (9, 12, 3)), blank)["high_frequency_ratio"] < 0.1


@pytest.mark.parametrize(
    ("real", "images", "message"),
    [
        (textures(1, 0), textures(5, 1), "`real`: got 1 images; expected 2 or more"),
        (textures(5, 0), textures(1, 1), "`images`: got 1 images"),
        (textures(5, 0), textures(5, 1, (8, 8, 1)), "`images`: got images of shape"),
        (textures(5, 0)[..., 0], textures(5, 1), "`real`: got shape"),
    ],
)
def test_what_is_refused(real, images, message):
    with pytest.raises(ValueError, match=message):
        spectral_distance(real, images)

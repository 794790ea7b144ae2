"""Simple statistics of each image."""

import numpy as np
import pytest

from keras_medaug.metrics import image_statistics as module
from keras_medaug.metrics.image_statistics import image_statistics, statistic_names

pytestmark = pytest.mark.backend_free


def textures(count=4, shape=(12, 10, 1), seed=0):
    return np.random.default_rng(seed).random((count, *shape)).astype("float32")


def column(images, name):
    return image_statistics(images)[:, statistic_names(images.shape[3]).index(name)]


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 9, 3), (31, 64, 1), (256, 256, 3)])
def test_there_is_a_name_for_each_column_at_every_size(shape):
    values = image_statistics(textures(2, shape))
    assert values.shape == (2, len(statistic_names(shape[2])))
    assert np.isfinite(values).all()
    assert (values[0] != values[1]).all()


@pytest.mark.filterwarnings("ignore:.*all values are 0 or 1:UserWarning")
@pytest.mark.parametrize("level", [0, 1, 255])
def test_blank_images_have_finite_statistics(level):
    values = image_statistics(np.full((2, 9, 8, 3), level, "uint8"))
    assert np.isfinite(values).all()
    assert (values[0] == values[1]).all()


def test_they_are_what_their_names_say():
    images = textures()
    gray = images[..., 0].astype(float)
    np.testing.assert_allclose(column(images, "mean"), gray.mean((1, 2)))
    np.testing.assert_allclose(column(images, "deviation"), gray.std((1, 2)))
    np.testing.assert_allclose(column(images, "quantile 0.5"), np.median(gray, (1, 2)))
    steps = np.log(np.mean(np.diff(gray, axis=2) ** 2, axis=(1, 2)))
    np.testing.assert_allclose(column(images, "horizontal gradient"), steps, rtol=1e-5)
    flipped = [np.corrcoef(x.ravel(), x[:, ::-1].ravel())[0, 1] for x in gray]
    np.testing.assert_allclose(column(images, "horizontal symmetry"), flipped, rtol=1e-4)


@pytest.mark.parametrize(("frequency", "band"), [(2, 1), (3, 1), (4, 2), (6, 2), (9, 3), (12, 4)])
def test_a_wave_has_its_power_in_the_band_of_its_frequency(frequency, band):
    """Of 24 pixels: 3 cycles are 1/8 cycle a pixel, the end of the first band."""
    wave = 0.5 + 0.4 * np.cos(2 * np.pi * frequency * np.arange(24) / 24 + 0.3)
    images = np.broadcast_to(wave, (1, 24, 24))[..., None]
    powers = [column(images, f"power in band {number}")[0] for number in range(1, 5)]
    assert int(np.argmax(powers)) + 1 == band


def test_left_and_right_above_and_below_are_told_apart():
    images = np.zeros((1, 8, 8, 1))
    images[:, 1, 6] = 1
    assert column(images, "horizontal position")[0] == pytest.approx(5 / 7, rel=1e-4)
    assert column(images, "vertical position")[0] == pytest.approx(-5 / 7, rel=1e-4)


def test_the_channels_of_colour_images_count():
    images = textures(shape=(8, 8, 3))
    np.testing.assert_allclose(column(images, "mean of green"), images[..., 1].mean((1, 2)), 1e-6)
    np.testing.assert_allclose(
        column(images, "deviation of blue"), images[..., 2].std((1, 2)), 1e-6
    )


def test_bytes_and_parts_give_the_same(monkeypatch):
    whole = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 1)).astype("uint8")
    expected = image_statistics(whole)
    monkeypatch.setattr(module, "VALUES", 100)
    parts = image_statistics(whole.astype("float32") / 255)
    np.testing.assert_allclose(parts, expected, rtol=1e-9, atol=1e-12)


def test_what_is_no_image_is_refused():
    with pytest.raises(ValueError, match="`images`: got shape"):
        image_statistics(np.zeros((8, 8)))

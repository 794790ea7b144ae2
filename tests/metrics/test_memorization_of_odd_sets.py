"""The memorization check on sets of odd shapes, of little contrast, and with empty images."""

import numpy as np
import pytest
from scipy import ndimage

from keras_medaug.metrics import copy_audit

pytestmark = pytest.mark.backend_free


def smooth(count, shape, seed):
    noise = np.random.default_rng(seed).normal(size=(count, *shape))
    images = ndimage.gaussian_filter(noise, (0, 1.5, 1.5, 0))
    low, high = (pick(images, axis=(1, 2, 3), keepdims=True) for pick in (np.min, np.max))
    return ((images - low) / (high - low)).astype("float32")


def in_coarse_pixels(images):
    return images[:, ::2, ::2, 0].reshape(len(images), -1)


@pytest.mark.parametrize("shape", [(31, 32, 1), (33, 32, 3), (64, 62, 1), (8, 9, 1)])
def test_images_that_are_nearly_square(shape):
    """What is reduced for the search may be square where the images are not."""
    training = smooth(12, shape, seed=0)
    images = training[:3, ::-1]
    audit = copy_audit(images, training, smooth(20, shape, seed=1))
    assert audit["suspect_count"] == 3


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_set_of_little_contrast_is_compared(as_bytes):
    """As 12-bit scans in 16-bit files are: all pixels are below a twelfth."""
    training, held_out = (0.08 * smooth(30, (16, 16, 1), seed) for seed in (0, 1))
    if as_bytes:
        training, held_out = (np.rint(255 * x).astype("uint8") for x in (training, held_out))
    audit = copy_audit(training[:5], training, held_out)
    assert (audit["exact_copies"], audit["uniform"], audit["suspect_count"]) == (5, 0, 5)


def test_held_out_images_that_show_nothing_set_no_limit_in_features():
    training, held_out = smooth(30, (16, 16, 1), 0), smooth(20, (16, 16, 1), 1)
    audits = []
    for blank in (held_out, np.concatenate([held_out, np.full((3, 16, 16, 1), 0.5, "float32")])):
        training[0] = 0.5
        audit = copy_audit(smooth(5, (16, 16, 1), 2), training, blank, in_coarse_pixels)
        audits.append(audit["spaces"]["features"]["relative"])
    assert audits[0]["limit"] == pytest.approx(audits[1]["limit"], rel=0.2)
    assert audits[1]["limit"] > 0.01

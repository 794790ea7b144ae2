"""Duplicates: planted ones are found in any form, background is left out, official counts."""

import tracemalloc

import numpy as np
import pytest
from scipy import ndimage

from helpers.halves import plain
from keras_medaug.images import to_float
from keras_medaug.metrics.duplicates import near_duplicates

pytestmark = pytest.mark.backend_free


def make(count, seed, shape=(8, 9, 3)):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype="uint8")


REAL, REAL_LABELS = make(40, seed=1), np.arange(40) % 2


def plant():
    """Return 30 images, of which 3 and 20 are copies and 11 is nearly one, and the training set."""
    training, images = make(41, seed=6), make(30, seed=7)
    images[[3, 20]] = training[[40, 0]]
    noise = np.random.default_rng(8).normal(0, 0.01 * 255, training[5].shape)
    images[11] = np.clip(training[5] + noise, 0, 255).astype("uint8")
    return images, training


@pytest.mark.parametrize("kinds", ["uint8 uint8", "float32 uint8", "float32 float32"])
def test_planted_duplicates_are_found(kinds):
    images, training = (
        x if kind == "uint8" else to_float(x)
        for kind, x in zip(kinds.split(), plant(), strict=True)
    )
    labels, training_labels = np.zeros(30, int), np.zeros(41, int)
    training_labels[0] = 1
    record = plain(near_duplicates(images, training, labels, training_labels))
    assert (record["exact"], record["near"]) == (2, 3)
    assert (record["indices"], record["partners"]) == ([3, 11, 20], [40, 5, 0])
    assert record["distances"] == pytest.approx([0, 0.01, 0], abs=0.002)
    assert record["with_another_label"] == 1
    assert (record["count"], record["training_count"]) == (30, 41)
    assert (
        "3 of 30 images are near-duplicates of a training image (2 of them exact)"
        in record["warning"]
    )
    assert "1 of them with another label" in record["warning"]


def test_the_threshold_is_the_callers():
    images, training = plant()
    assert near_duplicates(images, training, threshold=0)["indices"] == [3, 20]
    assert near_duplicates(images, training, threshold=1.1)["near"] == 30


def test_other_images_are_no_duplicates():
    record = plain(near_duplicates(make(30, seed=9), make(41, seed=6)))
    assert (record["near"], record["with_another_label"], record["warning"]) == (0, None, None)


def test_what_is_equal_after_rounding_to_8_bits_is_exact():
    training = np.clip(make(9, seed=6), 1, 254)
    for step, expected in ((0.49, 9), (-0.49, 9), (0.51, 0)):
        images = ((training + step) / 255).astype("float32")
        record = near_duplicates(images, training, threshold=0.001)
        assert (record["exact"], record["near"]) == (expected, expected)


def test_repeats_in_one_set_are_found_once_each():
    images = make(23, seed=10)
    images[[7, 19, 20, 22]] = images[[2, 2, 2, 21]]  # 20 equals three, of which 2 is the first
    images[12] = images[11]
    images[12, 0, 0, 0] ^= 8
    labels = np.zeros(23, int)
    labels[22] = 1
    record = plain(near_duplicates(images, labels=labels))
    assert (record["exact"], record["near"], record["with_another_label"]) == (4, 5, 1)
    assert (record["indices"], record["partners"]) == ([7, 12, 19, 20, 22], [2, 11, 2, 2, 21])
    assert (
        "of 23 images are near-duplicates of another image of the set (4 of them exact)"
        in record["warning"]
    )
    assert plain(near_duplicates(make(23, seed=10)))["near"] == 0
    assert plain(near_duplicates(images[:1]))["near"] == 0


@pytest.mark.parametrize("within", [True, False])
def test_memory_does_not_grow_with_pairs(within):
    many = make(2400, seed=11, shape=(8, 8, 1))
    tracemalloc.start()
    try:
        near_duplicates(many, None if within else make(2400, seed=12, shape=(8, 8, 1)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6e6  # distances of all pairs are 23 MB at least


def test_the_duplicates_of_breastmnist(official):
    """One test image is a training image, under another label; 30 are so or nearly so."""
    splits = official("breastmnist")
    (x, y), (test_x, test_y) = splits["train"], splits["test"]
    record = plain(near_duplicates(test_x, x, test_y, y))
    assert (record["exact"], record["near"], record["with_another_label"]) == (1, 30, 2)
    (exact,) = np.flatnonzero(np.array(record["distances"]) == 0)
    index, partner = record["indices"][exact], record["partners"][exact]
    assert (test_x[index] == x[partner]).all()
    assert test_y[index] != y[partner]


def test_the_duplicates_of_pneumoniamnist(official):
    """18 training images repeat an earlier one; 8 validation images are among them, 0 test ones."""
    splits = {name: x for name, (x, _) in official("pneumoniamnist").items()}
    within = near_duplicates(splits["train"])
    assert (within["exact"], within["near"]) == (18, 18)
    for split, expected in (("val", 8), ("test", 0)):
        record = near_duplicates(splits[split], splits["train"])
        assert (record["exact"], record["near"]) == (expected, expected)


# ---- flipped, turned, uniform ---------------------------------------------------------------


def quarters(image):
    """All that flips and quarter turns make of an image, by NumPy's own functions."""
    return [np.rot90(form, turns) for form in (image, np.fliplr(image)) for turns in range(4)]


def brute_force(images, others):
    """Every distance of every form, by differences, and the nearest one."""
    table = np.array([
        [
            min(
                np.sqrt(np.mean((form.astype(float) - other) ** 2)) / 255
                for form in quarters(image)
                if form.shape == other.shape
            )
            for other in others
        ]
        for image in images
    ])  # fmt: skip
    return table.min(axis=1), table.argmin(axis=1)


def tiles(count, seed):
    """Tissue, as it were: smooth noise in purple and pink."""
    noise = np.random.default_rng(seed).random((count, 32, 32, 1))
    smooth = ndimage.gaussian_filter(noise, (0, 2, 2, 0), mode="wrap")
    level = np.clip(0.5 + 3 * (smooth - 0.5), 0, 1)
    return np.rint(255 * (level * [0.4, 0.6, 0.3] + [0.5, 0.2, 0.5])).astype("uint8")


def background(count, seed):
    """Empty tiles: nearly the same colour everywhere, and in all of them."""
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal([238, 225, 235], 2, (count, 32, 32, 3)), 0, 255).astype("uint8")


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_of_a_histology_set_duplicates_are_found_and_background_is_not(kind):
    training, test = tiles(300, 1), tiles(80, 2)
    forms = [quarters(training[10 * number])[number] for number in range(8)]
    test[10:18] = forms
    noise = np.random.default_rng(3).normal(0, 2, (4, 32, 32, 3))
    near = np.stack([np.rot90(training[7 + number], number) for number in range(4)])
    test[30:34] = np.clip(near + noise, 0, 255)
    training = np.concatenate([background(40, 4), training, background(40, 4)])
    test = np.concatenate([test, background(30, 4), background(10, 5)])
    images, others = (x if kind == "uint8" else to_float(x) for x in (test, training))
    record = plain(near_duplicates(images, others))
    assert record["indices"] == [*range(10, 18), *range(30, 34)]
    assert record["partners"] == [*(40 + 10 * n for n in range(8)), *(47 + n for n in range(4))]
    assert (record["exact"], record["in_place"], record["uniform"]) == (8, 2, 40)
    assert "12 of" in record["warning"]
    assert "10 of them flipped or turned" in record["warning"]
    assert "Uniform images, of which there are 40, were not compared" in record["warning"]
    within = plain(near_duplicates(np.concatenate([images[10:40], others])))
    assert (within["exact"], within["near"], within["uniform"]) == (8, 12, 80)
    assert near_duplicates(background(20, 4))["warning"].startswith("All 20 images are uniform")


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 9, 3), (8, 11, 1), (13, 8, 3)])
def test_distances_are_those_of_brute_force(shape):
    training, images = make(40, 1, shape), make(30, 2, shape)
    images[3], images[9] = training[5][::-1], np.clip(training[7][:, ::-1] + 3.0, 0, 255)
    distances, which = brute_force(images, training)
    for limit in (0.02, float(np.median(distances)), 2.0):
        record = near_duplicates(images, training, threshold=limit)
        expected = np.flatnonzero(distances < limit)
        assert record["indices"] == expected.tolist()
        assert record["partners"] == which[expected].tolist()
        assert record["distances"] == pytest.approx(distances[expected].tolist(), rel=1e-12)


def test_images_that_are_not_square_have_no_quarter_turns():
    training = make(5, 1, (8, 11, 1))
    images = np.stack([training[0][::-1, ::-1], np.resize(np.rot90(training[1]), (8, 11, 1))])
    assert near_duplicates(images, training)["indices"] == [0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: near_duplicates(REAL * 1.0, REAL), "`images`: got values"),
        (lambda: near_duplicates(REAL, REAL[:0]), "`training`: got shape"),
        (lambda: near_duplicates(REAL, REAL, REAL_LABELS), "`training_labels`: got None"),
        (
            lambda: near_duplicates(REAL, None, REAL_LABELS, REAL_LABELS),
            "`training_labels`: got labels without `training`",
        ),
        (lambda: near_duplicates(REAL, REAL, threshold=-1), "`threshold`: got -1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

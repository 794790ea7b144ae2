"""Whether images differ as real ones do: planted collapses are found, honest images pass."""

import numpy as np
import pytest

from helpers.halves import plain
from keras_medaug.images import pair_distances, to_float
from keras_medaug.metrics.diversity import diversity

pytestmark = pytest.mark.backend_free


def make(count, seed, shape=(8, 9, 3)):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype="uint8")


REAL, REAL_LABELS = make(40, seed=1), np.arange(40) % 2


def brute_mean_distance(images):
    """By one pair at a time, in a way of its own."""
    rows = [image.astype("float64").ravel() / 255 for image in images]
    apart = [np.linalg.norm(a - b) / np.sqrt(a.size) for i, a in enumerate(rows) for b in rows[:i]]
    return np.mean(apart)


@pytest.mark.parametrize("kinds", ["uint8 uint8", "float32 uint8", "uint8 float32"])
def test_ratios_are_those_of_brute_force(kinds):
    images = make(15, seed=2) // 2
    labels = np.arange(15) % 2
    pair = [
        x if kind == "uint8" else to_float(x)
        for kind, x in zip(kinds.split(), (images, REAL), strict=True)
    ]
    ratios = plain(diversity(*pair, labels, REAL_LABELS))
    expected = [
        brute_mean_distance(images[labels == label])
        / brute_mean_distance(REAL[label == REAL_LABELS])
        for label in (0, 1)
    ]
    assert ratios["by_class"] == pytest.approx(expected, rel=1e-6)
    overall = brute_mean_distance(images) / brute_mean_distance(REAL)
    assert ratios["overall"] == pytest.approx(overall, rel=1e-6)
    assert ratios["counts"] == [15, 40]


def test_one_image_over_and_over_has_collapsed():
    ratios = plain(diversity(REAL[:1].repeat(9, axis=0), REAL))
    assert (ratios["overall"], ratios["by_class"]) == (0.0, None)
    assert "Images are only 0.00 times as far apart" in ratios["warning"]


def test_a_class_that_has_collapsed_is_named():
    images = make(40, seed=3)
    images[REAL_LABELS == 1] = images[1]
    ratios = plain(diversity(images, REAL, REAL_LABELS, REAL_LABELS))
    assert ratios["by_class"][1] == 0.0
    assert ratios["by_class"][0] == pytest.approx(1, abs=0.05)
    assert ratios["overall"] > 0.5  # where it cannot be seen
    assert "Images of class 1 are only 0.00 times" in ratios["warning"]


def test_all_classes_that_have_collapsed_are_named():
    images = np.concatenate([REAL[REAL_LABELS == 0][:1].repeat(9, 0), REAL[:1].repeat(9, 0)])
    labels = np.repeat([0, 1], 9)
    real_labels = np.arange(len(REAL)) % 2
    warning = diversity(images, REAL, labels, real_labels)["warning"]
    assert warning.startswith("Images of classes 0 and 1 are only 0.00 times as far apart")


def test_honest_images_have_not_collapsed():
    ratios = plain(diversity(make(40, seed=3), REAL, REAL_LABELS, REAL_LABELS))
    assert ratios["warning"] is None
    assert [ratios["overall"], *ratios["by_class"]] == pytest.approx([1, 1, 1], abs=0.05)


@pytest.mark.parametrize(("contrast", "warned"), [(0.51, False), (0.49, True)])
def test_it_warns_below_a_half(contrast, warned):
    faint = to_float(REAL) * np.float32(contrast)
    assert (plain(diversity(faint, REAL))["warning"] is not None) == warned


def test_too_few_images_have_no_ratio():
    ratios = plain(diversity(REAL[:3], REAL, [0, 0, 1], REAL_LABELS))
    assert ratios["by_class"][1] is ratios["coarse_by_class"][1] is None
    assert ratios["correlation_by_class"][1] is None
    assert ratios["by_class"][0] is not None
    assert plain(diversity(REAL[:1], REAL)) == {
        "overall": None, "by_class": None, "coarse": None, "coarse_by_class": None,
        "correlation": None, "correlation_by_class": None, "counts": [1, 40], "warning": None,
    }  # fmt: skip
    alike = REAL[:1].repeat(3, axis=0)
    assert diversity(REAL, alike)["overall"] is None
    assert diversity(REAL, REAL, REAL_LABELS, REAL_LABELS * 2)["by_class"][1:] == [None, None]


def test_of_many_images_200_are_compared_that_the_seed_chooses():
    many = make(260, seed=4, shape=(8, 8, 1))
    chosen = np.random.default_rng(5).permutation(260)[:200]
    small = make(9, seed=5, shape=(8, 8, 1))
    expected = brute_mean_distance(small) / brute_mean_distance(many[chosen])
    assert diversity(small, many, seed=5)["overall"] == pytest.approx(expected, rel=1e-9)
    assert diversity(small, many, seed=6)["overall"] != diversity(small, many, seed=5)["overall"]


def test_distances_are_those_of_all_pairs():
    images = np.random.default_rng(0).random((5, 4, 4, 1)).astype("float32")
    expected = [
        np.sqrt(np.mean((images[i].astype("float64") - images[j]) ** 2))
        for i in range(5)
        for j in range(i + 1, 5)
    ]
    np.testing.assert_allclose(pair_distances(images), expected)
    assert pair_distances(images[[0, 0, 1]])[0] == 0.0
    assert np.isnan(pair_distances(images * np.nan)).all()


# ---- noise and blur -------------------------------------------------------------------------


def blocks(images):
    """Average 28 x 28 images over 7 x 7 pixels, in a way of its own."""
    return images.reshape(len(images), 4, 7, 4, 7, -1).mean(axis=(2, 4))


def smooth(count, seed):
    """Return smooth images, each of other low-frequency waves."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:28, 0:28] / 28
    waves = sum(
        rng.normal(size=(count, 1, 1)) * np.cos(np.pi * (i * rows + j * columns) + phase)
        for i in range(3)
        for j in range(3)
        for phase in (0, 1)
    )
    return np.clip(0.5 + 0.06 * waves, 0, 1)[..., None]


def test_the_coarse_numbers_are_those_of_brute_force():
    images, real = smooth(12, seed=1), smooth(15, seed=2)
    ratios = plain(diversity(images, real))
    ours, theirs = blocks(images), blocks(real)
    expected = brute_mean_distance(ours * 255) / brute_mean_distance(theirs * 255)
    assert ratios["coarse"] == pytest.approx(expected, rel=1e-5)
    rows = (ours - theirs.mean(axis=0)).reshape(12, -1)
    pairs = np.corrcoef(rows)[np.triu_indices(12, k=1)]
    assert ratios["correlation"] == pytest.approx(pairs.mean(), abs=1e-5)


@pytest.mark.parametrize("noise", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("template", ["an image", "the mean"])
def test_noise_on_one_image_is_no_variety(template, noise):
    real = smooth(60, seed=0)
    image = real[7] if template == "an image" else real.mean(axis=0)
    images = np.clip(image + noise * np.random.default_rng(1).normal(size=(50, 28, 28, 1)), 0, 1)
    labels, real_labels = np.repeat([0, 1], 25), np.arange(60) % 2
    images[:25] = smooth(25, seed=5)
    ratios = plain(diversity(images, real, labels, real_labels))
    assert ratios["coarse_by_class"][1] < 0.5 < ratios["coarse_by_class"][0]
    if template == "an image":
        assert ratios["correlation_by_class"][1] > 0.6
    assert "Images of class 1 are only" in ratios["warning"]


def test_one_image_in_many_brightnesses_is_no_variety():
    """As far apart as real images, and all alike but for contrast."""
    real = smooth(60, seed=0)
    pattern = real[7] - real.mean(axis=0)
    strength = np.random.default_rng(0).uniform(0.3, 6.0, (40, 1, 1, 1))
    ratios = plain(diversity(np.clip(real.mean(axis=0) + strength * pattern, 0, 1), real))
    assert ratios["coarse"] > 0.5
    assert ratios["correlation"] > 0.9
    assert "depart from the mean of the real ones in the same way" in ratios["warning"]


def test_blur_is_no_collapse():
    """Fine texture is most of the distance between pixels, and none of that between blocks."""
    rng = np.random.default_rng(0)
    real = np.clip(smooth(60, seed=0) + 0.5 * rng.normal(size=(60, 28, 28, 1)), 0, 1)
    ratios = plain(diversity(smooth(50, seed=3), real))
    assert ratios["overall"] < 0.5 < ratios["coarse"]
    assert ratios["warning"] is None


@pytest.mark.parametrize("name", ["breastmnist", "pneumoniamnist", "retinamnist"])
def test_real_images_pass_however_few(medmnist_file, name):
    """Parts of the validation split, of each class with ten images, against the training split."""
    with np.load(medmnist_file(name), allow_pickle=False) as file:
        sets = {
            split: (file[f"{split}_images"], file[f"{split}_labels"][:, 0])
            for split in ("train", "val")
        }
    (train, train_labels), (val, val_labels) = sets["train"], sets["val"]
    rng, warned = np.random.default_rng(0), 0
    for count in (3, 5, 10, 30):
        for label in np.flatnonzero(np.bincount(val_labels) >= 10):
            real = rng.permutation(train[train_labels == label])[:200]
            mine = rng.permutation(val[val_labels == label])[:count]
            shape = (-1, *real.shape[1:3], 3 if real.ndim == 4 else 1)
            warned += diversity(mine.reshape(shape), real.reshape(shape))["warning"] is not None
    assert warned == 0


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: diversity(REAL[0], REAL), "`images`: got shape"),
        (lambda: diversity(REAL, REAL[..., :1]), "`real`: got images of shape"),
        (lambda: diversity(REAL, REAL, REAL_LABELS), "`real_labels`: got None"),
        (lambda: diversity(REAL, REAL, None, REAL_LABELS), "`labels`: got None"),
        (lambda: diversity(REAL, REAL, REAL_LABELS[1:], REAL_LABELS), "`labels`: got 39 labels"),
        (lambda: diversity(REAL, REAL, seed=-1), "`seed`: got -1"),
    ],
)
def test_what_is_refused(call, expected):
    with pytest.raises(ValueError, match=rf"^.*{expected}.*; expected .*"):
        call()

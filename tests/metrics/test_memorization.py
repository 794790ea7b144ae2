"""The memorization check: distances of brute force, planted copies, and what it costs in memory."""

import json
import tracemalloc

import numpy as np
import pytest
from scipy import ndimage

import keras_medaug as kma
from helpers import rounding
from keras_medaug.metrics import copy_audit, nearest_images
from keras_medaug.metrics.registration import NAMES, Registration

pytestmark = pytest.mark.backend_free


def make(count, seed, shape=(8, 9, 3)):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype="uint8")


def as_type(images, dtype):
    return images if dtype == "uint8" else images.astype(dtype) / np.dtype(dtype).type(255)


def brute_force(images, training):
    """Every distance by differences, in an order and a way of its own."""
    a, b = (as_type(x, "float64") if x.dtype == np.uint8 else x for x in (images, training))
    table = np.array([[np.linalg.norm(x - y) / np.sqrt(x.size) for y in b] for x in a])
    return table.min(axis=1), table.argmin(axis=1)


def row_means(images):
    """Features: the mean of each row of pixels."""
    assert images.dtype == np.float32
    assert 0 <= images.min() <= images.max() <= 1
    return images.mean(axis=2).reshape(len(images), -1)


def assert_close(actual, expected, rel=1e-9):
    rounding.assert_close(actual, expected, rel, looser=NAMES)


IMAGES, TRAINING, HELD_OUT = make(23, seed=1), make(41, seed=2), make(20, seed=3)


@pytest.mark.parametrize("second", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("first", ["uint8", "float32"])
def test_distances_are_those_of_brute_force(first, second):
    images, training = as_type(IMAGES, first), as_type(TRAINING, second)
    distances, indices = nearest_images(images, training)
    expected, which = brute_force(images, training)
    assert distances.dtype == np.float64
    assert np.issubdtype(indices.dtype, np.integer)
    np.testing.assert_allclose(distances, expected, rtol=1e-6)
    np.testing.assert_array_equal(indices, which)


def test_the_unit_is_that_of_images_in_0_to_1():
    black, white = np.zeros((1, 8, 8, 3), "uint8"), np.full((1, 8, 8, 3), 255, "uint8")
    assert nearest_images(black, white)[0].tolist() == [1.0]
    assert nearest_images(black / 255, white / 255)[0].tolist() == [1.0]
    half = black.copy()
    half[:, :4] = 255  # half the pixels are off by 1
    assert nearest_images(half, black)[0] == pytest.approx(np.sqrt(0.5))


@pytest.mark.parametrize("batch_size", [1, 2, 7, 22, 23, 24, 41, 1000])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_the_size_of_chunks_does_not_matter(dtype, batch_size):
    images, training = as_type(IMAGES, dtype), as_type(TRAINING, dtype)
    distances, indices = nearest_images(images, training, batch_size)
    expected, which = nearest_images(images, training)
    np.testing.assert_array_equal(indices, which)
    np.testing.assert_allclose(distances, expected, rtol=1e-12)
    audit, same = (
        copy_audit(images, training, HELD_OUT, row_means, size) for size in (batch_size, 256)
    )
    assert_close(audit, same)


@pytest.mark.parametrize("dtypes", ["uint8 uint8", "float32 float32", "uint8 float32"])
def test_equal_images_are_at_distance_0(dtypes):
    """Bright ones, in which the expanded square loses most."""
    first, second = dtypes.split()
    training = 200 + make(60, seed=4, shape=(28, 28, 1)) // 5
    chosen = [59, 0, 17, 31]
    distances, indices = nearest_images(
        as_type(training, first)[chosen], as_type(training, second), batch_size=16
    )
    assert distances.tolist() == [0.0] * 4
    assert indices.tolist() == chosen


def test_small_distances_are_accurate():
    """The expanded square, even in float64, has a relative error of 1e-4 here."""
    training = (200 + make(30, seed=4, shape=(28, 28, 1)) // 5) / np.float32(255)
    images = training + np.float32(1e-6)
    distances, indices = nearest_images(images, training)
    expected = np.sqrt(np.mean((images.astype("float64") - training) ** 2, axis=(1, 2, 3)))
    np.testing.assert_allclose(distances, expected, rtol=1e-9)
    np.testing.assert_array_equal(indices, np.arange(30))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_near_candidates_are_told_apart(dtype):
    """Bright images, each with one pixel of its own a step darker: float32 is too coarse here."""
    training = np.full((40, 28, 28, 1), 240, "uint8")
    training[np.arange(40), np.arange(40) // 28, np.arange(40) % 28] -= 1
    distances, indices = nearest_images(as_type(training, dtype), as_type(training, dtype), 16)
    np.testing.assert_array_equal(indices, np.arange(40))
    assert not distances.any()


@pytest.mark.parametrize("batch_size", [1, 3, 256])
def test_of_equally_near_ones_it_is_the_first(batch_size):
    training = make(12, seed=5)
    training[[4, 9]] = training[2]
    assert nearest_images(training[9:10], training, batch_size)[1].tolist() == [2]


@pytest.mark.parametrize("axis", ["images", "training"])
def test_memory_does_not_grow_with_the_sets(axis):
    few, many = make(50, seed=6, shape=(8, 8, 1)), make(20_000, seed=7, shape=(8, 8, 1))
    pair = (many, few) if axis == "images" else (few, many)
    tracemalloc.start()
    try:
        nearest_images(*pair, batch_size=50)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # all distances are 8 MB, either set as floats is 10 MB; the result takes up to 0.3 MB
    assert peak < 1e6


# ---- the audit: numbers -----------------------------------------------------------------------


def as_rows(images):
    return images.reshape(len(images), -1) / 255


def standardised(images):
    rows = as_rows(images)
    return (rows - rows.mean(1, keepdims=True)) / rows.std(1, keepdims=True)


def turned(images):
    """All that mirroring and quarter turns make of images."""
    square = images.shape[1] == images.shape[2]
    for mirrored in (images, images[:, ::-1]):
        for turns in range(0, 4, 1 if square else 2):
            yield np.rot90(mirrored, turns, axes=(1, 2))


def table(images, training, space):
    """Every distance, each by a difference."""
    forms = {
        "pixels": [as_rows(images)],
        "aligned": [standardised(form) for form in turned(images)],
        "features": [row_means((images / 255).astype("float32"))],
    }[space]
    others = {
        "pixels": as_rows,
        "aligned": standardised,
        "features": lambda x: row_means((x / 255).astype("float32")),
    }[space](training)
    return np.min([[[np.sqrt(np.mean((a - b) ** 2)) for b in others] for a in x] for x in forms], 0)


def expected_space(space, images, training, held_out):
    """What the audit says of a space, from all distances."""
    own = table(training, training, space)
    np.fill_diagonal(own, np.inf)
    of_sets = {}
    for name, of_set in (("ours", images), ("theirs", held_out)):
        distances = np.sort(table(of_set, training, space), axis=1)
        nearest = table(of_set, training, space).argmin(axis=1)
        first = distances[:, 0]
        relative = first / distances[:, 1:11].mean(axis=1)
        of_sets[name] = first, relative, float(np.mean(first > own[nearest].min(axis=1)))
    near_ones = None if space == "features" else int((of_sets["ours"][1] < 0.5).sum())

    def summary(values):
        return {"min": values.min(), "median": np.median(values)}

    def quantile(values):
        low, high = np.sort(values)[:2]  # of 20: place 0.01 * 19 is between the first two
        return low + 0.19 * (high - low)

    (ours, relative, authentic), (theirs, others, for_them) = of_sets["ours"], of_sets["theirs"]
    if space == "features":
        near_copies, limit = None, min(0.3, quantile(others))
    else:
        near_copies = int((others < 0.5).sum())
        limit = 0.9 * min(0.7, others.min())  # of 20, the quantile 0.005 is the least
    return {
        "nearest": summary(ours),
        "authentic": authentic,
        "held_out": {
            "count": 20, **summary(theirs), "quantile_01": quantile(theirs), "authentic": for_them,
        },
        "nearer_than_held_out_01": np.mean(ours < quantile(theirs)),
        "relative": {
            **summary(relative),
            "near_copies": near_ones,
            "held_out": {
                **summary(others), "quantile_01": quantile(others),
                "near_copies": near_copies,
            },
            "nearer_than_held_out_01": np.mean(relative < quantile(others)),
            "limit": limit,
        },
    }  # fmt: skip


def nearly(value):
    """Let numbers differ by rounding, at any depth."""
    if isinstance(value, dict):
        return {key: nearly(part) for key, part in value.items()}
    return value if value is None else pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("shape", [(8, 9, 3), (8, 8, 1)])
def test_the_audit_has_the_numbers_of_brute_force(shape):
    images, training, held_out = (make(n, k, shape) for n, k in ((23, 1), (41, 2), (20, 3)))
    images[4] = training[7] // 2 + 20
    audit = copy_audit(images, training, held_out, row_means, batch_size=9)
    assert (audit["count"], audit["training_count"], audit["exact_copies"]) == (23, 41, 0)
    assert list(audit["spaces"]) == ["pixels", "aligned", *NAMES, "features"]
    for space in ("pixels", "aligned", "features"):
        nearest = audit["spaces"][space]
        expected = expected_space(space, images, training, held_out)
        assert nearest == nearly(expected)
    assert audit["suspect_images"] == [4]
    assert json.loads(json.dumps(audit, allow_nan=False)) == audit
    without = copy_audit(images, training, held_out, batch_size=9)
    assert list(without["spaces"]) == ["pixels", "aligned", *NAMES]
    assert without["spaces"]["aligned"] == audit["spaces"]["aligned"]


def test_pairs_say_where_the_copies_come_from():
    images = IMAGES.copy()
    images[5], images[2] = TRAINING[30], TRAINING[12][::-1] // 2 + 60
    audit = copy_audit(images, TRAINING, HELD_OUT)
    exact, mirrored = audit["suspects"]
    assert exact == {
        "image": 5, "training": 30, "space": "pixels", "distance": 0.0, "relative": 0.0,
    }  # fmt: skip
    assert (mirrored["image"], mirrored["training"], mirrored["space"]) == (2, 12, "aligned")
    distances = table(images[2:3], TRAINING, "aligned")[0]
    assert mirrored["distance"] == pytest.approx(distances[12], rel=1e-5)
    expected = distances[12] / np.sort(distances)[1:11].mean()
    assert mirrored["relative"] == pytest.approx(expected, rel=1e-5)
    assert audit["suspect_count"] == 2
    assert len(audit["pairs"]) == 8
    assert audit["pairs"][:2] == audit["suspects"]
    others = [pair["relative"] for pair in audit["pairs"][2:]]
    assert others == sorted(others)  # random images: in both spaces the limit is 0.7
    assert min(others) > 0.7


def test_at_most_twenty_suspects_are_listed():
    audit = copy_audit(np.concatenate([HELD_OUT, TRAINING[:25]]), TRAINING, HELD_OUT)
    assert (audit["suspect_count"], len(audit["suspects"])) == (25, 20)
    assert [pair["image"] for pair in audit["suspects"]] == list(range(20, 40))


def test_without_held_out_images_there_is_no_yardstick():
    audit, full = copy_audit(IMAGES, TRAINING), copy_audit(IMAGES, TRAINING, HELD_OUT)
    for name, space in audit["spaces"].items():
        assert space["held_out"] is space["nearer_than_held_out_01"] is None
        relative = space["relative"]
        assert relative["held_out"] is relative["nearer_than_held_out_01"] is None
        assert relative["limit"] == (0.4 if name in NAMES else 0.5)
        assert space["nearest"] == full["spaces"][name]["nearest"]


def test_images_that_are_no_copies_get_about_a_hundredth():
    new, training, held_out = (make(400, seed, (8, 8, 1)) for seed in (9, 10, 11))
    audit = copy_audit(new, training, held_out)
    for space in audit["spaces"].values():
        # both the share and the quantile are estimates from 400: standard error 0.007
        assert space["nearer_than_held_out_01"] < 0.03
        assert space["relative"]["nearer_than_held_out_01"] < 0.03
        if space["authentic"] is not None:
            assert space["authentic"] == pytest.approx(space["held_out"]["authentic"], abs=0.15)
    assert audit["suspect_count"] <= 0.02 * 400


# ---- the audit: copies that were planted ------------------------------------------------------


@pytest.fixture(scope="module", params=["phantom", "colour", "breastmnist", "pneumoniamnist"])
def real(request, medmnist_file):
    """Training images, a yardstick, and honest images that are no second view of a training one."""
    if request.param == "phantom":
        data = kma.datasets.load("phantom", size=28)
    elif request.param == "colour":
        data = kma.datasets.load("phantom", size=(24, 20), channels=3)
    else:
        data = kma.datasets.from_npz(medmnist_file(request.param))
    training = data.stored("train")[0][:800]
    unseen = np.concatenate([data.stored("val")[0], data.stored("test")[0]])[:400]
    honest = unseen[::2]
    # A third of BreastMNIST's images are second views: near in plain pixels, which is another
    # measure than the one under test. Of the phantom's and nearly all of the chests' none is.
    near = {"breastmnist": 0.06, "pneumoniamnist": 0.02}.get(request.param, 0)
    far = nearest_images(honest, training)[0] > near
    assert far.mean() > (0.5 if request.param == "breastmnist" else 0.98)
    return training, unseen[1::2], honest[far]


def in_floats(images):
    return images / np.float32(255) if images.dtype == np.uint8 else images


def quarter(images):
    """Turn by 90 degrees; by 180 where images are not square."""
    return np.rot90(images, 1 if images.shape[1] == images.shape[2] else 2, axes=(1, 2))


def noisy(images):
    noise = np.random.default_rng(0).normal(0, 0.01, images.shape)
    return np.clip(images + noise, 0, 1)


def shifted(images, down, across):
    """Shift images; what comes in repeats the edge."""
    height, width = images.shape[1:3]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - across, 0, width - 1)
    return images[:, rows][:, :, columns]


def rotated(images, degrees):
    return ndimage.rotate(images, degrees, (1, 2), reshape=False, order=1, mode="nearest")


COPIES = {
    "exact": lambda x: x,
    "mirrored": lambda x: x[:, :, ::-1],
    "turned": quarter,
    "brighter": lambda x: np.clip(x + 0.1, 0, 1),
    "less contrast": lambda x: 0.5 + 0.8 * (x - 0.5),
    "inverted": lambda x: 1 - x,
    "1 pixel down": lambda x: shifted(x, 1, 0),
    "3 pixels up": lambda x: shifted(x, -3, 0),
    "2 pixels diagonally": lambda x: shifted(x, 2, -2),
    "3 degrees": lambda x: rotated(x, 3),
    "-10 degrees": lambda x: rotated(x, -10),
    "a pixel, 7 degrees and mirrored": lambda x: rotated(shifted(x, 1, -1), 7)[:, :, ::-1],
    "all at once": lambda x: 0.95 - 0.8 * quarter(rotated(x[:, ::-1], 5)),
}
NOISY = {
    "1% noise": noisy,
    "3% noise": lambda x: np.clip(x + 3 * (noisy(0 * x + 0.5) - 0.5), 0, 1),
    "noise, mirrored, turned, darker": lambda x: noisy(0.05 + 0.8 * quarter(x[:, ::-1])),
}


def plant(real, kinds, with_held_out=True):
    """Return how many of 12 copies of each kind are suspects, of other images, and the audit."""
    training, held_out, honest = real
    chosen = np.random.default_rng(1).choice(len(training), 12, replace=False)
    copies = [copied(in_floats(training[chosen])) for copied in kinds.values()]
    images = np.concatenate([in_floats(honest[:60]), *copies]).astype("float32")
    audit = copy_audit(images, training, held_out if with_held_out else None)
    suspects = np.zeros(len(images), bool)
    suspects[audit["suspect_images"]] = True
    by_kind = suspects[-12 * len(kinds) :].reshape(len(kinds), 12).sum(axis=1)
    others = int(suspects[: -12 * len(kinds)].sum())
    assert audit["suspect_count"] == by_kind.sum() + others
    assert len(audit["suspects"]) == min(20, audit["suspect_count"])
    return dict(zip(kinds, by_kind.tolist(), strict=True)), others, audit


def test_planted_copies_are_suspects(real):
    suspected, others, _ = plant(real, COPIES)
    assert all(count >= 11 for count in suspected.values()), suspected
    assert others <= 3


def test_copies_with_noise_are_suspects(real, request):
    """Among second views, which noise hides, they are near copies at least."""
    suspected, _, audit = plant(real, NOISY)
    if "breastmnist" in request.node.callspec.id:
        relative = audit["spaces"]["smoothed"]["relative"]
        assert relative["near_copies"] >= 35  # of 36, and the other 60 images are no second views
        assert relative["held_out"]["near_copies"] / len(real[1]) < 0.45
    else:
        assert all(count >= 11 for count in suspected.values()), suspected


def test_without_held_out_images_copies_are_suspects(real):
    suspected, others, _ = plant(real, COPIES, with_held_out=False)
    assert all(count >= 11 for count in suspected.values()), suspected
    assert others <= 12  # second views, which only held-out images tell from copies


def test_of_honest_images_few_are_suspects(real):
    training, held_out, honest = real
    audit = copy_audit(honest, training, held_out)
    assert audit["suspect_count"] <= 0.05 * len(honest)


def test_of_second_views_few_are_suspects(medmnist_file):
    """Of BreastMNIST's unseen images 39% are near copies, which was once what made suspects."""
    data = kma.datasets.from_npz(medmnist_file("breastmnist"))
    unseen = np.concatenate([data.stored("val")[0], data.stored("test")[0]])
    order = np.random.default_rng(0).permutation(len(unseen))
    for images, held_out in ((order[::2], order[1::2]), (order[1::2], order[::2])):
        audit = copy_audit(unseen[images], data.stored("train")[0], unseen[held_out])
        assert audit["suspect_count"] <= 0.05 * len(images)
        near = audit["spaces"]["aligned"]["relative"]
        assert near["near_copies"] > 0.3 * len(images)
        assert near["held_out"]["near_copies"] > 0.3 * len(held_out)


def blurred(images, width):
    half = width // 2
    padded = np.pad(images, ((0, 0), (half, half), (half, half), (0, 0)), mode="edge")
    height, across = images.shape[1:3]
    parts = [
        padded[:, row : row + height, column : column + across]
        for row in range(width)
        for column in range(width)
    ]
    return np.mean(parts, axis=0, dtype="float32")


@pytest.mark.parametrize("width", [3, 5, 7])
def test_blur_alone_makes_few_suspects(real, width):
    training, held_out, honest = real
    audit = copy_audit(blurred(in_floats(honest), width), training, held_out)
    assert audit["suspect_count"] <= 0.05 * len(honest)


@pytest.mark.parametrize("width", [5, 7])
def test_blur_fools_plain_distances_but_hardly_relative_ones(width):
    """Over half of unseen images, once blurred, are nearer than 99% of the held-out ones."""
    data = kma.datasets.load("phantom", size=28)
    images = blurred(data.val[0], width)
    audit = copy_audit(images, data.stored("train")[0], data.stored("test")[0])
    assert audit["spaces"]["pixels"]["nearer_than_held_out_01"] > 0.5
    for name, record in audit["spaces"].items():
        relative = record["relative"]
        if name not in NAMES:
            assert relative["nearer_than_held_out_01"] < 0.6 * record["nearer_than_held_out_01"]
        assert relative["median"] > 0.8
        assert relative["min"] > relative["limit"]  # which is what counts for suspicion
    assert audit["suspect_count"] == 0


def test_near_copies_among_held_out_images_set_no_limit():
    """A held-out copy would else hide all others but the exact ones."""
    data = kma.datasets.load("phantom", size=28)
    training, held_out = data.train[0], data.test[0].copy()
    held_out[:3] = training[:3]
    images = training[10:12, ::-1]
    audit = copy_audit(images, training, held_out)
    assert audit["suspect_count"] == 2
    for name, space in audit["spaces"].items():
        assert space["relative"]["held_out"]["near_copies"] == 3
        assert space["relative"]["limit"] == pytest.approx(0.36 if name in NAMES else 0.63)
    only = copy_audit(images, training, held_out[:3])
    assert only["spaces"]["pixels"]["relative"]["limit"] == 0.5  # none of them sets one
    assert only["suspect_count"] == 2


def test_features_find_what_pixels_do_not():
    """Copies that are shifted far, by the spectrum, which no shift changes."""
    data = kma.datasets.load("phantom", size=28)
    training, held_out = data.stored("train")[0], data.stored("test")[0]
    images = data.stored("val")[0].copy()
    images[:10] = np.roll(training[:10], (9, 10), axis=(1, 2))

    def spectrum(images):
        amplitudes = np.abs(np.fft.rfft2(images, axes=(1, 2))).reshape(len(images), -1)
        return np.log(amplitudes + 1e-3)

    assert copy_audit(images, training, held_out)["suspect_count"] == 0
    audit = copy_audit(images, training, held_out, spectrum, 100)
    suspects = {(p["image"], p["training"], p["space"]) for p in audit["suspects"]}
    assert suspects >= {(k, k, "features") for k in range(10)}
    assert audit["suspect_count"] <= 12


def test_features_of_few_dimensions_suspect_no_more_than_the_held_out_quantile():
    """There chance brings many images much nearer to one training image than to the next."""
    rng = np.random.default_rng(0)
    made, training, held_out = (
        rng.integers(0, 256, (count, 8, 8, 1), dtype=np.uint8) for count in (400, 300, 200)
    )
    audit = copy_audit(made, training, held_out, lambda images: images[:, 0, :2, 0])
    assert audit["spaces"]["features"]["relative"]["limit"] < 0.1
    assert audit["suspect_count"] / 400 < 0.04


# ---- the audit: registration ------------------------------------------------------------------


def textured(count, seed, shape):
    """Noise, smoothed until neighbouring pixels are alike."""
    noise = np.random.default_rng(seed).random((count, *shape))
    smooth = ndimage.gaussian_filter(noise, (0, shape[0] / 16, shape[1] / 16, 0), mode="wrap")
    low, high = smooth.min(), smooth.max()
    return ((smooth - low) / (high - low)).astype("float32")


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 40, 1), (33, 17, 3), (28, 28, 1), (96, 64, 3)])
def test_shifted_and_inverted_copies_of_any_size_are_nearest(shape):
    training = textured(60, 1, shape)
    step = max(1, shape[0] // 16)
    images = 1 - shifted(training[20:40], step, 0)
    nearest = Registration(training, batch_size=16).nearest(images)
    for neighbours in nearest.values():
        np.testing.assert_array_equal(neighbours.indices, np.arange(20, 40))
        assert neighbours.relative.max() < 0.5
    others = Registration(training).nearest(textured(20, 2, shape))
    assert nearest["smoothed"].relative.max() < others["smoothed"].relative.min()


def test_registration_says_how_far_it_is():
    said = []
    Registration(TRAINING, batch_size=16).nearest(IMAGES, lambda *numbers: said.append(numbers))
    assert said[-1] == (23, 23)
    assert [done for done, _ in said] == sorted(done for done, _ in said)


def test_uniform_images_are_no_copies():
    """Empty background equals empty background, exactly as well."""
    background = np.full((6, 28, 28, 3), [230, 190, 210], "uint8")
    background[1::2] += make(3, seed=3, shape=(28, 28, 3)) % 4
    tissue = (255 * textured(60, 4, (28, 28, 3))).astype("uint8")
    training = np.concatenate([tissue[:40], background])
    images = np.concatenate([background[:4], tissue[30:32], tissue[50:]])
    for held_out in (None, np.concatenate([tissue[40:50], background])):
        audit = copy_audit(images, training, held_out)
        assert audit["uniform"] == 4
        assert audit["exact_copies"] == 2
        assert audit["suspect_images"] == [4, 5]


# ---- the audit: odd sets ----------------------------------------------------------------------


@pytest.mark.parametrize("dtypes", ["uint8 uint8", "float32 uint8", "uint8 float32"])
def test_exact_copies_are_counted(dtypes):
    first, second = dtypes.split()
    images = IMAGES.copy()
    images[[3, 20]] = TRAINING[[40, 0]]
    images[11] = TRAINING[40]  # counted although it is the second copy of that image
    audit = copy_audit(as_type(images, first), as_type(TRAINING, second), HELD_OUT, batch_size=8)
    assert audit["exact_copies"] == audit["suspect_count"] == 3
    pairs = [(pair["image"], pair["training"]) for pair in audit["suspects"]]
    assert pairs == [(3, 40), (11, 40), (20, 0)]
    pixels = audit["spaces"]["pixels"]
    assert pixels["nearest"]["min"] == 0
    assert pixels["nearer_than_held_out_01"] >= 3 / 23
    mixed = copy_audit(as_type(images, "float32"), as_type(TRAINING, "float32"), HELD_OUT)
    assert_close(audit, mixed, rel=1e-6)  # a third of 255 is no float32


def test_what_is_equal_after_rounding_to_8_bits_is_a_copy():
    inner = np.clip(TRAINING, 1, 254)
    for step, expected in ((0.49, 41), (-0.49, 41), (0.51, 0), (-0.51, 0)):
        images = ((inner + step) / 255).astype("float32")
        audit = copy_audit(images, inner)
        assert audit["exact_copies"] == expected
        assert audit["suspect_count"] == 41
        nearest = audit["spaces"]["pixels"]["nearest"]
        assert nearest["median"] == pytest.approx(abs(step) / 255, rel=1e-3)


def test_one_pixel_that_differs_by_one_step_makes_it_no_exact_copy():
    image = TRAINING[:1].copy()
    image[0, 0, 0, 0] ^= 1
    audit = copy_audit(image, TRAINING)
    assert audit["exact_copies"] == 0
    assert audit["spaces"]["pixels"]["nearest"]["min"] == pytest.approx(
        1 / 255 / np.sqrt(image.size)
    )


@pytest.mark.parametrize("times", [2, 20])
def test_training_images_that_are_there_more_than_once_count_once(times):
    repeated = np.concatenate([*[TRAINING[:1]] * times, TRAINING, TRAINING[5:9]])
    images = IMAGES.copy()
    images[2] = TRAINING[0]
    images[3] = np.clip(TRAINING[0].astype(int) + np.arange(9)[:, None] % 3, 0, 255)  # a near copy
    audit, plain = (copy_audit(images, x, HELD_OUT, row_means) for x in (repeated, TRAINING))
    assert audit["training_count"] == 41 + times + 4
    assert_close(audit["spaces"], plain["spaces"])
    assert audit["suspect_count"] == 2
    for pair, expected in zip(audit["pairs"], plain["pairs"], strict=True):
        first = np.flatnonzero((repeated == TRAINING[expected["training"]]).all(axis=(1, 2, 3)))[0]
        assert pair["training"] == first


def test_one_training_image():
    images = np.concatenate([TRAINING[:1], IMAGES[:2]])
    for training in (TRAINING[:1], TRAINING[[0, 0, 0]]):
        audit = copy_audit(images, training, HELD_OUT, row_means)
        assert json.loads(json.dumps(audit, allow_nan=False)) == audit
        assert audit["exact_copies"] == audit["suspect_count"] == 1
        for space in audit["spaces"].values():
            assert space["authentic"] is space["held_out"]["authentic"] is None
            assert space["relative"]["min"] == space["relative"]["median"] == 1
        assert [pair["image"] for pair in audit["pairs"]] == [0, 1, 2]


def test_the_smallest_sets():
    audit = copy_audit(IMAGES[:1], TRAINING[:2], HELD_OUT[:1])
    low, high = np.sort(table(IMAGES[:1], TRAINING[:2], "pixels")[0])
    assert audit["spaces"]["pixels"]["relative"]["min"] == pytest.approx(low / high)
    assert len(audit["pairs"]) == 1
    copy = copy_audit(TRAINING[:1, ::-1], TRAINING[:2], HELD_OUT[:1])
    assert copy["suspects"][0]["space"] == "aligned"


@pytest.mark.filterwarnings("ignore:.*all values are 0 or 1:UserWarning")
def test_flat_images_do_not_explode():
    """Nearly flat ones stay nearly flat; among many flat ones none stands out."""
    levels = np.arange(0, 240, 10).astype("uint8")
    flat = np.zeros((24, 9, 11, 1), "uint8") + levels[:, None, None, None]
    noise = make(24, seed=1, shape=(9, 11, 1)) % 2
    audit = copy_audit(flat + 5, flat)
    relative = audit["spaces"]["aligned"]["relative"]
    assert audit["spaces"]["aligned"]["nearest"]["median"] < 1e-9
    assert relative["min"] == relative["median"] == 1
    assert audit["uniform"] == 24
    assert audit["suspect_count"] == 0
    # a step of 8 bits is a tenth of the floor: standardised to 1, this would be 1.4
    rough = copy_audit(flat + noise, make(30, seed=2, shape=(9, 11, 1)) % 2)
    assert rough["spaces"]["aligned"]["nearest"]["median"] < 0.2


def test_among_many_of_the_same_image_none_stands_out():
    """What is left of the distances between them is rounding, and tells nothing."""
    image = make(1, seed=4, shape=(9, 9, 1)) / np.float32(255)
    darker = np.concatenate([level * image for level in np.linspace(0.3, 0.9, 24, dtype="float32")])
    audit = copy_audit(image, darker)
    assert 0 < audit["spaces"]["aligned"]["nearest"]["min"] < 1e-6
    assert audit["spaces"]["aligned"]["relative"]["min"] == 1


@pytest.mark.parametrize("times", [1.0, 1e-9, 1e9])
def test_the_scale_and_place_of_features_do_not_matter(times):
    plain, scaled = (
        copy_audit(IMAGES, TRAINING, HELD_OUT, function)["spaces"]["features"]["relative"]
        for function in (row_means, lambda x: times * (row_means(x).astype("float64") + 1e6))
    )
    for key in ("min", "median", "limit"):
        assert scaled[key] == pytest.approx(plain[key], rel=1e-4)


def test_features_that_are_all_the_same_tell_nothing():
    audit = copy_audit(IMAGES, TRAINING, HELD_OUT, lambda x: np.ones((len(x), 3)))
    assert audit["spaces"]["features"]["relative"]["min"] == 1
    assert audit["suspect_count"] == 0


def test_the_memory_of_the_audit_does_not_grow_with_the_sets():
    few, many = make(50, seed=6, shape=(8, 8, 1)), make(800, seed=7, shape=(8, 8, 1))
    peaks = []
    for count in (200, 800):
        tracemalloc.start()
        try:
            copy_audit(many[:count], few, many[:100], batch_size=50)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    # 600 images as floats are 0.3 MB, distances 0.24 MB a form; numbers and digests stay
    assert peaks[1] - peaks[0] < 600 * 350


# ---- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [copy_audit, nearest_images])
def test_bad_input_is_named(function):
    with pytest.raises(ValueError, match="`images`: got shape"):
        function(IMAGES[0], TRAINING)
    with pytest.raises(ValueError, match="`images`: got values"):
        function(IMAGES.astype("float32"), TRAINING)
    with pytest.raises(ValueError, match="`training`: got images of shape"):
        function(IMAGES, TRAINING[..., :1])
    with pytest.raises(ValueError, match=r"`training`: got .*; expected at least one"):
        function(IMAGES, TRAINING[:0])
    with pytest.raises(ValueError, match="`batch_size`: got 0"):
        function(IMAGES, TRAINING, batch_size=0)


def test_bad_held_out_images_are_named_before_any_work():
    with pytest.raises(ValueError, match="`held_out`: got images of shape"):
        copy_audit(IMAGES, TRAINING, HELD_OUT[..., :1], batch_size=0)


BAD_FEATURES = {
    "no callable": (np.zeros((23, 4)), "a ndarray; expected a callable"),
    "rank": (lambda x: x, r"shape \(9, 8, 9, 3\) from it"),
    "no number": (lambda x: np.zeros((len(x), 0)), "shape .* from it"),
    "text": (lambda x: np.full((len(x), 2), "a"), "dtype <U1 from it"),
    "nan": (lambda x: np.full((len(x), 2), np.nan), "NaN"),
    "rows": (lambda x: np.ones((len(x) + 1, 2)), "rows for 23 images"),
    "lengths": (lambda x: np.ones((len(x), len(x))), "features of 2 and of 9 numbers"),
}


@pytest.mark.parametrize("case", BAD_FEATURES)
def test_bad_features_are_named(case):
    features, message = BAD_FEATURES[case]
    with pytest.raises(ValueError, match=f"`features`: got .*{message}"):
        copy_audit(IMAGES, TRAINING, HELD_OUT, features, batch_size=9)

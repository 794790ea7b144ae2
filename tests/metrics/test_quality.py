"""Synthetic images beside what unseen real ones get."""

import json

import numpy as np
import pytest

import keras_medaug as kma
from keras_medaug.metrics import sample_quality

pytestmark = pytest.mark.backend_free

DATA = kma.datasets.load("phantom", size=16)
TRAIN, VAL, TEST = DATA.train, DATA.val, DATA.test
PIXELS = kma.features.PixelFeatures(TRAIN[0], components=12)
SPACES = {"pixels": PIXELS, "rows": lambda x: x.mean(axis=(2, 3))}
MEASURES = ["kernel", "frechet", "precision", "recall", "density", "coverage"]


def quality(images, **options):
    return sample_quality(images, TRAIN[0], VAL[0], SPACES, **options)


@pytest.fixture(scope="module")
def of_real():
    return quality(TEST[0])


def test_it_has_every_measure_with_its_floor_in_every_space(of_real):
    assert list(of_real["spaces"]) == ["pixels", "rows"]
    for space in of_real["spaces"].values():
        assert list(space) == MEASURES
        for metric in space.values():
            assert metric["ci95"][0] <= metric["value"] <= metric["ci95"][1]
            assert (
                metric["floor"]["ci95"][0] <= metric["floor"]["value"] <= metric["floor"]["ci95"][1]
            )
    assert json.loads(json.dumps(of_real)) == of_real
    assert of_real["classes"] is None


def test_unseen_real_images_are_at_the_floor(of_real):
    for space in of_real["spaces"].values():
        for name in ("kernel", "precision", "recall", "coverage"):
            low, high = space[name]["ci95"]
            floor_low, floor_high = space[name]["floor"]["ci95"]
            assert max(low, floor_low) <= min(high, floor_high)


def test_as_many_are_compared_as_there_are_unseen_ones(of_real):
    assert of_real["count"] == min(len(VAL[0]), len(TEST[0]))
    assert of_real["training_count"] == len(TRAIN[0])
    few = quality(TEST[0][:30])
    assert few["count"] == 30  # the floor, too, is of 30: distances of fewer images are larger
    space, more = few["spaces"]["pixels"], of_real["spaces"]["pixels"]
    assert space["frechet"]["floor"]["value"] > more["frechet"]["floor"]["value"]


def test_the_floor_is_what_the_metric_gives_unseen_images(of_real):
    assert of_real["count"] == len(VAL[0])  # so that none is left out
    expected = kma.metrics.kernel_distance(PIXELS(TRAIN[0]), PIXELS(VAL[0]))["value"]
    floor = of_real["spaces"]["pixels"]["kernel"]["floor"]["value"]
    assert floor == pytest.approx(expected, rel=1e-6)


def test_unbiased_distances_take_all_images():
    """So that a generator that makes many is known better; the rest keeps equal numbers."""
    many = np.concatenate([TRAIN[0][::-1], TEST[0]])
    record = sample_quality(many, TRAIN[0], VAL[0][:30], {"pixels": PIXELS})
    assert (record["count"], record["counts"]) == (30, [len(many), 30])
    space = record["spaces"]["pixels"]
    vectors = PIXELS(TRAIN[0]), PIXELS(many)
    assert space["kernel"]["value"] == pytest.approx(kma.metrics.kernel_distance(*vectors)["value"])
    few = sample_quality(many[-30:], TRAIN[0], VAL[0][:30], {"pixels": PIXELS})
    assert np.ptp(space["kernel"]["ci95"]) < np.ptp(few["spaces"]["pixels"]["kernel"]["ci95"]) / 2
    assert np.ptp(record["spectral"]["ci95"]) < np.ptp(few["spectral"]["ci95"]) / 2
    assert space["kernel"]["floor"] == few["spaces"]["pixels"]["kernel"]["floor"]
    assert space["frechet"]["bias"] == few["spaces"]["pixels"]["frechet"]["bias"]


def test_the_unit_of_features_changes_no_kernel_distance():
    units = {str(unit): lambda x, unit=unit: unit * PIXELS(x) for unit in (1e-3, 1.0, 1e3)}
    record = sample_quality(TEST[0], TRAIN[0], VAL[0], units)["spaces"]
    for unit in ("0.001", "1000.0"):
        for metric, expected in (
            (record[unit]["kernel"], record["1.0"]["kernel"]),
            (record[unit]["kernel"]["floor"], record["1.0"]["kernel"]["floor"]),
        ):
            assert metric["value"] == pytest.approx(expected["value"], rel=1e-6)


def test_the_spectrum_has_its_floor(of_real):
    spectral = of_real["spectral"]
    expected = kma.metrics.spectral_distance(TRAIN[0], VAL[0])
    assert spectral["floor"] == {name: expected[name] for name in spectral["floor"]}
    assert spectral["value"] == kma.metrics.spectral_distance(TRAIN[0], TEST[0])["value"]
    blurred = (TEST[0] + np.roll(TEST[0], 1, axis=1)) / 2
    worse = quality(blurred)["spectral"]
    assert worse["ci95"][0] > spectral["floor"]["ci95"][1]
    assert worse["high_frequency_ratio"] < 0.7 < spectral["high_frequency_ratio"] < 1.3


def test_worse_images_are_seen():
    blurred = sum(np.roll(TEST[0], step, axis=(1, 2)) for step in range(8)) / 8
    space = quality(blurred)["spaces"]["pixels"]
    for name in ("kernel", "frechet"):
        assert space[name]["ci95"][0] > space[name]["floor"]["value"]
    assert space["coverage"]["ci95"][1] < space["coverage"]["floor"]["value"]


def test_copies_are_below_the_floor():
    """What no new image can: be nearer to the training images than unseen ones are."""
    space = quality(TRAIN[0][: len(VAL[0])])["spaces"]["pixels"]
    assert space["coverage"]["value"] > space["coverage"]["floor"]["value"]
    assert space["precision"]["value"] == 1.0
    assert space["frechet"]["value"] < space["frechet"]["floor"]["value"]


def test_each_class_by_itself():
    labels = {"training_labels": TRAIN[1], "held_out_labels": VAL[1]}
    one_for_another = np.where(TEST[1] == 0, 1, TEST[1])
    record = quality(TEST[0], labels=one_for_another, **labels)
    assert record["classes"]["0"] is None  # no image of it is left
    assert record["classes"]["1"]["count"] == np.sum(VAL[1] == 1)
    own = kma.metrics.spectral_distance(TRAIN[0][TRAIN[1] == 1], VAL[0][VAL[1] == 1])
    assert record["classes"]["1"]["spectral"]["floor"]["value"] == own["value"]
    right = quality(TEST[0], labels=TEST[1], **labels)["classes"]
    names = "1", "spaces", "pixels", "kernel", "value"
    values = []
    for part in (record["classes"], right):
        for name in names:
            part = part[name]
        values.append(part)
    assert values[0] > values[1]  # half of "1" are of another class


def test_bytes_give_the_same():
    bytes_ = [np.rint(x * 255).astype(np.uint8) for x in (TEST[0], TRAIN[0], VAL[0])]
    floats = [x.astype("float32") / 255 for x in bytes_]
    assert sample_quality(*bytes_, SPACES) == sample_quality(*floats, SPACES)


def test_a_seed_decides():
    few = {"pixels": PIXELS}
    first, same, other = (
        sample_quality(TEST[0], TRAIN[0], VAL[0][:60], few, seed=seed) for seed in (1, 1, 2)
    )
    assert first == same
    assert first != other


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": TEST[0][:19]}, "`images`: got 19 images; expected 20 or more"),
        ({"held_out": VAL[0][:, :8]}, "`held_out`"),
        ({"features": {}}, "`features`"),
        ({"features": {"a": 1}}, "`features`"),
        ({"features": {"a": lambda x: x}}, r"`features\['a'\]`: got shape"),
        ({"features": {"a": lambda x: x[:3, 0, 0]}}, r"`features\['a'\]`: got 3 rows"),
        ({"features": {"a": lambda x: x[:, 0, 0] * np.nan}}, r"`features\['a'\]`: got NaN"),
        ({"labels": TEST[1]}, "`training_labels`: got None"),
        ({"neighbours": 0}, "`neighbours`"),
        ({"neighbours": 200}, "`images`|`held_out`"),
    ],
)
def test_what_is_refused(change, message):
    options = {"images": TEST[0], "training": TRAIN[0], "held_out": VAL[0], "features": SPACES}
    with pytest.raises(ValueError, match=message):
        sample_quality(**{**options, **change})

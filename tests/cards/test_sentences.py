"""Sentences say what was measured, and do not flatter."""

import pytest

from keras_medaug.cards.sentences import (
    summarize_quality,
    summarize_two_sample,
    unlike_in_sharpness,
)

pytestmark = pytest.mark.backend_free

NUMBERS = ("kernel", "frechet", "precision", "recall", "density", "coverage")
TOLD = {"auc": 0.95, "ci95": [0.9, 0.98], "p": 0.001, "count": 60, "detectable": 0.64}
REAL = {"auc": 0.51, "ci95": [0.41, 0.61], "p": 0.4, "count": 60, "detectable": 0.64}


def test_images_that_are_told_apart():
    assert summarize_two_sample({**TOLD, "reference": REAL}) == (
        "A simple classifier tells real from synthetic images with AUC 0.95 [0.90, 0.98] (real "
        "from other real images: 0.51 [0.41, 0.61]). At 0.5 they cannot be told apart."
    )


def test_images_that_are_not_told_apart_and_what_would_have_been():
    text = summarize_two_sample({**REAL, "reference": REAL})
    assert text.endswith(
        "No difference is seen, but with 60 images of each kind an AUC below 0.64 is easily missed."
    )


def test_copies_are_told_by_an_auc_below_a_half():
    copies = {**REAL, "auc": 0.2, "ci95": [0.1, 0.3], "p": 1.0}
    text = summarize_two_sample({**copies, "reference": REAL})
    assert "is what copies of training images bring about" in text
    assert "No difference" not in text


@pytest.mark.parametrize(
    ("test", "part"),
    [
        ({**TOLD, "reference": None}, "0.98] (no reference value"),
        (None, "is not known: that takes 10 images or more of each kind"),
    ],
)
def test_what_is_lacking_is_said(test, part):
    assert part in summarize_two_sample(test)


def readings(**changed):
    same = {"reading": "same", "smallest_difference": 0.2, "worse_from": 0.3}
    return {name: same | changed.get(name, {}) for name in NUMBERS}


QUALITY = {"count": 24, "counts": [24, 300], "spaces": {
    name: {"coverage": {"floor": {"value": value}}} for name, value in (("a", 0.5), ("b", 0.6))
}}  # fmt: skip


def test_the_summary_counts_and_says_what_was_too_small_to_see():
    worse = {"reading": "worse"}
    text = summarize_quality(
        QUALITY,
        {
            "a": readings(),
            "b": readings(
                kernel=worse, recall={"reading": "better"}, coverage={"smallest_difference": 0.3}
            ),
        },
    )
    assert text == (
        "Of 12 numbers that compare synthetic images with real ones, worse than those of unseen "
        "real images: 1; no difference seen: 10; better: 1. With 24 synthetic and 300 held-out "
        "images a difference can be too small to see: a coverage anywhere between 0.3 and the 0.6 "
        "of unseen real images is not called worse (space 'b')."
    )


def test_where_nothing_could_have_been_seen_it_is_said():
    text = summarize_quality(QUALITY, {"a": readings(coverage={"worse_from": None})})
    assert text.endswith(
        "not even a coverage of 0 is called worse than the 0.5 of unseen real images (space 'a')."
    )


def test_another_number_is_the_example_where_coverage_is_worse():
    worse = {name: {"reading": "worse"} for name in ("coverage", "precision")}
    beside = {"coverage": None, "recall": {"floor": {"value": 0.9}}}
    text = summarize_quality({**QUALITY, "spaces": {"a": beside}}, {"a": readings(**worse)})
    assert "a recall anywhere between 0.3 and the 0.9 of unseen real images" in text


def test_a_single_number_is_spoken_of_as_one():
    text = summarize_quality(QUALITY, {"a": {"coverage": {"reading": "worse"}}})
    assert text == (
        "Of 1 number that compares synthetic images with real ones, worse than that of unseen real "
        "images: 1; no difference seen: 0; better: 0."
    )


def test_where_all_is_seen_nothing_is_added():
    worse = {name: {"reading": "worse"} for name in NUMBERS}
    assert summarize_quality(QUALITY, {"a": readings(**worse)}).endswith("better: 0.")


@pytest.mark.parametrize(
    ("ratio", "reference", "low", "said"),
    [
        (0.4, 1.0, 2.0, "blurred"),
        (0.4, 0.7, 2.0, None),  # held-out images are not sharper by much
        (0.4, None, 2.0, "blurred"),
        (0.4, 1.0, -0.1, None),  # too few images to tell
        (1.5, 1.0, 2.0, None),
        (2.1, 1.0, 2.0, "checkerboard"),
    ],
)
def test_blur_and_noise_are_named(ratio, reference, low, said):
    beside = None if reference is None else {"high_frequency_ratio": reference}
    sentence = unlike_in_sharpness(
        {"high_frequency_ratio": ratio, "ci95": [low, 9.0], "reference": beside}
    )
    assert sentence is None if said is None else said in sentence
    if said and reference:
        assert f"(held-out real images: {reference:.2f} times)" in sentence

"""How many synthetic images each class gets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_medaug.labels import plan_labels
from keras_medaug.labels.plan import warn_of_rare

pytestmark = pytest.mark.backend_free

Y = np.repeat([0, 1, 2], [50, 20, 5])


def planned(*arguments, **options):
    return np.bincount(plan_labels(*arguments, **options), minlength=3).tolist()


@pytest.mark.parametrize(
    ("per_class", "total", "expected"),
    [
        ("balance", None, [0, 30, 45]),
        ("balance", 15, [0, 0, 15]),  # all to the smallest, until it is as large as the next
        ("balance", 35, [0, 10, 25]),
        ("balance", 36, [0, 10, 26]),
        ("balance", 78, [1, 31, 46]),
        ("proportional", None, [50, 20, 5]),
        ("proportional", 11, [7, 3, 1]),  # 7.33, 2.93, 0.73: the two largest remainders go up
        (4, None, [4, 4, 4]),
        ({1: 3, 2: 0}, None, [0, 3, 0]),
    ],
)
def test_plans(per_class, total, expected):
    assert planned(Y, per_class, total) == expected


def test_labels_come_in_order_and_balanced_sets_lack_nothing():
    assert plan_labels(Y, 2).tolist() == [0, 0, 1, 1, 2, 2]
    assert plan_labels(Y, 2).dtype == np.int32
    assert len(plan_labels([0, 1, 1, 0])) == 0


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    total=st.integers(1, 300),
    word=st.sampled_from(["balance", "proportional"]),
)
def test_totals_are_kept(counts, total, word):
    y = np.repeat(np.arange(len(counts)), counts)
    made = np.bincount(plan_labels(y, word, total), minlength=len(counts))
    assert made.sum() == total
    whole = made + counts
    if word == "balance":
        # No class that gets an image ends above one that got none, or more than one above another.
        assert whole[made > 0].max() <= whole.min() + 1
    else:
        assert np.abs(made - total * np.array(counts) / sum(counts)).max() < 1


@pytest.mark.parametrize(
    ("per_class", "total", "message"),
    [
        ("equal", None, "`per_class`: got 'equal'"),
        (0, None, "`per_class`: got 0"),
        ({3: 1}, None, "`per_class`: got class 3"),
        ({0: -1}, None, r"`per_class\[0\]`: got -1"),
        (3, 10, "`total`: got 10"),
        ("balance", 0, "`total`: got 0"),
    ],
)
def test_what_is_refused(per_class, total, message):
    with pytest.raises(ValueError, match=message):
        plan_labels(Y, per_class, total)


def test_classes_may_have_names():
    names = ["benign", "malignant", "normal"]
    wanted = {"malignant": 2, "normal": 1}
    assert plan_labels(np.array(names)[Y], wanted, class_names=names).tolist() == [1, 1, 2]
    with pytest.raises(ValueError, match=r"`per_class`: got class 'cyst'.*among benign, malignant"):
        plan_labels(Y, {"cyst": 1}, class_names=names)


def test_a_class_without_an_image_is_refused():
    with pytest.raises(ValueError, match="`y`"):
        plan_labels([0, 2, 2])


@pytest.mark.parametrize(
    ("counts", "planned", "said"),
    [
        (
            [400, 1],
            [0, 144],
            "144 synthetic images are planned of class 1, which has 1 real",
        ),
        ([9, 2], [1, 3], "of class 0, which has 9 real images; 3 synthetic images are planned of"),
        ([10, 400], [500, 0], None),
        ([400, 1], [400, 0], None),
    ],
)
def test_rare_classes_of_which_images_are_planned_are_told_of(counts, planned, said):
    sentence = warn_of_rare(counts, planned)
    assert (sentence is None) == (said is None)
    assert said is None or said in sentence


def test_rare_classes_have_their_names():
    assert "of class 'melanoma', which" in warn_of_rare([20, 3], [0, 5], ["naevus", "melanoma"])

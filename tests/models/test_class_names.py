"""Classes that have names: labels may be names wherever the model knows them."""

import keras
import numpy as np
import pytest

from harness.bad_input import X, Y, refused

pytestmark = pytest.mark.one_backend

NAMES = ["benign", "malignant"]
NAMED = np.array(NAMES)[Y]


@pytest.fixture(scope="module")
def model(build):
    return build("CVAE", class_names=NAMES)


def test_names_tell_the_number_of_classes(model, build):
    assert (model.num_classes, model.class_names) == (2, ("benign", "malignant"))
    with refused("class_names", "2 names", "3, one per class"):
        build("CVAE", class_names=NAMES, num_classes=3)


@pytest.mark.parametrize("name", ["CVAE", "Classifier"])
def test_a_model_trains_on_names_as_on_numbers(build, name):
    by_name, by_number = (build(name, class_names=NAMES) for _ in range(2))
    one = by_name.fit(X, NAMED, validation_data=(X, NAMED[:, None]), verbose=0).history
    other = by_number.fit(X, Y, validation_data=(X, Y), verbose=0).history
    assert one == other
    assert by_name.fit(iter([(X, NAMED)] * 2), steps_per_epoch=1, verbose=0).history["loss"]


def test_images_by_name(model):
    for labels in (NAMED, NAMED.tolist(), NAMED.astype(object)):
        np.testing.assert_array_equal(
            model.generate(8, labels, seed=0), model.generate(8, Y, seed=0)
        )
    np.testing.assert_array_equal(model.encode(X, NAMED), model.encode(X, Y))
    pairs = ([X, NAMED], [X, Y])
    np.testing.assert_array_equal(*(model.predict(pair, verbose=0) for pair in pairs))


@pytest.mark.parametrize("one", ["malignant", 1, np.int32(1)])
def test_one_label_for_all_images(model, one):
    all_of_it = np.ones(8, int)
    np.testing.assert_array_equal(
        model.generate(8, one, seed=0), model.generate(8, all_of_it, seed=0)
    )
    np.testing.assert_array_equal(model.encode(X, one), model.encode(X, all_of_it))


def test_a_name_that_is_not_known(model):
    with refused("labels", "'normal'", "among benign, malignant"):
        model.generate(2, ["benign", "normal"])
    with refused("labels", "'normal'", "among benign, malignant"):
        model.generate(2, "normal")
    with refused("y", "'normal'", "among benign, malignant"):
        model.fit(X, np.where(Y, "normal", "benign"), verbose=0)


def test_a_model_without_names_says_what_to_pass(build):
    with refused("labels", "names, such as 'benign'", "class_names="):
        build("CVAE", num_classes=2).generate(2, NAMES)


def test_names_are_saved(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.class_names == ("benign", "malignant")
    np.testing.assert_array_equal(
        loaded.generate(1, "malignant", seed=0), model.generate(1, "malignant", seed=0)
    )

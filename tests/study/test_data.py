"""The audit of a study: flipped and turned duplicates count, empty background does not."""

import numpy as np
import pytest

import keras_medaug as kma
from keras_medaug.study.arm import resolve_arms
from keras_medaug.study.checks import warn_of_data
from keras_medaug.study.data import leaked_images, run_audit
from keras_medaug.study.settings import Settings
from keras_medaug.study.tasks import plan

pytestmark = pytest.mark.one_backend


@pytest.fixture
def tiles():
    """A set of noise and background, of which four test images are in training."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 8, 8, 1), dtype="uint8")
    images[50:53] = images[0, ::-1], np.rot90(images[1]), images[2]
    images[53] = np.clip(images[3, :, ::-1] // 2 + images[3, :, ::-1] // 2 + 1, 0, 255)
    images[[10, 11, 58, 59]] = 240  # of one colour
    splits = images[:40], images[40:50], images[50:]
    arrays = [part for x in splits for part in (x, np.arange(len(x)) % 2)]
    return kma.datasets.from_arrays(*arrays)


def test_flipped_and_turned_test_images_are_duplicates(tiles, tmp_path):
    task, _ = plan(tiles, resolve_arms(["none", "oversample"]), 1, Settings(), {}, tmp_path)
    result = run_audit(task, tiles)
    assert result["near_duplicates"] == [0, 1, 2, 3]
    assert (result["exact_duplicates"], result["turned"], result["uniform"]) == (3, 3, 2)
    warnings = warn_of_data(result, "ab")
    (warning,) = (given for given in warnings if given["check"] == "duplicates")
    assert "3 test images are in the training split, and 4 are in it" in warning["message"]
    assert "3 of them flipped or turned by quarters" in warning["message"]
    assert "2 uniform test images were not compared" in warning["message"]


def test_an_audit_of_before_is_not_taken_for_one_of_now(tiles, tmp_path, monkeypatch):
    """Another version of the work has another address, as has another threshold."""

    def keys():
        audit, tasks = plan(tiles, resolve_arms(["none", "cvae"]), 1, Settings(), {}, tmp_path)
        return {task.key for task in (audit, *tasks.values(), *tasks["cvae", 0].needs.values())}

    now = keys()
    assert len(now) == 4
    monkeypatch.setattr("keras_medaug.study.tasks.VERSION", 1)
    assert not keys() & now
    monkeypatch.undo()
    monkeypatch.setattr("keras_medaug.study.tasks.NEAR", 0.5)
    assert len(now - keys()) == 1


def test_test_images_that_an_arm_trains_on_are_counted_in_any_form_and_background_is_not():
    rng = np.random.default_rng(0)
    test = rng.integers(0, 256, (8, 8, 8, 1), dtype="uint8")
    test[6:] = 200
    training = rng.integers(0, 256, (20, 8, 8, 1), dtype="uint8")
    assert leaked_images(test, training) == 0
    training[0], training[1] = test[0, ::-1], test[1].swapaxes(0, 1)
    training[2], training[3] = test[2], test[6]
    assert leaked_images(test, training) == 3

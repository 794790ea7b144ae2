"""Seeds of parts: fixed for ever, different from each other, and governed where Keras's are."""

import keras
import pytest

from keras_medaug.seeds import derive_seed, resolve_seed

pytestmark = pytest.mark.backend_free


def test_a_derived_seed_never_changes():
    # Written down, so that saved results can be made again with any later version.
    assert derive_seed(0, "encoder") == 358880925
    assert derive_seed(7, "order", 3) == 1419411404


def test_parts_differ():
    seeds = {derive_seed(seed, part, n) for seed in range(10) for part in "ab" for n in range(10)}
    assert len(seeds) == 200
    assert all(0 <= seed < 2**31 - 1 for seed in seeds)


def test_no_seed_is_drawn_as_keras_draws():
    keras.utils.set_random_seed(1)
    first = [resolve_seed(None), resolve_seed(None)]
    keras.utils.set_random_seed(1)
    assert [resolve_seed(None), resolve_seed(None)] == first
    assert first[0] != first[1]


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_a_seed_is_itself(seed):
    assert resolve_seed(seed) == seed


@pytest.mark.parametrize("seed", [-1, 0.5, "0", True, [1]])
def test_not_a_seed(seed):
    with pytest.raises(ValueError, match=r"`seed`: got .*; expected None or an integer"):
        resolve_seed(seed)

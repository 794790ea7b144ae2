"""The fixture `compiled_anew` keeps a test, and the processes it starts, out of JAX's cache."""

import importlib
import os

import keras
import pytest

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "jax", reason="only JAX has a compilation cache on disk"
)


@pytest.fixture
def cached_programs(tmp_path):
    """Return a function that compiles a program and counts those in a cache of the test's own."""
    jax = importlib.import_module("jax")
    cache = importlib.import_module("jax.experimental.compilation_cache.compilation_cache")
    own = {
        "jax_compilation_cache_dir": str(tmp_path),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    before = {name: getattr(jax.config, name) for name in own}

    def count(factor):
        for name, value in own.items():
            jax.config.update(name, value)
        cache.reset_cache()
        jax.jit(lambda x: factor * x + 1)(2.0).block_until_ready()
        return len(list(tmp_path.iterdir()))

    yield count
    for name, value in before.items():
        jax.config.update(name, value)
    cache.reset_cache()


def test_programs_are_cached(cached_programs):
    assert cached_programs(23) > 0


@pytest.mark.usefixtures("compiled_anew")
def test_with_the_fixture_they_are_not(cached_programs):
    assert cached_programs(24) == 0
    assert os.environ["JAX_ENABLE_COMPILATION_CACHE"] == "0"

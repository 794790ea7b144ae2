"""What `import keras_medaug` does to a process: hardly anything."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
BACKENDS = {"jax", "torch", "tensorflow"}
OPTIONAL = {
    "matplotlib",
    "PIL",
    "medmnist",
    "dask",
    "distributed",
    "jinja2",
    "pandas",
    "scipy",
    "sklearn",
    "tqdm",
}
# Runs on its own, so that nothing is imported already. Keras comes first: what it imports, JAX for
# one under every backend, is not ours to answer for.
PROBE = """
import gc, json, sys, time
start = time.process_time()
import keras
keras_seconds = time.process_time() - start

def state():
    import logging, os, random, warnings, numpy
    return [
        keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format(),
        keras.config.dtype_policy().name, keras.config.is_traceback_filtering_enabled(),
        str(warnings.filters), str(logging.getLogger().handlers), dict(os.environ),
        str(random.getstate()), str(numpy.random.get_state()), numpy.get_printoptions(),
        numpy.geterr(), sys.path, os.getcwd(), sorted(map(str, sys.meta_path)),
    ]

state()  # imports what it needs itself
modules, before = set(sys.modules), str(state())
gc.freeze()  # else a collection may fall into our import, and walk all that the backend has made
start = time.process_time()
import keras_medaug
seconds = time.process_time() - start
after = str(state())
added = sorted(set(sys.modules) - modules)
costs = {"seconds": seconds, "keras_seconds": keras_seconds}
print("REPORT" + json.dumps({"added": added, "same": before == after} | costs))
"""


def probe():
    """Import the package in a process of its own; return its report and all else it printed."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROBE],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    printed, _, report = run.stdout.partition("REPORT")
    return json.loads(report) | {"printed": printed, "stderr": run.stderr}


@pytest.fixture(scope="module")
def report():
    return probe()


def test_no_other_backend_is_imported(report, backend):
    tops = {name.partition(".")[0] for name in report["added"]}
    assert "keras_medaug" in tops
    assert not tops & (BACKENDS - {backend})


def test_no_optional_package_is_imported(report):
    tops = {name.partition(".")[0] for name in report["added"]}
    assert not tops & OPTIONAL


def test_nothing_is_printed(report):
    assert report["printed"] == ""
    assert "keras_medaug" not in report["stderr"]


def test_no_global_state_is_set(report):
    assert report["same"]


def test_it_costs_little_over_keras(report):
    # a fraction of Keras's own time, for slow machines; the best of up to three of each
    ours, keras_seconds = report["seconds"], report["keras_seconds"]
    for _ in range(2):
        if ours < 0.15 * keras_seconds:
            break
        again = probe()
        ours = min(ours, again["seconds"])
        keras_seconds = min(keras_seconds, again["keras_seconds"])
    assert ours < 0.15 * keras_seconds


def test_the_public_names_are_there():
    import keras_medaug as kma

    for name in kma.__all__:
        assert hasattr(kma, name), name
    for part in ("callbacks", "datasets", "layers", "losses", "metrics", "models", "networks"):
        assert part in kma.__all__

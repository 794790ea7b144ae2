"""What all tests share: the seeded state they start from, small images, and where real data is."""

import importlib
import os
from pathlib import Path

import keras
import numpy as np
import pytest

from backend_free import off_limits
from helpers.public import is_public

pytest.register_assert_rewrite("harness")

REPOSITORY = Path(__file__).parents[1]


# The parts of the package whose helpers use NumPy alone: the examples in their docstrings run once.
NUMPY_ALONE = {
    "array_checks", "backend_check", "checked_images", "checks", "datasets", "files", "images",
    "interrupts", "label_checks", "metrics", "mosaics", "plotting", "progress", "seeds",
    "status_line", "time_left",
}  # fmt: skip


def visible_gpus(backend):
    """List the GPUs that the backend sees."""
    module = importlib.import_module(backend)
    if backend == "jax":
        return [device for device in module.devices() if device.platform == "gpu"]
    if backend == "torch":
        return list(range(module.cuda.device_count()))
    return module.config.list_physical_devices("GPU")


@pytest.fixture(scope="session")
def has_gpu():
    """Tell whether the backend sees a GPU."""
    return bool(visible_gpus(keras.config.backend()))


def pytest_addoption(parser):
    parser.addoption(
        "--check-gpu",
        action="store_true",
        help="fail at once, instead of skipping, where the backend sees no GPU",
    )


def pytest_report_header():
    backend = keras.config.backend()
    return f"keras {keras.__version__} on {backend} {importlib.import_module(backend).__version__}"


def pytest_sessionstart(session):
    backend = keras.config.backend()
    if session.config.getoption("--check-gpu") and not visible_gpus(backend):
        raise pytest.UsageError(f"--check-gpu: {backend} sees no GPU")


def pytest_collection_modifyitems(items):
    backend = keras.config.backend()
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked and not visible_gpus(backend):
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=f"{backend} sees no GPU"))
    for item in items:
        if isinstance(item, pytest.DoctestItem) and not is_public(item.name):
            module = item.name.split(".")[1]
            item.add_marker("backend_free" if module in NUMPY_ALONE else "one_backend")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Keep Keras away from a test that is marked `backend_free`, and from its fixtures."""
    if item.get_closest_marker("backend_free"):
        with off_limits():
            return (yield)
    return (yield)


def pytest_terminal_summary(terminalreporter):
    """Say how far gradients were from what they should be, where the oracle has run."""
    largest = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for key, value in getattr(report, "user_properties", []):
                if key == "oracle":
                    name, error = value
                    largest[name] = max(error, largest.get(name, 0.0))
    _print_errors(terminalreporter)
    if largest:
        terminalreporter.section(f"gradient oracle on {keras.config.backend()}")
        for name, error in largest.items():
            terminalreporter.line(f"{name:8} largest relative error of a gradient {error:.1e}")


def _print_errors(terminalreporter):
    """Print what tests measured with `report_error`."""
    errors = {
        value: None
        for reports in terminalreporter.stats.values()
        for report in reports
        for key, value in getattr(report, "user_properties", [])
        if key == "error"
    }
    if errors:
        terminalreporter.section(f"errors measured on {keras.config.backend()}")
        for what, error in errors:
            terminalreporter.line(f"{error:10.3g}  {what}")


@pytest.fixture
def report_error(record_property):
    """Return `report(what, error)`, which has an error printed at the end of the tests."""
    return lambda what, error: record_property("error", (what, float(error)))


@pytest.fixture(autouse=True)
def _fresh_state():
    """Start every test from the same seeds, layer names and dtype policy."""
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)


@pytest.fixture
def compiled_anew(monkeypatch):
    """Let JAX compile all programs anew, in this process and in those that the test starts."""
    monkeypatch.setenv("JAX_ENABLE_COMPILATION_CACHE", "0")
    if keras.config.backend() != "jax":
        yield
        return
    jax = importlib.import_module("jax")
    cache = importlib.import_module("jax.experimental.compilation_cache.compilation_cache")
    before = jax.config.jax_enable_compilation_cache
    jax.config.update("jax_enable_compilation_cache", False)
    cache.reset_cache()  # JAX reads the setting once
    yield
    jax.config.update("jax_enable_compilation_cache", before)
    cache.reset_cache()


@pytest.fixture(scope="session")
def backend():
    """Return the name of the backend under test."""
    return keras.config.backend()


def medmnist_folders():
    """Return the folders in which real MedMNIST files are looked for, in that order."""
    named = os.environ.get("MEDMNIST_ROOT")
    folders = [Path(named)] if named else []
    return [*folders, REPOSITORY.parent / "shared/data/medmnist", Path.home() / ".medmnist"]


@pytest.fixture(scope="session")
def medmnist_file():
    """Return a function from a set's name to the path of its file; skips, by name, if absent."""

    def find(name, size=28):
        file = f"{name}.npz" if size == 28 else f"{name}_{size}.npz"
        for folder in medmnist_folders():
            if (folder / file).is_file():
                return folder / file
        pytest.skip(f"{file} is in none of {', '.join(map(str, medmnist_folders()))}")

    return find


@pytest.fixture(scope="session")
def medmnist_root(medmnist_file):
    """Return the folder that holds `breastmnist.npz`; skips if there is none."""
    return medmnist_file("breastmnist").parent


def smooth_images(count, size=28, channels=1, seed=0):
    """Return smooth random images: a few low-frequency waves each, float32 in [0, 1]."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:size, 0:size] / size
    frequency = rng.uniform(-2, 2, (2, count, 4, channels, 1, 1))
    phase = rng.uniform(0, 2 * np.pi, (count, 4, channels, 1, 1))
    angle = 2 * np.pi * (frequency[0] * rows + frequency[1] * columns) + phase
    waves = np.sin(angle).mean(axis=1)  # in [-1, 1]
    return np.moveaxis(0.5 + 0.5 * waves, 1, -1).astype("float32")


@pytest.fixture(scope="session")
def _images():
    return smooth_images(32)


@pytest.fixture
def images(_images):
    """Return 32 smooth random images, shape (32, 28, 28, 1), float32 in [0, 1]; the test's own."""
    return _images.copy()


@pytest.fixture
def labels():
    """Return the labels of `images`: three classes in turn, shape (32,)."""
    return np.arange(32, dtype="int32") % 3

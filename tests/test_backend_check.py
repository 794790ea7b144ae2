"""A missing backend is told in one line, before Keras is imported.

Python runs without its site packages: what is installed are empty packages that a test makes.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.backend_free

REPOSITORY = Path(__file__).parents[1]
WHOLE = "print('keras was imported')\nraise SystemExit"  # Keras, as far as these tests go


def run(folder, *command, installed=(), backend=None, config=None):
    """Run a command where some packages are installed, by name and code."""
    for name, code in {"keras": WHOLE, **dict(installed)}.items():
        (folder / "site" / name).mkdir(parents=True)
        (folder / "site" / name / "__init__.py").write_text(code)
    home = folder / "home"
    home.mkdir()
    if config is not None:
        (home / "keras.json").write_text(config)
    env = {
        "KERAS_HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(folder / "site")]),
        **({} if backend is None else {"KERAS_BACKEND": backend}),
    }
    if "SYSTEMROOT" in os.environ:  # without which Python does not start on Windows
        env["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
    return subprocess.run(
        [sys.executable, "-S", *command],
        env=env, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


JAX, TORCH = ("jax", ""), ("torch", "")


@pytest.mark.parametrize(
    ("backend", "config", "installed", "said"),
    [
        (None, None, [JAX], ["'tensorflow' is not installed", "KERAS_BACKEND is not set",
                             "default of Keras", "Installed: jax", "Set KERAS_BACKEND=jax before",
                             'pip install "keras-medaug[tensorflow]"']),
        (None, None, [JAX, TORCH], ["Set KERAS_BACKEND=jax or KERAS_BACKEND=torch before"]),
        (None, None, [], ["No backend is installed", 'pip install "keras-medaug[jax]"',
                          "set KERAS_BACKEND=jax"]),
        ("torch", None, [], ['pip install "keras-medaug[torch]"', "set KERAS_BACKEND=torch"]),
        ("", "not JSON", [], ["default of Keras"]),
        (None, '{"backend": "torch"}', [JAX], ["'torch' is not installed", "keras.json names",
                                               "KERAS_BACKEND=jax"]),
        ("jax", '{"backend": "torch"}', [TORCH], ["'jax' is not installed (KERAS_BACKEND=jax)",
                                                  'pip install "keras-medaug[jax]"']),
        ("pytorch", None, [TORCH], ["'pytorch' is unknown", "Set KERAS_BACKEND=torch"]),
        ("pytorch", None, [], ["'pytorch' is unknown", 'pip install "keras-medaug[jax]"',
                               "set KERAS_BACKEND=jax"]),
    ],
)  # fmt: skip
def test_a_missing_backend_is_told_in_one_line(tmp_path, backend, config, installed, said):
    command = ("-c", "import keras_medaug.study.workers")  # Python imports the package first
    done = run(tmp_path, *command, installed=installed, backend=backend, config=config)
    assert done.returncode == 1
    assert done.stdout == ""
    *_, last = done.stderr.splitlines()
    assert last.startswith("ImportError: keras-medaug: ")
    for part in said:
        assert part in last
    assert "the above exception" not in done.stderr
    assert "site/keras" not in done.stderr


@pytest.mark.parametrize(
    ("backend", "config", "installed"),
    [
        ("jax", None, [JAX]),
        (None, None, [("tensorflow", "")]),
        (None, '{"backend": "torch"}', [TORCH]),
        ("numpy", None, []),
    ],
)
def test_with_its_backend_keras_is_imported(tmp_path, backend, config, installed):
    command = ("-c", "import keras_medaug")
    done = run(tmp_path, *command, installed=installed, backend=backend, config=config)
    assert done.stdout == "keras was imported\n"


def test_a_broken_backend_raises_its_own_error(tmp_path):
    installed = [("jax", "raise OSError('libcuda.so')"), ("keras", "import jax")]
    done = run(tmp_path, "-c", "import keras_medaug", installed=installed, backend="jax")
    assert done.stderr.splitlines()[-1] == "OSError: libcuda.so"


def test_where_keras_is_imported_already_nothing_is_checked(tmp_path):
    done = run(tmp_path, "-c", "import keras, keras_medaug", installed=[("keras", "")])
    assert "keras-medaug:" not in done.stderr  # but that this Keras is empty


def test_a_folder_of_the_same_name_is_no_backend(tmp_path):
    (tmp_path / "jax").mkdir()
    done = run(tmp_path, "-c", "import keras_medaug", backend="jax")
    assert "'jax' is not installed" in done.stderr


@pytest.mark.parametrize("name", ["reproduce.py", "study.py"])
def test_a_script_ends_with_that_line_alone(tmp_path, name):
    done = run(tmp_path, str(REPOSITORY / "examples" / name), installed=[JAX])
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert "'tensorflow' is not installed" in line
    assert "Set KERAS_BACKEND=jax" in line

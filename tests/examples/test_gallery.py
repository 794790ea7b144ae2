"""The scripts that the site shows. `nox -s docs` runs all of them in full, on JAX.

Three of them also run here, on PyTorch and TensorFlow. They train for one epoch or a few steps, to
check that they run.
"""

import ast
import io
import os
import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDERS = ("gallery", "tutorials")
SCRIPTS = sorted(path for folder in FOLDERS for path in (EXAMPLES / folder).glob("plot_*.py"))

scripts = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)


def is_title(text, underline):
    """Return whether two lines are a title in reStructuredText."""
    return bool(text.strip()) and set(underline) == {"="} and len(underline) >= len(text)


def test_there_are_scripts_of_both_kinds():
    assert {path.parent.name for path in SCRIPTS} == set(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_has_a_title(folder):
    header = (EXAMPLES / folder / "README.rst").read_text(encoding="utf-8").splitlines()
    assert is_title(*header[:2])


@scripts
def test_a_script_has_a_title_and_words(script):
    docstring = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")))
    lines = docstring.splitlines()
    assert is_title(*lines[:2])
    assert "".join(lines[2:]).strip()


# What users do most: train, save a larger set, and look into a model of three networks.
FEW = ("plot_1_first_images", "plot_2_larger_training_set", "plot_vaegan")


def with_small_budgets(script):
    """Return the source of a script that trains for an epoch, or a few steps, at a time."""
    source, fits = re.subn(r"\bepochs=\d+", "epochs=1", script.read_text(encoding="utf-8"))
    assert fits
    source, budgets = re.subn(r"^STEPS = \d+", "STEPS = 8", source, flags=re.MULTILINE)
    assert bool(budgets) is ("epochs=epochs" in source)
    return source


@pytest.mark.skipif(
    os.environ.get("KERAS_MEDAUG_GALLERY") == "docs", reason="`nox -s docs` runs it on JAX"
)
@pytest.mark.parametrize("name", FEW)
def test_a_script_runs_and_leaves_nothing_but_figures(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (script,) = (path for path in SCRIPTS if path.stem == name)
    names = {"__name__": "__main__", "__file__": str(script)}
    exec(compile(with_small_budgets(script), str(script), "exec"), names)
    figures = {name: value for name, value in names.items() if isinstance(value, Figure)}
    assert figures
    assert all(name.endswith("figure") for name in figures)
    for figure in figures.values():
        assert any(axes.has_data() for axes in figure.axes)
        figure.savefig(io.BytesIO(), format="png")  # drawing is when a figure fails
    assert list(tmp_path.iterdir()) == []

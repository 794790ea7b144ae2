"""The code on the pages of the site runs on every backend."""

import functools
import json
import re
from pathlib import Path

import pytest

import keras_medaug as kma
from helpers.source_files import source_files

REPOSITORY = Path(__file__).parents[2]
FOLDERS = ("docs", "docs/how_to", "docs/explanation", "docs/reference")
PAGES = [path for folder in FOLDERS for path in sorted((REPOSITORY / folder).glob("*.md"))]
# What readers do not see: a page's `<!-- setup ... -->` makes the files that it speaks of.
BLOCK = re.compile(r"^(?:```python|<!-- setup)\n(.*?)^(?:```|-->)$", flags=re.DOTALL | re.MULTILINE)


def code_of(page):
    """Return the code of a page, with one epoch for all: whether it runs is the question."""
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    return re.sub(r"\bepochs=\d+", "epochs=1", "\n".join(blocks))


WITH_CODE = [page for page in PAGES if code_of(page)]
# What a newcomer copies into a file or a session of their own.
TO_COPY = [
    REPOSITORY / "README.md",
    *(page for page in WITH_CODE if page.parent.name != "reference"),
    *sorted((REPOSITORY / "examples/tutorials").glob("*.py")),
    REPOSITORY / "examples/gallery/README.rst",
]


@pytest.mark.backend_free
@pytest.mark.parametrize("folder", [".", "docs", "examples", "keras_medaug"])
def test_commands_of_examples_name_the_backend(folder):
    """Keras takes TensorFlow where nobody says otherwise."""
    paths = (REPOSITORY / folder).glob("*.md") if folder == "." else each_text(REPOSITORY / folder)
    for path in paths:
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if "python examples/" in line:
                before = " ".join(lines[max(number - 3, 0) : number + 1])
                assert "KERAS_BACKEND" in before, f"{path}:{number + 1}: {line}"


def each_text(folder):
    """Return pages and scripts, those that building the site makes left out."""
    return source_files(folder, {".md", ".py", ".rst"})


@pytest.mark.backend_free
def test_long_names_do_not_widen_a_page():
    """On a phone: names break, tables scroll, and lists of arguments take no more than the page."""
    style = (REPOSITORY / "docs/_static/site.css").read_text(encoding="utf-8")
    rules = dict(re.findall(r"^(\.bd-article[^{]*?) \{\n(.*?)\}", style, re.DOTALL | re.MULTILINE))
    assert "overflow-wrap: anywhere" in rules[".bd-article"]
    assert "white-space: normal" in rules[".bd-article span.pre"]
    assert "minmax(0, 1fr)" in rules[".bd-article dl[class] dd dl.field-list"]
    assert "overflow-x: auto" in rules[".bd-article table"]


def test_there_are_pages_with_code():
    names = {page.stem for page in WITH_CODE}
    assert {
        "index",
        "own_images",
        "class_imbalance",
        "masks",
        "export",
        "publish",
        "training",
    } <= names


@pytest.mark.one_backend
@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # fewer images than readers get: one epoch is to take seconds
    phantom = functools.partial(kma.datasets.load, "phantom", train=64, val=24, test=16)
    monkeypatch.setattr(kma.datasets, "load", lambda _, **settings: phantom(**settings))
    monkeypatch.setattr(kma, "model_card", functools.partial(kma.model_card, classifier_steps=5))
    fewer_steps = functools.partial(kma.features.ClassifierFeatures, steps=5)
    monkeypatch.setattr(kma.features, "ClassifierFeatures", fewer_steps)
    code, names = compile(code_of(page), str(page), "exec"), {"__name__": "page"}
    for _ in range(2):  # again in the same folder and session
        exec(code, names)


@pytest.mark.backend_free
@pytest.mark.parametrize("page", TO_COPY, ids=lambda path: path.name)
def test_a_page_names_the_backend_before_it_imports_keras(page):
    before, _, _ = page.read_text(encoding="utf-8").partition("import keras")
    assert "KERAS_BACKEND" in before


@pytest.mark.backend_free
@pytest.mark.parametrize(
    "page", [*TO_COPY, *sorted((REPOSITORY / "examples/gallery").glob("*.py"))]
)
def test_a_page_imports_the_package_before_keras(page):
    """The package says what to install where Keras's backend is missing; Keras does not."""
    lines = page.read_text(encoding="utf-8").splitlines()
    first = [line for line in lines if re.match(r"\s*(import|from) keras(_medaug)?\b", line)][:1]
    assert all("keras_medaug" in line for line in first)


@pytest.mark.backend_free
def test_the_picture_of_the_front_page_is_what_its_code_draws():
    page = (REPOSITORY / "docs/index.md").read_text(encoding="utf-8")
    assert 'kma.plotting.save(grid, "first_images.png")' in code_of(REPOSITORY / "docs/index.md")
    assert "```{figure} _static/first_images.png" in page
    assert (REPOSITORY / "docs/_static/first_images.png").is_file()


def test_the_figures_of_the_training_page_are_those_of_the_results():
    page = (REPOSITORY / "docs/explanation/training.md").read_text(encoding="utf-8")
    rows = {cells[0]: cells[1:] for cells in map(cells_of, page.splitlines()) if cells}
    results = REPOSITORY / "docs/results"
    runs = json.loads((results / "collapse.json").read_text(encoding="utf-8"))["runs"]
    for name in ("CVAE", "DCGAN", "VAEGAN"):
        spreads = [run["spread"] for run in runs[name].values()]
        collapsed = sum(spread < 0.5 for spread in spreads)
        spread = f"{min(spreads):.2f} to {max(spreads):.2f}"
        assert rows[f"`{name}`"] == [f"{collapsed} of {len(spreads)}", spread]
        assert len(spreads) == 20
    cosines = json.loads((results / "pythae_gradients.json").read_text(encoding="utf-8"))["cosines"]
    for said, kind in (
        ("pythae 0.1.2, its default networks", "pythae, multilayer perceptrons"),
        ("pythae 0.1.2, its convolutional networks for MNIST", "pythae, convolutional"),
        ("keras-medaug", "keras-medaug"),
    ):
        ends = [{f"{min(values):.3f}", f"{max(values):.3f}"} for values in cosines[kind].values()]
        assert [{cell} for cell in rows[said]] == ends, said


def cells_of(line):
    """Return the cells of a row of a table, or nothing."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")] if "|" in line else []


@pytest.mark.backend_free
def test_the_accuracies_of_the_readme_are_those_of_the_results():
    readme = " ".join((REPOSITORY / "README.md").read_text(encoding="utf-8").split())
    runs = [
        json.loads((REPOSITORY / "docs/results/paper" / name / "results.json").read_text("utf-8"))
        for name in ("breastmnist", "pneumoniamnist")
    ]
    ours = [f"{100 * run['classifier']['test_accuracy']['mean']:.2f}" for run in runs]
    assert f"{ours[0]} and {ours[1]} % test accuracy" in readme


@pytest.mark.backend_free
def test_the_short_trainings_of_the_study_page_are_those_of_the_results():
    page = (REPOSITORY / "docs/study_results.md").read_text(encoding="utf-8")
    path = REPOSITORY / "docs/results/studies/breastmnist/results.json"
    arms = json.loads(path.read_text(encoding="utf-8"))["arms"]
    rows = [cells_of(line) for line in page.splitlines()]
    for name in ("none", "geometric"):
        (row, _) = [cells for cells in rows if cells[1:2] == [f"`{name}`"]]  # short, then long
        assert row[2:] == [
            f"{arms[name][split]['auc']['values'][0]:.3f}" for split in ("val", "test")
        ]

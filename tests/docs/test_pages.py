"""The code on the pages of the site runs on every backend."""

import functools
import re
from pathlib import Path

import pytest

import keras_medaug as kma

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


def test_there_are_pages_with_code():
    names = {page.stem for page in WITH_CODE}
    assert {"index", "own_images", "class_imbalance", "masks", "export", "training"} <= names


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # fewer images than readers get: one epoch is to take seconds
    smaller = functools.partial(kma.datasets.load, train=64, val=16, test=16)
    monkeypatch.setattr(kma.datasets, "load", smaller)
    exec(compile(code_of(page), str(page), "exec"), {"__name__": "page"})

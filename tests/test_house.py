"""The sizes that keep the house readable: files, folders, and names that say nothing."""

import ast
import re
from pathlib import Path

import pytest

from helpers.source_files import source_files

pytestmark = pytest.mark.backend_free

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "keras_medaug"
PLACES = ("keras_medaug", "examples", "benchmarks", "tests", "docs", "tools", "noxfile.py")

MOST_LINES = 450  # of a file of the package
MOST_STUDY_FILES = 18
EMPTY_NAMES = {"each", "found"}
MOST_EMPTY_NAMES = 149

# What had other names once: whoever copies them from a page gets an error.
RETIRED_NAMES = (
    r"/ ?[\"']?cells\b", r"\bcells/", r"[\"']cells[\"']\]", r"`cells`", r"[\"']cell[\"']",
    r"\bseconds_in_cells\b", r"\bkeras_medaug[./]players\b", r"\.players\b", r"\.restart\(",
    r"\bstudy\.correct\b", r"\bstudy[./]guards\b", r"[\"']guard[\"']",
)  # fmt: skip
RETIRED = re.compile("|".join(RETIRED_NAMES))
TEXTS = {".py", ".md", ".rst", ".toml", ".j2"}


def python_files(places=PLACES, root=ROOT):
    """Return the Python files of folders, and files that are named themselves."""
    paths = [path for place in places for path in source_files(root / place, {".py"})]
    return paths + [root / place for place in places if (root / place).is_file()]


def bindings(tree, names):
    """Yield `(line, name)` wherever code binds one of the names: assignments, loops, arguments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in names:
            yield node.lineno, node.id
        elif isinstance(node, ast.arg) and node.arg in names:
            yield node.lineno, node.arg


def line_count(path):
    """Return the number of lines of a file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def too_long(paths):
    """Return the files with more lines than a file of the package may have."""
    return {path.name: count for path in paths if (count := line_count(path)) > MOST_LINES}


def test_no_file_of_the_package_is_too_long():
    assert not too_long(PACKAGE.rglob("*.py"))


def test_the_study_has_few_files():
    files = sorted(path.name for path in (PACKAGE / "study").glob("*.py"))
    assert len(files) <= MOST_STUDY_FILES, files


def test_retired_names_are_nowhere():
    paths = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    for place in ("keras_medaug", "examples", "docs", "benchmarks"):
        paths += source_files(ROOT / place, TEXTS)
    kept = ROOT / "docs" / "results"  # which says how things were called when they were measured
    strays = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in paths
        if not path.is_relative_to(kept)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if RETIRED.search(line)
    ]
    assert not strays, "\n".join(strays)


@pytest.mark.parametrize(
    "line",
    [
        'print(len(list((out / "cells").iterdir())))', 'again["timing"]["seconds_in_cells"]',
        "from keras_medaug.players import Player", "model.players", "model.restart(seed=1)",
        "kma.study.correct(p)", 'warning["guard"]', 'config["cells"]', "out/<set>/cells/",
        "the folder ``cells`` holds the work", "the folder `cells`",
    ],
)  # fmt: skip
def test_a_retired_name_is_seen(line):
    assert RETIRED.search(line)


@pytest.mark.parametrize("line", ["cells = []", '["basal cell carcinoma"]', "cells.append(1)"])
def test_other_uses_of_the_word_are_no_retired_names(line):
    assert not RETIRED.search(line)


def test_few_names_say_nothing():
    counts = {}
    for path in python_files():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if count := len(list(bindings(tree, EMPTY_NAMES))):
            counts[str(path.relative_to(ROOT))] = count
    assert sum(counts.values()) <= MOST_EMPTY_NAMES, counts


def test_the_files_on_the_way_to_a_verdict_are_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## From file to verdict\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([\w/]+\.py)`", section))
    assert len(named) > 10
    assert not [name for name in named if not (PACKAGE / name).is_file()]


def test_all_places_have_files():
    parts = {path.relative_to(ROOT).parts[0] for path in python_files()}
    assert parts == set(PLACES)


def test_a_long_file_is_seen(tmp_path):
    for count in (MOST_LINES, MOST_LINES + 1):
        (tmp_path / f"{count}.py").write_text("x = 1\n" * count, encoding="utf-8")
    assert too_long(tmp_path.glob("*.py")) == {"451.py": 451}


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("for each in x: pass", 1),
        ("[each for each in x]", 1),
        ("found = each = 1", 2),
        ("found += 1", 1),
        ("def f(each, *, found=None): pass", 2),
        ("lambda each: each", 1),
        ("with open(x) as found: pass", 1),
        ("if (found := f()): pass", 1),
        ("for name, (each, y) in x: pass", 1),
        ("print(each, found)", 0),
        ("x.found = 1", 0),
        ("f(each=1)", 0),
        ("for reached, founded in x: pass", 0),
        ("'for each in found'", 0),
    ],
)
def test_a_name_that_says_nothing_is_seen(code, count):
    assert len(list(bindings(ast.parse(code), EMPTY_NAMES))) == count

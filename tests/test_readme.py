"""The README's promises that a test can check."""

import ast
import contextlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from helpers.needs import needs

README = Path(__file__).parents[1] / "README.md"


def blocks(language):
    """Return the code blocks in a language."""
    text = README.read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def replaced(code, text, other):
    """Return code with another text in the one place where the text stands."""
    assert code.count(text) == 1
    return code.replace(text, other)


@pytest.mark.one_backend  # the calls have tests of their own on each
def test_the_lines_of_use_run(tmp_path, monkeypatch):
    image = needs("PIL.Image")
    monkeypatch.chdir(tmp_path)
    for number in range(60):
        path = tmp_path / "scans" / ("benign", "malignant")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.fromarray(np.full((40, 50), 4 * number, "uint8")).save(path)
    train, make, card, *_ = blocks("python")
    # whether they run is the question
    shorter_train = replaced(train, "epochs=250", "epochs=1")
    shorter_card = replaced(card, "labels=labels)", "labels=labels, classifier_steps=2)")
    names, folders = {}, set()
    for _ in ("once", "again, in the same folder and session"):
        exec(compile(shorter_train, f"{README}, train", "exec"), {})
        assert (tmp_path / "flow.keras").is_file()
        exec(compile(make, f"{README}, make", "exec"), names)
        assert names["images"].shape == (200, 32, 32, 1)
        exec(compile(shorter_card, f"{README}, card", "exec"), names)
        folder = names["folder"]
        files = {path.name for path in folder.iterdir()}
        assert files == {"made.npz", "made.json", "made.png", "card"}
        record = json.loads((folder / "made.json").read_text())
        assert record["copy_audit"]["count"] == 200
        assert (folder / "card" / "model_card.html").is_file()
        folders.add(folder)
    assert len(folders) == 2  # the first was not written over


@pytest.mark.one_backend
def test_the_lines_of_a_study_run(tmp_path, monkeypatch):
    """In small, and in this process: whether they run is the question."""
    monkeypatch.chdir(tmp_path)
    *_, study = blocks("python")
    smaller = {
        '"breastmnist"': '"phantom", size=8, train=40, val=20, test=20',
        "kma.study.Workers(2)": "nullcontext()",
        '"seeds": 2, "steps": 200, "generator_steps": 200': '"seeds": 1, "steps": 1, '
        '"generator_steps": 1',
    }
    for text, other in smaller.items():
        study = replaced(study, text, other)
    names = {"__name__": "__main__", "nullcontext": contextlib.nullcontext}
    for _ in ("once", "again, in the same folder and session"):
        exec(compile(study, f"{README}, study", "exec"), names)
    files = {path.name for path in (tmp_path / "study-short").iterdir()}
    assert {"report.md", "results.json"} <= files


def test_links_lead_somewhere():
    targets = re.findall(r"\]\(([^)#:]+)\)", README.read_text(encoding="utf-8"))
    assert "docs/_static/overview.png" in targets
    missing = [target for target in targets if not (README.parent / target).exists()]
    assert not missing


def noxfile():
    """Return the syntax tree of the noxfile."""
    return ast.parse((README.parent / "noxfile.py").read_text(encoding="utf-8"))


def test_continuous_integration_runs_every_default_session_once():
    (default,) = (
        ast.literal_eval(node.value)
        for node in noxfile().body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "nox.options.sessions"
    )
    script = (README.parent / ".ci" / "run").read_text(encoding="utf-8")
    runs = re.findall(r"^nox -s ([a-z_ ]+)", script, flags=re.MULTILINE)
    assert len(runs) == 2
    assert sorted(" ".join(runs).split()) == sorted(default)


def test_contributors_read_of_every_session():
    tree = noxfile()
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    sessions = {
        node.name
        for node in functions
        if any(ast.unparse(wrapper).startswith("nox.session") for wrapper in node.decorator_list)
    }
    text = (README.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert set(re.findall(r'^\| `nox -s "?(\w+)', text, flags=re.MULTILINE)) == sessions


def test_the_table_of_the_examples_names_all_files_of_the_reproduction():
    text = (README.parent / "examples" / "README.md").read_text(encoding="utf-8")
    table = text.partition("| file in `reproduction/`")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+\.py)`", table))
    modules = {path.name for path in (README.parent / "examples" / "reproduction").glob("*.py")}
    assert named == modules - {"__init__.py"}


def test_the_commands_name_what_is_there():
    commands = "\n".join(blocks("console"))
    scripts = re.findall(r"python (\S+\.py)", commands)
    assert scripts
    for script in scripts:
        assert (README.parent / script).is_file()

"""What a release rests on: one version, a changelog and a citation that fit it, and refusals."""

import ast
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSION_FILE = Path("keras_medaug/_version.py")
VERSION = runpy.run_path(str(ROOT / VERSION_FILE))["__version__"]
FOLDERS = ("keras_medaug", "examples", "benchmarks", "docs", "tools")

sys.path.insert(0, str(ROOT / "tools"))
import release  # noqa: E402

from helpers.source_files import source_files  # noqa: E402

pytestmark = pytest.mark.backend_free


def read(name, root=ROOT):
    return (root / name).read_text(encoding="utf-8")


def python_files():
    files = [path for folder in FOLDERS for path in source_files(ROOT / folder, {".py"})]
    return [*files, *ROOT.glob("*.py")]


# ---- one version ----------------------------------------------------------------------------


def test_the_version_is_written_in_one_place():
    places = [
        path.relative_to(ROOT)
        for path in python_files()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value == VERSION
    ]
    assert places == [VERSION_FILE]


def test_the_project_and_the_citation_state_no_version():
    assert "version" in PROJECT["dynamic"]
    assert "version" not in PROJECT
    keys = set(re.findall(r"^([\w-]+):", read("CITATION.cff"), re.MULTILINE))
    assert not keys & {"version", "date-released"}
    assert VERSION not in read("CITATION.cff")


def test_the_changelog_begins_with_the_version():
    heading, body = release.read_changelog(ROOT)[0]
    base, dev, _ = VERSION.partition(".dev")
    dated = rf"{re.escape(base)} - \d{{4}}-\d\d-\d\d"
    assert re.fullmatch(rf"Unreleased \({re.escape(base)}\)" if dev else dated, heading)
    assert body


# ---- what is cited and installed -------------------------------------------------------------


def test_the_citation_says_what_the_project_says():
    # `nox -s build` reads it as YAML
    top = dict(re.findall(r"^([\w-]+): (.+)$", read("CITATION.cff"), re.MULTILINE))
    assert top["cff-version"] == "1.2.0"
    assert top["title"] == PROJECT["name"]
    assert top["license"] == PROJECT["license"]
    assert f"  - name: {PROJECT['authors'][0]['name']}\n" in read("CITATION.cff")


def test_the_extras_that_are_named_exist():
    places = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *source_files(ROOT / "docs", {".md"})]
    texts = [path.read_text(encoding="utf-8") for path in (*places, *python_files())]
    extras = re.findall(r"(?:keras-medaug|-e \"?\.|extra `)\[([a-z,]+)\]", "\n".join(texts))
    named = {name for names in extras for name in names.split(",")}
    assert {"jax", "plot", "images", "medmnist", "reproduce"} <= named
    assert named <= set(PROJECT["optional-dependencies"])


# ---- refusals -------------------------------------------------------------------------------

CHANGELOG = (
    "# Changelog\n\n## 1.2.0 - 2026-02-03\n\n### Added\n- More.\n\n## 1.1.0 - 2026-01-01\n- x\n"
)


def git(root, *arguments):
    who = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org"]
    plain = ["-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false"]
    command = ["git", "-C", str(root), *who, *plain, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Return a checkout from which 1.2.0 can be released."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):  # set where a hook runs the tests
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "checkout"
    (root / "keras_medaug").mkdir(parents=True)
    (root / VERSION_FILE).write_text('__version__ = "1.2.0"\n')
    (root / "CHANGELOG.md").write_text(CHANGELOG)
    (root / ".gitignore").write_text("/dist/\n")
    git(root, "init", "--quiet")
    commit(root)
    return root


def commit(root):
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "all")


def test_a_checkout_that_is_ready_is_let_through(checkout):
    assert release.problems(checkout) == []
    assert release.check(checkout) == "1.2.0"


def test_the_files_are_staged_and_the_rest_is_left_to_the_user(checkout, tmp_path):
    made = [tmp_path / "a.whl", tmp_path / "a.tar.gz"]
    for path in made:
        path.write_bytes(path.name.encode())
    before = git(checkout, "status", "--porcelain"), git(checkout, "tag")
    commands = release.stage([str(path) for path in made], checkout)
    assert {path.name for path in (checkout / "dist").iterdir()} == {
        "a.whl", "a.tar.gz", "RELEASE_NOTES.md",
    }  # fmt: skip
    assert (checkout / "dist/a.whl").read_bytes() == b"a.whl"
    assert read("dist/RELEASE_NOTES.md", checkout) == "### Added\n- More.\n"
    assert (git(checkout, "status", "--porcelain"), git(checkout, "tag")) == before
    head = git(checkout, "rev-parse", "HEAD").strip()
    tag, push, upload, *_ = commands.splitlines()
    assert tag == f'git tag --annotate v1.2.0 --message "keras-medaug 1.2.0" {head}'
    assert push == "git push origin v1.2.0"
    assert upload == "python -m twine upload dist/a.whl dist/a.tar.gz"


@pytest.mark.parametrize("name", ["CHANGELOG.md", "notes.txt"])
def test_a_changed_work_tree_is_refused(checkout, name):
    with (checkout / name).open("a") as file:
        file.write("more\n")
    with pytest.raises(release.RefusedError, match=rf"not clean:\n.*{re.escape(name)}"):
        release.check(checkout)


@pytest.mark.parametrize("version", ["1.2.0.dev0", "1.2.0rc1", "1.2", "v1.2.0"])
def test_a_version_that_is_no_release_is_refused(checkout, version):
    (checkout / VERSION_FILE).write_text(f'__version__ = "{version}"\n')
    commit(checkout)
    with pytest.raises(release.RefusedError, match=rf"the version is {re.escape(version)};"):
        release.check(checkout)


def test_a_tag_of_that_name_is_refused(checkout):
    git(checkout, "tag", "v1.1.0")
    assert release.problems(checkout) == []
    git(checkout, "tag", "v1.2.0")
    with pytest.raises(release.RefusedError, match=r"a tag v1\.2\.0 already"):
        release.check(checkout)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("## 1.2.0 - 2026-02-03", "## Unreleased (1.2.0)", r"begins with 'Unreleased \(1.2.0\)'"),
        ("## 1.2.0 - 2026-02-03", "## 1.2.0", "begins with '1.2.0'"),
        ("## 1.2.0 - 2026-02-03", "## 1.2.0 - 3 February", "begins with '1.2.0 - 3 February'"),
        ("## 1.2.0", "## Unreleased\n\n## 1.2.0", "begins with 'Unreleased'"),
        ("1.2.0", "1.3.0", "begins with '1.3.0 - 2026-02-03'; expected '1.2.0 - YYYY-MM-DD'"),
        ("2026-02-03", "2026-02-30", "2026-02-30 is no date"),
        ("### Added\n- More.\n", "", r"says nothing about 1\.2\.0"),
        (CHANGELOG, "# Changelog\n", "begins with 'nothing'"),
    ],
)
def test_a_changelog_without_the_version_is_refused(checkout, old, new, problem):
    (checkout / "CHANGELOG.md").write_text(CHANGELOG.replace(old, new))
    commit(checkout)
    with pytest.raises(release.RefusedError, match=problem):
        release.check(checkout)


def test_all_that_is_wrong_is_said_at_once(checkout):
    git(checkout, "tag", "v1.2.0")
    (checkout / "CHANGELOG.md").write_text("# Changelog\n")
    assert len(release.problems(checkout)) == 3


def test_nothing_is_staged_where_there_is_a_problem(checkout, tmp_path):
    (tmp_path / "a.whl").touch()
    git(checkout, "tag", "v1.2.0")
    with pytest.raises(release.RefusedError):
        release.stage([str(tmp_path / "a.whl")], checkout)
    assert not (checkout / "dist").exists()


def test_no_repository_and_no_git_are_refused(checkout, monkeypatch):
    shutil.rmtree(checkout / ".git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(checkout.parent))
    with pytest.raises(release.RefusedError, match="not a git repository"):
        release.check(checkout)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(release.RefusedError, match="git is not installed"):
        release.check(checkout)


def test_the_command_says_so_by_its_exit_code(checkout, capsys):
    assert release.main(["check"], checkout) == 0
    assert "1.2.0 can be released" in capsys.readouterr().out
    git(checkout, "tag", "v1.2.0")
    assert release.main(["check"], checkout) == 1
    assert release.main(["stage", "a.whl"], checkout) == 1
    assert "a tag v1.2.0 already" in capsys.readouterr().err
    assert release.main(["stage"], checkout) == 2
    assert "release.py check" in capsys.readouterr().err

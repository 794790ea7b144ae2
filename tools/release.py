"""What a release has to fulfil, and what it says. `nox -s release` runs it; it tags nothing.

    python tools/release.py check              refuse, with all reasons, or name the version
    python tools/release.py stage FILE ...     put checked distributions and notes into dist/

Both ask only this checkout and its git.
"""

import datetime as dt
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOTES = "RELEASE_NOTES.md"
DATED = re.compile(r"(?P<version>\S+) - (?P<date>\d{4}-\d{2}-\d{2})")


class RefusedError(Exception):
    """There is to be no release; the message says why."""


def git(root: Path, *arguments: str) -> str:
    """Return what a git command prints.

    Raises:
        RefusedError: If git is missing, or fails.
    """
    command = ["git", "-C", str(root), *arguments]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise RefusedError("git is not installed") from error
    except subprocess.CalledProcessError as error:
        raise RefusedError(f"git {arguments[0]}: {error.stderr.strip()}") from error
    return run.stdout.strip()


def read_version(root: Path) -> str:
    """Return the version, from the one place where it is written."""
    return str(runpy.run_path(str(root / "keras_medaug" / "_version.py"))["__version__"])


def read_changelog(root: Path) -> list[tuple[str, str]]:
    """Return the changelog's sections, newest first: heading and text of each."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    _, *parts = re.split(r"^## ", text, flags=re.MULTILINE)
    split = [part.partition("\n") for part in parts]
    return [(heading.strip(), body.strip()) for heading, _, body in split]


def problems(root: Path = ROOT) -> list[str]:
    """Return what stands in the way of a release; nothing is changed.

    Raises:
        RefusedError: If git cannot be asked.
    """
    version = read_version(root)
    reasons = []
    if changed := git(root, "status", "--porcelain"):
        reasons.append(f"the work tree is not clean:\n{changed}")
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        return [
            *reasons,
            f"the version is {version}; a release has X.Y.Z (keras_medaug/_version.py)",
        ]
    if git(root, "tag", "--list", tag_of(version)):
        reasons.append(f"there is a tag {tag_of(version)} already")
    return reasons + changelog_problems(root, version)


def changelog_problems(root: Path, version: str) -> list[str]:
    """Return what is wrong with the changelog for a release of a version."""
    sections = read_changelog(root)
    heading, body = sections[0] if sections else ("nothing", "")
    match = DATED.fullmatch(heading)
    if match is None or match["version"] != version:
        return [f"CHANGELOG.md begins with {heading!r}; expected '{version} - YYYY-MM-DD'"]
    try:
        dt.date.fromisoformat(match["date"])
    except ValueError:
        return [f"CHANGELOG.md: {match['date']} is no date"]
    return [] if body else [f"CHANGELOG.md says nothing about {version}"]


def tag_of(version: str) -> str:
    """Return the name of a version's tag."""
    return f"v{version}"


def check(root: Path = ROOT) -> str:
    """Return the version to be released.

    Raises:
        RefusedError: If there is to be no release, with all that stands in its way.
    """
    if reasons := problems(root):
        raise RefusedError("\n".join(f"- {problem}" for problem in reasons))
    return read_version(root)


def stage(distributions: Sequence[str], root: Path = ROOT) -> str:
    """Copy distributions to `dist/`, write the notes beside them, return the commands that follow.

    Raises:
        RefusedError: If there is to be no release.
    """
    version = check(root)
    folder = root / "dist"
    folder.mkdir(exist_ok=True)
    names = [Path(shutil.copy2(path, folder)).name for path in distributions]
    (folder / NOTES).write_text(read_changelog(root)[0][1] + "\n", encoding="utf-8")
    tag, commit = tag_of(version), git(root, "rev-parse", "HEAD")
    return "\n".join(
        [
            f'git tag --annotate {tag} --message "keras-medaug {version}" {commit}',
            f"git push origin {tag}",
            f"python -m twine upload {' '.join(f'dist/{name}' for name in names)}",
            f"# The notes of the release are in dist/{NOTES}. Then begin the next version:",
            "# X.Y.Z.dev0 in keras_medaug/_version.py, 'Unreleased (X.Y.Z)' in CHANGELOG.md.",
        ]
    )


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Run a command; return the exit code."""
    try:
        match arguments:
            case ["check"]:
                print(f"{check(root)} can be released.")
            case ["stage", *distributions] if distributions:
                commands = stage(distributions, root)
                print(f"Nothing is tagged or uploaded yet. What is left:\n\n{commands}")
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except RefusedError as error:
        print(f"No release:\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

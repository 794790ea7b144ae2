"""The README's promises that a test can check."""

import functools
import re
from pathlib import Path

import keras_medaug as kma

README = Path(__file__).parents[1] / "README.md"


def blocks(language):
    """Return the code blocks in a language."""
    text = README.read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_lines_of_use_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # a smaller set than the README's readers get: one epoch is to take seconds
    monkeypatch.setattr(kma.datasets, "load", functools.partial(kma.datasets.load, train=64))
    (code,) = blocks("python")
    names = {}
    exec(compile(code, str(README), "exec"), names)
    assert names["images"].shape == (9, *names["data"].image_shape)
    assert (tmp_path / "vaegan.keras").is_file()


def test_the_commands_name_what_is_there():
    commands = "\n".join(blocks("console"))
    scripts = re.findall(r"python (\S+\.py)", commands)
    assert scripts
    for script in scripts:
        assert (README.parent / script).is_file()

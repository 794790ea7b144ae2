"""One piece of a study's work: a function of its configuration, whose result is stored once.

A task's folder is named after a hash of its configuration: of the data, by MD5, of the settings,
the seed, the versions and the machine's kind. Its `result.json` is written last, so a task that has
one is done, for every study that asks for it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_medaug.provenance import digest
from keras_medaug.study.arm import Function


@dataclass(frozen=True)
class Task:
    """One piece of work: its kind, all that its result depends on, and where that is kept.

    Args:
        kind: `"classifier"`, `"generator"` or `"audit"`.
        config: All that the result depends on.
        store: Folder of all tasks.
        function: The user's function of an arm of their own, or `None`.
        needs: The task whose images are used, or `None`.

    Example:

    >>> from pathlib import Path
    >>> from keras_medaug.study.task import Task
    >>> Task("audit", {"seed": 0}, Path("tasks")).done
    False
    """

    kind: str
    config: dict[str, Any]
    store: Path
    function: Function | None = None
    needs: "Task | None" = None

    @property
    def key(self) -> str:
        """The name of its folder."""
        words = [self.config.get("arm") or self.config.get("method"), self.config.get("seed")]
        named = [self.kind, *(str(word).replace("+", "-") for word in words if word is not None)]
        return "-".join([*named, digest(self.config)])

    @property
    def folder(self) -> Path:
        """Where its result is kept."""
        return self.store / self.key

    @property
    def done(self) -> bool:
        """Whether the result is there."""
        return (self.folder / "result.json").is_file()

    @property
    def steps(self) -> int:
        """How many training steps it takes."""
        return int(self.config.get("training", {}).get("steps", 1))

    def result(self) -> dict[str, Any]:
        """Return the stored result."""
        return json.loads((self.folder / "result.json").read_text(encoding="utf-8"))

    def images(self) -> tuple[NDArray, NDArray]:
        """Return the stored images, `uint8`, and their labels."""
        with np.load(self.folder / "images.npz", allow_pickle=False) as file:
            return file["images"], file["labels"]

    def has_images(self) -> bool:
        """Tell whether the images are there, which a store that is passed on may leave out."""
        return (self.folder / "images.npz").is_file()

"""One piece of work of a long job: a function of its configuration, whose result is stored once."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_medaug.provenance import digest


@dataclass(frozen=True)
class Task:
    """One piece of work: all that its result depends on, what does it, and where that is kept.

    The folder of a task is named after a hash of its configuration: of the data, by MD5, of the
    settings, the seed, the versions and the machine's kind. `result.json` is written last. A task
    that has one is done, for every job that asks for it.

    Args:
        kind: Its kind. It is part of the random seed that the work starts from.
        config: All that the result depends on, as JSON can hold it. The engine reads `environment`,
            where the work has to run, and `seed`, by default 0.
        store: Folder of all tasks.
        work: A function `work(task, data, report)` that returns what `result.json` is to hold.
            Worker processes import it, so it stands at the top of a module, or is a
            `functools.partial` of such a function.
        needs: Tasks that have to be done before, by what they are to this one.
        files: Files in its folder that tasks which need it read.
        name: First words of the folder's name; default `kind`.
        label: What progress shows of it; default `name`.
        seconds: About how long it takes, before any has been measured.
        speed: What tasks of one speed have in common; default `kind`.

    Example:

    >>> from pathlib import Path
    >>> from keras_medaug.study.task import Task
    >>> Task("count", {"seed": 0}, Path("tasks"), lambda task, data, report: {}).done
    False
    """

    kind: str
    config: dict[str, Any]
    store: Path
    work: Callable[..., dict[str, Any]]
    needs: Mapping[str, Task] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    name: str = ""
    label: str = ""
    seconds: float = 1.0
    speed: Hashable = None

    @property
    def key(self) -> str:
        """The name of its folder."""
        return f"{self.name or self.kind}-{digest(self.config)}"

    @property
    def folder(self) -> Path:
        """Where its result is kept."""
        return self.store / self.key

    @property
    def done(self) -> bool:
        """Whether the result is there."""
        return (self.folder / "result.json").is_file()

    @property
    def has_files(self) -> bool:
        """Whether its files are there, which a store that is passed on may leave out."""
        return all((self.folder / name).is_file() for name in self.files)

    def result(self) -> dict[str, Any]:
        """Return the stored result."""
        return json.loads((self.folder / "result.json").read_text(encoding="utf-8"))

    def arrays(self) -> dict[str, NDArray]:
        """Return the stored arrays of `images.npz`, by name."""
        with np.load(self.folder / "images.npz", allow_pickle=False) as file:
            return dict(file)


def packed(array: NDArray) -> dict[str, Any]:
    """Return an array as JSON can hold it, without loss: `float32`, little-endian, base64.

    Args:
        array: Numbers.

    Returns:
        `{"shape", "float32"}`.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.task import packed, unpacked
    >>> unpacked(packed(np.float32([[0.1, 0.9]]))).tolist()
    [[0.10000000149011612, 0.8999999761581421]]
    """
    content = np.ascontiguousarray(array, "<f4").tobytes()
    return {"shape": list(array.shape), "float32": base64.b64encode(content).decode("ascii")}


def unpacked(content: Mapping[str, Any]) -> NDArray[np.float32]:
    """Return the array that `packed` made JSON of.

    Args:
        content: What `packed` returned.

    Returns:
        The array.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.task import packed, unpacked
    >>> unpacked(packed(np.zeros((2, 3)))).shape
    (2, 3)
    """
    numbers = np.frombuffer(base64.b64decode(content["float32"]), "<f4")
    return numbers.reshape(content["shape"])

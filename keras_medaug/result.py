"""The dictionaries that public functions return, short where they are shown."""

from collections.abc import Callable, Mapping, Sized
from functools import wraps
from typing import Any, ParamSpec, TypeVar

WHOLE = 400  # characters, up to which a dictionary is shown as it is
WIDTH = 60  # characters of a value, beyond which it is shortened

P = ParamSpec("P")
Key = TypeVar("Key")


class Result(dict):
    """A dictionary that does not flood a notebook.

    It is a `dict` in all but how it is shown: where that would take more than 400 characters, each
    key takes a line, and long values are shortened. `dict(result)` shows everything, and so does
    `print(json.dumps(result, indent=1))`.

    Args:
        content: What it holds. Dictionaries inside become results as well.

    Example:

    >>> from keras_medaug.result import Result
    >>> Result({"auc": 0.5, "values": [1, 2, 3]})
    {'auc': 0.5, 'values': [1, 2, 3]}
    >>> Result({"auc": 0.5, "values": list(range(500)), "by_class": dict.fromkeys(range(99), 0.5)})
    {'auc': 0.5,
     'values': [500 values],
     'by_class': {99 keys}}
    """

    def __init__(self, content: Mapping[Any, Any]) -> None:
        super().__init__({
            key: Result(value) if type(value) is dict else value for key, value in content.items()
        })  # fmt: skip

    def __repr__(self) -> str:
        whole = super().__repr__()
        if len(whole) <= WHOLE:
            return whole
        return "{" + ",\n ".join(f"{key!r}: {_short(value)}" for key, value in self.items()) + "}"


def returns_result(function: Callable[P, dict[Key, Any]]) -> Callable[P, dict[Key, Any]]:
    """Let a function return its dictionary as a `Result`.

    Args:
        function: The function.

    Returns:
        A function of the same signature.

    Example:

    >>> from keras_medaug.result import returns_result
    >>> @returns_result
    ... def count():
    ...     return {"values": list(range(500))}
    >>> type(count()).__name__
    'Result'
    """

    @wraps(function)
    def returning(*args: P.args, **kwargs: P.kwargs) -> dict[Key, Any]:
        return Result(function(*args, **kwargs))

    return returning


def _short(value: Any) -> str:
    text = repr(dict(value)) if isinstance(value, dict) else repr(value)
    if len(text) <= WIDTH:
        return text
    if isinstance(value, dict):
        return f"{{{_counted(value, 'key')}}}"
    if isinstance(value, list | tuple):
        return f"[{_counted(value, 'value')}]"
    return f"{text[: WIDTH - 4]}...{text[-1]}"


def _counted(value: Sized, what: str) -> str:
    return f"{len(value)} {what}{'s' * (len(value) != 1)}"

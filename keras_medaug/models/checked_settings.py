"""Checks of settings that several models share."""

from keras_medaug.checks import check_positive, fail

ADVERSARIAL_FORMS = ("nonsaturating", "minimax")


def check_adversarial(form: str) -> str:
    """Return `form` if it names an adversarial objective, else raise `ValueError`."""
    if form not in ADVERSARIAL_FORMS:
        raise fail("adversarial", repr(form), "'nonsaturating' or 'minimax'")
    return form


def check_rate(dropout: float, argument: str = "dropout") -> float:
    """Return `dropout` if it is a dropout rate in [0, 1), else raise `ValueError`."""
    rate = check_positive(dropout, argument, zero=True)
    if rate >= 1:
        raise fail(argument, dropout, "a rate in [0, 1)")
    return rate


def check_size(value: int, argument: str) -> int:
    """Return `value` if it is an integer of 1 or more, else raise `ValueError`."""
    return check_positive(value, argument, integer=True)
